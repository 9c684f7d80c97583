"""An element set as the user gave it: values, sequences, repeats, groups, sources."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hpcflow.model.workflow import ValueTable, value_table
from hpcflow.template.generators import GENERATORS, Generator, GeneratorError, generate
from hpcflow.template.language import RESOURCES
from hpcflow.template.nodes import Node, broken, child, items, key_at, plain, value_of
from hpcflow.template.problems import listed, nearest, render_path
from hpcflow.template.resources import SCOPES, Layers, field_of, read_item, read_layers
from hpcflow.template.shape import Checker, Later

if TYPE_CHECKING:
    from hpcflow.model.schema import TaskSchema
    from hpcflow.template.context import Context
    from hpcflow.template.problems import Path

INPUT_NAME = re.compile(r"(?P<name>[A-Za-z_]\w*(?:\[[^\[\].:]+\])?)(?P<rest>.*)", re.DOTALL)
_GENERATED = re.compile(r"values::(\w+)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands, for problems with it."""

    at: int
    path: Path


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


@dataclass(frozen=True, slots=True)
class Repeat:
    """Elements made several times over."""

    name: str
    number: int
    order: float


@dataclass(frozen=True, slots=True)
class NamedSource:
    """What `input_sources` says of one input: "local", "default" or a task."""

    kind: str
    task: str = ""
    of: str = "output"
    place: Place = field(default_factory=lambda: Place(0, ()))


@dataclass(slots=True)
class ElementSetSpec:
    """An element set, read and checked against its schema.

    likely: inputs that a misspelt name probably meant; they are not reported again
    as missing.
    """

    place: Place
    constants: dict[str, tuple[ValueTable, Place]] = field(default_factory=dict)
    sequences: list[Sequence] = field(default_factory=list)
    repeats: list[Repeat] = field(default_factory=list)
    groups: tuple[str, ...] = ()
    resources: Layers = field(default_factory=lambda: {scope: {} for scope in SCOPES})
    sources: dict[str, NamedSource] = field(default_factory=dict)
    orders: dict[str, tuple[float, Place]] = field(default_factory=dict)
    likely: set[str] = field(default_factory=set)
    faulty: bool = False

    def order_of(self, name: str) -> float | None:
        """The nesting order that the `nesting_order` map gives a path, if any."""
        found = self.orders.get(name)
        return None if found is None else found[0]

    @property
    def local(self) -> set[str]:
        """The inputs that are given here."""
        swept = {s.input for s in self.sequences if s.input is not None}
        return swept | set(self.constants)


def read_element_set(
    node: Node, path: Path, schema: TaskSchema | None, context: Context
) -> ElementSetSpec:
    """Read an element set, or the element-set keys of a task."""
    return _Reader(node, path, schema, context).read()


class _Reader:
    def __init__(
        self, node: Node, path: Path, schema: TaskSchema | None, context: Context
    ) -> None:
        self._node = node
        self._path = path
        self._context = context
        self._inputs = None if schema is None else [item.name for item in schema.inputs]
        self._schema_name = "" if schema is None else schema.name
        self._spec = ElementSetSpec(Place(node.at, path), faulty=broken(node))
        self._taken: dict[str, int] = {}
        self._attempted: set[str] = set()  # paths given, understood or not

    def read(self) -> ElementSetSpec:
        node, path, spec = self._node, self._path, self._spec
        self._read_constants(child(node, "inputs"))
        for key in ("sequences", "multi_path_sequences"):
            for number, item in items(child(node, key)):
                self._read_sequence(item, (*path, key, number))
        self._read_repeats(child(node, "repeats"))
        spec.groups = tuple(value_of(g, "name") for _, g in items(child(node, "groups")))
        spec.resources = read_layers(
            child(node, "resources"), (*path, "resources"), self._context
        )
        self._read_sources(child(node, "input_sources"))
        self._read_orders(child(node, "nesting_order"))
        return spec

    def _add(
        self, at: int, path: Path, message: str, expected: str = "", suggestion: str = ""
    ) -> None:
        self._spec.faulty = True
        self._context.problems.add(
            at, path, message, expected=expected, suggestion=suggestion
        )

    def _later(self, at: int, path: Path, what: str) -> None:
        self._add(at, path, f"{what} is not supported yet")

    def _input(self, text: str, at: int, path: Path) -> str | None:
        """The name of an input of the schema; None where it is none (which is reported)."""
        match = INPUT_NAME.fullmatch(text)
        if match is None:
            self._add(at, path, f"{text!r} is not an input's name", "`NAME` or `NAME[LABEL]`")
            return None
        name, rest = match["name"], match["rest"]
        if rest.startswith("."):
            self._later(at, path, f"a value inside an input ({text!r})")
        elif rest.startswith("::"):
            self._later(at, path, f"a generator or class method for one value ({text!r})")
        elif rest:
            self._add(at, path, f"{text!r} is not an input's name", "`NAME` or `NAME[LABEL]`")
        elif self._inputs is not None and name not in self._inputs:
            suggestion = nearest(name, self._inputs)
            self._spec.likely.add(suggestion)
            self._add(
                at,
                path,
                f"the schema {self._schema_name!r} has no input {name!r}",
                f"one of {listed(self._inputs)}",
                suggestion,
            )
        else:
            return name
        return None

    def _claim(self, name: str, at: int, path: Path) -> bool:
        """Whether a path is given for the first time."""
        if name in self._taken:
            line = self._context.problems.line_of(self._taken[name])
            self._add(at, path, f"{name!r} is given in line {line} already")
            return False
        self._taken[name] = at
        return True

    # values

    def _read_constants(self, node: Node | None) -> None:
        if node is None:
            return
        for key, item in node.value.items():
            if not isinstance(key, str):
                continue
            at, path = key_at(node, key), (*self._path, "inputs", key)
            self._attempted.add(f"inputs.{key}")
            name = self._input(key, at, path)
            if name is not None and self._claim(f"inputs.{name}", at, path):
                table = value_table([plain(item)])
                self._spec.constants[name] = (table, Place(at, path))

    def _read_sequence(self, node: Node, path: Path) -> None:
        several = child(node, "paths")
        single = child(node, "path")
        if several is not None and single is None:
            self._read_rows(node, several, path)
            return
        if single is None or several is not None:
            if not broken(node):
                self._add(node.at, path, "a sequence has either `path` or `paths`")
            return
        text: str = single.value
        label = value_of(node, "label")
        if label is not None:
            text = f"{text}[{label}]"
        kinds = self._kinds(node, path)
        for kind in kinds:
            values = node.value[kind]
            place = Place(single.at, (*path, "path"))
            given = value_of(node, "nesting_order")
            if kind == "values":
                length = len(values.value)
                self._add_sequence(text, place, given, values, length, (*path, kind), None)
            else:
                order = 0.0 if given is None else given
                table = self._generate(values, kind, (*path, kind))
                length = 0 if table is None else len(table)
                self._add_sequence(text, place, order, values, length, (*path, kind), table)

    def _kinds(self, node: Node, path: Path) -> list[str]:
        """The key that holds the values: one, or none where there are problems."""
        kinds = [k for k in node.value if isinstance(k, str) and k.split("::")[0] == "values"]
        if len(kinds) != 1:
            if not (broken(node) and not kinds):
                found = f"this one has {listed(kinds)}" if kinds else "this one has none"
                self._add(
                    node.at, path, f"a sequence has `values` or one generator; {found}"
                )
            return []
        return [] if node.value[kinds[0]].bad else kinds

    def _read_rows(self, node: Node, paths: Node, path: Path) -> None:
        """A sequence over several paths: one row of values for each."""
        values = child(node, "values")
        if values is None:
            if not broken(node):
                self._add(node.at, path, "a sequence over `paths` has `values`")
            return
        rows = values.value
        if len(rows) != len(paths.value) or not all(isinstance(r.value, list) for r in rows):
            self._add(
                values.at,
                (*path, "values"),
                f"{len(paths.value)} paths, but {len(rows)} items",
                "a list of values for each path",
            )
            return
        for number, (name, row) in enumerate(zip(paths.value, rows, strict=True)):
            here = (*path, "values", number)
            if len(row.value) != len(rows[0].value) or not row.value:
                self._add(
                    row.at,
                    here,
                    f"{name.value!r} has {len(row.value)} values, {paths.value[0].value!r} "
                    f"has {len(rows[0].value)}",
                    "as many values for each path, and at least one",
                )
                continue
            place = Place(name.at, (*path, "paths", number))
            order = value_of(node, "nesting_order")
            self._add_sequence(name.value, place, order, row, len(row.value), here, None)

    def _add_sequence(  # noqa: PLR0913
        self,
        text: str,
        place: Place,
        order: float | None,
        values: Node,
        length: int,
        path: Path,
        table: ValueTable | None,
    ) -> None:
        """Take up a sequence. table: of a generator; else the nodes in `values` hold."""
        self._attempted.add(text)
        root, _, rest = text.partition(".")
        if root in ("environments", "env_preset"):
            self._later(place.at, place.path, f"a sequence over {root!r}")
        elif root == "inputs":
            name = self._input(rest, place.at, place.path)
            if name is None or not self._claim(f"inputs.{name}", place.at, place.path):
                return
            if table is None and not values.bad and isinstance(values.value, list):
                table = value_table([plain(item) for item in values.value])
            self._spec.faulty |= broken(values)
            sequence = Sequence(f"inputs.{name}", name, None, order, table, length, place)
            self._spec.sequences.append(sequence)
        elif root == "resources":
            self._add_resource_sequence(text, place, order, values, path, table)
        else:
            self._add(
                place.at,
                place.path,
                f"{text!r} can't be swept",
                "`inputs.NAME` or `resources.SCOPE.ITEM`",
                nearest(root, ("inputs", "resources")),
            )

    def _add_resource_sequence(  # noqa: PLR0913
        self,
        text: str,
        place: Place,
        order: float | None,
        values: Node,
        path: Path,
        table: ValueTable | None,
    ) -> None:
        scope, _, item = text.removeprefix("resources.").partition(".")
        if scope not in SCOPES:
            self._add(
                place.at,
                place.path,
                f"unknown scope {scope!r}",
                f"one of {listed(SCOPES)}",
                nearest(scope, SCOPES),
            )
            return
        if not item or (item.count(".") and item.split(".")[0] in RESOURCES.keys):
            self._later(place.at, place.path, f"a sequence over {text!r}")
            return
        key = RESOURCES.keys.get(item)
        if key is None:
            valid = RESOURCES.keys
            self._add(
                place.at,
                place.path,
                f"unknown resource {item!r}",
                suggestion=nearest(item, valid),
            )
            return
        if isinstance(key.shape, Later):
            self._later(place.at, place.path, repr(item))
            return
        nodes = (
            [Node(value, values.at) for value in map(table.__getitem__, range(len(table)))]
            if table is not None
            else values.value
        )
        found = []
        for number, node in enumerate(nodes):
            here = (*path, number) if table is None else path
            Checker(self._context.problems).check(node, key.shape, here)
            if not node.bad:
                found.append(read_item(item, node, here, self._context))
        if not self._claim(text, place.at, place.path):
            return
        self._spec.faulty |= len(found) != len(nodes)
        resource = (scope, field_of(item))
        swept = ValueTable("json", found)
        self._spec.sequences.append(
            Sequence(text, None, resource, order, swept, len(nodes), place)
        )

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
            self._add(node.at, path, str(error))
            return None

    def _arguments(
        self, generator: Generator, node: Node, path: Path
    ) -> dict[str, Any] | None:
        arguments = {k: plain(v) for k, v in node.value.items() if v.value is not None}
        if generator.reads_file:
            file = node.value["file_path"]
            text = self._context.read_file(file, (*path, "file_path"), "file")
            if text is None:
                self._spec.faulty = True
                return None
            del arguments["file_path"]
            arguments["text"] = text
        if generator.random and "seed" not in arguments:
            arguments["seed"] = self._context.draw_seed()
            self._context.seeds[render_path((*path, "seed"))] = arguments["seed"]
        return arguments

    # the rest

    def _read_repeats(self, node: Node | None) -> None:
        if node is None:
            return
        if isinstance(node.value, int):
            self._spec.repeats.append(Repeat("", node.value, 0.0))
            return
        for number, item in items(node):
            name = value_of(item, "name", "")
            if self._claim(f"repeats.{name}", item.at, (*self._path, "repeats", number)):
                self._spec.repeats.append(
                    Repeat(name, value_of(item, "number"), value_of(item, "nesting_order", 0.0))
                )

    def _read_sources(self, node: Node | None) -> None:
        if node is None:
            return
        for key, given in node.value.items():
            if given.bad:
                continue
            at, path = key_at(node, key), (*self._path, "input_sources", key)
            name = self._input(key, at, path)
            item = given
            if isinstance(given.value, list):
                if len(given.value) > 1:
                    self._later(given.at, path, "more than one source for an input")
                    continue
                item = given.value[0]
            if name is None or item.bad:
                continue
            source = self._read_source(item, path)
            if source is not None:
                self._spec.sources[name] = source

    def _read_source(self, node: Node, path: Path) -> NamedSource | None:
        text: str = node.value.strip()
        place = Place(node.at, path)
        if text in ("local", "default"):
            return NamedSource(text, place=place)
        kind, _, rest = text.partition(".")
        reference, _, of = rest.partition(".")
        if kind == "task" and reference and of in ("", "input", "output"):
            return NamedSource("task", reference, of or "output", place)
        if kind == "import":
            self._later(node.at, path, "an import")
            return None
        self._add(
            node.at,
            path,
            f"{text!r} is not a source",
            "local, default, task.NAME, task.NAME.output or task.NAME.input",
        )
        return None

    def _read_orders(self, node: Node | None) -> None:
        if node is None:
            return
        known = [sequence.name for sequence in self._spec.sequences]
        known += [f"repeats.{repeat.name}".rstrip(".") for repeat in self._spec.repeats]
        known += [f"inputs.{name}" for name in self._inputs or ()]
        for key, item in node.value.items():
            if item.bad:
                continue
            at, path = key_at(node, key), (*self._path, "nesting_order", key)
            name = key.rstrip(".") if key.startswith("repeats") else key
            if name in known:
                self._spec.orders[name] = (item.value, Place(at, path))
            elif self._inputs is not None and key not in self._attempted:
                self._add(
                    at,
                    path,
                    f"{key!r} has no values here to be nested",
                    f"one of {listed(dict.fromkeys(known))}",
                    nearest(key, known),
                )
