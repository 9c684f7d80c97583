"""A workflow: tasks whose elements are columns, not objects.

Everything that differs between elements is a NumPy array with one row per
element, so a million elements cost a few arrays.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from hpcflow.model.environment import Environment
    from hpcflow.model.loops import Loop
    from hpcflow.model.resources import Resources
    from hpcflow.model.schema import TaskSchema

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ValueTable:
    """Distinct values of one input, numbers as numbers.

    kind "int" (int64), "float" (float64), "bool" (bool): `data` is an array of
    them. kind "json": `data` is a list of Python values of any storable type.
    """

    kind: str
    data: NDArray[Any] | list[Any]

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, row: int) -> Any:
        value = self.data[row]
        return value.item() if isinstance(value, np.generic) else value


def value_table(values: list[Any]) -> ValueTable:
    """Put values in a table of the narrowest kind that gives them back exactly."""
    kinds = {type(v) for v in values}
    if kinds == {bool}:
        return ValueTable("bool", np.array(values, dtype=bool))
    if kinds == {int} and all(-(2**63) <= v < 2**63 for v in values):
        return ValueTable("int", np.array(values, dtype=np.int64))
    if kinds == {float}:
        return ValueTable("float", np.array(values, dtype=np.float64))
    return ValueTable("json", list(values))


@dataclass(frozen=True, slots=True, eq=False)
class FromValues:
    """An input whose values are known when the workflow is made.

    index: row of `table` for each element (num_elements,); or, where `offsets`
        (num_elements + 1,) is given, element e receives the list of
        `table[index[offsets[e]:offsets[e + 1]]]` (a group).
    """

    table: ValueTable
    index: Indices
    offsets: Indices | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FromTask:
    """An input made by an upstream task.

    elements: the upstream element for each element (num_elements,); or, where
        `offsets` (num_elements + 1,) is given, element e receives the list of the
        outputs of `elements[offsets[e]:offsets[e + 1]]` (a group).
    """

    task: int
    output: str
    elements: Indices
    offsets: Indices | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FromSeveral:
    """An input whose elements have different origins.

    part, row: which of `parts`, and which element of it, each element's value is
        (num_elements,); or, where `offsets` (num_elements + 1,) is given, those of the
        members of each element's list (a group). A member may be a list itself.
    """

    parts: tuple[InputColumn, ...]
    part: Indices
    row: Indices
    offsets: Indices | None = None


InputColumn = FromValues | FromTask | FromSeveral


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Values that take a place inside those of an input, whatever its origin.

    path: keys of maps and places in lists, see `jobstores.value_parts`. column: with
        offsets, an element has a list of one value, or of none where it is left as it is.
    """

    path: tuple[str | int, ...]
    column: FromValues


@dataclass(frozen=True, slots=True, eq=False)
class ResourceColumn:
    """The resources of each element of one action: `table[index[element]]`."""

    table: tuple[Resources, ...]
    index: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class GivenFile:
    """A command file that the user gives instead of letting an action make it.

    label: of the command file. name: its own, without folders. content: what it holds;
    None where it is only read, from the absolute `path`, when a run needs it.
    """

    label: str
    name: str
    content: bytes | None = None
    path: str = ""


@dataclass(frozen=True, slots=True)
class ElementSet:
    """A contiguous range of a task's elements, made from one element set."""

    first: int
    count: int
    groups: tuple[str, ...] = ()
    files: tuple[GivenFile, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """Rules that are only decided in runs, of the upstream elements of an input.

    An element whose upstream element does not fulfil them is left out: its runs are
    skipped. A group is of those of its members that do.
    members: the upstream task's elements that the input is taken from; no output.
    """

    rules: tuple[dict[str, Any], ...]
    members: FromTask


@dataclass(frozen=True, slots=True, eq=False)
class Offers:
    """What tasks that come after a task must know of it, beside what it is.

    origins: by input and element set, the kinds of its sources: "local", "default",
        "import", "output" or "input".
    groups: by name, the number of each element's group (num_elements,); -1: in none.
    labels: by the name of an input, "p[label]", the output that goes to it, and rules for
        the elements whose output does.
    chosen: the inputs for which an element set takes not all elements there are, but those
        that it names or that fulfil rules; None in workflows made before this was kept.
    holders: by input, the tasks whose input of the same value elements take over.
    """

    origins: dict[str, tuple[tuple[str, ...], ...]]
    groups: dict[str, Indices] = field(default_factory=dict)
    labels: dict[str, tuple[str, tuple[dict[str, Any], ...]]] = field(default_factory=dict)
    chosen: tuple[str, ...] | None = None
    holders: dict[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """One use of a schema.

    Run ids are arithmetic: run_base + (element * max_iterations + iteration) *
    num_actions + action; parameter ids likewise over the schema's inputs, then
    outputs. Both ranges belong to the task for ever.

    inputs: by input name ("p" or "p[label]"), in the schema's order.
    resources: one column per action.
    parts: by input name, what is put into its values, in this order.
    repeat: of each element (num_elements,), which of its repeats it is; -1: not repeated.
    seeds: of each action's run of each element (num_actions, num_elements); -1: none.
    chosen: by input, rules for what it is taken from that only runs decide.
    group_rules: by group, rules for its members that only runs decide.
    offers: None in workflows made before these were kept.
    continues: of a block, the task that it was added to; see `hpcflow.model.blocks`.
    first_element, first_iteration: of a block, which of that task's its first ones are.
    propagated: of a block, whether its elements only pass on others that were added.
    """

    index: int
    name: str
    schema: TaskSchema
    num_elements: int
    run_base: int
    parameter_base: int
    inputs: dict[str, InputColumn]
    resources: tuple[ResourceColumn, ...]
    element_sets: tuple[ElementSet, ...]
    max_iterations: int = 1
    parts: dict[str, tuple[Part, ...]] = field(default_factory=dict)
    repeat: Indices | None = None
    seeds: Indices | None = None
    offers: Offers | None = None
    continues: int | None = None
    first_element: int = 0
    first_iteration: int = 0
    propagated: bool = False
    chosen: dict[str, Chosen] = field(default_factory=dict)
    group_rules: dict[str, tuple[dict[str, Any], ...]] = field(default_factory=dict)

    @property
    def num_actions(self) -> int:
        """Runs per iteration of an element."""
        return len(self.schema.actions)

    @property
    def num_runs(self) -> int:
        """The size of the task's range of run ids."""
        return self.num_elements * self.max_iterations * self.num_actions

    @property
    def num_parameters(self) -> int:
        """The size of the task's range of parameter ids."""
        per_iteration = len(self.schema.inputs) + len(self.schema.outputs)
        return self.num_elements * self.max_iterations * per_iteration

    def run_id(self, element: int, action: int, iteration: int = 0) -> int:
        """The id of one run."""
        return (
            self.run_base
            + (element * self.max_iterations + iteration) * self.num_actions
            + action
        )

    def locate(self, run_id: int) -> tuple[int, int, int]:
        """The element, iteration and action of a run of this task."""
        rest, action = divmod(run_id - self.run_base, self.num_actions)
        element, iteration = divmod(rest, self.max_iterations)
        return element, iteration, action


@dataclass(frozen=True, slots=True, eq=False)
class Import:
    """Where values of an input come from that were taken from another workflow.

    task, input: of this workflow. workflow, workflow_id: where the other was, and its id.
    other_task, name: its task, and the output or input of that. elements: of that task,
    those whose values were taken.
    """

    task: int
    input: str
    workflow: str
    workflow_id: str
    other_task: str
    name: str
    elements: Indices


@dataclass(frozen=True, slots=True)
class Addition:
    """A template whose tasks were added to the workflow, from `first_task` on.

    seeds: as those of a workflow.
    """

    first_task: int
    template_source: str
    template_path: str
    seeds: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Workflow:
    """A checked and expanded template.

    seeds: those drawn for random sequences that set none, by the path in the
        template that would set them.
    loops: one that holds another stands before it.
    config: items of the configuration that hold for this workflow.
    compression: of its store's columns, see `jobstores.zarr_columns.codecs`.
    """

    name: str
    doc: str
    tasks: tuple[Task, ...]
    environments: dict[str, Environment]
    template_source: str  # the text as the user wrote it
    template_path: str
    seeds: dict[str, int] = field(default_factory=dict)
    loops: tuple[Loop, ...] = ()
    imports: tuple[Import, ...] = ()
    additions: tuple[Addition, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)
    compression: dict[str, Any] = field(default_factory=dict)
