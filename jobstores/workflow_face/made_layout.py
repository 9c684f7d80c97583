"""Ids in a workflow that was made of a template: arithmetic over its manifest's `info`.

`info["tasks"]` says of each task `elements`, `actions`, `max_iterations`, `run_base`,
`parameter_base` and the names of its `inputs` and `outputs`. Within a task

    run       = run_base + (element * max_iterations + iteration) * actions + action
    parameter = parameter_base + (element * max_iterations + iteration) * P + place

where P counts inputs and outputs, and a place is one among the inputs, then the
outputs. Elements are numbered through all tasks, and so are iterations:

    element id   = elements of the tasks before + element
    iteration id = iterations of the tasks before + element * max_iterations + iteration

Other facts of the layout: the document `model` (`template_source`, `template_path`,
`environments`, and by task `schema`, `inputs`, `element_sets`); of input I of task T,
the tables `inputs/T/I/values`, `.../index`, or `.../elements` of an upstream task, and
`.../offsets` where it is a group; `outputs/T/NAME` with `run` and `value`.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

from jobstores.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Place(NamedTuple):
    """Where an id is: task, element in it, iteration, and action or parameter."""

    task: int
    element: int
    iteration: int = 0
    part: int = 0


@dataclass(frozen=True, slots=True)
class MadeTask:
    """One task's facts."""

    name: str
    elements: int
    actions: int
    max_iterations: int
    run_base: int
    parameter_base: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def iterations(self) -> int:
        """How many iterations its elements have room for."""
        return self.elements * self.max_iterations

    @property
    def width(self) -> int:
        """Parameters of an iteration."""
        return len(self.inputs) + len(self.outputs)


class MadeLayout:
    """The arithmetic; of a store without such tasks, all counts are 0."""

    def __init__(self, info: Mapping[str, Any]) -> None:
        self.tasks = tuple(
            MadeTask(
                name=t["name"],
                elements=t["elements"],
                actions=t["actions"],
                max_iterations=t["max_iterations"],
                run_base=t["run_base"],
                parameter_base=t["parameter_base"],
                inputs=tuple(t["inputs"]),
                outputs=tuple(t["outputs"]),
            )
            for t in info.get("tasks", ())
        )
        self._elements = [0, *accumulate(t.elements for t in self.tasks)]
        self._iterations = [0, *accumulate(t.iterations for t in self.tasks)]

    @property
    def num_elements(self) -> int:
        """Elements of all tasks."""
        return self._elements[-1]

    @property
    def num_iterations(self) -> int:
        """Iterations that the elements of all tasks have room for."""
        return self._iterations[-1]

    @property
    def num_runs(self) -> int:
        """Runs that all tasks have room for."""
        return sum(t.iterations * t.actions for t in self.tasks)

    def element_id(self, task: int, element: int) -> int:
        """An element's id."""
        return self._elements[task] + element

    def element_ids(self, task: int) -> range:
        """The ids of a task's elements."""
        return range(self._elements[task], self._elements[task + 1])

    def iteration_id(self, place: Place) -> int:
        """The id of an iteration."""
        task = self.tasks[place.task]
        return (
            self._iterations[place.task]
            + place.element * task.max_iterations
            + place.iteration
        )

    def run_id(self, place: Place, action: int) -> int:
        """The id of a run of the iteration at a place."""
        task = self.tasks[place.task]
        row = place.element * task.max_iterations + place.iteration
        return task.run_base + row * task.actions + action

    def parameter_id(self, place: Place, part: int) -> int:
        """The id of a parameter of the iteration at a place."""
        task = self.tasks[place.task]
        row = place.element * task.max_iterations + place.iteration
        return task.parameter_base + row * task.width + part

    def element(self, id_: int) -> Place:
        """Where an element is.

        Raises:
            NotFoundError: there is none of that id; so with the following.
        """
        task = bisect_right(self._elements, id_) - 1
        if not 0 <= id_ < self.num_elements:
            raise _absent("element", id_)
        return Place(task, id_ - self._elements[task])

    def iteration(self, id_: int) -> Place:
        """Where an iteration is."""
        if not 0 <= id_ < self.num_iterations:
            raise _absent("iteration", id_)
        task = bisect_right(self._iterations, id_) - 1
        rest = id_ - self._iterations[task]
        return Place(task, *divmod(rest, self.tasks[task].max_iterations))

    def run(self, id_: int) -> Place:
        """Where a run is; `part` is its action."""
        bases = [t.run_base for t in self.tasks]
        return self._locate("run", id_, bases, [t.actions for t in self.tasks])

    def parameter(self, id_: int) -> Place:
        """Where a parameter is; `part` counts inputs, then outputs."""
        bases = [t.parameter_base for t in self.tasks]
        return self._locate("parameter", id_, bases, [t.width for t in self.tasks])

    def _locate(
        self, what: str, id_: int, bases: Sequence[int], widths: Sequence[int]
    ) -> Place:
        task = bisect_right(bases, id_) - 1
        while task > 0 and not self.tasks[task].iterations * widths[task]:
            task -= 1  # a task without any has the base of the next
        if (
            task < 0
            or not 0 <= id_ - bases[task] < self.tasks[task].iterations * widths[task]
        ):
            raise _absent(what, id_)
        row, part = divmod(id_ - bases[task], widths[task])
        element, iteration = divmod(row, self.tasks[task].max_iterations)
        return Place(task, element, iteration, part)


def _absent(what: str, id_: int) -> NotFoundError:
    return NotFoundError(f"there is no {what} {id_}: the workflow's tasks have no such id")
