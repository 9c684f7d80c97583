"""Sequences: what an element set sweeps, and the values it takes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpcflow.model.workflow import ValueTable, value_table
from hpcflow.template.context import Place, Section
from hpcflow.template.generators import GENERATORS, Generator, GeneratorError, generate
from hpcflow.template.language import RESOURCES
from hpcflow.template.nodes import Node, broken, child, entries, plain, value_of
from hpcflow.template.problems import listed, nearest, render_path
from hpcflow.template.resources import SCOPES, field_of, read_item
from hpcflow.template.shape import Checker, Later

if TYPE_CHECKING:
    from hpcflow.model.schema import TaskSchema
    from hpcflow.template.problems import Path

_INPUT = re.compile(r"(?P<name>[A-Za-z_]\w*(?:\[[^\[\].:]+\])?)(?P<rest>.*)", re.DOTALL)
_GENERATED = re.compile(r"values::(\w+)")


@dataclass(frozen=True, slots=True)
class Sequence:
    """One swept path. table is None where its values have problems."""

    name: str
    input: str | None  # the swept input; else `resource` is set
    resource: tuple[str, str] | None  # scope and field
    order: float | None
    table: ValueTable | None
    length: int
    place: Place


class InputNames:
    """Understands the names of a schema's inputs, and sees what is given twice.

    likely: inputs that were meant, as far as can be told, where something is wrong;
    they are not reported again as missing. attempted: all paths, understood or not.
    """

    def __init__(self, schema: TaskSchema | None, section: Section) -> None:
        self.known = None if schema is None else [item.name for item in schema.inputs]
        self.likely: set[str] = set()
        self.attempted: set[str] = set()
        self._schema_name = "" if schema is None else schema.name
        self._section = section
        self._taken: dict[str, int] = {}

    def resolve(self, text: str, place: Place) -> str | None:
        """An input of the schema, "p" or "p[label]"; None where it is reported as none."""
        add, at, path = self._section.add, place.at, place.path
        self.attempted.add(f"inputs.{text}")
        match = _INPUT.fullmatch(text)
        name, rest = (match["name"], match["rest"]) if match else ("", text)
        self.likely.add(name)
        if match is None or (rest and rest[0] not in ".:"):
            add(at, path, f"{text!r} is not an input's name", "`NAME` or `NAME[LABEL]`")
        elif rest.startswith("."):
            self._section.later(at, path, f"a value inside an input ({text!r})")
        elif rest:
            what = f"a generator or class method for one value ({text!r})"
            self._section.later(at, path, what)
        elif self.known is not None and name not in self.known:
            meant = nearest(name, self.known)
            self.likely.add(meant)
            message = f"the schema {self._schema_name!r} has no input {name!r}"
            add(at, path, message, f"one of {listed(self.known)}", meant)
        else:
            return name
        return None

    def claim(self, name: str, place: Place) -> bool:
        """Whether a path is given for the first time; if not, that is reported."""
        if name in self._taken:
            line = self._section.context.problems.line_of(self._taken[name])
            message = f"{name!r} is given in line {line} already"
            self._section.add(place.at, place.path, message)
            return False
        self._taken[name] = place.at
        return True


@dataclass(frozen=True, slots=True)
class _Values:
    """The values of a path: a table, where a generator made them; else their nodes."""

    nodes: Node
    path: Path
    length: int
    table: ValueTable | None = None


class SequenceReader:
    """Reads the sequences of one element set."""

    def __init__(self, names: InputNames, section: Section) -> None:
        self._names = names
        self._section = section
        self.found: list[Sequence] = []

    def read(self, node: Node, path: Path) -> None:
        """Read one item of `sequences` or `multi_path_sequences`."""
        several, single = child(node, "paths"), child(node, "path")
        for given in (single, *(several.value if several is not None else ())):
            if given is not None and isinstance(given.value, str):
                self._names.likely.add(given.value.removeprefix("inputs."))
        if broken(node):
            self._section.faulty = True
        if node.bad:
            return
        if several is not None and single is None:
            self._read_rows(node, several, path)
        elif single is not None and several is None:
            self._read_single(node, single, path)
        elif not broken(node):
            self._section.add(node.at, path, "a sequence has either `path` or `paths`")

    def _read_single(self, node: Node, single: Node, path: Path) -> None:
        label = value_of(node, "label")
        name = single.value if label is None else f"{single.value}[{label}]"
        place = Place(single.at, (*path, "path"))
        key = self._values_key(node, path)
        if key is None:
            return
        nodes, here = node.value[key], (*path, key)
        order = value_of(node, "nesting_order")
        if key == "values":
            self._add(name, place, order, _Values(nodes, here, len(nodes.value)))
        else:
            order = 0.0 if order is None else order
            table = self._generate(nodes, key, here)
            length = 0 if table is None else len(table)
            self._add(name, place, order, _Values(nodes, here, length, table))

    def _values_key(self, node: Node, path: Path) -> str | None:
        """The key that holds the values; None where there isn't one good one."""
        keys = [
            key
            for key, _, item in entries(node)
            if key.split("::")[0] == "values" and (item.bad or item.value is not None)
        ]
        if len(keys) == 1:
            return None if node.value[keys[0]].bad else keys[0]
        if keys or not broken(node):
            found = f"this one has {listed(keys)}" if keys else "this one has none"
            message = f"a sequence has `values` or one generator; {found}"
            self._section.add(node.at, path, message)
        return None

    def _read_rows(self, node: Node, paths: Node, path: Path) -> None:
        """A sequence over several paths: one row of values for each."""
        values = child(node, "values")
        if values is None:
            if not broken(node):
                self._section.add(node.at, path, "a sequence over `paths` has `values`")
            return
        if broken(paths):
            return
        rows = values.value
        if len(rows) != len(paths.value) or not all(
            isinstance(r.value, list) for r in rows
        ):
            self._section.add(
                values.at,
                (*path, "values"),
                f"{len(paths.value)} paths, but {len(rows)} items",
                "a list of values for each path",
            )
            return
        order = value_of(node, "nesting_order")
        for number, (name, row) in enumerate(zip(paths.value, rows, strict=True)):
            here = (*path, "values", number)
            if len(row.value) != len(rows[0].value) or not row.value:
                self._section.add(
                    row.at,
                    here,
                    f"{name.value!r} has {len(row.value)} values, {paths.value[0].value!r} "
                    f"has {len(rows[0].value)}",
                    "as many values for each path, and at least one",
                )
                continue
            place = Place(name.at, (*path, "paths", number))
            self._add(name.value, place, order, _Values(row, here, len(row.value)))

    def _add(self, name: str, place: Place, order: float | None, values: _Values) -> None:
        """Take up the values of a path."""
        self._names.attempted.add(name)
        root, _, rest = name.partition(".")
        if root == "inputs":
            self._add_input(rest, place, order, values)
        elif root == "resources":
            self._add_resource(name, place, order, values)
        elif root in ("environments", "env_preset"):
            self._section.later(place.at, place.path, f"a sequence over {root!r}")
        else:
            self._section.add(
                place.at,
                place.path,
                f"{name!r} can't be swept",
                "`inputs.NAME` or `resources.SCOPE.ITEM`",
                nearest(root, ("inputs", "resources")),
            )

    def _add_input(
        self, text: str, place: Place, order: float | None, values: _Values
    ) -> None:
        name = self._names.resolve(text, place)
        if name is None or not self._names.claim(f"inputs.{name}", place):
            return
        table = values.table
        if table is None and isinstance(values.nodes.value, list):
            table = value_table([plain(item) for item in values.nodes.value])
        self.found.append(
            Sequence(f"inputs.{name}", name, None, order, table, values.length, place)
        )

    def _add_resource(
        self, name: str, place: Place, order: float | None, values: _Values
    ) -> None:
        scope, _, item = name.removeprefix("resources.").partition(".")
        if not self._is_resource(name, scope, item, place):
            return
        nodes = values.nodes.value
        if values.table is not None:
            at = values.nodes.at
            nodes = [Node(values.table[row], at) for row in range(values.length)]
        elif not isinstance(nodes, list):
            return
        found = self._read_items(item, nodes, values)
        if self._names.claim(name, place):
            field = (scope, field_of(item))
            table = ValueTable("json", found)
            self.found.append(Sequence(name, None, field, order, table, len(nodes), place))

    def _read_items(self, item: str, nodes: list[Node], values: _Values) -> list[Any]:
        """The values of a resource's item, each checked."""
        context = self._section.context
        checker = Checker(context.problems)
        found = []
        for number, node in enumerate(nodes):
            path = (*values.path, number) if values.table is None else values.path
            checker.check(node, RESOURCES.keys[item].shape, path)
            value = None if node.bad else read_item(item, node, path, context)
            self._section.faulty |= node.bad
            found.append(value)
        return found

    def _is_resource(self, name: str, scope: str, item: str, place: Place) -> bool:
        """Whether a path is one of a resource that can be swept; if not, it is reported."""
        add, at, path = self._section.add, place.at, place.path
        key = RESOURCES.keys.get(item)
        if scope not in SCOPES:
            expected = f"one of {listed(SCOPES)}"
            add(at, path, f"unknown scope {scope!r}", expected, nearest(scope, SCOPES))
        elif not item or (item.split(".")[0] in RESOURCES.keys and "." in item):
            self._section.later(at, path, f"a sequence over {name!r}")
        elif key is None:
            message = f"unknown resource {item!r}"
            add(at, path, message, suggestion=nearest(item, RESOURCES.keys))
        elif isinstance(key.shape, Later):
            self._section.later(at, path, repr(item))
        else:
            return True
        return False

    def _generate(self, node: Node, key: str, path: Path) -> ValueTable | None:
        match = _GENERATED.fullmatch(key)
        generator = GENERATORS.get(match[1]) if match else None
        if generator is None or broken(node):
            return None
        arguments = self._arguments(generator, node, path)
        if arguments is None:
            return None
        try:
            return generate(generator, arguments)
        except GeneratorError as error:
            self._section.add(node.at, path, str(error))
            return None

    def _arguments(
        self, generator: Generator, node: Node, path: Path
    ) -> dict[str, Any] | None:
        """A generator's arguments: the file's text for its path, a seed where none is."""
        context = self._section.context
        arguments = {k: plain(v) for k, v in node.value.items() if v.value is not None}
        if generator.reads_file:
            file = node.value["file_path"]
            text = context.read_file(file, (*path, "file_path"), "file")
            if text is None:
                self._section.faulty = True
                return None
            del arguments["file_path"]
            arguments["text"] = text
        if generator.random and "seed" not in arguments:
            arguments["seed"] = context.draw_seed()
            context.seeds[render_path((*path, "seed"))] = arguments["seed"]
        return arguments
