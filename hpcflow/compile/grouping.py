"""From runs to jobs: which steps share a job, and which jobs wait for which.

Elements of an action that ask for the same resources make one job. Steps that
follow one another element by element, with the same resources, are rows of one
job: their values then pass within a row, and nothing waits for other elements.
Python loops here go over tasks, distinct resources and jobs, never over elements.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hpcflow.compile.packing import count_items, count_slots, interleave, item_of_rows
from hpcflow.compile.plan import CompileOptions, JobDependency, JobPlan, Step
from hpcflow.compile.sources import Made, made_sources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from hpcflow.model.resources import Resources
    from hpcflow.model.workflow import Indices, Task, Workflow

__all__ = ["CompileOptions", "compile_jobs"]


@dataclass(slots=True, eq=False)
class _Job:
    """A job in the making. `rows`: by task, the element of each row, in natural order.

    upstream: indices of the jobs that it needs; ancestors: a bit for each of these
    and of theirs.
    """

    resources: Resources
    steps: list[Step]
    rows: dict[int, Indices]
    upstream: set[int]
    ancestors: int

    @property
    def num_rows(self) -> int:
        return len(self.rows[self.steps[0].task])


@dataclass(slots=True, eq=False)
class _Unit:
    """Consecutive actions that share a row, and the elements of which this holds."""

    task: int
    actions: tuple[int, ...]
    resources: tuple[Resources, ...]
    elements: Indices


@dataclass(slots=True, eq=False)
class _Place:
    """By element: the job that executes one action, and the natural row in it."""

    job: NDArray[np.int32]
    row: Indices


def compile_jobs(
    workflow: Workflow, *, submission: int, workflow_id: str, options: CompileOptions
) -> tuple[JobPlan, ...]:
    """Plan the jobs that execute all runs of a workflow, in an order to submit them in.

    Raises:
        CompileError: an input has no source.
    """
    jobs, places = _group(workflow)
    packed = [_pack(job, options) for job in jobs]
    digits = "".join(c for c in workflow_id.lower() if c in "0123456789abcdef")
    plans = []
    for index, (job, (scheduler, num_items, order)) in enumerate(
        zip(jobs, packed, strict=True)
    ):
        plans.append(
            JobPlan(
                index=index,
                name=f"hf-{digits[:6]}-s{submission}-j{index}",
                workflow_id=workflow_id,
                submission=submission,
                scheduler=scheduler,
                steps=tuple(job.steps),
                rows={
                    task: _frozen(elements[order]) for task, elements in job.rows.items()
                },
                num_items=num_items,
                concurrency=count_slots(job.num_rows, num_items, job.resources),
                resources=job.resources,
                dependencies=_dependencies(workflow, jobs, places, packed, index),
                silence_s=options.silence_s,
                log_level=options.log_level,
            )
        )
    return tuple(plans)


_Packed = tuple[str, int, "Indices"]  # scheduler, number of items, order of the rows


def _pack(job: _Job, options: CompileOptions) -> _Packed:
    scheduler = job.resources.scheduler or options.default_scheduler
    num_items = count_items(job.num_rows, job.resources, scheduler, options)
    return scheduler, num_items, interleave(job.num_rows, num_items)


def _frozen(array: Indices) -> Indices:
    array.flags.writeable = False
    return array


# -- runs -> jobs


def _group(workflow: Workflow) -> tuple[list[_Job], dict[tuple[int, int], _Place]]:
    jobs: list[_Job] = []
    places = {
        (task.index, action): _Place(
            np.full(task.num_elements, -1, np.int32),
            np.full(task.num_elements, -1, np.int64),
        )
        for task in workflow.tasks
        for action in range(task.num_actions)
    }
    for task in workflow.tasks:
        for unit in _units(task):
            _add(workflow, jobs, places, unit)
    return jobs, places


def _units(task: Task) -> Iterator[_Unit]:
    """Split a task's runs where resources differ, between elements and between actions."""
    found: dict[tuple[int, tuple[Resources, ...]], list[Indices]] = {}
    for wanted, elements in _classes(task):
        start = 0
        for action in range(1, task.num_actions + 1):
            if action == len(wanted) or _of_job(wanted[action]) != _of_job(wanted[start]):
                found.setdefault((start, wanted[start:action]), []).append(elements)
                start = action
    for (start, resources), parts in sorted(found.items(), key=lambda item: item[0][0]):
        actions = tuple(range(start, start + len(resources)))
        yield _Unit(task.index, actions, resources, np.sort(np.concatenate(parts)))


def _classes(task: Task) -> Iterator[tuple[tuple[Resources, ...], Indices]]:
    """Elements by what all of their actions ask for."""
    if not task.num_elements:
        return
    label = np.zeros(task.num_elements, dtype=np.int64)
    for column in task.resources:
        codes = {
            resources: code for code, resources in enumerate(dict.fromkeys(column.table))
        }
        code_of = np.array([codes[resources] for resources in column.table], dtype=np.int64)
        _, label = np.unique(
            label * len(codes) + code_of[column.index], return_inverse=True
        )
    order = np.argsort(label, kind="stable")
    starts = np.flatnonzero(np.diff(label[order], prepend=-1))
    for elements in np.split(order, starts[1:]):
        first = elements[0]
        yield (
            tuple(column.table[column.index[first]] for column in task.resources),
            elements,
        )


def _of_job(resources: Resources) -> Resources:
    """Resources without what only concerns a step's runs."""
    return replace(resources, skip_downstream_on_failure=True, success_exit_codes=(0,))


def _add(
    workflow: Workflow,
    jobs: list[_Job],
    places: dict[tuple[int, int], _Place],
    unit: _Unit,
) -> None:
    """Put a unit into the job that makes its inputs, or into one of its own."""
    inputs = _outer_sources(workflow, unit)
    upstream: set[int] = set()
    for made in inputs:
        makers = places[made.task, made.action].job[made.elements(unit.elements)]
        upstream.update(np.unique(makers).tolist())
    host = _host(jobs, upstream, unit)
    rows = None if host is None else _rows_in(jobs[host], host, places, inputs, unit)
    if host is None or rows is None:
        host, rows = len(jobs), np.arange(len(unit.elements))
        jobs.append(_Job(_of_job(unit.resources[0]), [], {}, set(), 0))
    job = jobs[host]
    job.upstream |= upstream - {host}
    for other in upstream - {host}:
        job.ancestors |= 1 << other | jobs[other].ancestors
    elements = np.empty_like(unit.elements)
    elements[rows] = unit.elements
    job.rows[unit.task] = elements
    for action, resources in zip(unit.actions, unit.resources, strict=True):
        job.steps.append(Step(unit.task, action, resources))
        place = places[unit.task, action]
        place.job[unit.elements] = host
        place.row[unit.elements] = rows


def _outer_sources(workflow: Workflow, unit: _Unit) -> list[Made]:
    """What a unit reads and does not make itself."""
    return [
        made
        for action in unit.actions
        for made in made_sources(workflow, unit.task, action).values()
        if made.task != unit.task or made.action not in unit.actions
    ]


def _host(jobs: list[_Job], upstream: set[int], unit: _Unit) -> int | None:
    """The upstream job that waits for all the others already, if it asks for the same."""
    needed = sum(1 << index for index in upstream)
    for index in upstream:
        if needed & ~(jobs[index].ancestors | 1 << index) == 0:
            same = jobs[index].resources == _of_job(unit.resources[0])
            return index if same else None
    return None


def _rows_in(
    job: _Job,
    index: int,
    places: dict[tuple[int, int], _Place],
    inputs: list[Made],
    unit: _Unit,
) -> Indices | None:
    """The row of each of a unit's elements in a job: None unless one-to-one."""
    if len(unit.elements) != job.num_rows:
        return None
    rows: Indices | None = None
    for made in inputs:
        elements = made.elements(unit.elements)
        place = places[made.task, made.action]
        here = place.job[elements] == index
        if not here.any():
            continue
        if made.grouped or not here.all():
            return None
        found = place.row[elements]
        if rows is not None and not np.array_equal(rows, found):
            return None
        rows = found
    if rows is None or np.bincount(rows, minlength=job.num_rows).max() > 1:
        return None
    known = job.rows.get(unit.task)
    return rows if known is None or np.array_equal(known[rows], unit.elements) else None


# -- dependencies


def _dependencies(
    workflow: Workflow,
    jobs: list[_Job],
    places: dict[tuple[int, int], _Place],
    packed: list[_Packed],
    index: int,
) -> tuple[JobDependency, ...]:
    job = jobs[index]
    aligned = {other for other in job.upstream if 1 < packed[index][1] == packed[other][1]}
    items = {other: _item_of_natural_rows(packed[other]) for other in {index, *aligned}}
    for step in job.steps if aligned else ():
        elements = job.rows[step.task]
        for made in made_sources(workflow, step.task, step.action).values():
            place = places[made.task, made.action]
            upstream = made.elements(elements)
            mine = made.consumers(items[index], elements)
            makers = place.job[upstream]
            for other in tuple(aligned):
                at = makers == other
                if (items[other][place.row[upstream[at]]] != mine[at]).any():
                    aligned.discard(other)
    return tuple(JobDependency(other, other in aligned) for other in sorted(job.upstream))


def _item_of_natural_rows(packed: _Packed) -> Indices:
    _, num_items, order = packed
    items = np.empty_like(order)
    items[order] = item_of_rows(len(order), num_items)
    return items
