"""Loops whose iterations are jobs of their own: their order, and what ends them.

A job of a later iteration is submitted before it is known whether that is needed. Each
of its rows has guards: the runs of the turn before whose values decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hpcflow.compile.earlier_blocks import earlier_turns
from hpcflow.compile.plan import CompileError, Guard
from hpcflow.compile.sources import Made, made_sources
from hpcflow.compile.terminations import looked_at, taken_by
from hpcflow.model.loops import loops_around, source_iterations, turn_numbers
from hpcflow.model.workflow import FromTask
from hpcflow.persist.loop_records import termination_to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from hpcflow.compile.earlier_blocks import Turns
    from hpcflow.model.loops import Loop, Termination
    from hpcflow.model.workflow import Indices, Workflow


def made_of(guard: Guard) -> Made:
    """The runs of the task that a guard looks at."""
    output = guard.document.get("output", "")
    column = FromTask(guard.task, output, guard.elements)
    return Made(guard.task, guard.action, output, column, guard.iterations, guard.before)


def reads_of(guard: Guard) -> Iterator[Made]:
    """All runs that a guard reads from."""
    yield from made_of(guard).by_block()
    yield from taken_by(guard.taken, guard.elements)


Entry = tuple[int, int]  # a task, and an iteration of it


def execution_order(
    loops: Sequence[Loop],
    tasks: range,
    *,
    after: Entry | None = None,
    goes_on: Callable[[int, dict[int, int]], bool] = lambda _loop, _turns: True,
) -> Iterator[Entry]:
    """The tasks with their iterations, in the order in which they follow one another.

    after: only what comes behind this one.
    goes_on: asked before each later turn of a loop, given the loop and the turns of the
        loops that are being gone through, by index: whether there is one. So too before
        the rest of a turn that `after` is in.
    """
    behind = None
    if after is not None:
        behind = _Behind(after[0], turn_numbers(loops, *after))
    yield from _ordered(loops, tasks, {}, behind, goes_on)


class _Behind(NamedTuple):
    """A place in the order: a task, and the turns of the loops around it."""

    task: int
    turns: dict[int, int]


def _ordered(
    loops: Sequence[Loop],
    tasks: range,
    turns: dict[int, int],
    behind: _Behind | None,
    goes_on: Callable[[int, dict[int, int]], bool],
) -> Iterator[Entry]:
    task = tasks.start
    while task < tasks.stop:
        inner = next(
            (
                index
                for index in loops_around(loops, task)
                if index not in turns and loops[index].first == task
            ),
            None,
        )
        if inner is None:
            if behind is None or task > behind.task:
                yield task, iteration_of(loops, task, turns)
            task += 1
            continue
        span = range(task, loops[inner].last + 1)
        within = behind if behind is not None and behind.task in span else None
        first = 0 if within is None else within.turns[inner]
        if behind is not None and behind.task >= span.stop:
            first = loops[inner].iterations
        for turn in range(first, loops[inner].iterations):
            here = {**turns, inner: turn}
            if turn and not goes_on(inner, here):
                break
            yield from _ordered(loops, span, here, within, goes_on)
            within = None
        task = span.stop


def iteration_of(loops: Sequence[Loop], task: int, turns: Mapping[int, int]) -> int:
    """The iteration of a task in some turns of the loops around it, by their indices."""
    number = 0
    for index in loops_around(loops, task):
        number = number * loops[index].iterations + turns[index]
    return number


def turn_before(
    loops: Sequence[Loop], index: int, turns: Mapping[int, int]
) -> tuple[int, range]:
    """What decides whether a turn of a loop is executed: a task, and iterations of it.

    turns: of the loop and those around it, by index. That of a loop without a
    termination is its last task.
    """
    loop = loops[index]
    decider = loop.last if loop.termination is None else loop.termination.task
    return decider, of_turn_before(loops, index, turns, decider)


def of_turn_before(
    loops: Sequence[Loop], index: int, turns: Mapping[int, int], task: int
) -> range:
    """The iterations of a task of a loop in the turn before one, see `turn_before`."""
    first = loops[index].first
    all_turns = {i: turns.get(i, 0) for i in loops_around(loops, first)}
    iteration = iteration_of(loops, first, all_turns)
    return source_iterations(loops, first, iteration, task, index)


Deciders = dict[tuple[int, int], "Indices"]


def find_deciders(workflow: Workflow, tasks: range) -> Deciders:
    """By loop and task, the element whose value ends the loop for each of the task's.

    Raises:
        CompileError: there is not exactly one, or none that can be told of.
    """
    found: Deciders = {}
    for index, loop in enumerate(workflow.loops):
        if loop.termination is None or not (tasks.start <= loop.first < tasks.stop):
            continue
        decider = workflow.tasks[loop.termination.task]
        if loop.termination.root == "inputs" and any(
            loop.holds(other.first) and other.holds(decider.index)
            for other in workflow.loops[index + 1 :]
        ):
            raise CompileError(
                f"the loop {loop.name!r} can't be ended by an input of task "
                f"{decider.name!r}, which is in a loop inside it: where iterations have "
                "jobs of their own, name another `termination_task`, or an output of it"
            )
        label = _components(workflow, loop)
        labels, elements = np.unique(label[decider.index], return_index=True)
        for task in range(loop.first, loop.last + 1):
            mine = label[task]
            if task != decider.index and not np.isin(mine, labels).any():
                same = len(mine) == decider.num_elements
                mine = label[decider.index] if same else np.full(len(mine), labels[0])
            places = np.minimum(np.searchsorted(labels, mine), len(labels) - 1)
            if len(labels) < decider.num_elements or (labels[places] != mine).any():
                raise CompileError(
                    f"the loop {loop.name!r} can't be ended by task {decider.name!r}: an "
                    f"element of {workflow.tasks[task].name!r} needs exactly one element "
                    "of it that decides; name another `termination_task`"
                )
            found[index, task] = elements[places]
    return found


def _components(workflow: Workflow, loop: Loop) -> dict[int, Indices]:
    """By task of a loop, a number for each element: equal for those that are connected."""
    tasks = range(loop.first, loop.last + 1)
    sizes = [workflow.tasks[task].num_elements for task in tasks]
    starts = dict(zip(tasks, np.cumsum([0, *sizes]).tolist(), strict=False))
    users, makers = [], []
    for task in tasks:
        everything = np.arange(workflow.tasks[task].num_elements, dtype=np.int64)
        for action in range(workflow.tasks[task].num_actions):
            for made in made_sources(workflow, task, action).values():
                if made.task in starts and made.column is not None:
                    users.append(starts[task] + made.consumers(everything, everything))
                    makers.append(starts[made.task] + made.elements(everything))
    for one in loop.feedback:
        column = FromTask(one.producer, one.output, one.elements, one.offsets)
        made = Made(one.producer, 0, one.output, column)
        everything = np.arange(workflow.tasks[one.task].num_elements, dtype=np.int64)
        if one.of_some:
            everything = everything[one.elements >= 0]
        users.append(starts[one.task] + made.consumers(everything, everything))
        makers.append(starts[one.producer] + made.elements(everything))
    label = np.arange(sum(sizes), dtype=np.int64)
    while users:
        before = label.copy()
        for user, maker in zip(users, makers, strict=True):
            least = np.minimum(label[user], label[maker])
            np.minimum.at(label, user, least)
            np.minimum.at(label, maker, least)
        if np.array_equal(before, label):
            break
    return {
        task: label[starts[task] : starts[task] + size]
        for task, size in zip(tasks, sizes, strict=True)
    }


def guards_of(
    workflow: Workflow, deciders: Deciders, task: int, iteration: int
) -> tuple[Guard, ...]:
    """What decides whether an iteration of a task is executed."""
    found = []
    rest = iteration
    around = loops_around(workflow.loops, task)
    for index in reversed(around):
        loop = workflow.loops[index]
        rest, turn = divmod(rest, loop.iterations)
        if loop.termination is None:
            continue
        maker = loop.termination.task
        if turn == 0:
            turns = earlier_turns(workflow, maker)
            if turns and index == around[0]:  # one that goes on with another's turns
                found += _guards(workflow, loop.termination, deciders[index, task], turns)
            continue
        before = source_iterations(workflow.loops, task, iteration, maker, index)
        if loop.termination.root != "outputs":
            elements = deciders[index, task]
            found.append(_by_taken(workflow, loop.termination, elements, before))
            continue
        turns = ((maker, before),)
        found += _guards(workflow, loop.termination, deciders[index, task], turns)
    return tuple(found)


def _guards(
    workflow: Workflow, ends: Termination, elements: Indices, turns: Turns
) -> list[Guard]:
    """One for each action that makes what decides. turns: of which the last counts."""
    if ends.root != "outputs":
        raise CompileError(
            f"a loop that goes on with more iterations can't be ended by {ends.root!r} of "
            f"task {workflow.tasks[ends.task].name!r}: expected a termination by an output"
        )
    document = termination_to_json(ends) or {}
    del document["task"]
    (task, iterations), *before = turns
    return [
        Guard(task, action, elements, iterations, document, before=tuple(before))
        for action in workflow.tasks[task].schema.producers(ends.output)
    ]


def _by_taken(
    workflow: Workflow, ends: Termination, elements: Indices, before: range
) -> Guard:
    """The guard that looks at what a task has taken in the iteration before."""
    taken = looked_at(workflow, ends, before[0])
    return Guard(ends.task, 0, elements, before, {}, ends=ends, taken=taken)
