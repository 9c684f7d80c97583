"""Columns: long, plain arrays over an object port, in one of two formats.

Columns are a codec over objects, no primitive: a column is objects below
`PREFIX/NAME`, as Zarr arrays (`jobstores.zarr_columns`), for analysis and archives, or
as lines of JSON (`jobstores.ndjson_columns`), for people who read them. A port says how
new ones are written, each reference how its own one was. Both give the same answers:

======== ========================================================
kind     data, as written and as read
======== ========================================================
"int"    integers of 64 bits; NumPy int64 array
"float"  numbers; NumPy float64 array
"bool"   NumPy bool array
"string" list of text
"json"   list of values (see `jobstores.values`); with `encoded`,
         of the JSON texts that stand for them
======== ========================================================

Damage, and a chunk that is missing, are noticed. Nothing written is durable until the
port's `sync_tree`. Importing this module imports neither Zarr nor NumPy.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Dict, Mapping, NamedTuple, Optional, Tuple

from jobstores import ndjson_columns, zarr_columns
from jobstores.backends.many import at_once, map_many
from jobstores.column_kinds import KINDS, fitted
from jobstores.errors import UnsupportedError
from jobstores.keys import check_key, join

if TYPE_CHECKING:
    import zarr

    from jobstores.port import ObjectPort

__all__ = [
    "CHUNK_ROWS",
    "FIRST_OBJECTS",
    "FORMATS",
    "KINDS",
    "ColumnRef",
    "columns_at_once",
    "open_array",
    "read_column",
    "write_column",
    "write_columns",
]

CHUNK_ROWS = 100_000
ZARR = "zarr"
NDJSON = "ndjson"
FORMATS = (ZARR, NDJSON)
FIRST_OBJECTS = (zarr_columns.FIRST_OBJECT, ndjson_columns.FIRST_OBJECT)
"""A column is removed by first removing the object of this name: to a late reader it is
gone then, and not damaged."""

_READERS = {ZARR: zarr_columns.read, NDJSON: ndjson_columns.read}

_WHOLE_COLUMNS = 4  # in memory at a time, each with many chunks under way

Column = Tuple[str, Any]


class ColumnRef(NamedTuple):
    """Where a column is, its kind, its number of rows, and its format."""

    key: str
    kind: str
    length: int
    format: str = ZARR

    def to_json(self) -> list[Any]:
        """The reference as JSON data; the format is left out where it is "zarr"."""
        return list(self[:3] if self.format == ZARR else self)

    @classmethod
    def from_json(cls, data: Any) -> ColumnRef:
        """The reference that `to_json` made `data` of.

        Raises:
            ValueError: it is no such thing.
        """
        key, kind, length, *rest = data
        ref = cls(check_key(key), kind, length, *rest)
        if (
            kind not in KINDS
            or ref.format not in FORMATS
            or type(length) is not int
            or length < 0
        ):
            raise ValueError(f"no reference to a column: {data!r:.100}")
        return ref


def columns_at_once(*ports: ObjectPort) -> int:
    """How many whole columns to work on at once, where each is in memory meanwhile."""
    return min(_WHOLE_COLUMNS, at_once(*ports))


def write_column(
    port: ObjectPort,
    prefix: str,
    name: str,
    data: Any,
    kind: str,
    *,
    chunk_rows: int = CHUNK_ROWS,
    encoded: bool = False,
    column_format: Optional[str] = None,
    compression: Optional[Mapping[str, Any]] = None,
) -> ColumnRef:
    """Write one column; `name` may have parts ("runs/state").

    Raises:
        UnstorableError: `data` is not of the kind.
        AlreadyExistsError: there is such a column.
    """
    return write_columns(
        port,
        prefix,
        {name: (kind, data)},
        chunk_rows=chunk_rows,
        encoded=encoded,
        column_format=column_format,
        compression=compression,
    )[name]


def write_columns(
    port: ObjectPort,
    prefix: str,
    columns: Mapping[str, Column],
    *,
    chunk_rows: int = CHUNK_ROWS,
    encoded: bool = False,
    column_format: Optional[str] = None,
    compression: Optional[Mapping[str, Any]] = None,
) -> Dict[str, ColumnRef]:
    """Write columns, given as kind and data by name, below one prefix.

    column_format: "zarr" or "ndjson"; the port's own unless given.
    compression: of Zarr arrays, `{"compressor": NAME, "compressor_kwargs": {...}}`, see
        `zarr_columns.codecs`; lines of JSON are never compressed.
    """
    layout = column_format or port.column_format
    if layout == ZARR:
        write: Any = partial(zarr_columns.write, compression=compression)
    else:
        write = ndjson_columns.write
    if layout == ZARR:
        zarr_columns.write_groups(port, prefix, columns)

    def write_one(name: str) -> Tuple[str, ColumnRef]:
        kind, data = columns[name]
        rows = fitted(name, kind, data, encoded=encoded)
        ref = ColumnRef(join(prefix, name), kind, len(rows), layout)
        write(port, ref.key, kind, rows, chunk_rows)
        return name, ref

    return dict(map_many(at_once(port), write_one, columns))


def read_column(port: ObjectPort, ref: ColumnRef, *, encoded: bool = False) -> Any:
    """A column's data: an array, or a list for the kinds "string" and "json".

    Raises:
        NotFoundError: there is no such column.
        CorruptError: it is damaged, a chunk is missing, or it is not what the
            reference says.
    """
    data = _READERS[ref.format](port, ref.key, ref.kind, ref.length)
    if ref.kind != "json" or encoded:
        return data
    from jobstores import values

    return [values.loads(text) for text in data]


def open_array(port: ObjectPort, ref: ColumnRef) -> zarr.Array[Any]:
    """A column as a Zarr array, which reads what is asked of it, when it is.

    Raises:
        NotFoundError, CorruptError: as for `read_column`.
        UnsupportedError: it is of another format.
    """
    if ref.format != ZARR:
        raise UnsupportedError(
            f"{port.locator}: the column {ref.key} is lines of JSON, no Zarr array: "
            "read it as a whole, or copy the store to one of the kind zarr:"
        )
    return zarr_columns.open_array(port, ref.key, ref.kind, ref.length)
