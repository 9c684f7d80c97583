"""NumPy arrays and scalars as JSON data: the raw bytes in base64, dtype and shape.

Imported by `jobstores.values` only when an array is met.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Type

import numpy as np

from jobstores import values

_VARIABLE_TEXT = "T"  # the dtype kind of NumPy's variable-width strings


def encode(
    value: Any, refusal: Callable[[Any], Exception], refused: Type[Exception]
) -> Dict[str, Any]:
    """A tagged array or scalar; raises what `refusal` or `refused` gives."""
    kind = type(value)
    if value is np.ma.masked:
        return {"$masked": None}
    if kind is np.ma.MaskedArray:
        return {"$masked": _encode_masked(value, refused)}
    if kind is np.ndarray:
        return {"$ndarray": _encode_array(value, refused)}
    if kind is np.str_:
        return {"$scalar": {"dtype": "str", "data": values.encode(str.__str__(value))}}
    if kind is np.bytes_:
        return {"$scalar": {"dtype": "bytes", "data": _base64(bytes(value))}}
    if isinstance(value, np.generic) and kind.__module__ == "numpy":
        _check(value.dtype, refused)
        descr = np.lib.format.dtype_to_descr(value.dtype)
        return {"$scalar": {"dtype": descr, "data": _base64(value.tobytes())}}
    raise refusal(value)


def _check(dtype: np.dtype[Any], refused: Type[Exception]) -> None:
    if dtype.hasobject:
        raise refused(
            "cannot store an array of Python objects; make it a list, or give it a"
            " numeric or text dtype"
        )


def _base64(data: bytes) -> str:
    return values.base64_text(data)


def _encode_array(value: Any, refused: Type[Exception]) -> Dict[str, Any]:
    dtype = value.dtype
    if dtype.kind == _VARIABLE_TEXT:
        if dtype != np.dtypes.StringDType():
            raise refused(f"cannot store an array of dtype {dtype!r}")
        items = [values.encode(item) for item in value.ravel().tolist()]
        return {"dtype": "T", "shape": list(value.shape), "items": items}
    _check(dtype, refused)
    descr = np.lib.format.dtype_to_descr(dtype)
    return {"dtype": descr, "shape": list(value.shape), "data": _base64(value.tobytes())}


def _encode_masked(value: Any, refused: Type[Exception]) -> Dict[str, Any]:
    fill = value._fill_value  # noqa: SLF001 (None, where none was set, is lost by fill_value)
    return {
        "data": _encode_array(value.data, refused),
        "mask": None if value.mask is np.ma.nomask else _encode_array(value.mask, refused),
        "fill": None if fill is None else _encode_array(np.asarray(fill), refused),
        "hard": bool(value.hardmask),
    }


def _dtype(descr: Any) -> np.dtype[Any]:
    dtype: np.dtype[Any] = np.lib.format.descr_to_dtype(_tuples(descr))
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
        items = [values.decode(item) for item in content["items"]]
        return np.array(items, dtype=np.dtypes.StringDType()).reshape(shape)
    dtype = _dtype(content["dtype"])
    data = values.base64_bytes(content["data"])
    return np.ndarray(shape, dtype, bytearray(_sized(data, dtype, shape)))


def _sized(data: bytes, dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    count = 1
    for length in shape:
        count *= length
    if len(data) != count * dtype.itemsize:
        raise ValueError(f"{len(data)} bytes for {count} items of {dtype.itemsize} bytes")
    return data


def _decode_scalar(content: Dict[str, Any]) -> Any:
    if content["dtype"] == "str":
        return np.str_(values.decode(content["data"]))
    data = values.base64_bytes(content["data"])
    if content["dtype"] == "bytes":
        return np.bytes_(data)
    dtype = _dtype(content["dtype"])
    return np.ndarray((), dtype, bytearray(_sized(data, dtype, ())))[()]


def _decode_masked(content: Any) -> Any:
    if content is None:
        return np.ma.masked
    mask = np.ma.nomask if content["mask"] is None else _decode_array(content["mask"])
    fill = None if content["fill"] is None else _decode_array(content["fill"])[()]
    return np.ma.MaskedArray(
        _decode_array(content["data"]),
        mask=mask,
        fill_value=fill,
        hard_mask=content["hard"],
    )


DECODERS: Dict[str, Callable[[Any], Any]] = {
    "$ndarray": _decode_array,
    "$scalar": _decode_scalar,
    "$masked": _decode_masked,
}
