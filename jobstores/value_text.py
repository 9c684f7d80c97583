"""Text and bytes inside encoded values, and the refusal of what can't be stored.

Standard library only, Python 3.9: this runs on compute nodes.
"""

from __future__ import annotations

from typing import Any, List


class RefusedError(Exception):
    """A value that can't be stored; the callers on the way add where it was found."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.where: List[str] = []


def refusal(value: Any) -> RefusedError:
    """The refusal of a value by its type's name."""
    return RefusedError(f"cannot store an object of type {type_name(type(value))}")


def type_name(kind: type) -> str:
    """A type's name, with that of its module."""
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def is_unicode(text: str) -> bool:
    """Whether text has a UTF-8 form: surrogates (undecodable file names) have none."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def encode_text(value: str) -> Any:
    """Text itself, or a tag where it has lone surrogates."""
    if is_unicode(value):
        return value
    return {"$str": base64_text(value.encode("utf-8", "surrogatepass"))}


def decode_text(data: Any) -> str:
    """The text of `encode_text`; ValueError where it is none."""
    if type(data) is str:
        return data
    if type(data) is not dict or list(data) != ["$str"]:
        raise ValueError(f"text was expected, not {data!r:.80}")
    return decode_surrogates(data["$str"])


def decode_surrogates(content: str) -> str:
    """The text of a tag's content."""
    return base64_bytes(content).decode("utf-8", "surrogatepass")


def base64_text(data: bytes) -> str:
    """Bytes as base64, in one line."""
    from binascii import b2a_base64

    return b2a_base64(data, newline=False).decode("ascii")


def base64_bytes(text: str) -> bytes:
    """The bytes of `base64_text`; ValueError where the text is not of its making."""
    from binascii import a2b_base64

    data = a2b_base64(text)
    if base64_text(data) != text:
        raise ValueError("not base64")
    return data
