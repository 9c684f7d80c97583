"""Values of parameters as text; arrays in them as Zarr arrays beside it.

Arrays of booleans, numbers and complex numbers, by themselves or in lists, tuples and
dict values, become Zarr arrays below a prefix of their own; any other array (text,
dates, structured, masked) is in the text. Values of long text are objects of their own.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jobstores import references, values
from jobstores.errors import CorruptError, UnstorableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jobstores.port import ObjectPort

MAX_TEXT = 100_000  # longer texts are objects, so that a column stays quick to rewrite
CHUNK_BYTES = 4 << 20
_KINDS = "biufc"
_PLAIN = (None.__class__, bool, int, float, str)
_SHUFFLES = ("noshuffle", "shuffle", "bitshuffle")


@dataclass(frozen=True, slots=True)
class ChunkedArray:
    """An array to be set, and the chunks it is to be stored in."""

    data: Any
    chunks: tuple[int, ...]


class Codec:
    """How arrays are compressed: "blosc", "zstd", "gzip" or None, and its options.

    Raises:
        UnstorableError: there is no such compressor, or it has no such option.
    """

    def __init__(self, compressor: str | None, options: Mapping[str, Any] | None) -> None:
        from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ZstdCodec

        known: dict[str, Any] = {"blosc": BloscCodec, "zstd": ZstdCodec, "gzip": GzipCodec}
        given = dict(options or {})
        if compressor is not None and compressor not in known:
            raise UnstorableError(
                f"there is no compressor {compressor!r}; {', '.join(known)} and None are"
            )
        try:
            if compressor == "blosc" and isinstance(given.get("shuffle"), int):
                given["shuffle"] = _SHUFFLES[given["shuffle"]]
            first = () if compressor is None else (known[compressor](**given),)
        except (TypeError, ValueError, IndexError) as error:
            raise UnstorableError(f"compressor {compressor!r}: {error}") from error
        self.compressors = (*first, Crc32cCodec())


def encode(
    port: ObjectPort,
    prefix: Callable[[], str],
    codec: Callable[[], Codec],
    value: Any,
    name: str,
) -> str:
    """A value's text; what is written for it is below new prefixes.

    name: what messages call the value.

    Raises:
        UnstorableError: it contains something that can't be stored; nothing is written.
    """
    found: list[Any] = []
    mark = secrets.token_hex(8)
    try:
        lifted = _lift(value, mark, found)
    except RecursionError:
        lifted = value  # `encode` says so
    encoded = values.encode(lifted, name)  # refuses before anything is written
    refs: dict[str, Any] = {}
    for number, array in enumerate(found):
        refs[f"{mark}.{number}"] = {"$zarr": _write(port, prefix(), codec(), array)}
    if refs:
        encoded = _exchange(
            encoded, lambda leaf: refs.get(leaf) if _is_text(leaf) else None
        )
    text = json.dumps(encoded, ensure_ascii=False, separators=(",", ":"))
    if len(text) > MAX_TEXT:
        kept = references.put_reference(port, f"{prefix()}/value", encoded)
        text = json.dumps(kept, separators=(",", ":"))
    return text


def decode(port: ObjectPort, text: str, *, copy: bool) -> Any:
    """The value of a text; its arrays as NumPy arrays if `copy`, else as Zarr arrays.

    Raises:
        NotFoundError, CorruptError: something of it is gone, or damaged.
    """
    encoded = json.loads(text)
    if references.is_reference(encoded):
        encoded = references.resolve(port, encoded)
        text = '"$zarr"'
    if '"$zarr"' not in text:
        return values.decode(encoded)
    mark = secrets.token_hex(8)
    arrays: dict[str, Any] = {}

    def open_at(leaf: Any) -> Any:
        if isinstance(leaf, dict) and leaf.keys() == {"$zarr"}:
            name = f"{mark}.{len(arrays)}"
            array = _open(port, leaf["$zarr"])
            arrays[name] = _in_memory(array, leaf["$zarr"]) if copy else array
            return name
        return None

    value = values.decode(_exchange(encoded, open_at))
    return _restore(value, arrays)


def keys_of(text: str) -> list[str]:
    """The objects and arrays that a value's text names."""
    found: list[str] = []

    def note(leaf: Any) -> Any:
        if isinstance(leaf, dict) and leaf.keys() == {"$zarr"}:
            found.append(leaf["$zarr"]["key"])
        return None

    encoded = json.loads(text)
    if references.is_reference(encoded):
        found.append(encoded["$object"])
    _exchange(encoded, note)
    return found


def _is_text(leaf: Any) -> bool:
    return type(leaf) is str


def _lift(value: Any, mark: str, found: list[Any]) -> Any:
    """The value with a text that occurs nowhere else for each array."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is list or kind is tuple:
        return kind([_lift(item, mark, found) for item in value])
    if kind is dict:
        return {key: _lift(item, mark, found) for key, item in value.items()}
    if kind is ChunkedArray or _is_zarr(value) or _is_plain_array(value):
        found.append(value)
        return f"{mark}.{len(found) - 1}"
    return value


def _restore(value: Any, arrays: Mapping[str, Any]) -> Any:
    kind = type(value)
    if kind is str:
        return arrays.get(value, value)
    if kind is list or kind is tuple:
        return kind([_restore(item, arrays) for item in value])
    if kind is dict:
        return {key: _restore(item, arrays) for key, item in value.items()}
    return value


def _exchange(encoded: Any, instead: Callable[[Any], Any]) -> Any:
    """JSON data with other data instead of parts, where `instead` gives any."""
    other = instead(encoded)
    if other is not None:
        return other
    if isinstance(encoded, list):
        return [_exchange(item, instead) for item in encoded]
    if isinstance(encoded, dict):
        return {key: _exchange(item, instead) for key, item in encoded.items()}
    return encoded


def _is_plain_array(value: Any) -> bool:
    return (
        type(value) is np.ndarray
        and value.dtype.kind in _KINDS
        and value.dtype.isnative
        and value.dtype.itemsize <= (16 if value.dtype.kind == "c" else 8)
    )


def _is_zarr(value: Any) -> bool:
    return type(value).__module__.startswith("zarr.") and hasattr(value, "chunks")


def _write(port: ObjectPort, key: str, codec: Codec, given: Any) -> dict[str, Any]:
    import zarr

    from jobstores.zarr_adapter import PortStore

    chunks: Any = None
    if isinstance(given, ChunkedArray):
        given, chunks = given.data, given.chunks
    elif _is_zarr(given):
        chunks = given.chunks
    data = np.asarray(given[...]) if _is_zarr(given) else np.asarray(given)
    if not _is_plain_array(data):
        raise UnstorableError(f"an array of dtype {data.dtype} can't be a Zarr array")
    try:
        array = zarr.create_array(
            PortStore(port, key),
            shape=data.shape,
            dtype=data.dtype,
            chunks=chunks or _chunks(data),
            compressors=codec.compressors,
            zarr_format=3,
            config={"write_empty_chunks": True},
        )
    except (TypeError, ValueError) as error:
        raise UnstorableError(f"chunks {chunks}: {error}") from error
    if data.size:
        array[...] = data
    return {"key": key, "dtype": data.dtype.str, "shape": list(data.shape)}


def _chunks(data: Any) -> tuple[int, ...]:
    """Whole rows of the first dimensions, about `CHUNK_BYTES` together."""
    chunks = [max(1, size) for size in data.shape]
    size = data.dtype.itemsize * int(np.prod(chunks, dtype=np.int64))
    for axis in range(len(chunks)):
        if size <= CHUNK_BYTES:
            break
        others = size // chunks[axis]
        chunks[axis] = max(1, CHUNK_BYTES // others)
        size = others * chunks[axis]
    return tuple(chunks)


def _open(port: ObjectPort, ref: Mapping[str, Any]) -> Any:
    import zarr

    from jobstores.errors import JobStoreError, NotFoundError
    from jobstores.zarr_adapter import PortStore

    store = PortStore(port, ref["key"], read_only=True, whole=True)
    try:
        array = zarr.open_array(store, mode="r", zarr_format=3)
    except JobStoreError:
        raise
    except FileNotFoundError as error:
        raise NotFoundError(f"{port.locator}: the array {ref['key']} is gone") from error
    except Exception as error:
        raise CorruptError(f"{port.locator}: {ref['key']} is damaged: {error}") from error
    if [array.dtype.str, list(array.shape)] != [ref["dtype"], ref["shape"]]:
        raise CorruptError(
            f"{port.locator}: {ref['key']} is {array.dtype} of shape {array.shape};"
            f" {ref['dtype']} of shape {ref['shape']} was expected"
        )
    return array


def _in_memory(array: Any, ref: Mapping[str, Any]) -> Any:
    from jobstores.errors import JobStoreError

    try:
        data = np.asarray(array[...])
    except JobStoreError:
        raise
    except Exception as error:
        raise CorruptError(f"{array.store}: {ref['key']} is damaged: {error}") from error
    return data.reshape(ref["shape"]).astype(np.dtype(ref["dtype"]), copy=False)
