"""Which runs of other jobs, or of other rows, make a value. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hpcflow.compile.packing import item_of_rows
from hpcflow.compile.row_columns import Lists, Numbers, Together, UpstreamGroups

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hpcflow.compile.earlier import EarlierJob
    from hpcflow.compile.plan import JobPlan
    from hpcflow.compile.row_columns import Column
    from hpcflow.compile.sources import Made
    from hpcflow.model.workflow import Indices, Workflow


class UpstreamRuns:
    """The runs that a job's rows read from: their jobs, items and numbers."""

    def __init__(self, workflow: Workflow, plans: Sequence[JobPlan], plan: JobPlan) -> None:
        self._workflow = workflow
        self._plans = plans
        self._plan = plan
        self._places: dict[tuple[int, int, int], tuple[Indices, Indices]] = {}

    def cells(self, source: Made, consumers: Indices) -> Column:
        """Which runs of other jobs make a value of these elements."""
        elements = source.elements(consumers)
        if source.of_several:
            column: Column = self.candidates(source, elements)
        else:
            column = Numbers(
                "[%d,%d,%d]", self._runs(source, elements, source.iterations[0])
            )
        if not source.grouped:
            return column
        sizes = source.consumers(np.arange(len(consumers)), consumers)
        bounds = np.searchsorted(sizes, np.arange(len(consumers) + 1))
        if source.of_several:
            return Lists(column, bounds)
        return UpstreamGroups(*self._runs(source, elements, source.iterations[0]), bounds)

    def _runs(
        self, source: Made, elements: Indices, iteration: int
    ) -> tuple[Indices, Indices, Indices]:
        """The upstream job, item and run of each element, in one iteration."""
        upstream, items = self._place(source.task, source.action, iteration)
        task = self._workflow.tasks[source.task]
        rows = elements * task.max_iterations + iteration
        runs = task.run_base + rows * task.num_actions + source.action
        return upstream[elements], items[elements], runs

    def candidates(self, source: Made, elements: Indices) -> Column:
        """By element, ranges of runs of which the first that was executed counts."""
        found: list[Column] = []
        for block in source.by_block():
            found += self._ranges(block, elements)
        return Together(found)

    def _ranges(self, source: Made, elements: Indices) -> Iterator[Numbers]:
        iterations = self._iterations(source.task, source.action)
        if iterations:
            for iteration in iterations:
                if iteration in source.iterations:
                    runs = self._runs(source, elements, iteration)
                    yield Numbers("[%d,%d,%d,1,1]", runs)
            return
        latest_first = source.iterations[::-1]
        step = self._workflow.tasks[source.task].num_actions
        form = f"[%d,%d,%d,-{step},{len(latest_first)}]"
        yield Numbers(form, self._runs(source, elements, latest_first[0]))

    def _iterations(self, task: int, action: int) -> list[int]:
        """The iterations of an action that other jobs execute, the latest first."""
        found = {
            other.iteration
            for other in self._plan.upstream(self._plans)
            if other.iteration is not None and (task, action) in _runs_of(other)
        }
        return sorted(found, reverse=True)

    def _place(self, task: int, action: int, iteration: int) -> tuple[Indices, Indices]:
        """By element: which upstream job executes an action, and in which item."""
        known = self._places.get((task, action, iteration))
        if known is not None:
            return known
        size = self._workflow.tasks[task].num_elements
        jobs, items = np.full(size, -1, np.int64), np.full(size, -1, np.int64)
        for number, other in enumerate(self._plan.upstream(self._plans)):
            if other.iteration in (None, iteration) and (task, action) in _runs_of(other):
                elements = other.rows[task]
                jobs[elements] = number
                items[elements] = item_of_rows(other.num_rows, other.num_items)
        self._places[task, action, iteration] = jobs, items
        return jobs, items


def _runs_of(job: JobPlan | EarlierJob) -> set[tuple[int, int]]:
    return {(step.task, step.action) for step in job.steps}
