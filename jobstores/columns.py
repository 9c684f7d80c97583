"""Columns: long, plain arrays as Zarr v3 arrays over an object port.

Columns are a codec over objects, no primitive: a column is the objects
`PREFIX/NAME/zarr.json` and `PREFIX/NAME/c/0`, `c/1`, ..., and PREFIX and the levels
between are Zarr groups, so that any Zarr library opens them. Kinds:

======== ==================== ==========================================
kind     Zarr type, codec     data, as written and as read
======== ==================== ==========================================
"int"    int64, zstd          integers; NumPy int64 array
"float"  float64, zstd        numbers; NumPy float64 array
"bool"   bool, zstd           NumPy bool array
"string" string, zstd         list of text
"json"   string, zstd         list of values (see `jobstores.values`); with
                              `encoded`, of the JSON texts that stand for them
======== ==================== ==========================================

The zstd frames carry checksums, and every chunk is written, also one that consists of
the fill value: so damage and a missing chunk are noticed. Nothing written is durable
until the port's `sync_tree`. Importing this module imports neither Zarr nor NumPy.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Dict, Mapping, NamedTuple, Sequence, Tuple

from jobstores.errors import (
    AlreadyExistsError,
    CorruptError,
    JobStoreError,
    NotFoundError,
    UnstorableError,
)
from jobstores.keys import check_key, join

if TYPE_CHECKING:
    import zarr
    from numpy.typing import NDArray

    from jobstores.port import ObjectPort

CHUNK_ROWS = 100_000

_DTYPES = {
    "int": "int64",
    "float": "float64",
    "bool": "bool",
    "string": "string",
    "json": "string",
}
KINDS = tuple(_DTYPES)
_ACCEPTED = {"int": "iu", "float": "fiu", "bool": "b"}  # kinds of NumPy dtypes
_GROUP = b'{"zarr_format":3,"node_type":"group","attributes":{}}'

Column = Tuple[str, Any]


class ColumnRef(NamedTuple):
    """Where a column is, its kind and its number of rows."""

    key: str
    kind: str
    length: int

    def to_json(self) -> list[Any]:
        """The reference as JSON data."""
        return list(self)

    @classmethod
    def from_json(cls, data: Any) -> ColumnRef:
        """The reference that `to_json` made `data` of.

        Raises:
            ValueError: it is no such thing.
        """
        key, kind, length = data
        if kind not in KINDS or type(length) is not int or length < 0:
            raise ValueError(f"no reference to a column: {data!r:.100}")
        return cls(check_key(key), kind, length)


def write_column(
    port: ObjectPort,
    prefix: str,
    name: str,
    data: Any,
    kind: str,
    *,
    chunk_rows: int = CHUNK_ROWS,
    encoded: bool = False,
) -> ColumnRef:
    """Write one column; `name` may have parts ("runs/state").

    Raises:
        UnstorableError: `data` is not of the kind.
        AlreadyExistsError: there is such a column.
    """
    columns = {name: (kind, data)}
    return write_columns(port, prefix, columns, chunk_rows=chunk_rows, encoded=encoded)[
        name
    ]


def write_columns(
    port: ObjectPort,
    prefix: str,
    columns: Mapping[str, Column],
    *,
    chunk_rows: int = CHUNK_ROWS,
    encoded: bool = False,
) -> Dict[str, ColumnRef]:
    """Write columns, given as kind and data by name, below one group."""
    _write_groups(port, prefix, columns)
    return {
        name: _write_array(
            port, join(prefix, name), _array(name, kind, data, encoded), kind, chunk_rows
        )
        for name, (kind, data) in columns.items()
    }


def read_column(port: ObjectPort, ref: ColumnRef, *, encoded: bool = False) -> Any:
    """A column's data: an array, or a list for the kinds "string" and "json".

    Raises:
        NotFoundError: there is no such column.
        CorruptError: it is damaged, a chunk is missing, or it is not what the
            reference says.
    """
    array = open_array(port, ref)
    try:
        data: Any = array[:]
    except JobStoreError:
        raise
    except Exception as error:
        raise _damaged(port, ref.key, f"its chunks can't be decoded: {error}") from error
    if _DTYPES[ref.kind] != "string":
        return data
    texts: list[str] = data.tolist()
    if ref.kind == "string" or encoded:
        return texts
    from jobstores import values

    return [values.loads(text) for text in texts]


def open_array(port: ObjectPort, ref: ColumnRef) -> zarr.Array[Any]:
    """A column as a Zarr array, which reads what is asked of it, when it is.

    Raises:
        NotFoundError, CorruptError: as for `read_column`.
    """
    import zarr

    from jobstores.zarr_adapter import PortStore

    try:
        array = zarr.open_array(
            PortStore(port, ref.key, read_only=True, whole=True), mode="r", zarr_format=3
        )
    except JobStoreError:
        raise
    except FileNotFoundError as error:
        raise NotFoundError(f"{port.locator}: there is no column {ref.key}") from error
    except Exception as error:
        raise _damaged(port, ref.key, f"its zarr.json: {error}") from error
    name = "string" if array.dtype.kind == "T" else array.dtype.name
    if (array.shape, name) != ((ref.length,), _DTYPES[ref.kind]):
        raise _damaged(
            port,
            ref.key,
            f"it is {name} of shape {array.shape};"
            f" {ref.length} rows of {_DTYPES[ref.kind]} were expected",
        )
    return array


def _damaged(port: ObjectPort, key: str, what: str) -> CorruptError:
    return CorruptError(f"{port.locator}: the column {key} is damaged: {what}")


def _write_groups(port: ObjectPort, prefix: str, names: Mapping[str, object]) -> None:
    """Make the prefix, and every level between it and a column, a Zarr group."""
    levels = {prefix}
    for name in names:
        parts = name.split("/")[:-1]
        levels.update(join(prefix, "/".join(parts[: n + 1])) for n in range(len(parts)))
    for level in sorted(levels):
        with suppress(AlreadyExistsError):  # written with an earlier column
            port.put(join(level, "zarr.json"), _GROUP, create=True, durable=False)


def _write_array(
    port: ObjectPort, key: str, data: NDArray[Any], kind: str, chunk_rows: int
) -> ColumnRef:
    import zarr
    from zarr.codecs import ZstdCodec
    from zarr.errors import ContainsArrayError

    from jobstores.zarr_adapter import PortStore

    try:
        array = zarr.create_array(
            PortStore(port, key),
            shape=data.shape,
            dtype=_DTYPES[kind],
            chunks=(max(1, min(chunk_rows, len(data))),),
            compressors=ZstdCodec(level=3, checksum=True),
            zarr_format=3,
            config={"write_empty_chunks": True},
        )
    except ContainsArrayError as error:
        raise AlreadyExistsError(
            f"{port.locator}: there is a column {key} already"
        ) from error
    if len(data):
        array[:] = data
    return ColumnRef(key, kind, len(data))


def _array(name: str, kind: str, data: Any, encoded: bool) -> NDArray[Any]:
    if kind not in KINDS:
        raise UnstorableError(
            f"{name}: no kind of column: {kind!r}; {', '.join(KINDS)} are"
        )
    if kind == "json" and not encoded:
        from jobstores import values

        data = [values.dumps(value, f"{name}[{row}]") for row, value in enumerate(data)]
    if _DTYPES[kind] == "string":
        return _texts(name, data)
    return _numbers(name, kind, data)


def _texts(name: str, data: Sequence[str]) -> NDArray[Any]:
    import numpy as np

    for row, text in enumerate(data):
        if not isinstance(text, str):
            raise UnstorableError(f"{name}[{row}]: text was expected, not {text!r:.80}")
    try:
        return np.array(data, dtype=np.dtypes.StringDType())
    except UnicodeEncodeError as error:
        raise UnstorableError(f"{name}: text that is not Unicode: {error}") from error


def _numbers(name: str, kind: str, data: Any) -> NDArray[Any]:
    import numpy as np

    try:
        array = np.asarray(data)
    except ValueError as error:
        raise UnstorableError(f"{name}: not a column of kind {kind!r}: {error}") from error
    if array.ndim != 1:
        raise UnstorableError(f"{name}: one dimension was expected, not {array.shape}")
    dtype = np.dtype(_DTYPES[kind])
    if array.dtype == dtype or not len(array):
        return array.astype(dtype, copy=False)
    result = array.astype(dtype) if array.dtype.kind in _ACCEPTED[kind] else None
    if result is None or not _same(array, result):
        raise UnstorableError(
            f"{name}: not a column of kind {kind!r}: values of dtype {array.dtype}"
            f" such as {array.tolist()[0]!r:.80}"
        )
    return result


def _same(before: NDArray[Any], after: NDArray[Any]) -> bool:
    """Whether a conversion of numbers lost nothing (float16 and float32 lose nothing)."""
    import numpy as np

    if before.dtype.kind == "f":
        return before.dtype.itemsize <= after.dtype.itemsize
    with np.errstate(invalid="ignore"):
        return np.array_equal(after.astype(before.dtype), before) and np.array_equal(
            after < 0, before < 0
        )
