"""The names of inputs in element sets: `p`, `p[label]`, `q.part`, `q::method`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpcflow.template.parts import part_path
from hpcflow.template.problems import listed, nearest

if TYPE_CHECKING:
    from hpcflow.model.schema import TaskSchema
    from hpcflow.template.context import Place, Section

_INPUT = re.compile(
    r"(?P<name>[A-Za-z_]\w*(?:\[[^\[\].:]+\])?)"
    r"(?:\.(?P<part>[^.:\s]+(?:\.[^.:\s]+)*))?(?:::(?P<method>[A-Za-z_]\w*))?"
)


@dataclass(frozen=True, slots=True)
class InputPath:
    """An input, or a place inside its value; method: a named constructor of the value."""

    name: str
    part: tuple[str | int, ...] = ()
    method: str = ""

    @property
    def text(self) -> str:
        """The path as templates have it, without the method."""
        return ".".join(("inputs", self.name, *map(str, self.part)))


class InputNames:
    """Understands the names of a schema's inputs, and sees what is given twice.

    likely: inputs that were meant, as far as can be told, where something is wrong;
    they are not reported again as missing. attempted: all paths, understood or not.
    """

    def __init__(self, schema: TaskSchema | None, section: Section) -> None:
        self.known = None if schema is None else [item.name for item in schema.inputs]
        self.likely: set[str] = set()
        self.attempted: set[str] = set()
        self.schema = schema
        self._schema_name = "" if schema is None else schema.name
        self._section = section
        self._taken: dict[str, int] = {}

    def resolve(self, text: str, place: Place) -> str | None:
        """An input of the schema, "p" or "p[label]"; None where it is reported as none."""
        found = self.resolve_path(text, place)
        if found is None or not (found.part or found.method):
            return None if found is None else found.name
        message = f"{text!r} is not an input's name"
        self._section.add(place.at, place.path, message, "`NAME` or `NAME[LABEL]`")
        return None

    def resolve_path(self, text: str, place: Place) -> InputPath | None:
        """An input of the schema, or a place inside it, perhaps with a method."""
        add, at, path = self._section.add, place.at, place.path
        self.attempted.add(f"inputs.{text}")
        match = _INPUT.fullmatch(text)
        if match is None:
            self.likely.add(re.split(r"[.:\s]", text)[0])
            expected = "`NAME` or `NAME[LABEL]`, perhaps with a `.PART` or a `::METHOD`"
            add(at, path, f"{text!r} is not an input's name", expected)
            return None
        name = match["name"]
        self.likely.add(name)
        if self.known is not None and name not in self.known:
            meant = nearest(name, self.known)
            self.likely.add(meant)
            message = f"the schema {self._schema_name!r} has no input {name!r}"
            add(at, path, message, f"one of {listed(self.known)}", meant)
            return None
        part = part_path(match["part"]) if match["part"] else ()
        return InputPath(name, part, match["method"] or "")

    def claim(self, name: str, place: Place) -> bool:
        """Whether a path is given for the first time; if not, that is reported."""
        if name in self._taken:
            line = self._section.context.problems.line_of(self._taken[name])
            message = f"{name!r} is given in line {line} already"
            self._section.add(place.at, place.path, message)
            return False
        self._taken[name] = place.at
        return True
