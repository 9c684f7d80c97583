"""Single values that keys hold: names, numbers, durations, places inside a value."""

from __future__ import annotations

import re

from hpcflow.template.generators import NATURAL, TEXT, is_number
from hpcflow.template.quantities import (
    MEMORY,
    MEMORY_PATTERN,
    TIME,
    TIME_PATTERN,
    parse_memory,
    parse_time,
)
from hpcflow.template.shape import Either, Items, Key, Later, Scalar

_NAME = re.compile(r"[A-Za-z_]\w*")
_LABEL = re.compile(r"[\w\-]+")
_PLACE = re.compile(r"[^.\s]+(\.[^.\s]+)*")

NAME = Scalar(
    "a name (letters, digits and _)",
    lambda value: isinstance(value, str) and _NAME.fullmatch(value) is not None,
    {"type": "string", "pattern": r"^[^\W\d]\w*$"},
)

LABEL = Scalar(
    "a label (letters, digits, _ and -)",
    lambda value: isinstance(value, str) and _LABEL.fullmatch(value) is not None,
    {"type": "string", "pattern": r"^[\w\-]+$"},
)

ENVIRONMENT_NAME = Scalar(
    "a name (letters, digits, _, - and .)",
    lambda value: isinstance(value, str) and re.fullmatch(r"[\w\-.]+", value) is not None,
    {"type": "string", "pattern": r"^[\w\-.]+$"},
)

MODULE = Scalar(
    "a module's name, such as package.module",
    lambda value: isinstance(value, str) and all(map(str.isidentifier, value.split("."))),
    {"type": "string", "pattern": r"^[^\d\W]"},
)

WORKFLOW_NAME = Scalar(
    "text without '/' that does not begin with '.'",
    lambda value: (
        isinstance(value, str)
        and bool(value.strip())
        and not value.startswith(".")
        and not set(value) & set("/\0\n")
    ),
    {"type": "string", "pattern": r"^[^./\n][^/\n]*$"},
)

FILLED_TEXT = Scalar(
    "text",
    lambda value: isinstance(value, str) and bool(value.strip()),
    {"type": "string", "pattern": r"\S"},
)

POSITIVE = Scalar(
    "a whole number of at least 1",
    lambda v: type(v) is int and v >= 1,
    {"type": "integer", "minimum": 1},
)

PACKING = Scalar(
    "a whole number of at least 1, or auto",
    lambda v: (type(v) is int and v >= 1) or v == "auto",
    {"anyOf": [{"type": "integer", "minimum": 1}, {"const": "auto"}]},
)

NESTING = Scalar(
    "a number of at least 0",
    lambda value: is_number(value) and value >= 0,
    {"type": "number", "minimum": 0},
)

EXIT_CODE = Scalar(
    "an exit code, 0 to 255",
    lambda v: type(v) is int and 0 <= v <= 255,
    {"type": "integer", "minimum": 0, "maximum": 255},
)

DIRECTIVE = Scalar(
    "text, a number, or null for an option without a value",
    lambda value: value is None or isinstance(value, str) or is_number(value),
    {"type": ["string", "number", "null"]},
)

OPTION = Scalar(
    "an option such as --time",
    lambda value: isinstance(value, str) and value.startswith("-"),
    {"type": "string", "pattern": "^-"},
)

TEXTS = Either(scalar=TEXT, items=Items(TEXT))

TEXT_OR_WHOLE = Scalar(
    "text", lambda v: type(v) in (str, int), {"type": ["string", "integer"]}
)

TEXT_OR_NUMBER = Scalar(
    "text or a number",
    lambda v: isinstance(v, str) or is_number(v),
    {"type": ["string", "number"]},
)

NULL = Scalar("a map", lambda value: value is None, {"type": "null"})

SIZE = Scalar(
    MEMORY,
    lambda v: parse_memory(v) is not None,
    {"type": ["string", "integer"], "pattern": MEMORY_PATTERN, "minimum": 1},
)

DURATION = Scalar(
    TIME,
    lambda v: parse_time(v) is not None,
    {"type": ["string", "integer"], "pattern": TIME_PATTERN, "minimum": 1},
)

PLACE = Scalar(
    "a place inside a value, such as a.0",
    lambda v: type(v) is int or (isinstance(v, str) and _PLACE.fullmatch(v) is not None),
    {"type": ["string", "integer"], "pattern": r"^[^.\s]+(\.[^.\s]+)*$"},
)

TASK_REFERENCE = Scalar(
    "a task's index or unique name",
    lambda value: (type(value) is int and value >= 0) or isinstance(value, str),
    {"type": ["integer", "string"]},
)

ITER_IDS = Items(NATURAL, least=1)

TOLERANCE = Scalar(
    "true, false, a number of runs, or a fraction from 0 to 1",
    lambda v: (
        isinstance(v, bool) or (is_number(v) and v >= 0 and (type(v) is int or v <= 1))
    ),
    {"type": ["boolean", "number"], "minimum": 0},
)


def whole_number(least: int, most: int) -> Scalar:
    """A whole number within bounds, both included."""
    return Scalar(
        f"a whole number, {least} to {most}",
        lambda value: type(value) is int and least <= value <= most,
        {"type": "integer", "minimum": least, "maximum": most},
    )


LATER = Key(Later())
