"""Loops whose iterations are jobs of their own: their order, and what ends them.

A job of a later iteration is submitted before it is known whether that is needed. Each
of its rows has guards: the runs of the turn before whose values decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hpcflow.compile.plan import CompileError, Guard
from hpcflow.compile.sources import Made, made_sources
from hpcflow.model.loops import loops_around, source_iterations
from hpcflow.model.workflow import FromTask
from hpcflow.persist.loop_records import termination_to_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hpcflow.model.loops import Loop
    from hpcflow.model.workflow import Indices, Workflow


def made_of(guard: Guard) -> Made:
    """The runs that make what a guard looks at."""
    output = guard.document["output"]
    column = FromTask(guard.task, output, guard.elements)
    return Made(guard.task, guard.action, output, column, guard.iterations)


def execution_order(
    loops: Sequence[Loop], tasks: range, turns: dict[int, int] | None = None
) -> Iterator[tuple[int, int]]:
    """The tasks with their iterations, in the order in which they follow one another.

    turns: those of the loops that are being gone through, by index.
    """
    turns = turns or {}
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
            yield task, _iteration(loops, task, turns)
            task += 1
            continue
        span = range(task, loops[inner].last + 1)
        for turn in range(loops[inner].iterations):
            yield from execution_order(loops, span, {**turns, inner: turn})
        task = span.stop


def _iteration(loops: Sequence[Loop], task: int, turns: dict[int, int]) -> int:
    number = 0
    for index in loops_around(loops, task):
        number = number * loops[index].iterations + turns[index]
    return number


Deciders = dict[tuple[int, int], "Indices"]


def find_deciders(workflow: Workflow, tasks: range) -> Deciders:
    """By loop and task, the element whose value ends the loop for each of the task's.

    Raises:
        CompileError: there is not exactly one.
    """
    found: Deciders = {}
    for index, loop in enumerate(workflow.loops):
        if loop.termination is None or not (tasks.start <= loop.first < tasks.stop):
            continue
        decider = workflow.tasks[loop.termination.task]
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
    for index in reversed(loops_around(workflow.loops, task)):
        loop = workflow.loops[index]
        rest, turn = divmod(rest, loop.iterations)
        if turn == 0 or loop.termination is None:
            continue
        maker = workflow.tasks[loop.termination.task]
        before = source_iterations(workflow.loops, task, iteration, maker.index, index)
        document = termination_to_json(loop.termination) or {}
        del document["task"]
        elements = deciders[index, task]
        found += [
            Guard(maker.index, action, elements, before, document)
            for action in maker.schema.producers(loop.termination.output)
        ]
    return tuple(found)
