"""A template's text: variables replaced, positions kept."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpcflow.template.problems import Positions, Problems, listed, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

# Stands in the text for a variable without a value; what it is in is checked no further.
UNKNOWN = "\ue000"

_VARIABLE = re.compile(
    r"<<var:(?P<name>[^<>\[\]\n]*)(?:\[default=(?P<default>.*?)\])?>>"
    r"|<<var:(?P<wrong>[^\n]*?)>>"
)


@dataclass(frozen=True, slots=True)
class Source:
    """A template's text as it is parsed, and the way back to the user's file."""

    original: str
    text: str
    positions: Positions


def substitute(
    original: str, variables: Mapping[str, str], file: str
) -> tuple[Source, Problems]:
    """Replace `<<var:NAME>>` and `<<var:NAME[default=X]>>`.

    Those without a value, or of another form, become `UNKNOWN` and a problem; one that
    the text does not use is a warning.
    """
    pieces: list[str] = []
    edits: list[tuple[int, int, int, int]] = []
    undefined: list[tuple[int, str]] = []
    wrong: list[tuple[int, str]] = []
    used: set[str] = set()
    length = done = 0
    for match in _VARIABLE.finditer(original):
        start = length + match.start() - done
        name = (match["name"] or "").strip()
        default: str | None = match["default"]
        value = variables.get(name, default)
        if match["wrong"] is not None:
            wrong.append((start, match[0]))
            value = UNKNOWN
        else:
            used.add(name)
        if value is None:
            undefined.append((start, name))
            value = UNKNOWN
        pieces += (original[done : match.start()], value)
        length = start + len(value)
        edits.append((start, length, match.start(), match.end()))
        done = match.end()
    text = "".join((*pieces, original[done:]))
    source = Source(original, text, Positions(file, original, edits))
    problems = Problems(source.positions)
    for at, form in wrong:
        expected = "`<<var:NAME>>` or `<<var:NAME[default=X]>>`"
        problems.add(at, (), f"`{form}` is not understood", expected=expected)
    for at, name in undefined:
        problems.add(
            at,
            (),
            f"the variable {name!r} has no value",
            expected=f"--var {name} VALUE or `<<var:{name}[default=...]>>`; "
            f"given: {listed(variables)}",
            suggestion=nearest(name, variables),
        )
    for name in variables:
        if name not in used:
            problems.add(
                0,
                (),
                f"the template does not use the variable {name!r}",
                expected=f"one of {listed(sorted(used))}" if used else "no variables",
                suggestion=nearest(name, used),
                severity="warning",
            )
    return source, problems
