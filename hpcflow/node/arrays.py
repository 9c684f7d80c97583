"""Stored values without NumPy, which the node side does not import.

Arrays become nested lists, and objects what their classes store: enough to be the text
of a shell variable or JSON. A `direct` script gets values as they are stored and decodes
them in its own Python, arrays as arrays.
"""

from __future__ import annotations

import struct
from binascii import a2b_base64, b2a_base64
from typing import Any, Dict, Iterator, List

from jobstores import values
from jobstores.errors import CorruptError, UnstorableError

_NUMBERS = {
    "b1": "?", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I",
    "u8": "Q", "f2": "e", "f4": "f", "f8": "d",
}  # fmt: skip


def decode(data: Any) -> Any:
    """An encoded value as Python's own types, arrays as nested lists.

    Raises:
        CorruptError: it is not an encoded value.
        UnstorableError: it holds an array that has no such form.
    """
    return values.decode(_listed(data))


def encode_array(item_type: str, items: List[str]) -> Any:
    """A one-dimensional array, of items given as text, in NumPy's stored form.

    Raises:
        ValueError: an item is not of the type.
        KeyError: the type is not int, float or str.
    """
    if item_type == "str":
        return {"$ndarray": {"dtype": "T", "shape": [len(items)], "items": items}}
    convert, dtype = {"int": (int, "i8"), "float": (float, "f8")}[item_type]
    try:
        data = struct.pack(f"<{len(items)}{_NUMBERS[dtype]}", *map(convert, items))
    except struct.error as error:
        raise ValueError(str(error)) from None
    text = b2a_base64(data, newline=False).decode("ascii")
    return {"$ndarray": {"dtype": f"<{dtype}", "shape": [len(items)], "data": text}}


def _listed(data: Any) -> Any:
    """Encoded data with every array and NumPy scalar in it as plain encoded data."""
    if isinstance(data, list):
        return [_listed(item) for item in data]
    if not isinstance(data, dict):
        return data
    if len(data) == 1:
        ((tag, content),) = data.items()
        if tag == "$ndarray":
            return _nested(iter(_items(content)), content["shape"])
        if tag == "$scalar":
            return _scalar(content)
        if tag == "$instance":
            return _listed(content[1])
        if tag == "$masked":
            raise UnstorableError("a masked array can be had in a `direct` script only")
    return {key: _listed(item) for key, item in data.items()}


def _nested(items: Iterator[Any], shape: List[int]) -> Any:
    if not shape:
        return next(items)
    return [_nested(items, shape[1:]) for _ in range(shape[0])]


def _items(content: Dict[str, Any]) -> List[Any]:
    """An array's items, one after the other, encoded."""
    dtype = content["dtype"]
    if dtype == "T":
        return list(content["items"])
    data = a2b_base64(content["data"])
    if isinstance(dtype, str) and dtype[1:2] == "U":
        return _texts(data, dtype)
    code = _NUMBERS.get(dtype[1:]) if isinstance(dtype, str) else None
    if code is None:
        raise UnstorableError(
            f"an array of dtype {dtype!r} can be had in a `direct` script only"
        )
    order = ">" if dtype[0] == ">" else "<"
    try:
        numbers = struct.unpack(f"{order}{len(data) // struct.calcsize(code)}{code}", data)
    except struct.error as error:
        raise CorruptError(f"a stored array of {dtype} is damaged: {error}") from error
    return [values.encode(number) for number in numbers]


def _texts(data: bytes, dtype: str) -> List[Any]:
    size = 4 * int(dtype[2:])
    if size == 0:
        return [""]
    text = "utf-32-be" if dtype[0] == ">" else "utf-32-le"
    parts = (data[start : start + size] for start in range(0, len(data), size))
    return [part.decode(text).rstrip("\0") for part in parts]


def _scalar(content: Dict[str, Any]) -> Any:
    if content["dtype"] == "str":
        return content["data"]
    if content["dtype"] == "bytes":
        return {"$bytes": content["data"]}
    return _items(content)[0]
