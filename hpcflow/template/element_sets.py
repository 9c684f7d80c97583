"""An element set as the user gave it: values, sequences, repeats, groups, sources."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hpcflow.model.workflow import ValueTable, value_table
from hpcflow.template.context import Place, Section
from hpcflow.template.language import ELEMENT_SET
from hpcflow.template.nodes import Node, broken, child, entries, items, plain, value_of
from hpcflow.template.problems import listed, nearest
from hpcflow.template.resources import SCOPES, Layers, read_layers
from hpcflow.template.sequences import InputNames, Sequence, SequenceReader

if TYPE_CHECKING:
    from hpcflow.model.schema import TaskSchema
    from hpcflow.template.context import Context
    from hpcflow.template.problems import Path

# The keys that can give an input its value.
_GIVING = ("inputs", "sequences", "multi_path_sequences", "input_sources")


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
    place: Place
    task: str = ""
    of: str = "output"


@dataclass(slots=True)
class ElementSetSpec:
    """An element set, read and checked against its schema.

    orders: nesting orders of the map `nesting_order`. likely: inputs whose values
    have problems that were reported; None: any input may be one.
    """

    place: Place
    section: Section
    constants: dict[str, ValueTable] = field(default_factory=dict)
    sequences: list[Sequence] = field(default_factory=list)
    repeats: list[Repeat] = field(default_factory=list)
    groups: tuple[str, ...] = ()
    resources: Layers = field(default_factory=lambda: {scope: {} for scope in SCOPES})
    sources: dict[str, NamedSource] = field(default_factory=dict)
    orders: dict[str, float] = field(default_factory=dict)
    likely: set[str] | None = None

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
        self._section = Section(context, faulty=broken(node))
        self._names = InputNames(schema, self._section)
        self._spec = ElementSetSpec(Place(node.at, path), self._section)

    def read(self) -> ElementSetSpec:
        node, path, spec = self._node, self._path, self._spec
        self._read_constants(child(node, "inputs"))
        reader = SequenceReader(self._names, self._section)
        for key in ("sequences", "multi_path_sequences"):
            part = child(node, key)
            for number, item in enumerate(part.value if part is not None else ()):
                reader.read(item, (*path, key, number))
        spec.sequences = reader.found
        self._read_repeats(child(node, "repeats"))
        spec.groups = tuple(value_of(g, "name") for _, g in items(child(node, "groups")))
        resources = child(node, "resources")
        spec.resources = read_layers(resources, (*path, "resources"), self._section.context)
        self._read_sources(child(node, "input_sources"))
        self._read_orders(child(node, "nesting_order"))
        spec.likely = None if self._hides_values() else self._names.likely
        return spec

    def _hides_values(self) -> bool:
        """Whether a key that may give any input its value is misspelt or wrong."""
        return any(
            item.bad and (key in _GIVING or nearest(key, ELEMENT_SET.keys) in _GIVING)
            for key, item in self._node.value.items()
        )

    def _read_constants(self, node: Node | None) -> None:
        for key, at, item in entries(node):
            place = Place(at, (*self._path, "inputs", key))
            name = self._names.resolve(key, place)
            if name is not None and self._names.claim(f"inputs.{name}", place):
                self._spec.constants[name] = value_table([plain(item)])

    def _read_repeats(self, node: Node | None) -> None:
        if node is None:
            return
        if isinstance(node.value, int):
            self._spec.repeats.append(Repeat("", node.value, 0.0))
            return
        for number, item in items(node):
            name = value_of(item, "name", "")
            place = Place(item.at, (*self._path, "repeats", number))
            if self._names.claim(f"repeats.{name}".rstrip("."), place):
                order = value_of(item, "nesting_order", 0.0)
                self._spec.repeats.append(Repeat(name, value_of(item, "number"), order))

    def _read_sources(self, node: Node | None) -> None:
        for key, at, given in entries(node):
            if given.bad:
                continue
            path = (*self._path, "input_sources", key)
            name = self._names.resolve(key, Place(at, path))
            item = given
            if isinstance(given.value, list):
                if len(given.value) > 1:
                    self._section.later(given.at, path, "more than one source for an input")
                    continue
                item = given.value[0]
            if not item.bad:
                source = self._read_source(item.value, Place(item.at, path))
                if name is not None and source is not None:
                    self._spec.sources[name] = source

    def _read_source(self, text: str, place: Place) -> NamedSource | None:
        text = text.strip()
        if text in ("local", "default"):
            return NamedSource(text, place)
        kind, _, rest = text.partition(".")
        reference, _, of = rest.partition(".")
        if kind == "task" and reference and of in ("", "input", "output"):
            return NamedSource("task", place, reference, of or "output")
        self._section.add(
            place.at,
            place.path,
            f"{text!r} is not a source",
            "local, default, task.NAME, task.NAME.output or task.NAME.input",
        )
        return None

    def _read_orders(self, node: Node | None) -> None:
        known = [sequence.name for sequence in self._spec.sequences]
        known += [f"repeats.{repeat.name}".rstrip(".") for repeat in self._spec.repeats]
        known += [f"inputs.{name}" for name in self._names.known or ()]
        for key, at, item in entries(node):
            if item.bad:
                continue
            name = key.rstrip(".") if key.startswith("repeats") else key
            if name in known:
                self._spec.orders[name] = item.value
            elif self._names.known is not None and key not in self._names.attempted:
                self._section.add(
                    at,
                    (*self._path, "nesting_order", key),
                    f"{key!r} has no values here to be nested",
                    f"one of {listed(dict.fromkeys(known))}",
                    nearest(key, known),
                )
