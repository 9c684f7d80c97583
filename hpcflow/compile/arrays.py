"""Jobs as arrays: how many items each has, and what is cut into several arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hpcflow.compile.guards import reads_of
from hpcflow.compile.job_dependencies import EARLIER, Job, Packed, copied
from hpcflow.compile.packing import count_items, interleave, rows_per_array
from hpcflow.compile.places import Place, Places
from hpcflow.compile.sources import made_sources

if TYPE_CHECKING:
    from hpcflow.compile.plan import CompileOptions
    from hpcflow.model.workflow import Indices, Workflow

_NO_END = 2**62  # more rows than there are


def pack(workflow: Workflow, job: Job, options: CompileOptions) -> Packed:
    """A job's scheduler, its number of items, and the order of its rows in them."""
    scheduler = job.resources.scheduler or options.default_scheduler
    turns = sum(turns_of(workflow, job)) or len(job.steps)
    num_items = count_items(job.num_rows, job.resources, scheduler, options, turns)
    return scheduler, num_items, interleave(job.num_rows, num_items)


def turns_of(workflow: Workflow, job: Job) -> tuple[int, ...]:
    """How many times each step of a job with looped tasks is executed, at most."""
    counts = tuple(workflow.tasks[step.task].max_iterations for step in job.steps)
    if max(counts) == 1 and not job.guards:
        return ()
    return counts if job.iteration is None else (1,) * len(counts)


def split_arrays(
    workflow: Workflow, jobs: list[Job], places: Places, options: CompileOptions
) -> tuple[list[Job], Places]:
    """Give jobs that need several arrays one job for each.

    A job that follows another one row by row is split at the same rows, so that each of
    its arrays waits for one array only, item by item.
    """
    sizes = [_rows_per_array(workflow, job, options) for job in jobs]
    counts = [
        1 if job.iteration == EARLIER else -(-job.num_rows // size)
        for job, size in zip(jobs, sizes, strict=True)
    ]
    if sum(counts) == len(jobs):
        return jobs, places
    firsts, rows_of = np.cumsum([0, *counts]), np.array(sizes)
    split = places.mapped(lambda place: _split_place(place, firsts, rows_of))
    made: list[Job] = []
    for job, size, count in zip(jobs, sizes, counts, strict=True):
        for part in range(count):
            rows = slice(part * size, (part + 1) * size)
            one = copied(job)
            one.rows = {task: elements[rows] for task, elements in job.rows.items()}
            one.upstream = _upstream_of(workflow, split, one, len(made))
            made.append(one)
    return made, split


def _rows_per_array(workflow: Workflow, job: Job, options: CompileOptions) -> int:
    if job.iteration == EARLIER:
        return _NO_END
    scheduler = job.resources.scheduler or options.default_scheduler
    turns = sum(turns_of(workflow, job)) or len(job.steps)
    return rows_per_array(job.num_rows, job.resources, scheduler, options, turns)


def _split_place(place: Place, firsts: Indices, sizes: Indices) -> Place:
    """The same elements' places, once each job has so many rows to an array."""
    known = place.job >= 0
    size = sizes[place.job[known]]
    job, row = place.job.copy(), place.row.copy()
    job[known] = firsts[place.job[known]] + place.row[known] // size
    row[known] = place.row[known] % size
    return Place(job, row)


def _upstream_of(workflow: Workflow, places: Places, job: Job, index: int) -> set[int]:
    """The jobs that one needs, by what its rows read."""
    upstream: set[int] = set()
    for step in job.steps:
        taken = made_sources(workflow, step.task, step.action, job.iteration or 0)
        for made in (*taken.values(), *(one for g in job.guards for one in reads_of(g))):
            for place in places.of(made):
                makers = place.job[made.elements(job.rows[step.task])]
                upstream.update(np.unique(makers).tolist())
    return upstream - {index, -1}
