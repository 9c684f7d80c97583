"""Jobs in the making, and which of them wait for which."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hpcflow.compile.guards import reads_of
from hpcflow.compile.packing import item_of_rows
from hpcflow.compile.plan import Guard, JobDependency, Step
from hpcflow.compile.sources import made_sources
from hpcflow.model.loops import loops_around, turn_numbers

if TYPE_CHECKING:
    from hpcflow.compile.places import Places
    from hpcflow.model.resources import Resources
    from hpcflow.model.workflow import Indices, Workflow

EARLIER = -1  # the iteration of jobs of earlier submissions: nothing joins them
Packed = tuple[str, int, "Indices"]  # scheduler, number of items, order of the rows


@dataclass(slots=True, eq=False)
class Job:
    """A job in the making. `rows`: by task, the element of each row, in natural order.

    upstream: indices of the jobs that it needs; ancestors: a bit for each of these
    and of theirs. iteration: the only one of its task that it executes; then it has one
    task, and takes no other. guards: what decides whether it does.
    """

    resources: Resources
    steps: list[Step]
    rows: dict[int, Indices]
    upstream: set[int]
    ancestors: int
    iteration: int | None = None
    guards: tuple[Guard, ...] = ()

    @property
    def num_rows(self) -> int:
        """Rows of the job: elements of each of its tasks."""
        return len(self.rows[self.steps[0].task])


def copied(job: Job) -> Job:
    """A job of its own to go on with: steps, rows and needs may be changed."""
    return replace(
        job, steps=list(job.steps), rows=dict(job.rows), upstream=set(job.upstream)
    )


def dependencies_of(
    workflow: Workflow,
    jobs: list[Job],
    places: Places,
    packed: list[Packed],
    index: int,
) -> tuple[JobDependency, ...]:
    """The jobs that one of some jobs waits for.

    packed: how each is packed into items.
    """
    job = jobs[index]
    # Items of earlier jobs may be forgotten by now, so these are awaited as a whole.
    aligned = {
        other
        for other in job.upstream
        if 1 < packed[index][1] == packed[other][1]
        and jobs[other].iteration != EARLIER
        and _ends_with(workflow, jobs[other], job)
    }
    items = {other: _item_of_natural_rows(packed[other]) for other in {index, *aligned}}
    for step in job.steps if aligned else ():
        elements = job.rows[step.task]
        taken = made_sources(workflow, step.task, step.action, job.iteration or 0)
        for made in (*taken.values(), *(one for g in job.guards for one in reads_of(g))):
            upstream = made.elements(elements)
            mine = made.consumers(items[index], elements)
            for place in places.of(made):
                makers = place.job[upstream]
                for other in tuple(aligned):
                    at = makers == other
                    if (items[other][place.row[upstream[at]]] != mine[at]).any():
                        aligned.discard(other)
    return tuple(JobDependency(other, other in aligned) for other in sorted(job.upstream))


def _ends_with(workflow: Workflow, other: Job, job: Job) -> bool:
    """Whether a job is not needed either where loops have ended before another one.

    If it is, the other may be cancelled, and a dependency on its items then never holds.
    """
    if not other.guards:
        return True
    if job.iteration is None or other.iteration is None:
        return False
    loops, (task, mine) = workflow.loops, (other.steps[0].task, job.steps[0].task)
    theirs = turn_numbers(loops, task, other.iteration)
    own = turn_numbers(loops, mine, job.iteration)
    ends = [i for i in theirs if theirs[i] and loops[i].termination is not None]
    for index, turn in theirs.items():  # the outermost first
        if own.get(index, -1) != turn:
            inner = any(
                index in loops_around(loops, loops[i].first) for i in ends if i != index
            )
            return own.get(index, -1) > turn and not inner
    return True


def _item_of_natural_rows(packed: Packed) -> Indices:
    _, num_items, order = packed
    items = np.empty_like(order)
    items[order] = item_of_rows(len(order), num_items)
    return items
