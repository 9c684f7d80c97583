"""Times and sizes as users write them."""

from __future__ import annotations

import re
from typing import Any

TIME = "seconds, 'HH:MM:SS' or 'D-HH:MM:SS'"
MEMORY = "bytes, or text such as '4GiB' or '500MB'"

_TIME_TEXT = r"(?:(\d+)-)?(\d+):([0-5]\d):([0-5]\d)"
_MEMORY_TEXT = r"(\d+(?:\.\d+)?)\s*([kKMGTP]i?)?B"
# of whole texts, as editors need them
TIME_PATTERN = rf"^\s*{_TIME_TEXT}\s*$"
MEMORY_PATTERN = rf"^\s*{_MEMORY_TEXT}\s*$"

_TIME = re.compile(_TIME_TEXT)
_MEMORY = re.compile(_MEMORY_TEXT)
_UNITS = {"": 1} | {
    prefix + suffix: base**power
    for power, prefixes in enumerate(("kK", "M", "G", "T", "P"), start=1)
    for prefix in prefixes
    for suffix, base in (("", 1000), ("i", 1024))
}


def parse_time(value: Any) -> int | None:
    """A duration in seconds; None where the value is not a positive one."""
    if type(value) is int:
        return value if value > 0 else None
    match = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds or None


def parse_memory(value: Any) -> int | None:
    """A size in bytes; None where the value is not a positive one."""
    if type(value) is int:
        return value if value > 0 else None
    match = _MEMORY.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    return int(float(match[1]) * _UNITS[match[2] or ""]) or None


# The options of compressors that a template may give.
COMPRESSORS: dict[str, tuple[str, ...]] = {
    "zstd": ("level",),
    "gzip": ("level",),
    "blosc": ("cname", "clevel", "shuffle", "blocksize"),
}
