"""An element set as the user gave it: values, sequences, repeats, groups, sources."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hpcflow.model.workflow import ValueTable, value_table
from hpcflow.template.context import Place, Section
from hpcflow.template.env_choice import Wish, read_wish
from hpcflow.template.files import check_given_files, read_given_files
from hpcflow.template.input_names import InputNames
from hpcflow.template.language import ELEMENT_SET
from hpcflow.template.nodes import Node, broken, child, entries, items, plain, value_of
from hpcflow.template.parts import part_path
from hpcflow.template.problems import listed, nearest, render_path
from hpcflow.template.resources import Layers, read_layers
from hpcflow.template.sequences import Sequence, SequenceReader
from hpcflow.template.value_classes import made_value, value_class

if TYPE_CHECKING:
    from hpcflow.model.schema import TaskSchema
    from hpcflow.model.workflow import GivenFile
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
class Seeds:
    """Where runs get their seeds: from the master seed, each its own, or that itself."""

    master: int | list[int]
    each: bool = True


@dataclass(frozen=True, slots=True)
class NamedSource:
    """What `input_sources` says of one input: "local", "default" or a task.

    iterations: ids of the element iterations to take; None for all. where: rules that
    those have to fulfil. part: what is taken of each value. imported: of an "import",
    what it says.
    """

    kind: str
    place: Place
    task: str = ""
    of: str = "output"
    iterations: tuple[int, ...] | None = None
    where: Node | None = None
    part: tuple[str | int, ...] = ()
    imported: Node | None = None


@dataclass(frozen=True, slots=True)
class GroupSpec:
    """A group of the elements: of those that fulfil rules; one for each value of an input.

    where: the rules, as they stand in the template. distinct: the input's name.
    """

    name: str
    place: Place
    where: Node | None = None
    distinct: str = ""


@dataclass(slots=True)
class ElementSetSpec:
    """An element set, read and checked against its schema.

    parts: values in places inside inputs. part_places: where these, and whole inputs
    (without a part), are given. orders: of the map `nesting_order`. likely:
    inputs whose values have problems that were reported; None: any input may be one.
    """

    place: Place
    section: Section
    constants: dict[str, ValueTable] = field(default_factory=dict)
    parts: dict[str, dict[tuple[str | int, ...], ValueTable]] = field(default_factory=dict)
    part_places: dict[tuple[str, tuple[str | int, ...]], Place] = field(
        default_factory=dict
    )
    sequences: list[Sequence] = field(default_factory=list)
    repeats: list[Repeat] = field(default_factory=list)
    seeds: Seeds | None = None
    groups: tuple[GroupSpec, ...] = ()
    files: tuple[GivenFile, ...] = ()
    resources: Layers = field(default_factory=dict)
    environments: Wish = field(default_factory=lambda: Wish({}, {}))
    sources: dict[str, list[NamedSource]] = field(default_factory=dict)
    sourceable: frozenset[int] | None = None  # ids of element iterations
    coincident: bool = True
    orders: dict[str, float] = field(default_factory=dict)
    likely: set[str] | None = None

    @property
    def local(self) -> set[str]:
        """The inputs that are given here."""
        swept = {s.input for s in self.sequences if s.input is not None and not s.part}
        return swept | set(self.constants)

    @property
    def partly_local(self) -> set[str]:
        """The inputs of which places inside are given here."""
        swept = {s.input for s in self.sequences if s.input is not None and s.part}
        return swept | set(self.parts)


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
        self._schema = schema
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
        spec.groups = tuple(self._read_groups(child(node, "groups")))
        files, here = child(node, "input_files"), (*path, "input_files")
        spec.files = read_given_files(files, here, self._schema, self._section)
        if self._schema is not None and not (files is not None and broken(files)):
            check_given_files(files, self._schema, spec.place, self._section)
        resources = child(node, "resources")
        spec.resources = read_layers(resources, (*path, "resources"), self._section.context)
        template = self._section.context.template_environments
        spec.environments = read_wish(node, path, self._schema, template, self._section)
        self._read_sources(child(node, "input_sources"))
        sourceable = child(node, "sourceable_elem_iters")
        if sourceable is not None:
            spec.sourceable = frozenset(item.value for _, item in items(sourceable))
        spec.coincident = not value_of(node, "allow_non_coincident_task_sources", False)
        self._read_orders(child(node, "nesting_order"))
        spec.likely = None if self._hides_values() else self._names.likely
        return spec

    def _hides_values(self) -> bool:
        """Whether a key that may give any input its value is misspelt or wrong."""
        return any(
            item.bad and (key in _GIVING or nearest(key, ELEMENT_SET.keys) in _GIVING)
            for key, item in self._node.value.items()
        ) or any(self._nameless(key) for key in _GIVING)

    def _nameless(self, key: str) -> bool:
        """Whether a list has an item of which nothing tells what input it is for."""
        spec = self._node.value.get(key)
        if spec is None or not isinstance(spec.value, list):
            return False
        for item in spec.value:
            name = value_of(Node(item.value, item.at), "parameter")
            if name is not None:
                self._names.likely.add(name)
            elif item.bad:
                keys = item.value if isinstance(item.value, dict) else ()
                if "path" not in keys and "paths" not in keys:
                    return True
        return False

    def _read_constants(self, node: Node | None) -> None:
        for key, at, item in entries(node):
            self._read_constant(key, Place(at, (*self._path, "inputs", key)), item)
        if node is not None and isinstance(node.value, list):
            for number, given in items(node):
                text: str = value_of(given, "parameter")
                label, part = value_of(given, "label"), value_of(given, "path")
                method = value_of(given, "value_class_method")
                text += f"[{label}]" if label is not None else ""
                text += f".{part}" if part is not None else ""
                text += f"::{method}" if method is not None else ""
                path = (*self._path, "inputs", number)
                self._read_constant(text, Place(given.at, path), given.value["value"])

    def _read_constant(self, text: str, place: Place, item: Node) -> None:
        found = self._names.resolve_path(text, place)
        if found is None or not self._names.claim(found.text, place) or item.bad:
            return
        table = value_table([plain(item)])
        if found.method:
            kind = value_class(self._schema, found.name)
            made = made_value(found, item, place, self._section, kind)
            if made is None:
                return
            table = made
        self._spec.part_places[found.name, found.part] = place
        if found.part:
            self._spec.parts.setdefault(found.name, {})[found.part] = table
        else:
            self._spec.constants[found.name] = table

    def _read_repeats(self, node: Node | None) -> None:
        if node is None:
            return
        if isinstance(node.value, int):
            self._spec.repeats.append(Repeat("", node.value, 0.0))
            return
        if isinstance(node.value, dict):
            self._read_seeded_repeats(node)
            return
        for number, item in items(node):
            name = value_of(item, "name", "")
            place = Place(item.at, (*self._path, "repeats", number))
            if self._names.claim(f"repeats.{name}".rstrip("."), place):
                order = value_of(item, "nesting_order", 0.0)
                self._spec.repeats.append(Repeat(name, value_of(item, "number"), order))

    def _read_seeded_repeats(self, node: Node) -> None:
        if broken(node):
            return
        order = value_of(node, "nesting_order", 0.0)
        name = value_of(node, "name", "")
        self._spec.repeats.append(Repeat(name, value_of(node, "number"), order))
        master = value_of(node, "master_seed")
        if master is None:
            context = self._section.context
            master = context.draw_seed()
            path = render_path((*self._path, "repeats", "master_seed"))
            context.seeds[path] = master
        sequence = value_of(node, "generate_seed_sequence", True)
        if not sequence and isinstance(master, list):
            self._section.add(
                node.value["master_seed"].at,
                (*self._path, "repeats", "master_seed"),
                "a list can't be each run's seed",
                "a whole number, or `generate_seed_sequence: true`",
            )
        self._spec.seeds = Seeds(master, each=sequence)

    def _read_sources(self, node: Node | None) -> None:
        for key, at, given in entries(node):
            if given.bad:
                continue
            path = (*self._path, "input_sources", key)
            name = self._names.resolve(key, Place(at, path))
            many = isinstance(given.value, list)
            listed_items = list(items(given)) if many else [(0, given)]
            found = []
            for number, item in listed_items:
                here = (*path, number) if many else path
                source = (
                    self._read_source_map(item, here)
                    if isinstance(item.value, dict)
                    else self._read_source(str(item.value), Place(item.at, here))
                )
                if source is not None:
                    found.append(source)
            if name is not None and found and len(found) == len(listed_items):
                self._spec.sources[name] = found

    def _read_source_map(self, node: Node, path: Path) -> NamedSource | None:
        if broken(node):
            return None
        place = Place(node.at, path)
        task = value_of(node, "task_ref")
        imported = child(node, "import")
        meant = "local" if task is None else "task"
        kind = value_of(node, "source_type", meant if imported is None else "import")
        part = part_path(str(value_of(node, "path"))) if child(node, "path") else ()
        iterations = value_of(node, "element_iters")
        where = child(node, "where")
        if kind == "task":
            if task is None:
                self._section.add(
                    node.at, path, "the key 'task_ref' is missing", "a task's index or name"
                )
                return None
            of = value_of(node, "task_source_type", "output")
            chosen = None if iterations is None else tuple(iterations)
            return NamedSource("task", place, str(task), of, chosen, where, part)
        for key in ("task_ref", "task_source_type", "element_iters", "where", "import"):
            if child(node, key) is not None and key != kind:
                self._section.add(
                    node.value[key].at,
                    (*path, key),
                    f"{key!r} has no meaning for the source {kind!r}",
                )
        if kind == "import":
            if imported is None:
                message = "the key 'import' is missing"
                expected = "a map with `workflow` and `task`"
                self._section.add(node.at, path, message, expected)
                return None
            return NamedSource("import", place, part=part, imported=imported)
        if "source_type" not in node.value:
            self._section.add(
                node.at,
                path,
                "the key 'source_type' is missing",
                "local, default, task or import",
            )
            return None
        return NamedSource(kind, place, part=part)

    def _read_groups(self, node: Node | None) -> list[GroupSpec]:
        found = []
        for number, item in items(node):
            path = (*self._path, "groups", number)
            distinct = value_of(item, "group_by_distinct", "")
            if distinct:
                here = (*path, "group_by_distinct")
                at = item.value["group_by_distinct"].at
                root, _, name = distinct.partition(".")
                if root != "inputs" or not name:
                    self._section.add(at, here, f"{distinct!r} is no input", "inputs.NAME")
                    continue
                resolved = self._names.resolve(name, Place(at, here))
                if resolved is None:
                    continue
                distinct = resolved
            place = Place(item.at, path)
            where = child(item, "where")
            found.append(GroupSpec(value_of(item, "name"), place, where, distinct))
        return found

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
