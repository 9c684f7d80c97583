"""A workflow's tasks and the data that flows between them, as plain data. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hpcflow.model.workflow import FromSeveral, FromTask

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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
    """The graph of a workflow. What a task has grown by is part of it."""
    places = _places(workflow)
    loops = tuple(
        GraphLoop(
            loop.name,
            places[loop.first],
            places[loop.last],
            max(o.first_turn + o.iterations for o in workflow.loops if o.name == loop.name),
        )
        for loop in workflow.loops
        if workflow.tasks[loop.first].continues is None
    )
    tasks = []
    for task in workflow.tasks:
        if task.continues is None:
            blocks = [one for one in workflow.tasks if one.continues == task.index]
            place = places[task.index]
            tasks.append(
                GraphTask(
                    task.name,
                    task.schema.name,
                    max(b.first_element + b.num_elements for b in (task, *blocks)),
                    max(b.first_iteration + b.max_iterations for b in (task, *blocks)),
                    sum(block.num_runs for block in (task, *blocks)),
                    tuple(loop.name for loop in loops if loop.first <= place <= loop.last),
                )
            )
    edges = [  # iterations that were added are the same edges again
        edge
        for edge in (*_forward(workflow), *_back(workflow))
        if not workflow.tasks[edge.target].first_iteration
    ]
    return WorkflowGraph(workflow.name, tuple(tasks), _joined(edges, places), loops)


def _places(workflow: Workflow) -> dict[int, int]:
    """By entry of the record, the place of its task in the graph."""
    wholes = [task.index for task in workflow.tasks if task.continues is None]
    place_of = {index: place for place, index in enumerate(wholes)}
    return {
        task.index: place_of[task.index if task.continues is None else task.continues]
        for task in workflow.tasks
    }


def _joined(edges: Iterable[GraphEdge], places: dict[int, int]) -> tuple[GraphEdge, ...]:
    """The edges between tasks, of which there may be one for each pair of blocks."""
    found: dict[tuple[object, ...], GraphEdge] = {}
    for edge in edges:
        source, target = places[edge.source], places[edge.target]
        key = (source, target, edge.values, edge.grouped, edge.back)
        known = found[key].elements if key in found else 0
        found[key] = replace(
            edge, source=source, target=target, elements=known + edge.elements
        )
    return tuple(found.values())


def _forward(workflow: Workflow) -> Iterator[GraphEdge]:
    for task in workflow.tasks:
        names: dict[tuple[int, bool], list[str]] = {}
        rows: dict[tuple[int, bool], list[Indices]] = {}
        for name, column in task.inputs.items():
            grouped = column.offsets is not None
            for part, elements in _taken(column):
                key = (part.task, grouped or part.offsets is not None)
                if name not in names.setdefault(key, []):
                    names[key].append(name)
                rows.setdefault(key, []).append(elements)
        for (source, grouped), values in names.items():
            count = len(np.unique(np.concatenate(rows[source, grouped])))
            yield GraphEdge(source, task.index, tuple(values), count, grouped)


def _taken(column: InputColumn) -> Iterator[tuple[FromTask, Indices]]:
    """The parts of an input that tasks make, and the elements of these that are used."""
    if isinstance(column, FromTask):
        yield column, column.elements
    elif isinstance(column, FromSeveral):
        for number, part in enumerate(column.parts):
            if isinstance(part, FromTask) and part.offsets is None:
                yield part, part.elements[column.row[column.part == number]]
            else:
                yield from _taken(part)


def _back(workflow: Workflow) -> Iterator[GraphEdge]:
    found: dict[tuple[int, int, bool], tuple[list[str], int]] = {}
    for loop in workflow.loops:
        for item in loop.feedback:
            key = (item.producer, item.task, item.offsets is not None)
            names, count = found.get(key, ([], 0))
            if item.input not in names:
                names.append(item.input)
            makers = np.unique(item.elements[item.elements >= 0])
            found[key] = (names, max(count, len(makers)))
    for (source, target, grouped), (names, count) in found.items():
        yield GraphEdge(source, target, tuple(names), count, grouped, back=True)
