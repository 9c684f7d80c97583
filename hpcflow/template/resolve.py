"""Where each input of an element set comes from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hpcflow.model.schema import MISSING
from hpcflow.template.problems import listed, nearest

if TYPE_CHECKING:
    from hpcflow.model.schema import SchemaInput, TaskSchema
    from hpcflow.model.workflow import Indices, Task
    from hpcflow.template.context import Context
    from hpcflow.template.element_sets import ElementSetSpec, NamedSource


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of an input: "local", "default", or "output" or "input" of a task."""

    kind: str
    task: int = -1
    name: str = ""


@dataclass(slots=True)
class TaskState:
    """A task as far as it has been worked out.

    task: None where problems keep it from being expanded.
    sources: by input, its origin in each element set.
    sets: the (first, count) of each element set, where the task is expanded.
    groups: by name, the number of each element's group; -1 where it is in none.
    """

    index: int
    name: str
    schema: TaskSchema
    task: Task | None = None
    sources: dict[str, list[Origin | None]] = field(default_factory=dict)
    sets: list[tuple[int, int]] = field(default_factory=list)
    groups: dict[str, Indices] = field(default_factory=dict)

    def provides(self, name: str) -> list[int]:
        """The element sets whose input `name` can be taken by later tasks."""
        return [
            number
            for number, source in enumerate(self.sources.get(name, ()))
            if source is None or source.kind != "default"
        ]

    def defines(self, name: str) -> bool:
        """Whether an element set gives the input itself."""
        return any(
            source is not None and source.kind == "local"
            for source in self.sources.get(name, ())
        )


class Upstream:
    """The tasks before the present one, by what they offer.

    unknown: one of them is not understood, so nothing is said to be missing.
    """

    def __init__(self) -> None:
        self.states: list[TaskState | None] = []
        self.unknown = False
        self._outputs: dict[str, TaskState] = {}
        self._inputs: dict[str, TaskState] = {}
        self._by_name: dict[str, TaskState] = {}

    def add(self, state: TaskState | None) -> None:
        """Take up the next task; None where its schema is not known."""
        self.states.append(state)
        if state is None:
            self.unknown = True
            return
        self._by_name[state.name] = state
        self._outputs.update(dict.fromkeys(state.schema.outputs, state))
        for item in state.schema.inputs:
            if state.provides(item.name):
                self._inputs[item.name] = state

    def state(self, index: int) -> TaskState:
        """A task that is understood."""
        state = self.states[index]
        assert state is not None
        return state

    def nearest(self, item: SchemaInput) -> Origin | None:
        """The task that an input without a value or a named source is taken from.

        The nearest that makes it; or else, or where a nearer one defines it itself,
        the nearest that has it as an input. Labelled inputs come from inputs only.
        """
        maker = self._outputs.get(item.name)
        holder = self._inputs.get(item.name)
        if holder is not None and (
            maker is None or (holder.index > maker.index and holder.defines(item.name))
        ):
            return Origin("input", holder.index, item.name)
        if maker is not None:
            return Origin("output", maker.index, item.name)
        return None

    def find(self, reference: str) -> TaskState | None:
        """The task of a reference: its index or its unique name."""
        if reference.isdecimal():
            index = int(reference)
            return self.states[index] if index < len(self.states) else None
        return self._by_name.get(reference)

    @property
    def names(self) -> list[str]:
        """The unique names of the tasks."""
        return list(self._by_name)


def resolve_sources(
    schema: TaskSchema, spec: ElementSetSpec, upstream: Upstream, context: Context
) -> dict[str, Origin | None]:
    """The origin of each input; None where there is none, which is reported."""
    missing: list[SchemaInput] = []
    found: dict[str, Origin | None] = {}
    for item in schema.inputs:
        named = spec.sources.get(item.name)
        if named is not None:
            source = _named_source(item, named, spec, upstream, context)
        elif item.name in spec.local:
            source = Origin("local")
        else:
            source = upstream.nearest(item)
            if source is None and item.default is not MISSING:
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
        if item.name not in spec.local and not spec.section.faulty:
            message = f"{item.name!r} has no local value"
            wrong(at, path, message, "one in `inputs`, or a sequence")
        return Origin("local")
    if item.name in spec.local:
        context.problems.add(
            at, path, f"the local value of {item.name!r} is not used", severity="warning"
        )
    if named.kind == "default":
        if item.default is MISSING:
            wrong(at, path, f"the schema has no default for {item.name!r}")
        return Origin("default")
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
    if named.of == "output":
        offered, wanted = list(state.schema.outputs), item.parameter
    else:
        offered = [name for name in state.sources if state.provides(name)]
        wanted = item.name
    if wanted not in offered:
        wrong(
            at,
            path,
            f"the task {state.name!r} has no {named.of} {wanted!r}",
            f"one of {listed(offered)}",
            nearest(wanted, offered),
        )
        return None
    return Origin(named.of, state.index, wanted)
