"""A column as a Zarr v3 array, which any Zarr library opens.

A column is the objects `KEY/zarr.json` and `KEY/c/0`, `KEY/c/1`, ...; the levels above
it are Zarr groups. Numbers are `int64`, `float64` and `bool`, texts `string`. Chunks
carry checksums, and every chunk is written, also one that consists of the fill
value: so damage and a missing chunk are noticed.

Importing this module imports neither Zarr nor NumPy.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Dict, Iterable, Mapping, Optional, Tuple

from jobstores.backends.many import at_once, map_many
from jobstores.column_kinds import DTYPES, damaged, is_text
from jobstores.errors import AlreadyExistsError, JobStoreError, NotFoundError
from jobstores.keys import join

if TYPE_CHECKING:
    import zarr

    from jobstores.port import ObjectPort

FIRST_OBJECT = "zarr.json"  # while it is gone, the column is
SHUFFLES = ("noshuffle", "shuffle", "bitshuffle")  # by the numbers of c-blosc
_GROUP = b'{"zarr_format":3,"node_type":"group","attributes":{}}'


def write_groups(port: ObjectPort, prefix: str, names: Iterable[str]) -> None:
    """Make the prefix, and every level between it and a column, a Zarr group."""
    levels = {prefix}
    for name in names:
        parts = name.split("/")[:-1]
        levels.update(join(prefix, "/".join(parts[: n + 1])) for n in range(len(parts)))

    def write_group(level: str) -> None:
        with suppress(AlreadyExistsError):  # written with an earlier column
            port.put(join(level, FIRST_OBJECT), _GROUP, create=True, durable=False)

    for _ in map_many(at_once(port), write_group, sorted(levels)):
        pass


def codecs(compression: Optional[Mapping[str, Any]]) -> Tuple[Any, ...]:
    """What chunks go through: a compressor, and a checksum where that has none.

    compression: `compressor`, "zstd" (the default), "gzip", "blosc" or None, and
        `compressor_kwargs`, which are Zarr's.
    """
    from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ZstdCodec

    given = dict(compression or {})
    options = dict(given.get("compressor_kwargs") or {})
    name = given.get("compressor", "zstd")
    if name == "zstd":
        return (ZstdCodec(**{"level": 3, **options, "checksum": True}),)
    if name is None:
        return (Crc32cCodec(),)
    if isinstance(options.get("shuffle"), int):
        options["shuffle"] = SHUFFLES[options["shuffle"]]
    known: Dict[str, Any] = {"gzip": GzipCodec, "blosc": BloscCodec}
    return (known[name](**options), Crc32cCodec())


def write(
    port: ObjectPort,
    key: str,
    kind: str,
    data: Any,
    chunk_rows: int,
    *,
    compression: Optional[Mapping[str, Any]] = None,
) -> None:
    """Write rows that fit the kind.

    Raises:
        AlreadyExistsError: there is such an array.
    """
    import zarr
    from zarr.errors import ContainsArrayError

    from jobstores.zarr_adapter import PortStore

    if is_text(kind):
        import numpy as np

        data = np.array(data, dtype=np.dtypes.StringDType())
    try:
        array = zarr.create_array(
            PortStore(port, key),
            shape=data.shape,
            dtype=DTYPES[kind],
            chunks=(max(1, min(chunk_rows, len(data))),),
            compressors=codecs(compression),
            zarr_format=3,
            config={"write_empty_chunks": True},
        )
    except ContainsArrayError as error:
        raise AlreadyExistsError(
            f"{port.locator}: there is a column {key} already"
        ) from error
    if len(data):
        array[:] = data


def read(port: ObjectPort, key: str, kind: str, length: int) -> Any:
    """All rows, as an array of numbers or a list of text."""
    array = open_array(port, key, kind, length)
    try:
        data: Any = array[:]
    except JobStoreError:
        raise
    except Exception as error:
        raise damaged(port, key, f"its chunks can't be decoded: {error}") from error
    return data.tolist() if is_text(kind) else data


def open_array(port: ObjectPort, key: str, kind: str, length: int) -> zarr.Array[Any]:
    """The array itself, which reads what is asked of it, when it is."""
    import zarr

    from jobstores.zarr_adapter import PortStore

    try:
        array = zarr.open_array(
            PortStore(port, key, read_only=True, whole=True), mode="r", zarr_format=3
        )
    except JobStoreError:
        raise
    except FileNotFoundError as error:
        raise NotFoundError(f"{port.locator}: there is no column {key}") from error
    except Exception as error:
        raise damaged(port, key, f"its zarr.json: {error}") from error
    name = "string" if array.dtype.kind == "T" else array.dtype.name
    if (array.shape, name) != ((length,), DTYPES[kind]):
        raise damaged(
            port,
            key,
            f"it is {name} of shape {array.shape};"
            f" {length} rows of {DTYPES[kind]} were expected",
        )
    return array
