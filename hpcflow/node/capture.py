"""What a run writes to a captured stream: drained from a pipe, then parsed."""

from __future__ import annotations

import json
import os
from typing import Any, Callable, Dict, List

from jobstores import values

READ_BYTES = 1 << 16
READS_AT_ONCE = 64  # so that one run's flood does not hold up the others' timers
TAIL_BYTES = 64 * 1024


class ParseError(Exception):
    """A captured text is not what the step declared."""


class Capture:
    """The reading end of one captured stream."""

    __slots__ = ("data", "fd", "output", "spec")

    def __init__(self, fd: int, spec: Dict[str, Any]) -> None:
        self.fd = fd
        self.spec = spec
        self.output: str = spec["output"]
        self.data = bytearray()
        os.set_blocking(fd, False)

    @property
    def open(self) -> bool:
        """Whether more may come."""
        return self.fd >= 0

    def drain(self) -> bool:
        """Read what is there now; returns whether there was anything."""
        before = len(self.data)
        for _ in range(READS_AT_ONCE):
            try:
                part = os.read(self.fd, READ_BYTES)
            except BlockingIOError:
                break
            if not part:
                self.close()
                break
            self.data += part
        return len(self.data) > before

    def close(self) -> None:
        """Read no more."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def tail(self) -> bytes:
        """The last part of the stream, to show to the user."""
        return bytes(self.data[-TAIL_BYTES:])

    def encoded(self) -> Any:
        """The value of the output, as records hold it.

        Raises:
            ParseError: the text is not of the declared type.
        """
        return parse(self.spec["type"], self.spec.get("options") or {}, self.data)


def parse(kind: str, options: Dict[str, Any], data: bytes | bytearray) -> Any:
    """Captured bytes, without their last line breaks, as an encoded value.

    Raises:
        ParseError: they are not of this kind; the message shows their beginning.
    """
    end = len(data)
    while data[end - 1 : end] == b"\n":
        end -= 1
    try:
        text = str(memoryview(data)[:end], "utf-8")
    except UnicodeDecodeError as error:
        raise ParseError(
            f"expected text as UTF-8, found byte 0x{data[error.start]:02x} "
            f"at position {error.start} of {_shown(data[:300].decode('latin-1'))}"
        ) from None
    if kind == "str":
        return values.encode(text)
    if kind == "class":
        return _encoded_already(text)
    try:
        if kind == "list":
            convert = _SCALARS[options.get("item_type", "str")]
            return values.encode([convert(part) for part in _split(text, options)])
        if kind == "array":
            from hpcflow.node import arrays

            return arrays.encode_array(
                options.get("item_type", "float"), _split(text, options)
            )
        return values.encode(_SCALARS[kind](text))
    except (ValueError, OverflowError):
        item = f" of {options['item_type']}" if "item_type" in options else ""
        raise ParseError(f"expected {kind}{item}, found {_shown(text)}") from None
    except KeyError as error:
        raise ParseError(f"the type {error.args[0]!r} is not known") from None


def _encoded_already(text: str) -> Any:
    """What a class made of a text, and wrote as it is stored."""
    try:
        return json.loads(text)
    except ValueError:
        raise ParseError(f"expected a stored value, found {_shown(text)}") from None


def _split(text: str, options: Dict[str, Any]) -> List[str]:
    """The items of a list; without `delim`, any white space separates them."""
    delim = options.get("delim", " ")
    if not text.strip():
        return []
    return text.split() if delim == " " else text.split(delim)


def _bool(text: str) -> bool:
    word = text.strip().lower()
    if word in ("true", "1"):
        return True
    if word in ("false", "0"):
        return False
    raise ValueError(text)


_SCALARS: Dict[str, Callable[[str], Any]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": _bool,
}


def _shown(text: str) -> str:
    return repr(text) if len(text) <= 200 else repr(text[:200]) + "..."
