"""Sequences: what an element set sweeps, and the values it takes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcflow.model.workflow import ValueTable, value_table
from hpcflow.template.context import Place, Section
from hpcflow.template.env_choice import ENV_PRESET, ENVIRONMENTS
from hpcflow.template.env_sequences import check_preset, environment_shape
from hpcflow.template.generated import generated
from hpcflow.template.generators import (
    GeneratorError,
    latin_hypercube,
)
from hpcflow.template.language import RESOURCES
from hpcflow.template.nodes import Node, broken, child, entries, plain, value_of
from hpcflow.template.problems import listed, nearest, render_path
from hpcflow.template.resources import field_of, read_item, read_layer
from hpcflow.template.scopes import EXPECTED, parse_scope
from hpcflow.template.scopes import KINDS as SCOPE_KINDS
from hpcflow.template.shape import Checker, Later
from hpcflow.template.value_classes import made_value, value_class

if TYPE_CHECKING:
    from hpcflow.template.input_names import InputNames, InputPath
    from hpcflow.template.problems import Path

_SCOPED = re.compile(r"(?P<scope>\w+(?:\[[^\]]*\])?)(?:\.(?P<item>.*))?")


@dataclass(frozen=True, slots=True)
class Sequence:
    """One swept path. table is None where its values have problems.

    part: the place inside the input's value that is swept; () for the whole.
    """

    name: str
    input: str | None  # the swept input; else `resource` is set
    resource: tuple[str, str] | None  # scope and field
    order: float | None
    table: ValueTable | None
    length: int
    place: Place
    part: tuple[str | int, ...] = ()


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
                self._names.likely.update(given.value.split(".")[1:2])  # as input.x has it
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
            table = generated(key, nodes, here, self._section)
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
        if values is None and child(node, "values::from_latin_hypercube") is not None:
            self._read_samples(node, paths, path)
            return
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

    def _read_samples(self, node: Node, paths: Node, path: Path) -> None:
        """A sequence over several paths, sampled in the space that they span."""
        key = "values::from_latin_hypercube"
        given = node.value[key]
        if broken(given) or broken(paths):
            return
        here = (*path, key)
        names = [name.value for name in paths.value]
        arguments = {k: plain(v) for k, v in given.value.items() if v.value is not None}
        for name, at, _ in entries(given.value["bounds"]):
            if name not in names:
                expected = f"one of {listed(names)}"
                wrong = f"{name!r} is none of the paths"
                self._section.add(
                    at, (*here, "bounds", name), wrong, expected, nearest(name, names)
                )
        bounds = {name: arguments["bounds"].get(name, {}) for name in names}
        seed = arguments.pop("seed", None)
        if arguments.setdefault("rng", seed) is None:
            arguments["rng"] = self._section.context.draw_seed()
            self._section.context.seeds[render_path((*here, "rng"))] = arguments["rng"]
        try:
            rows = latin_hypercube(names, **{**arguments, "bounds": bounds})
        except (GeneratorError, ValueError) as error:
            self._section.add(given.at, here, str(error))
            return
        order = value_of(node, "nesting_order", 0.0)
        for number, (name, row) in enumerate(zip(paths.value, rows, strict=True)):
            place = Place(name.at, (*path, "paths", number))
            table = ValueTable("float", np.ascontiguousarray(row))
            self._add(name.value, place, order, _Values(given, here, len(row), table))

    def _add(self, name: str, place: Place, order: float | None, values: _Values) -> None:
        """Take up the values of a path."""
        self._names.attempted.add(name)
        root, _, rest = name.partition(".")
        if root == "inputs":
            self._add_input(rest, place, order, values)
        elif root == "resources":
            self._add_resource(name, place, order, values)
        elif root in (ENVIRONMENTS, ENV_PRESET):
            self._add_environment(name, place, order, values)
        else:
            self._section.add(
                place.at,
                place.path,
                f"{name!r} can't be swept",
                "`inputs.NAME`, `resources.SCOPE.ITEM`, `environments.NAME`, `env_preset`",
                nearest(root, ("inputs", "resources", ENVIRONMENTS, ENV_PRESET)),
            )

    def _add_input(
        self, text: str, place: Place, order: float | None, values: _Values
    ) -> None:
        found = self._names.resolve_path(text, place)
        if found is None or not self._names.claim(found.text, place):
            return
        table = values.table
        if found.method:
            table = self._made(found, values)
            if table is None:
                return
        elif table is None and isinstance(values.nodes.value, list):
            table = value_table([plain(item) for item in values.nodes.value])
        self.found.append(
            Sequence(
                found.text, found.name, None, order, table, values.length, place, found.part
            )
        )

    def _made(self, found: InputPath, values: _Values) -> ValueTable | None:
        """The values that a class's method, or a generator, makes of each item."""
        made = []
        kind = value_class(self._names.schema, found.name)
        for number, node in enumerate(_nodes(values)):
            here = Place(node.at, (*values.path, number))
            table = made_value(found, node, here, self._section, kind)
            if table is None:
                return None
            made.append(table[0])
        return value_table(made)

    def _add_environment(
        self, name: str, place: Place, order: float | None, values: _Values, scope: str = ""
    ) -> None:
        """Take up the values of `environments.NAME[.SPECIFIER]` or of `env_preset`.

        scope: the resources' that it stands in.
        """
        nodes = _nodes(values)
        inside = name.removeprefix(f"resources.{scope}.") if scope else name
        shape = environment_shape(inside, place, self._section)
        if shape is None or not self._names.claim(name, place):
            return
        checker = Checker(self._section.context.problems)
        for number, node in enumerate(nodes):
            path = (*values.path, number) if values.table is None else values.path
            checker.check(node, shape, path)
            self._section.faulty |= node.bad
            if inside == ENV_PRESET and not node.bad:
                check_preset(node, path, self._names.schema, self._section)
        table = ValueTable("json", [None if node.bad else plain(node) for node in nodes])
        field = (scope, inside)
        self.found.append(Sequence(name, None, field, order, table, len(nodes), place))

    def _add_resource(
        self, name: str, place: Place, order: float | None, values: _Values
    ) -> None:
        scope, item = _scope_and_item(name)
        if item.startswith(f"{ENVIRONMENTS}.") and parse_scope(scope) is not None:
            self._add_environment(name, place, order, values, scope)
            return
        if not item and parse_scope(scope) is not None:
            self._add_scope(name, scope, place, order, values)
            return
        if not self._is_resource(scope, item, place):
            return
        scope = parse_scope(scope) or scope
        nodes = _nodes(values)
        found = self._read_items(item, nodes, values)
        if self._names.claim(name, place):
            field = (scope, field_of(item))
            table = ValueTable("json", found)
            self.found.append(Sequence(name, None, field, order, table, len(nodes), place))

    def _add_scope(
        self, name: str, scope: str, place: Place, order: float | None, values: _Values
    ) -> None:
        """Take up the values of a whole scope: maps of items."""
        if not self._names.claim(name, place):
            return
        context = self._section.context
        checker = Checker(context.problems)
        found: list[Any] = []
        for number, node in enumerate(_nodes(values)):
            path = (*values.path, number) if values.table is None else values.path
            checker.check(node, RESOURCES, path)
            self._section.faulty |= broken(node)
            found.append({} if node.bad else read_layer(node, path, context))
        field = (parse_scope(scope) or scope, "")
        table = ValueTable("json", found)
        self.found.append(Sequence(name, None, field, order, table, len(found), place))

    def _read_items(self, item: str, nodes: list[Node], values: _Values) -> list[Any]:
        """The values of a resource's item, each checked."""
        context = self._section.context
        checker = Checker(context.problems)
        found = []
        for number, node in enumerate(nodes):
            path = (*values.path, number) if values.table is None else values.path
            checker.check(node, RESOURCES.keys[item].shape, path)
            value = None if broken(node) else read_item(item, node, path, context)
            self._section.faulty |= broken(node)
            found.append(value)
        return found

    def _is_resource(self, scope: str, item: str, place: Place) -> bool:
        """Whether a path is one of a resource that can be swept; if not, it is reported."""
        add, at, path = self._section.add, place.at, place.path
        key = RESOURCES.keys.get(item)
        if parse_scope(scope) is None:
            meant = nearest(scope, SCOPE_KINDS)
            add(at, path, f"unknown scope {scope!r}", EXPECTED, meant)
        elif not item or (item.split(".")[0] in RESOURCES.keys and "." in item):
            outer = item.split(".")[0]
            message = f"nothing inside {outer!r} can be swept alone"
            add(at, path, message, f"`resources.{scope}.{outer}`, with whole values")
        elif key is None:
            message = f"unknown resource {item!r}"
            add(at, path, message, suggestion=nearest(item, RESOURCES.keys))
        elif isinstance(key.shape, Later):
            self._section.later(at, path, repr(item))
        else:
            return True
        return False


def _nodes(values: _Values) -> list[Node]:
    """The values of a path as nodes."""
    if values.table is not None:
        at = values.nodes.at
        return [Node(values.table[row], at) for row in range(values.length)]
    return values.nodes.value if isinstance(values.nodes.value, list) else []


def _scope_and_item(path: str) -> tuple[str, str]:
    """The parts of `resources.SCOPE.ITEM`; a scope's brackets may hold dots."""
    match = _SCOPED.fullmatch(path.removeprefix("resources."))
    return (match["scope"], match["item"] or "") if match else ("", "")
