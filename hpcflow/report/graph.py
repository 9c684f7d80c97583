"""A workflow's tasks and the data that flows between them, as plain data. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hpcflow.model.workflow import FromSeveral, FromTask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hpcflow.model.workflow import Indices, InputColumn, Workflow


@dataclass(frozen=True, slots=True)
class GraphTask:
    """A task. iterations: the most that an element may have; runs: the most in all.

    loops: names of the loops around it, the outermost first.
    """

    name: str
    schema: str
    elements: int
    iterations: int
    runs: int
    loops: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GraphEdge:
    """What one task gives to another, or, in a loop, to its next iteration.

    values: the inputs that it becomes. elements: how many elements of `source` it comes
    from. grouped: elements of `target` get lists. back: from one iteration to the next.
    """

    source: int
    target: int
    values: tuple[str, ...]
    elements: int
    grouped: bool = False
    back: bool = False


@dataclass(frozen=True, slots=True)
class GraphLoop:
    """A loop over the tasks `first` to `last` (both included)."""

    name: str
    first: int
    last: int
    iterations: int


@dataclass(frozen=True, slots=True)
class WorkflowGraph:
    """The tasks, in order, and what goes from one to another."""

    name: str
    tasks: tuple[GraphTask, ...]
    edges: tuple[GraphEdge, ...]
    loops: tuple[GraphLoop, ...] = ()


def workflow_graph(workflow: Workflow) -> WorkflowGraph:
    """The graph of a workflow."""
    loops = tuple(
        GraphLoop(loop.name, loop.first, loop.last, loop.iterations)
        for loop in workflow.loops
    )
    tasks = tuple(
        GraphTask(
            task.name,
            task.schema.name,
            task.num_elements,
            task.max_iterations,
            task.num_runs,
            tuple(loop.name for loop in loops if loop.first <= task.index <= loop.last),
        )
        for task in workflow.tasks
    )
    return WorkflowGraph(
        workflow.name, tasks, (*_forward(workflow), *_back(workflow)), loops
    )


def _forward(workflow: Workflow) -> Iterator[GraphEdge]:
    for task in workflow.tasks:
        names: dict[tuple[int, bool], list[str]] = {}
        rows: dict[tuple[int, bool], list[Indices]] = {}
        for name, column in task.inputs.items():
            grouped = column.offsets is not None
            for part in _from_tasks(column):
                key = (part.task, grouped or part.offsets is not None)
                if name not in names.setdefault(key, []):
                    names[key].append(name)
                rows.setdefault(key, []).append(part.elements)
        for (source, grouped), values in names.items():
            count = len(np.unique(np.concatenate(rows[source, grouped])))
            yield GraphEdge(source, task.index, tuple(values), count, grouped)


def _from_tasks(column: InputColumn) -> Iterator[FromTask]:
    """The parts of an input that tasks make."""
    if isinstance(column, FromTask):
        yield column
    elif isinstance(column, FromSeveral):
        for part in column.parts:
            yield from _from_tasks(part)


def _back(workflow: Workflow) -> Iterator[GraphEdge]:
    found: dict[tuple[int, int, bool], tuple[list[str], int]] = {}
    for loop in workflow.loops:
        for item in loop.feedback:
            key = (item.producer, item.task, item.offsets is not None)
            names, count = found.get(key, ([], 0))
            if item.input not in names:
                names.append(item.input)
            found[key] = (names, max(count, len(np.unique(item.elements))))
    for (source, target, grouped), (names, count) in found.items():
        yield GraphEdge(source, target, tuple(names), count, grouped, back=True)
