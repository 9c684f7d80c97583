"""NumPy arrays and scalars as JSON data: the raw bytes in base64, dtype and shape.

Imported by `jobstores.values` only when an array is met.
"""

from __future__ import annotations

from typing import Any, Callable, Dict

import numpy as np

from jobstores.value_text import (
    RefusedError,
    base64_bytes,
    base64_text,
    decode_text,
    encode_text,
    refusal,
)

_VARIABLE_TEXT = "T"  # the dtype kind of NumPy's variable-width strings


def encode(value: Any) -> Dict[str, Any]:
    """A tagged array or scalar.

    Raises:
        RefusedError: it is another thing of NumPy's, or holds Python objects.
    """
    kind = type(value)
    if value is np.ma.masked:
        return {"$masked": None}
    if kind is np.ma.MaskedArray:
        return {"$masked": _encode_masked(value)}
    if kind is np.ndarray:
        return {"$ndarray": _encode_array(value)}
    if kind is np.str_:
        return {"$scalar": {"dtype": "str", "data": encode_text(str.__str__(value))}}
    if kind is np.bytes_:
        return {"$scalar": {"dtype": "bytes", "data": base64_text(bytes(value))}}
    if isinstance(value, np.generic) and kind.__module__ == "numpy":
        _check(value.dtype)
        descr = _description(value.dtype)
        return {"$scalar": {"dtype": descr, "data": base64_text(value.tobytes())}}
    raise refusal(value)


def _check(dtype: np.dtype[Any]) -> None:
    if dtype.hasobject:
        raise RefusedError(
            "cannot store an array of Python objects; make it a list, or give it a"
            " numeric or text dtype"
        )


def _encode_array(value: Any) -> Dict[str, Any]:
    dtype = value.dtype
    if dtype.kind == _VARIABLE_TEXT:
        if dtype != np.dtypes.StringDType():
            raise RefusedError(f"cannot store an array of dtype {dtype!r}")
        items = [encode_text(item) for item in value.ravel().tolist()]
        return {"dtype": "T", "shape": list(value.shape), "items": items}
    _check(dtype)
    data = base64_text(value.tobytes())
    content = {"dtype": _description(dtype), "shape": list(value.shape), "data": data}
    if value.flags.fnc:
        content["order"] = "F"
    return content


def _description(dtype: np.dtype[Any]) -> Any:
    """NumPy's own description of a type; of one that it can't describe, all its parts."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return {"base": _description(base), "shape": list(shape)}
    try:
        descr = np.lib.format.dtype_to_descr(dtype)
        if np.lib.format.descr_to_dtype(descr) == dtype:
            return descr
    except (ValueError, TypeError):
        pass
    fields = dtype.fields
    if fields is None or dtype.names is None:
        raise RefusedError(f"cannot store an array of dtype {dtype!r}")
    parts = [fields[name] for name in dtype.names]
    return {
        "names": list(dtype.names),
        "formats": [_description(part[0]) for part in parts],
        "offsets": [part[1] for part in parts],
        "titles": [part[2] if len(part) > 2 else None for part in parts],
        "itemsize": dtype.itemsize,
    }


def _encode_masked(value: Any) -> Dict[str, Any]:
    fill = value._fill_value  # noqa: SLF001 (None, where none was set, is lost by fill_value)
    return {
        "data": _encode_array(value.data),
        "mask": None if value.mask is np.ma.nomask else _encode_array(value.mask),
        "fill": None if fill is None else _encode_array(np.asarray(fill)),
        "hard": bool(value.hardmask),
    }


def _dtype(descr: Any) -> np.dtype[Any]:
    dtype: np.dtype[Any]
    if isinstance(descr, dict) and "base" in descr:
        dtype = np.dtype((_dtype(descr["base"]), tuple(descr["shape"])))
    elif isinstance(descr, dict):
        parts: Any = {**descr, "formats": [_dtype(part) for part in descr["formats"]]}
        dtype = np.dtype(parts)
    else:
        dtype = np.lib.format.descr_to_dtype(_tuples(descr))
    if dtype.hasobject:
        raise ValueError("a dtype of Python objects")
    return dtype


def _tuples(descr: Any) -> Any:
    """The description with the tuples that JSON made lists of."""
    if not isinstance(descr, list):
        return descr
    return [
        tuple(
            tuple(part) if number != 1 and isinstance(part, list) else _tuples(part)
            for number, part in enumerate(field)
        )
        for field in descr
    ]


def _decode_array(content: Dict[str, Any]) -> Any:
    shape = tuple(content["shape"])
    if content["dtype"] == "T":
        items = [decode_text(item) for item in content["items"]]
        return np.array(items, dtype=np.dtypes.StringDType()).reshape(shape)
    dtype = _dtype(content["dtype"])
    data = base64_bytes(content["data"])
    array: Any = np.ndarray(shape, dtype, bytearray(_sized(data, dtype, shape)))
    return np.asfortranarray(array) if content.get("order") == "F" else array


def _sized(data: bytes, dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    count = 1
    for length in shape:
        count *= length
    if len(data) != count * dtype.itemsize:
        raise ValueError(f"{len(data)} bytes for {count} items of {dtype.itemsize} bytes")
    return data


def _decode_scalar(content: Dict[str, Any]) -> Any:
    if content["dtype"] == "str":
        return np.str_(decode_text(content["data"]))
    data = base64_bytes(content["data"])
    if content["dtype"] == "bytes":
        return np.bytes_(data)
    dtype = _dtype(content["dtype"])
    return np.ndarray((), dtype, bytearray(_sized(data, dtype, ())))[()]


def _decode_masked(content: Any) -> Any:
    if content is None:
        return np.ma.masked
    mask = np.ma.nomask if content["mask"] is None else _decode_array(content["mask"])
    data = _decode_array(content["data"])
    with np.errstate(over="ignore"):  # the default fill value of float16 in a structure
        array: Any = np.ma.MaskedArray(data, mask=mask, hard_mask=content["hard"])
    if content["fill"] is not None:
        # As it was: the constructor casts it, and NumPy's own default for int8 is 999999.
        array._fill_value = _decode_array(content["fill"])  # noqa: SLF001
    return array


DECODERS: Dict[str, Callable[[Any], Any]] = {
    "$ndarray": _decode_array,
    "$scalar": _decode_scalar,
    "$masked": _decode_masked,
}
