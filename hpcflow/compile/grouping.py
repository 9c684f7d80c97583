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

from hpcflow.compile.guards import execution_order, find_deciders, guards_of, made_of
from hpcflow.compile.loops import planned_loops
from hpcflow.compile.packing import (
    count_items,
    count_slots,
    interleave,
    item_of_rows,
    rows_per_array,
)
from hpcflow.compile.plan import (
    CompileError,
    CompileOptions,
    Guard,
    JobDependency,
    JobPlan,
    Step,
)
from hpcflow.compile.sources import Made, made_sources
from hpcflow.model.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from hpcflow.compile.earlier import EarlierJob
    from hpcflow.model.loops import Feedback, Loop
    from hpcflow.model.workflow import Indices, Task, Workflow

__all__ = ["CompileOptions", "check_loops", "compile_jobs"]

_EARLIER = -1  # the iteration of jobs of earlier submissions: nothing joins them
MAX_UNROLLED_JOBS = 200  # of one nest of loops whose iterations are jobs of their own


@dataclass(slots=True, eq=False)
class _Job:
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
        return len(self.rows[self.steps[0].task])


@dataclass(slots=True, eq=False)
class _Unit:
    """Consecutive actions that share a row, and the elements of which this holds."""

    task: int
    actions: tuple[int, ...]
    resources: tuple[Resources, ...]
    elements: Indices
    iteration: int | None = None


@dataclass(slots=True, eq=False)
class _Place:
    """By element: the job that executes one action, and the natural row in it."""

    job: NDArray[np.int32]
    row: Indices


# By task and action: its place; where each iteration has jobs of its own, one for each.
_Places = dict[tuple[int, int], list[_Place]]


def _places_of(places: _Places, made: Made) -> list[_Place]:
    """The places of what makes a value."""
    known = places[made.task, made.action]
    return known if len(known) == 1 else [known[i] for i in made.iterations]


def compile_jobs(
    workflow: Workflow,
    *,
    submission: int,
    workflow_id: str,
    options: CompileOptions,
    first_task: int = 0,
    earlier: Sequence[EarlierJob] = (),
) -> tuple[JobPlan, ...]:
    """Plan the jobs that execute all runs of a workflow, in an order to submit them in.

    first_task: those of this task and the ones after it. earlier: the jobs of earlier
        submissions that execute what these take from the tasks before.

    Raises:
        CompileError: an input has no source, or a loop can't become jobs.
    """
    jobs, places = _group(workflow, first_task, earlier)
    num_earlier = len(earlier)
    jobs, places = _split_arrays(workflow, jobs, places, options)
    packed = [_pack_of(one) for one in earlier]
    packed += [_pack(workflow, job, options) for job in jobs[num_earlier:]]
    digits = "".join(c for c in workflow_id.lower() if c in "0123456789abcdef")
    plans = []
    for index, job in enumerate(jobs[num_earlier:]):
        scheduler, num_items, order = packed[num_earlier + index]
        dependencies = _dependencies(workflow, jobs, places, packed, num_earlier + index)
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
                dependencies=tuple(
                    JobDependency(d.job - num_earlier, d.elementwise)
                    for d in dependencies
                    if d.job >= num_earlier
                ),
                silence_s=options.silence_s,
                log_level=options.log_level,
                loops=planned_loops(workflow, job.steps) if job.iteration is None else (),
                turns=_turns(workflow, job),
                iteration=job.iteration,
                guards=job.guards,
                earlier=tuple(earlier[d.job] for d in dependencies if d.job < num_earlier),
            )
        )
    return tuple(plans)


def _turns(workflow: Workflow, job: _Job) -> tuple[int, ...]:
    """How many times each step of a job with looped tasks is executed, at most."""
    counts = tuple(workflow.tasks[step.task].max_iterations for step in job.steps)
    if max(counts) == 1:
        return ()
    return counts if job.iteration is None else (1,) * len(counts)


def check_loops(workflow: Workflow) -> None:
    """Find out whether the loops of a workflow can become jobs.

    Raises:
        CompileError: they can't.
    """
    if workflow.loops:
        _group(workflow)


_Packed = tuple[str, int, "Indices"]  # scheduler, number of items, order of the rows


def _pack(workflow: Workflow, job: _Job, options: CompileOptions) -> _Packed:
    scheduler = job.resources.scheduler or options.default_scheduler
    turns = sum(_turns(workflow, job)) or len(job.steps)
    num_items = count_items(job.num_rows, job.resources, scheduler, options, turns)
    return scheduler, num_items, interleave(job.num_rows, num_items)


def _pack_of(job: EarlierJob) -> _Packed:
    return "", job.num_items, np.arange(job.num_rows, dtype=np.int64)


def _frozen(array: Indices) -> Indices:
    array.flags.writeable = False
    return array


# -- runs -> jobs


def _group(
    workflow: Workflow, first_task: int = 0, earlier: Sequence[EarlierJob] = ()
) -> tuple[list[_Job], _Places]:
    """The jobs, those of earlier submissions first, and where each run is."""
    jobs = [_Job(Resources(), [], {}, set(), 0, _EARLIER) for _ in earlier]
    places: _Places = {}
    _place_earlier(workflow, places, earlier)
    task = first_task
    while task < len(workflow.tasks):
        around = [loop for loop in workflow.loops if loop.first == task]
        last = max((loop.last for loop in around), default=task)
        span = workflow.tasks[task : last + 1]
        before = [_copied(job) for job in jobs]
        _make_places(places, span)
        for one in span:
            for unit in _units(one):
                _add(workflow, jobs, places, unit)
        loops = [
            loop for loop in workflow.loops if task <= loop.first and loop.last <= last
        ]
        if around and not all(_is_fused(workflow, jobs, places, loop) for loop in loops):
            jobs[:] = before
            _unroll(workflow, jobs, places, range(task, last + 1))
        task = last + 1
    return jobs, places


def _make_places(places: _Places, tasks: Sequence[Task], *, unrolled: bool = False) -> None:
    for task in tasks:
        for action in range(task.num_actions):
            places[task.index, action] = [
                _Place(
                    np.full(task.num_elements, -1, np.int32),
                    np.full(task.num_elements, -1, np.int64),
                )
                for _ in range(task.max_iterations if unrolled else 1)
            ]


def _place_earlier(
    workflow: Workflow, places: _Places, earlier: Sequence[EarlierJob]
) -> None:
    """Note which earlier job executes what; its natural order is that of its rows."""
    unrolled = {t: job.iteration is not None for job in earlier for t in job.rows}
    for task, apart in unrolled.items():
        _make_places(places, [workflow.tasks[task]], unrolled=apart)
    for index, job in enumerate(earlier):
        for task, action in job.steps:
            place = places[task, action][job.iteration or 0]
            place.job[job.rows[task]] = index
            place.row[job.rows[task]] = np.arange(job.num_rows)


def _copied(job: _Job) -> _Job:
    return replace(
        job, steps=list(job.steps), rows=dict(job.rows), upstream=set(job.upstream)
    )


# -- loops


def _is_fused(workflow: Workflow, jobs: list[_Job], places: _Places, loop: Loop) -> bool:
    """Whether all that an element of a loop does is in one row of one job."""
    tasks = workflow.tasks[loop.first : loop.last + 1]
    wanted = {(task.index, action) for task in tasks for action in range(task.num_actions)}
    return all(
        wanted <= {(step.task, step.action) for step in job.steps}
        for job in jobs
        if any(loop.holds(step.task) for step in job.steps)
    ) and all(_within_rows(workflow, places, one) for one in loop.feedback)


def _within_rows(workflow: Workflow, places: _Places, one: Feedback) -> bool:
    """Whether what passes to the next iteration is made in the same row."""
    if one.offsets is not None:
        return False
    (mine,) = places[one.task, 0]
    for action in range(workflow.tasks[one.producer].num_actions):
        (made,) = places[one.producer, action]
        same_job = np.array_equal(made.job[one.elements], mine.job)
        if not (same_job and np.array_equal(made.row[one.elements], mine.row)):
            return False
    return True


def _unroll(workflow: Workflow, jobs: list[_Job], places: _Places, tasks: range) -> None:
    """Give each iteration of these tasks jobs of its own, in the order of execution."""
    _make_places(places, [workflow.tasks[t] for t in tasks], unrolled=True)
    count = sum(workflow.tasks[task].max_iterations for task in tasks)
    if count > MAX_UNROLLED_JOBS:
        names = ", ".join(repr(workflow.tasks[task].name) for task in tasks)
        raise CompileError(
            f"the loops over {names} need {count} jobs or more, as their tasks have "
            "different resources or their elements don't correspond one to one; "
            f"expected at most {MAX_UNROLLED_JOBS}: lower `num_iterations`"
        )
    deciders = find_deciders(workflow, tasks)
    for task, iteration in execution_order(workflow.loops, tasks):
        guards = guards_of(workflow, deciders, task, iteration)
        for unit in _units(workflow.tasks[task]):
            _add(workflow, jobs, places, replace(unit, iteration=iteration), guards)


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
    return replace(
        resources,
        skip_downstream_on_failure=True,
        success_exit_codes=(0,),
        environment=None,
    )


def _add(
    workflow: Workflow,
    jobs: list[_Job],
    places: _Places,
    unit: _Unit,
    guards: tuple[Guard, ...] = (),
) -> None:
    """Put a unit into the job that makes its inputs, or into one of its own."""
    inputs = _outer_sources(workflow, unit)
    upstream: set[int] = set()
    for made in (*inputs, *map(made_of, guards)):
        for place in _places_of(places, made):
            makers = place.job[made.elements(unit.elements)]
            upstream.update(np.unique(makers).tolist())
    host = _host(jobs, upstream, unit) if unit.iteration is None else None
    rows = None if host is None else _rows_in(jobs[host], host, places, inputs, unit)
    if host is None or rows is None:
        host, rows = len(jobs), np.arange(len(unit.elements))
        resources = _of_job(unit.resources[0])
        jobs.append(_Job(resources, [], {}, set(), 0, unit.iteration, guards))
    job = jobs[host]
    job.upstream |= upstream - {host}
    for other in upstream - {host}:
        job.ancestors |= 1 << other | jobs[other].ancestors
    elements = np.empty_like(unit.elements)
    elements[rows] = unit.elements
    job.rows[unit.task] = elements
    for action, wanted in zip(unit.actions, unit.resources, strict=True):
        job.steps.append(Step(unit.task, action, wanted))
        place = places[unit.task, action][unit.iteration or 0]
        place.job[unit.elements] = host
        place.row[unit.elements] = rows


def _outer_sources(workflow: Workflow, unit: _Unit) -> list[Made]:
    """What a unit reads and does not make itself."""
    return [
        made
        for action in unit.actions
        for made in made_sources(workflow, unit.task, action, unit.iteration or 0).values()
        if made.task != unit.task
        or made.action not in unit.actions
        or (unit.iteration is not None and made.iterations[0] != unit.iteration)
    ]


def _host(jobs: list[_Job], upstream: set[int], unit: _Unit) -> int | None:
    """The upstream job that waits for all the others already, if it asks for the same."""
    needed = sum(1 << index for index in upstream)
    for index in upstream:
        if needed & ~(jobs[index].ancestors | 1 << index) == 0:
            same = jobs[index].resources == _of_job(unit.resources[0])
            return index if same and jobs[index].iteration is None else None
    return None


def _rows_in(
    job: _Job,
    index: int,
    places: _Places,
    inputs: list[Made],
    unit: _Unit,
) -> Indices | None:
    """The row of each of a unit's elements in a job: None unless one-to-one."""
    if len(unit.elements) != job.num_rows:
        return None
    rows: Indices | None = None
    for made in inputs:
        elements = made.elements(unit.elements)
        place = _places_of(places, made)[-1]
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


# -- arrays


def _split_arrays(
    workflow: Workflow, jobs: list[_Job], places: _Places, options: CompileOptions
) -> tuple[list[_Job], _Places]:
    """Give jobs that need several arrays one job for each.

    A job that follows another one row by row is split at the same rows, so that each of
    its arrays waits for one array only, item by item.
    """
    sizes = [_rows_per_array(workflow, job, options) for job in jobs]
    counts = [
        1 if job.iteration == _EARLIER else -(-job.num_rows // size)
        for job, size in zip(jobs, sizes, strict=True)
    ]
    if sum(counts) == len(jobs):
        return jobs, places
    firsts = np.cumsum([0, *counts])
    split: _Places = {
        key: [_split_place(place, firsts, np.array(sizes)) for place in found]
        for key, found in places.items()
    }
    made: list[_Job] = []
    for job, size, count in zip(jobs, sizes, counts, strict=True):
        for part in range(count):
            rows = slice(part * size, (part + 1) * size)
            copied = _copied(job)
            copied.rows = {task: elements[rows] for task, elements in job.rows.items()}
            copied.upstream = _upstream_of(workflow, split, copied, len(made))
            made.append(copied)
    return made, split


_NO_END = 2**62  # more rows than there are


def _rows_per_array(workflow: Workflow, job: _Job, options: CompileOptions) -> int:
    if job.iteration == _EARLIER:
        return _NO_END
    scheduler = job.resources.scheduler or options.default_scheduler
    turns = sum(_turns(workflow, job)) or len(job.steps)
    return rows_per_array(job.num_rows, job.resources, scheduler, options, turns)


def _split_place(place: _Place, firsts: Indices, sizes: Indices) -> _Place:
    """The same elements' places, once each job has so many rows to an array."""
    known = place.job >= 0
    size = sizes[place.job[known]]
    job, row = place.job.copy(), place.row.copy()
    job[known] = firsts[place.job[known]] + place.row[known] // size
    row[known] = place.row[known] % size
    return _Place(job, row)


def _upstream_of(workflow: Workflow, places: _Places, job: _Job, index: int) -> set[int]:
    """The jobs that one needs, by what its rows read."""
    upstream: set[int] = set()
    for step in job.steps:
        taken = made_sources(workflow, step.task, step.action, job.iteration or 0)
        for made in (*taken.values(), *map(made_of, job.guards)):
            for place in _places_of(places, made):
                makers = place.job[made.elements(job.rows[step.task])]
                upstream.update(np.unique(makers).tolist())
    return upstream - {index}


# -- dependencies


def _dependencies(
    workflow: Workflow,
    jobs: list[_Job],
    places: _Places,
    packed: list[_Packed],
    index: int,
) -> tuple[JobDependency, ...]:
    job = jobs[index]
    # Items of earlier jobs may be forgotten by now, so these are awaited as a whole.
    aligned = {
        other
        for other in job.upstream
        if 1 < packed[index][1] == packed[other][1] and jobs[other].iteration != _EARLIER
    }
    items = {other: _item_of_natural_rows(packed[other]) for other in {index, *aligned}}
    for step in job.steps if aligned else ():
        elements = job.rows[step.task]
        taken = made_sources(workflow, step.task, step.action, job.iteration or 0)
        for made in (*taken.values(), *map(made_of, job.guards)):
            upstream = made.elements(elements)
            mine = made.consumers(items[index], elements)
            for place in _places_of(places, made):
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
