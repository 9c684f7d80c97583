"""Values as the text of bash variables. Pure.

A value never becomes shell syntax: it travels in the environment of the run's
bash, or, where it is too long for that, in a file that bash reads into the
variable before the step's own text begins.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, Tuple

# Linux allows one environment string 128 KiB, and all of them with the arguments
# a quarter of the stack's limit, at least 128 KiB. Source: execve(2).
VARIABLE_LIMIT_BYTES = 100_000
ALL_VARIABLES_LIMIT_BYTES = 600_000
TEXT_LIMIT_BYTES = 100_000

_PLAIN_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")


class UnusableValueError(Exception):
    """A value can't become the text that the step asks for."""


def text_of(value: Any) -> str:
    """A value as text: a string as it is, all else as Python writes it."""
    return value if isinstance(value, str) else str(value)


def variable_bytes(variable: Dict[str, Any], value: Any) -> bytes:
    """The text of one variable of a step, as UTF-8.

    Raises:
        UnusableValueError: it has no such part, is not a list or a number where
            one is needed, or can't be a shell variable's text.
    """
    name = variable["input"]
    value = _pick(name, variable.get("path") or [], value)
    text = _applied(name, variable.get("apply"), variable.get("options") or {}, value)
    if variable.get("arithmetic") and not _PLAIN_NUMBER.fullmatch(text):
        raise UnusableValueError(
            f"input {name!r}: expected a plain number, as bash computes with it, "
            f"found {_shown(text)}"
        )
    data = text.encode("utf-8", "surrogateescape")
    if b"\0" in data:
        raise UnusableValueError(
            f"input {name!r}: its text has a NUL character, which no shell variable "
            "can hold; pass it by a script"
        )
    return data


def _pick(name: str, path: List[Any], value: Any) -> Any:
    for depth, part in enumerate(path):
        try:
            value = value[part if isinstance(value, dict) else int(part)]
        except (LookupError, TypeError, ValueError):
            where = ".".join(str(p) for p in path[: depth + 1])
            raise UnusableValueError(
                f"input {name!r} has no part {where!r}: found {_shown(value)}"
            ) from None
    return value


def _applied(name: str, apply: str | None, options: Dict[str, Any], value: Any) -> str:
    if apply is None:
        return text_of(value)
    if isinstance(value, (str, bytes, dict)) or not hasattr(value, "__iter__"):
        raise UnusableValueError(
            f"input {name!r}: {apply} expected a list, found {_shown(value)}"
        )
    if apply == "join":
        return str(options.get("delim", " ")).join(text_of(part) for part in value)
    if apply == "sum":
        try:
            return text_of(sum(value))
        except TypeError:
            raise UnusableValueError(
                f"input {name!r}: sum expected a list of numbers, found {_shown(value)}"
            ) from None
    raise UnusableValueError(f"input {name!r}: {apply!r} is not known")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + "..."


def too_big(variables: Dict[bytes, bytes]) -> List[bytes]:
    """The names of the variables that have to travel in files."""
    total = sum(len(text) for text in variables.values())
    if total <= VARIABLE_LIMIT_BYTES:
        return []
    big = []
    for size, name in sorted(((len(t), n) for n, t in variables.items()), reverse=True):
        if size <= VARIABLE_LIMIT_BYTES and total <= ALL_VARIABLES_LIMIT_BYTES:
            break
        big.append(name)
        total -= size
    return big


def quoted(text: str) -> str:
    """Text as one word of bash."""
    return "'" + text.replace("'", "'\\''") + "'"


def prelude(files: List[Tuple[str, str]]) -> str:
    """Bash that reads variables, given as (name, path), from files that end in NUL.

    It has no line break, so that the numbers of the step's own lines stay true.
    """
    return "".join(f"IFS= read -r -d '' {name} < {quoted(path)}; " for name, path in files)


def step_text(text: str, path: str) -> str:
    """What bash is given as the step's commands: their text, or a line that reads it."""
    if len(text.encode("utf-8", "surrogateescape")) <= TEXT_LIMIT_BYTES:
        return text
    return f". {quoted(path)}\n"
