"""Problems of a template: where they are, what is wrong, what was expected."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from hpcflow.errors import InvalidTemplateError

if TYPE_CHECKING:
    from collections.abc import Iterable

Path = tuple[str | int, ...]

_PLAIN_KEY = re.compile(r"[\w\-\[\]:*]+")
_LINE_BREAK = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a template.

    line, column: from 1, in the file as the user wrote it; 0 where it has no place
    (a file that can't be read). path: the place inside the template, such as
    "tasks[0].inputs.p1". severity: "error" or "warning".
    """

    file: str
    line: int
    column: int
    path: str
    message: str
    expected: str = ""
    suggestion: str = ""
    severity: str = "error"

    def render(self) -> str:
        """The problem as one line, in the form that editors and CI systems link."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        parts = [place]
        if self.severity != "error":
            parts.append(self.severity)
        if self.path:
            parts.append(self.path)
        hints = [f"expected {self.expected}"] if self.expected else []
        if self.suggestion:
            hints.append(f"did you mean {self.suggestion!r}?")
        tail = f" ({'; '.join(hints)})" if hints else ""
        return _LINE_BREAK.sub(" ", f"{': '.join(parts)}: {self.message}{tail}")

    def __str__(self) -> str:
        return self.render()


class TemplateError(InvalidTemplateError):
    """A template with problems; all of them are in `problems`, in the file's order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problem.render() for problem in self.problems))


class Positions:
    """Turns offsets in the parsed text into lines and columns of the user's file.

    edits: (start, end, original start, original end) of each replaced piece, in
    order: `parsed[start:end]` stands for `original[original start:original end]`.
    """

    def __init__(
        self, file: str, original: str, edits: list[tuple[int, int, int, int]] | None = None
    ) -> None:
        self.file = file
        self._edits = edits or []
        self._starts = [edit[0] for edit in self._edits]
        self._lines = [0, *(match.end() for match in _LINE_BREAK.finditer(original))]

    def locate(self, at: int) -> tuple[int, int]:
        """The line and column of an offset; inside a replaced piece, where it began."""
        number = bisect_right(self._starts, at) - 1
        if number >= 0:
            _, end, old_start, old_end = self._edits[number]
            at = old_start if at < end else at - end + old_end
        line = bisect_right(self._lines, at)
        return line, at - self._lines[line - 1] + 1


class Problems:
    """Collects the problems of one template."""

    def __init__(self, positions: Positions) -> None:
        self._positions = positions
        self._found: dict[Problem, None] = {}

    def add(
        self,
        at: int,
        path: Path,
        message: str,
        *,
        expected: str = "",
        suggestion: str = "",
        severity: str = "error",
    ) -> None:
        """Note a problem at an offset of the parsed text."""
        line, column = self._positions.locate(at)
        problem = Problem(
            self._positions.file,
            line,
            column,
            render_path(path),
            message,
            expected,
            suggestion,
            severity,
        )
        self._found[problem] = None

    def add_others(self, problems: Iterable[Problem]) -> None:
        """Take up problems of other files."""
        self._found.update(dict.fromkeys(problems))

    def line_of(self, at: int) -> int:
        """The line of an offset, to be named in a message."""
        return self._positions.locate(at)[0]

    @property
    def any_errors(self) -> bool:
        """Whether there is anything but warnings."""
        return any(problem.severity == "error" for problem in self._found)

    def sorted(self) -> list[Problem]:
        """All problems by place."""
        return sorted(self._found, key=lambda p: (p.line, p.column))


def render_path(path: Path) -> str:
    """A path as users write it: "tasks[0].inputs.p1"."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{part!r}]"
    return text


def nearest(word: object, valid: Iterable[str]) -> str:
    """The valid name that was probably meant, or ""."""
    names = {name.lower(): name for name in valid}
    found = get_close_matches(str(word).lower(), names, n=1, cutoff=0.6)
    return names[found[0]] if found else ""


def nearest_file(name: str, files: Iterable[str]) -> str:
    """The file that was probably meant, or "": alike ends of names are not enough."""
    stem = name.partition(".")[0]
    alike = [file for file in files if nearest(stem, [file.partition(".")[0]])]
    return nearest(name, alike)


def listed(names: Iterable[object], empty: str = "none") -> str:
    """Names for a message: "'a', 'b'"; a long list is cut."""
    quoted = [repr(str(name)) for name in names]
    more = f" and {len(quoted) - 12} more" if len(quoted) > 12 else ""
    return ", ".join(quoted[:12]) + more if quoted else empty
