"""The loops of a template: their ranges before tasks are expanded, the rest after."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING

from hpcflow.model.loops import Feedback, Loop
from hpcflow.template.feedback import find_feedback
from hpcflow.template.nodes import Node, child, items, key_at, value_of
from hpcflow.template.problems import listed, nearest
from hpcflow.template.terminations import read_termination

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpcflow.template.context import Context
    from hpcflow.template.problems import Path
    from hpcflow.template.resolve import TaskState

MAX_ITERATIONS = 10_000_000  # of an element, in all loops around it


@dataclass(frozen=True, slots=True)
class LoopRange:
    """A loop as far as it is known before its tasks are."""

    name: str
    first: int
    last: int
    iterations: int
    node: Node
    path: Path


class TaskNames:
    """The tasks that a template's references to tasks mean.

    names: of all tasks. places: for each entry of the template's `tasks`, the tasks it
    stands for; parts: the same for names that stand for several tasks. first: the first
    of the template's own tasks.
    """

    def __init__(
        self,
        names: Sequence[str],
        places: Sequence[range] | None = None,
        parts: dict[str, range] | None = None,
        first: int = 0,
    ) -> None:
        self.names = list(names)
        self.first = first
        self._places = places or [range(n, n + 1) for n in range(len(names))]
        self._parts = parts or {}

    def find(self, reference: int | str) -> range | None:
        """The tasks of an index or a name; None where there are none."""
        if isinstance(reference, int):
            known = reference < len(self._places)
            return self._places[reference] if known else None
        if reference in self._parts:
            return self._parts[reference]
        if reference in self.names:
            index = self.names.index(reference)
            return range(index, index + 1)
        return None

    def report_unknown(self, node: Node, path: Path, context: Context) -> None:
        """Say that there is no such task."""
        known = [*self.names, *self._parts]
        last = len(self._places) - 1
        context.problems.add(
            node.at,
            path,
            f"there is no task {node.value!r}",
            expected=f"an index from 0 to {last}, or one of {listed(known)}",
            suggestion=nearest(str(node.value), known),
        )


def read_loops(
    node: Node | None, tasks: TaskNames, context: Context, others: Sequence[Loop] = ()
) -> list[LoopRange]:
    """The loops that are whole, one that holds another before it.

    others: those that the workflow has already.
    """
    found: list[LoopRange] = []
    for number, item in items(node):
        path: Path = ("loops", number)
        name = str(value_of(item, "name", f"loop_{len(others) + number}"))
        if name in (*(one.name for one in others), *(one.name for one in found)):
            message = f"there are two loops named {name!r}"
            context.problems.add(item.at, path, message)
        span = _span(item, path, tasks, context)
        iterations = child(item, "num_iterations")
        if span is not None and iterations is not None:
            first, last = span
            found.append(LoopRange(name, first, last, iterations.value, item, path))
    for number, loop in enumerate(found):
        for other in found[:number]:
            if _cross(loop, other):
                context.problems.add(
                    key_at(loop.node, "tasks"),
                    (*loop.path, "tasks"),
                    f"the loops {other.name!r} and {loop.name!r} overlap in part",
                    expected="loops apart from each other, or one inside the other",
                )
    numbered = list(enumerate(found))
    # Of two loops with the same tasks, the one that comes first is inside the other.
    numbered.sort(key=lambda pair: (pair[1].first, -pair[1].last, -pair[0]))
    ordered = [loop for _, loop in numbered]
    _check_size(ordered, len(tasks.names), context)
    return ordered


def _cross(one: LoopRange, other: LoopRange) -> bool:
    left, right = sorted((one, other), key=lambda loop: (loop.first, -loop.last))
    return left.first < right.first <= left.last < right.last


def iterations_of(loops: Sequence[LoopRange], task: int) -> int:
    """How many iterations an element of a task may have."""
    return prod(loop.iterations for loop in loops if loop.first <= task <= loop.last)


def _check_size(loops: list[LoopRange], num_tasks: int, context: Context) -> None:
    for task in range(num_tasks):
        count = iterations_of(loops, task)
        if count > MAX_ITERATIONS:
            around = [loop for loop in loops if loop.first <= task <= loop.last]
            context.problems.add(
                key_at(around[-1].node, "num_iterations"),
                (*around[-1].path, "num_iterations"),
                f"this makes up to {count} iterations of each element of a task",
                expected=f"at most {MAX_ITERATIONS}",
            )
            return


def _span(
    node: Node, path: Path, tasks: TaskNames, context: Context
) -> tuple[int, int] | None:
    """The first and last task of a loop."""
    listing = child(node, "tasks")
    if listing is None or any(item.bad for item in listing.value):
        return None
    spans = []
    for number, item in enumerate(listing.value):
        span = tasks.find(item.value)
        if span is None:
            tasks.report_unknown(item, (*path, "tasks", number), context)
        else:
            spans.append(span)
    if len(spans) < len(listing.value):
        return None
    for before, after in pairwise(spans):
        if after.start != before.stop:
            context.problems.add(
                listing.at,
                (*path, "tasks"),
                "the tasks of a loop must follow one another, in their order",
                expected="such as [0, 1, 2]",
            )
            return None
    if spans[0].start < tasks.first:
        context.problems.add(
            listing.at,
            (*path, "tasks"),
            f"the task {tasks.names[spans[0].start]!r} is in the workflow already, and no "
            "loop can be put around it",
            expected=f"new tasks: {listed(tasks.names[tasks.first :])}, which are "
            f"{tasks.first} to {len(tasks.names) - 1}",
        )
        return None
    return spans[0].start, spans[-1].stop - 1


def connect_loops(
    ranges: Sequence[LoopRange],
    states: Sequence[TaskState | None],
    tasks: TaskNames,
    context: Context,
) -> tuple[Loop, ...]:
    """The loops with what passes from one iteration to the next.

    Complete only where there are no problems; those of tasks were reported before.
    """
    complete = [state for state in states if state is not None and state.task is not None]
    loops = []
    for loop in ranges:
        fixed = _fixed(loop, states, context)
        feedback: tuple[Feedback, ...] = ()
        if len(complete) == len(states):
            feedback, wrong = find_feedback(loop.first, loop.last, fixed, complete)
            for message in wrong:
                context.problems.add(loop.node.at, loop.path, message)
        ends = read_termination(loop, states, tasks, context)
        loops.append(
            Loop(loop.name, loop.first, loop.last, loop.iterations, ends, feedback)
        )
    if len(complete) == len(states):
        _check_passed_inputs(ranges, loops, complete, context)
    return tuple(loops)


def _check_passed_inputs(
    ranges: Sequence[LoopRange],
    loops: Sequence[Loop],
    states: Sequence[TaskState],
    context: Context,
) -> None:
    """No task takes over an input that a loop changes, unless its own is changed, too."""
    for place, loop in zip(ranges, loops, strict=True):
        changed = {(one.task, one.input) for one in loop.feedback}
        for state in states:
            for name, origins in state.sources.items():
                taken = {
                    (origin.task, origin.name)
                    for origin in origins
                    if origin is not None and origin.kind == "input"
                }
                if taken & changed and (state.index, name) not in changed:
                    context.problems.add(
                        place.node.at,
                        place.path,
                        f"{state.name!r} takes over the input {name!r} of a task of the "
                        "loop, which is another one in each iteration",
                        expected="what makes it in the loop as the source, such as "
                        f"`input_sources: {{{name}: task.TASK.output}}`, or an output that "
                        "passes it on; only tasks of the loop may take it over, as a whole "
                        "and from one task",
                    )


def _fixed(
    loop: LoopRange, states: Sequence[TaskState | None], context: Context
) -> frozenset[str]:
    """The inputs that no iteration changes."""
    known = {
        name
        for state in states[loop.first : loop.last + 1]
        if state is not None
        for item in state.schema.inputs
        for name in (item.name, item.parameter)
    }
    given = list(items(child(loop.node, "non_iterable_parameters")))
    for number, item in given:
        if item.value not in known:
            context.problems.add(
                item.at,
                (*loop.path, "non_iterable_parameters", number),
                f"no task of the loop has the input {item.value!r}",
                expected=f"one of {listed(sorted(known))}",
                suggestion=nearest(item.value, known),
            )
    return frozenset(item.value for _, item in given)
