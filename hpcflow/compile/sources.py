"""Where the inputs of an action's runs come from, element by element."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hpcflow.compile.plan import CompileError
from hpcflow.model.workflow import FromTask, FromValues

if TYPE_CHECKING:
    from hpcflow.model.workflow import Indices, Workflow


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """An input that an action makes.

    column: None where an earlier action of the same element makes it, else which
        elements of the upstream task do.
    """

    task: int
    action: int
    output: str
    column: FromTask | None

    @property
    def grouped(self) -> bool:
        """Whether each element receives a list."""
        return self.column is not None and self.column.offsets is not None

    def elements(self, consumers: Indices) -> Indices:
        """The upstream element of each consumer; of groups, all members, in order."""
        if self.column is None:
            return consumers
        if self.column.offsets is None:
            return self.column.elements[consumers]
        return self.column.elements[group_members(self.column.offsets, consumers)]

    def consumers(self, rows: Indices, elements: Indices) -> Indices:
        """For each of `elements(...)`, the entry of `rows` that consumes it."""
        if self.column is None or self.column.offsets is None:
            return rows
        return np.repeat(rows, group_sizes(self.column.offsets, elements))


Source = FromValues | Made


def action_sources(workflow: Workflow, task_index: int, action: int) -> dict[str, Source]:
    """The source of each input that an action reads, in its order.

    Raises:
        CompileError: nothing gives one of them.
    """
    task = workflow.tasks[task_index]
    actions = task.schema.actions
    sources: dict[str, Source] = {}
    for name in actions[action].inputs:
        earlier = [k for k in range(action) if name in actions[k].outputs]
        column = task.inputs.get(name)
        if earlier:
            sources[name] = Made(task_index, earlier[-1], name, None)
        elif isinstance(column, FromTask):
            producer = workflow.tasks[column.task].schema.producer(column.output)
            sources[name] = Made(column.task, producer, column.output, column)
        elif column is not None:
            sources[name] = column
        else:
            raise CompileError(
                f"task {task.name!r}, action {action}: nothing gives its input {name!r}"
            )
    return sources


def made_sources(workflow: Workflow, task: int, action: int) -> dict[str, Made]:
    """Those of an action's inputs that other actions make."""
    found = action_sources(workflow, task, action)
    return {name: source for name, source in found.items() if isinstance(source, Made)}


def group_sizes(offsets: Indices, elements: Indices) -> Indices:
    """How many members the group of each element has."""
    sizes: Indices = offsets[elements + 1] - offsets[elements]
    return sizes


def group_members(offsets: Indices, elements: Indices) -> Indices:
    """The places of the members of each element's group, one after the other."""
    sizes = group_sizes(offsets, elements)
    ends = np.cumsum(sizes)
    shift = offsets[elements] - (ends - sizes)
    total = int(ends[-1]) if len(ends) else 0
    members: Indices = np.arange(total, dtype=np.int64) + np.repeat(shift, sizes)
    return members
