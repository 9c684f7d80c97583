"""Users' values as JSON, and back, the type included.

`encode` gives what `json.dumps` takes; `decode` undoes it. None, bool, text,
integers, finite floats, lists, and dicts of text stand for themselves; anything
else is `{"$TYPE": ...}` (docs/reference/values.md has the table). A value of
any other type, or of a subclass of these, is refused by name and position: it
would not come back as what it was.

NumPy is imported only where an array is met, and `jobstores.object_values` only for
objects of other classes. Standard library only otherwise, Python 3.9: this runs on
compute nodes.
"""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, List, Optional, Tuple

from jobstores.errors import CorruptError, UnstorableError, UnsupportedError
from jobstores.value_text import (
    RefusedError,
    base64_bytes,
    base64_text,
    decode_surrogates,
    encode_text,
    is_unicode,
    refusal,
)

_BIG_INT_BITS = 4096  # above it, as hexadecimal: Python limits decimal conversion


def encode(value: Any, name: str = "value") -> Any:
    """The value as plain JSON data; `name` is what messages call it.

    Raises:
        UnstorableError: it contains something that can't be stored; the message
            says where, such as `outputs.x[3].y`.
    """
    try:
        return _encode(value)
    except RefusedError as error:
        where = name + "".join(reversed(error.where))
        raise UnstorableError(f"{where}: {error.reason}") from None
    except RecursionError:
        raise UnstorableError(
            f"{name}: it contains itself, or is nested too deep"
        ) from None


def decode(data: Any) -> Any:
    """The value that `encode` made `data` of.

    Raises:
        CorruptError: an unknown tag, or not what its tag says.
        UnsupportedError: an object of a class that can't be imported here.
    """
    try:
        return _decode(data)
    except RecursionError:
        raise CorruptError("a stored value is nested too deep") from None


def dumps(value: Any, name: str = "value") -> str:
    """The encoded value as compact JSON text, in one line, that is valid UTF-8."""
    encoded = encode(value, name)
    try:
        return json.dumps(
            encoded, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
    except RecursionError:
        raise UnstorableError(f"{name}: it is nested too deep") from None


def loads(text: str | bytes) -> Any:
    """The value of JSON text that `dumps` made.

    Raises:
        CorruptError: it is not JSON, or not an encoded value.
        UnsupportedError: as `decode`.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CorruptError(f"a stored value is not JSON: {error}") from None
    return decode(data)


def _encode(value: Any) -> Any:
    kind = type(value)
    if value is None or kind is bool:
        return value
    encoder = _ENCODERS.get(kind)
    if encoder is not None:
        return encoder(value)
    encoder = _LATE_ENCODERS.get(f"{kind.__module__}.{kind.__qualname__}")
    if encoder is not None:
        return encoder(value)
    if kind.__module__ == "numpy" or kind.__module__.startswith("numpy."):
        from jobstores import numpy_values

        return numpy_values.encode(value)
    from jobstores import object_values

    return object_values.encode(value, _encode)


def _encode_int(value: int) -> Any:
    return value if value.bit_length() <= _BIG_INT_BITS else {"$int": hex(value)}


def _encode_float(value: float) -> Any:
    if value - value == 0.0:
        return value
    return {"$float": repr(value)}


def _encode_complex(value: complex) -> Any:
    return {"$complex": [_encode_float(value.real), _encode_float(value.imag)]}


def _encode_list(value: Any) -> List[Any]:
    result: List[Any] = []
    try:
        for item in value:
            result.append(_encode(item))  # noqa: PERF401 (its length is the position)
    except RefusedError as error:
        error.where.append(f"[{len(result)}]")
        raise
    return result


def _encode_dict(value: Dict[Any, Any]) -> Any:
    if not all(type(key) is str and key[:1] != "$" and is_unicode(key) for key in value):
        return _encode_pairs(value)
    result: Dict[str, Any] = {}
    key = ""
    try:
        for key, item in value.items():
            result[key] = _encode(item)
    except RefusedError as error:
        error.where.append(f".{key}" if key.isidentifier() else f"[{key!r}]")
        raise
    return result


def _encode_pairs(value: Dict[Any, Any]) -> Any:
    pairs: List[List[Any]] = []
    for key, item in value.items():
        try:
            encoded_key = _encode(key)
        except RefusedError as error:
            error.where = [f" (key {len(pairs)})"]
            raise
        try:
            pairs.append([encoded_key, _encode(item)])
        except RefusedError as error:
            error.where.append(f"[{key!r}]")
            raise
    return {"$dict": pairs}


def _encode_set(value: Any) -> Any:
    """Elements in the order of their JSON text, so that equal sets are equal text."""
    try:
        items = [_encode(item) for item in value]
    except RefusedError as error:
        error.where = [" (an element of the set)"]
        raise
    return {f"${type(value).__name__}": sorted(items, key=json.dumps)}


def _encode_datetime(value: Any) -> Any:
    return {"$datetime": _moment(value, value.replace(tzinfo=None, fold=0).isoformat())}


def _encode_time(value: Any) -> Any:
    return {"$time": _moment(value, value.replace(tzinfo=None, fold=0).isoformat())}


def _moment(value: Any, text: str) -> Any:
    """ISO text where that says all, else [ISO text without a zone, fold, zone]."""
    import datetime as dt

    zone = value.tzinfo
    if zone is None:
        return [text, 1, None] if value.fold else text
    if type(zone) is dt.timezone:
        offset = zone.utcoffset(None)
        name: Optional[str] = zone.tzname(None)
        if name == dt.timezone(offset).tzname(None):
            if not value.fold and not offset.seconds % 60 and not offset.microseconds:
                return value.isoformat()
            name = None
        return [text, value.fold, ["offset", _parts(offset), name]]
    key = getattr(zone, "key", None)
    if type(zone).__module__ in ("zoneinfo", "zoneinfo._zoneinfo") and key is not None:
        return [text, value.fold, ["zone", key]]
    raise refusal(zone)


def _parts(delta: Any) -> List[int]:
    return [delta.days, delta.seconds, delta.microseconds]


def _encode_path(value: Any) -> Any:
    return {"$path": [type(value).__name__, encode_text(str(value))]}


_ENCODERS: Dict[type, Callable[[Any], Any]] = {
    int: _encode_int,
    float: _encode_float,
    str: encode_text,
    list: _encode_list,
    dict: _encode_dict,
    tuple: lambda value: {"$tuple": _encode_list(value)},
    set: _encode_set,
    frozenset: _encode_set,
    complex: _encode_complex,
    bytes: lambda value: {"$bytes": base64_text(value)},
    bytearray: lambda value: {"$bytearray": base64_text(bytes(value))},
}

# By name, so that the modules of types that no value has are not imported.
_LATE_ENCODERS: Dict[str, Callable[[Any], Any]] = {
    "datetime.datetime": _encode_datetime,
    "datetime.date": lambda value: {"$date": value.isoformat()},
    "datetime.time": _encode_time,
    "datetime.timedelta": lambda value: {"$timedelta": _parts(value)},
}
_PATH_KINDS = ("PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath")
for _module in ("pathlib", "pathlib._local"):  # where Python 3.13 has them
    for _kind in _PATH_KINDS:
        _LATE_ENCODERS[f"{_module}.{_kind}"] = _encode_path


def _decode(data: Any) -> Any:
    kind = type(data)
    if kind is list:
        return [_decode(item) for item in data]
    if kind is not dict:
        if data is None or kind in (bool, int, float, str):
            return data
        raise CorruptError(f"a stored value holds a {kind.__name__}, which is not JSON")
    if not any(key[:1] == "$" for key in data):
        return {key: _decode(item) for key, item in data.items()}
    if len(data) != 1:
        raise CorruptError(
            f"a stored value mixes a tag and other names: {sorted(data)[:5]}"
        )
    tag, content = next(iter(data.items()))
    decoder = _DECODERS.get(tag)
    if decoder is None:
        raise CorruptError(f"a stored value has the unknown tag {tag!r}")
    try:
        return decoder(content)
    except (CorruptError, UnsupportedError, RecursionError):
        raise
    except Exception as error:
        raise CorruptError(
            f"a stored value is not what its tag {tag!r} says: {error}"
        ) from error


def _typed(content: Any, kind: type) -> Any:
    if type(content) is not kind:
        raise ValueError(f"a {kind.__name__} was expected, not {content!r:.80}")
    return content


def _items(content: Any) -> List[Any]:
    return [_decode(item) for item in _typed(content, list)]


def _decode_float(content: Any) -> float:
    if content not in ("nan", "inf", "-inf"):
        raise ValueError(f"nan, inf or -inf was expected, not {content!r:.80}")
    return float(content)


def _number(content: Any) -> float:
    value = _decode(content)
    if type(value) not in (float, int):
        raise ValueError(f"a number was expected, not {content!r:.80}")
    return float(value)


def _decode_complex(content: Any) -> complex:
    real, imaginary = _typed(content, list)
    return complex(_number(real), _number(imaginary))


def _decode_pairs(content: Any) -> Dict[Any, Any]:
    return {_decode(key): _decode(item) for key, item in _typed(content, list)}


def _split_moment(content: Any) -> Tuple[str, int, Any]:
    if type(content) is str:
        return content, 0, None
    text, fold, zone = _typed(content, list)
    if zone is None:
        return text, fold, None
    if zone[0] == "zone":
        from zoneinfo import ZoneInfo

        return text, fold, ZoneInfo(zone[1])
    from datetime import timedelta, timezone

    kind, offset, name = zone
    if kind != "offset":
        raise ValueError(f"unknown kind of time zone {kind!r}")
    delta = timedelta(*offset)
    return text, fold, timezone(delta) if name is None else timezone(delta, name)


def _decode_datetime(content: Any) -> Any:
    from datetime import datetime

    text, fold, zone = _split_moment(content)
    value = datetime.fromisoformat(text)
    return value.replace(fold=fold, tzinfo=zone) if zone is not None or fold else value


def _decode_time(content: Any) -> Any:
    from datetime import time

    text, fold, zone = _split_moment(content)
    value = time.fromisoformat(text)
    return value.replace(fold=fold, tzinfo=zone) if zone is not None or fold else value


def _decode_date(content: Any) -> Any:
    from datetime import date

    return date.fromisoformat(content)


def _decode_timedelta(content: Any) -> Any:
    from datetime import timedelta

    days, seconds, microseconds = _typed(content, list)
    return timedelta(days, seconds, microseconds)


def _decode_path(content: Any) -> Any:
    import pathlib

    kind, text = _typed(content, list)
    if kind not in _PATH_KINDS:
        raise ValueError(f"unknown kind of path {kind!r}")
    return getattr(pathlib, kind)(_decode(text))


def _decode_numpy(tag: str) -> Callable[[Any], Any]:
    def decoder(content: Any) -> Any:
        from jobstores import numpy_values

        return numpy_values.DECODERS[tag](content)

    return decoder


def _decode_object(tag: str) -> Callable[[Any], Any]:
    def decoder(content: Any) -> Any:
        from jobstores import object_values

        return object_values.DECODERS[tag](content, _decode)

    return decoder


_DECODERS: Dict[str, Callable[[Any], Any]] = {
    "$int": lambda content: int(_typed(content, str), 16),
    "$float": _decode_float,
    "$str": decode_surrogates,
    "$complex": _decode_complex,
    "$bytes": base64_bytes,
    "$bytearray": lambda content: bytearray(base64_bytes(content)),
    "$tuple": lambda content: tuple(_items(content)),
    "$set": lambda content: set(_items(content)),
    "$frozenset": lambda content: frozenset(_items(content)),
    "$dict": _decode_pairs,
    "$datetime": _decode_datetime,
    "$date": _decode_date,
    "$time": _decode_time,
    "$timedelta": _decode_timedelta,
    "$path": _decode_path,
    "$ndarray": _decode_numpy("$ndarray"),
    "$scalar": _decode_numpy("$scalar"),
    "$masked": _decode_numpy("$masked"),
    "$enum": _decode_object("$enum"),
    "$instance": _decode_object("$instance"),
    "$dill": _decode_object("$dill"),
}
