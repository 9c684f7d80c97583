"""A run's outputs as its `end` record holds them, large ones as objects.

What names an object in a record is a reference: see `jobstores.references`.
"""

from __future__ import annotations

import json
from typing import Any, Callable, Dict

# Of the 4,000 bytes of a line: 3,000 for the outputs, 600 for `why`, 400 for all else.
OUTPUTS_BYTES = 3000
WHY_BYTES = 600

_KEY_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._")

REFERENCE_BYTES = 60  # of what names an object, its key apart

Put = Callable[[str, Any], Any]  # stores an encoded value by its key, gives its reference


def to_json(value: Any) -> bytes:
    """JSON as records hold it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def object_key(prefix: str, run: int, output: str) -> str:
    """The key of a large output."""
    return f"{prefix}/{run}.{key_part(output)}"


def key_part(name: str) -> str:
    """A name as part of a key; letters outside the key grammar become `-HEX-`."""
    return "".join(c if c in _KEY_LETTERS else f"-{ord(c):x}-" for c in name)


def fitted(outputs: Dict[str, Any], prefix: str, run: int, put: Put) -> Dict[str, Any]:
    """The outputs such that they fit a line: the largest are put as objects.

    Raises:
        ValueError: one can't be JSON as UTF-8, or there are so many that even
            their names don't fit.
    """
    if len(outputs) <= 8 and all(_surely_short(n, v) for n, v in outputs.items()):
        return outputs
    sizes = {name: _size(value) for name, value in outputs.items()}
    left = OUTPUTS_BYTES - sum(len(to_json(name)) + 2 for name in outputs)
    large: Dict[str, str] = {}
    for name in sorted(sizes, key=lambda n: sizes[n], reverse=True):
        if sum(sizes.values()) <= left:
            break
        large[name] = object_key(prefix, run, name)
        sizes[name] = len(large[name]) + REFERENCE_BYTES
    if sum(sizes.values()) > left:
        raise ValueError(f"{len(outputs)} outputs are too many for one record")
    return {
        name: put(large[name], value) if name in large else value
        for name, value in outputs.items()
    }


def _size(value: Any) -> int:
    """The bytes of an encoded value as JSON; of a long text, at least as many as matter."""
    if isinstance(value, str) and len(value) > OUTPUTS_BYTES:
        return len(value)
    return len(to_json(value))


def _surely_short(name: str, value: Any) -> bool:
    """Whether an output takes less than 300 bytes, judged without encoding it."""
    if len(name) > 50:
        return False
    if isinstance(value, str):
        return len(value) <= 30 and value.isascii()
    return value is None or isinstance(value, float) or _small_int(value)


def _small_int(value: Any) -> bool:
    return isinstance(value, int) and -(1 << 63) <= value < 1 << 63


def shortened(text: str, limit: int = WHY_BYTES) -> str:
    """A text cut so that it takes at most `limit` bytes as JSON."""
    if 6 * len(text) + 2 <= limit or len(to_json(text)) <= limit:
        return text
    text = text[:limit]
    while len(to_json(text)) + 3 > limit:
        text = text[: len(text) * 9 // 10]
    return text + "..."
