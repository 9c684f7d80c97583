"""Small pieces of text that several commands print."""

from __future__ import annotations

import os
import shlex


def count(number: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def size(number: int) -> str:
    """`512 B`, `1.5 kB`, `230 MB`: bytes, in powers of 1000."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.3g} {unit}" if unit != "B" else f"{number} B"
        value /= 1000
    return f"{value:.3g} TB"


def nearest_path(path: str) -> str:
    """A path as one would type it from here: relative where that is shorter."""
    if not os.path.isabs(path):
        return path  # a locator
    relative = os.path.relpath(path)
    return relative if len(relative) < len(path) else path


def typed_path(path: str) -> str:
    """`nearest_path`, quoted as a shell wants it."""
    near = nearest_path(path)
    return shlex.quote(f"./{near}" if near.startswith("-") else near)


def duration(seconds: float) -> str:
    """`42 s`, `3 min 05 s`, `2 h 07 min`, `3 d 04 h`."""
    whole = int(seconds)
    for size, unit, part, part_unit in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // part:02d} {part_unit}"
    return f"{whole} s"


def ranges(numbers: list[int], most: int = 12) -> str:
    """`0-3, 7, 9-11`: rising numbers, with `...` after so many parts."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    words = [str(a) if a == b else f"{a}-{b}" for a, b in parts[:most]]
    return ", ".join(words) + (", ..." if len(parts) > most else "")
