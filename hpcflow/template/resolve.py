"""Where each input of an element set comes from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hpcflow.model.schema import MISSING
from hpcflow.template.context import Place, Section
from hpcflow.template.files import inputs_of_replaced
from hpcflow.template.imports import read_import
from hpcflow.template.nodes import child, items, value_of
from hpcflow.template.problems import listed, nearest
from hpcflow.template.rules import read_rules

if TYPE_CHECKING:
    from hpcflow.model.schema import SchemaInput, TaskSchema
    from hpcflow.model.workflow import FromTask, Indices, Task
    from hpcflow.template.context import Context
    from hpcflow.template.element_sets import ElementSetSpec, NamedSource
    from hpcflow.template.imports import Imported
    from hpcflow.template.nodes import Node
    from hpcflow.template.problems import Path


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of an input: "local", "default", or "output" or "input" of a task.

    Or "import", with the values. Or "several" of these, in `options`. iterations: ids of
    the element iterations that are taken; None for all. where: rules that the elements of
    the task have to fulfil, which stand at `place`. part: what is taken of each value.
    """

    kind: str
    task: int = -1
    name: str = ""
    iterations: tuple[int, ...] | None = None
    where: tuple[dict[str, Any], ...] = field(default=(), hash=False)
    place: Place | None = None
    options: tuple[Origin, ...] = ()
    part: tuple[str | int, ...] = ()
    imported: Imported | None = field(default=None, compare=False)

    @property
    def all(self) -> tuple[Origin, ...]:
        """The single origins."""
        return self.options or (self,)


@dataclass(slots=True)
class TaskState:
    """A task as far as it has been worked out.

    task: None where problems keep it from being expanded.
    sources: by input, its origin in each element set.
    sets: the (first, count) of each element set, where the task is expanded.
    groups: by name, the number of each element's group; -1 where it is in none.
    labels: by the name of an input, "p[label]", the output that goes to it.
    taken_over: by input that is in all element sets the same input of another task, the
        elements of that one.
    """

    index: int
    name: str
    schema: TaskSchema
    task: Task | None = None
    sources: dict[str, list[Origin | None]] = field(default_factory=dict)
    sets: list[tuple[int, int]] = field(default_factory=list)
    groups: dict[str, Indices] = field(default_factory=dict)
    labels: dict[str, Origin] = field(default_factory=dict)
    taken_over: dict[str, FromTask] = field(default_factory=dict)

    @property
    def group_rules(self) -> dict[str, tuple[dict[str, Any], ...]]:
        """By group, rules for its members that only runs decide."""
        return {} if self.task is None else self.task.group_rules

    def provides(self, name: str) -> list[int]:
        """The element sets whose input `name` can be taken by later tasks."""
        return [
            number
            for number, source in enumerate(self.sources.get(name, ()))
            if source is None or source.kind != "default"
        ]

    def offers(self, item: SchemaInput) -> bool:
        """Whether later tasks take the input without being told to."""
        return item.propagation == "implicit" and bool(self.provides(item.name))

    @property
    def offered_inputs(self) -> list[str]:
        """The inputs that later tasks take without being told to."""
        return [item.name for item in self.schema.inputs if self.offers(item)]

    def defines(self, name: str) -> bool:
        """Whether an element set gives the input itself."""
        return any(
            source is not None
            and any(one.kind in ("local", "import") for one in source.all)
            for source in self.sources.get(name, ())
        )


class Upstream:
    """The tasks before the present one, by what they offer.

    unknown: one of them is not understood, so nothing is said to be missing.
    """

    def __init__(self) -> None:
        self.states: list[TaskState | None] = []
        self.unknown = False
        self.has_blocks = False
        self._numbered: list[TaskState | None] = []
        self._outputs: dict[str, TaskState] = {}
        self._inputs: dict[str, TaskState] = {}
        self._labels: dict[str, Origin] = {}
        self._by_name: dict[str, TaskState] = {}

    def add(self, state: TaskState | None) -> None:
        """Take up the next task; None where its schema is not known."""
        self.states.append(state)
        self._numbered.append(state)
        if state is None:
            self.unknown = True
            return
        self._by_name[state.name] = state
        self._outputs.update(dict.fromkeys(_offered(state.schema), state))
        self._labels.update(state.labels)
        for item in state.schema.inputs:
            if state.offers(item):
                self._inputs[item.name] = state

    def add_block(self, state: TaskState) -> None:
        """Take up what an earlier task has grown by; that task's state offers it."""
        self.states.append(state)
        self.has_blocks = True

    def state(self, index: int) -> TaskState:
        """A task that is understood."""
        state = self.states[index]
        assert state is not None
        return state

    def nearest(
        self, item: SchemaInput, sourceable: frozenset[int] | None = None
    ) -> Origin | None:
        """The task that an input without a value or a named source is taken from.

        The nearest that makes it; or else, or where a nearer one defines it itself,
        the nearest that has it as an input. Labelled inputs come from inputs only.
        sourceable: only tasks with these element iterations are looked at. What a task
        labels goes to the input of that label, and nothing else does.
        """
        labelled = self._labels.get(item.name)
        if labelled is not None:
            return labelled
        maker = self._outputs.get(item.name)
        holder = self._inputs.get(item.name)
        if sourceable is not None:
            known = [state for state in reversed(self.states) if state is not None]
            states = [state for state in known if self._any_of(state, sourceable)]
            made = (state for state in states if item.name in _offered(state.schema))
            held = (state for state in states if item.name in state.offered_inputs)
            maker, holder = next(made, None), next(held, None)
        if holder is not None and (
            maker is None or (holder.index > maker.index and holder.defines(item.name))
        ):
            return Origin("input", holder.index, item.name)
        if maker is not None:
            return Origin("output", maker.index, item.name)
        return None

    def _any_of(self, state: TaskState, iterations: frozenset[int]) -> bool:
        first = self.first_iteration(state.index)
        count = 0 if state.task is None else state.task.num_elements
        return any(first <= number < first + count for number in iterations)

    def first_iteration(self, index: int) -> int:
        """The id of the first element iteration of a task: they are counted as made."""
        earlier = [state.task for state in self.states[:index] if state is not None]
        return sum(task.num_elements for task in earlier if task is not None)

    @property
    def labelled(self) -> list[str]:
        """The inputs, "p[label]", that tasks label outputs for."""
        return list(self._labels)

    def find(self, reference: str) -> TaskState | None:
        """The task of a reference: its number among the tasks, or its unique name."""
        if reference.isdecimal():
            index = int(reference)
            return self._numbered[index] if index < len(self._numbered) else None
        return self._by_name.get(reference)

    @property
    def names(self) -> list[str]:
        """The unique names of the tasks."""
        return list(self._by_name)


def _offered(schema: TaskSchema) -> list[str]:
    """The outputs that later tasks take without being told to."""
    return [name for name in schema.outputs if name not in schema.propagation]


def _is_kept(state: TaskState, name: str, place: Place, section: Section, of: str) -> bool:
    """Whether no task may take an input or output of another; that is reported."""
    mode = state.schema.propagation_of(name, is_input=of == "input")
    if mode == "never":
        section.add(
            place.at,
            place.path,
            f"the {of} {name!r} of task {state.name!r} is for no other task: its schema "
            "says `propagation_mode: never`",
        )
    return mode == "never"


def read_output_labels(
    node: Node | None, path: Path, state: TaskState, context: Context
) -> None:
    """Note which of a task's outputs go to the inputs of which labels."""
    section = Section(context)
    for number, item in items(node):
        here = (*path, number)
        parameter, label = value_of(item, "parameter"), value_of(item, "label")
        name = f"{parameter}[{label}]"
        if parameter not in state.schema.outputs:
            section.add(
                item.value["parameter"].at,
                (*here, "parameter"),
                f"the task {state.name!r} has no output {parameter!r}",
                f"one of {listed(state.schema.outputs)}",
                nearest(parameter, state.schema.outputs),
            )
        elif name in state.labels:
            section.add(item.at, here, f"{name!r} is given twice")
        elif _is_kept(state, parameter, Place(item.at, here), section, "output"):
            continue
        else:
            where = child(item, "where")
            inputs = [one.name for one in state.schema.inputs]
            names = {"inputs": inputs, "outputs": state.schema.outputs}
            rules = read_rules(where, (*here, "where"), names, section)
            place = Place(where.at if where is not None else item.at, (*here, "where"))
            origin = Origin("output", state.index, parameter, None, rules, place)
            state.labels[name] = origin


def resolve_sources(
    schema: TaskSchema, spec: ElementSetSpec, upstream: Upstream, context: Context
) -> dict[str, Origin | None]:
    """The origin of each input; None where there is none, which is reported."""
    missing: list[SchemaInput] = []
    unneeded = inputs_of_replaced(schema, {file.label for file in spec.files})
    found: dict[str, Origin | None] = {}
    for item in schema.inputs:
        named = spec.sources.get(item.name)
        if named is not None:
            options = [_named_source(item, one, spec, upstream, context) for one in named]
            known = [one for one in options if one is not None]
            source = None
            if len(known) == len(options):
                source = known[0]
                if len(known) > 1:
                    source = Origin("several", options=tuple(known))
        elif item.name in spec.local:
            source = Origin("local")
        else:
            source = upstream.nearest(item, spec.sourceable)
            if source is None and item.default is not MISSING:
                source = Origin("default")
            if source is None and item.name in spec.partly_local:
                source = Origin("local")  # of its parts alone
            if source is None and item.name in unneeded:
                source = Origin("default")
            if source is None:
                missing.append(item)
        found[item.name] = source
    for item in missing:
        spec.section.faulty = True
        hidden = upstream.unknown or spec.likely is None or item.name in spec.likely
        if not hidden:
            _report_missing(item, schema, spec, upstream, context)
    return found


def _report_missing(
    item: SchemaInput,
    schema: TaskSchema,
    spec: ElementSetSpec,
    upstream: Upstream,
    context: Context,
) -> None:
    made = "" if upstream.names else "; there are no earlier tasks"
    context.problems.add(
        spec.place.at,
        spec.place.path,
        f"the input {item.name!r} of {schema.name!r} has no value",
        expected="one in `inputs`, a sequence, an earlier task that has it, or a default "
        f"in the schema{made}",
    )


def _named_source(
    item: SchemaInput,
    named: NamedSource,
    spec: ElementSetSpec,
    upstream: Upstream,
    context: Context,
) -> Origin | None:
    """The origin that `input_sources` names."""
    at, path = named.place.at, named.place.path
    wrong = spec.section.add

    if named.kind == "local":
        given = spec.local | spec.partly_local
        if item.name not in given and not spec.section.faulty:
            message = f"{item.name!r} has no local value"
            wrong(at, path, message, "one in `inputs`, or a sequence")
        return Origin("local", part=named.part, place=named.place if named.part else None)
    if item.name in spec.local and not any(
        one.kind == "local" for one in spec.sources[item.name]
    ):
        context.problems.add(
            at, path, f"the local value of {item.name!r} is not used", severity="warning"
        )
    if named.kind == "default":
        if item.default is MISSING:
            wrong(at, path, f"the schema has no default for {item.name!r}")
        return Origin("default", part=named.part, place=named.place)
    if named.imported is not None:
        found = read_import(named.imported, named.place, named.part, item, spec.section)
        if found is None:
            return None
        return Origin("import", name=found.name, place=named.place, imported=found)
    state = upstream.find(named.task)
    if state is None:
        if not upstream.unknown:
            wrong(
                at,
                path,
                f"there is no earlier task {named.task!r}",
                f"one of {listed(upstream.names)}",
                nearest(named.task, upstream.names),
            )
        spec.section.faulty = True
        return None
    of = named.of
    if of == "any":
        of = "output" if item.parameter in state.schema.outputs else "input"
    if of == "output":
        offered, wanted = list(state.schema.outputs), item.parameter
    else:
        offered = [name for name in state.sources if state.provides(name)]
        wanted = item.name
    if wanted not in offered:
        wrong(
            at,
            path,
            f"the task {state.name!r} has no {of} {wanted!r}",
            f"one of {listed(offered)}",
            nearest(wanted, offered),
        )
        return None
    if _is_kept(state, wanted, named.place, spec.section, of):
        return None
    names = {"inputs": list(state.sources), "outputs": state.schema.outputs}
    where = read_rules(named.where, (*path, "where"), names, spec.section)
    place = Place(named.where.at, (*path, "where")) if named.where is not None else None
    if named.part:
        place = named.place
    return Origin(of, state.index, wanted, named.iterations, where, place, part=named.part)
