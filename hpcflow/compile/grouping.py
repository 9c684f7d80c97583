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

from hpcflow.compile.arrays import pack, split_arrays, turns_of
from hpcflow.compile.guards import (
    execution_order,
    find_deciders,
    guards_of,
    reads_of,
    turn_before,
)
from hpcflow.compile.job_dependencies import EARLIER, Job, Packed, copied, dependencies_of
from hpcflow.compile.loops import planned_loops
from hpcflow.compile.packing import count_slots
from hpcflow.compile.places import Places
from hpcflow.compile.plan import (
    MOST_LOOP_JOBS,
    CompileOptions,
    Guard,
    JobDependency,
    JobPlan,
    LoopsLeft,
    Step,
)
from hpcflow.compile.sources import Made, made_sources
from hpcflow.model.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hpcflow.compile.earlier import EarlierJob
    from hpcflow.compile.guards import Entry
    from hpcflow.model.loops import Feedback, Loop
    from hpcflow.model.workflow import Indices, Task, Workflow

__all__ = ["CompileOptions", "check_loops", "compile_jobs", "plan_jobs"]


@dataclass(slots=True, eq=False)
class _Unit:
    """Consecutive actions that share a row, and the elements of which this holds."""

    task: int
    actions: tuple[int, ...]
    resources: tuple[Resources, ...]
    elements: Indices
    iteration: int | None = None


def compile_jobs(
    workflow: Workflow,
    *,
    submission: int,
    workflow_id: str,
    options: CompileOptions,
) -> tuple[JobPlan, ...]:
    """Plan the jobs that execute a workflow from its start; see `plan_jobs`.

    Raises:
        CompileError: an input has no source, or a loop can't become jobs.
    """
    return plan_jobs(
        workflow, submission=submission, workflow_id=workflow_id, options=options
    )[0]


def plan_jobs(
    workflow: Workflow,
    *,
    submission: int,
    workflow_id: str,
    options: CompileOptions,
    first_task: int = 0,
    stop_task: int | None = None,
    earlier: Sequence[EarlierJob] = (),
    resume: LoopsLeft | None = None,
    goes_on: Callable[[int, dict[int, int]], bool] = lambda _loop, _turns: True,
) -> tuple[tuple[JobPlan, ...], LoopsLeft | None]:
    """Plan the jobs that execute runs of a workflow, in an order to submit them in.

    That is all of them; or, where loops need more jobs of their own than may be submitted
    at once, those up to there, and what is left of the loops.

    first_task, stop_task: the tasks from the first on, and before the other. earlier: the
        jobs of earlier submissions that execute what these take. resume: loops that begin
        with the first task, and that earlier submissions have executed in part. goes_on:
        whether there is a turn of a loop after one that earlier submissions executed,
        given the loop's index, and by index the turns of the loops around.

    Raises:
        CompileError: an input has no source, or a loop can't become jobs.
    """
    grouping = _Grouping(workflow, earlier, options.most_loop_jobs, resume, goes_on)
    left = grouping.group(first_task, stop_task)
    jobs, places = split_arrays(workflow, grouping.jobs, grouping.places, options)
    num_earlier = len(earlier)
    packed = [_pack_of(one) for one in earlier]
    packed += [pack(workflow, job, options) for job in jobs[num_earlier:]]
    digits = "".join(c for c in workflow_id.lower() if c in "0123456789abcdef")
    plans = []
    for index, job in enumerate(jobs[num_earlier:]):
        scheduler, num_items, order = packed[num_earlier + index]
        dependencies = dependencies_of(workflow, jobs, places, packed, num_earlier + index)
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
                turns=turns_of(workflow, job),
                iteration=job.iteration,
                guards=job.guards,
                earlier=tuple(earlier[d.job] for d in dependencies if d.job < num_earlier),
            )
        )
    return tuple(plans), left


def check_loops(workflow: Workflow) -> None:
    """Find out whether the loops of a workflow can become jobs.

    Raises:
        CompileError: they can't.
    """
    if workflow.loops:
        _Grouping(workflow).group(whole=True)


def _pack_of(job: EarlierJob) -> Packed:
    return "", job.num_items, np.arange(job.num_rows, dtype=np.int64)


def _frozen(array: Indices) -> Indices:
    array.flags.writeable = False
    return array


# -- runs -> jobs


class _Grouping:
    """Puts runs into jobs. `jobs`: those of earlier submissions, then the new ones.

    places: where each run is.
    """

    def __init__(
        self,
        workflow: Workflow,
        earlier: Sequence[EarlierJob] = (),
        most_loop_jobs: int = MOST_LOOP_JOBS,
        resume: LoopsLeft | None = None,
        goes_on: Callable[[int, dict[int, int]], bool] = lambda _loop, _turns: True,
    ) -> None:
        self._workflow = workflow
        self._most = most_loop_jobs
        self._resume = resume
        self._goes_on = goes_on
        self.jobs = [Job(Resources(), [], {}, set(), 0, EARLIER) for _ in earlier]
        self.places = Places()
        _place_earlier(workflow, self.places, earlier)

    def group(
        self, first_task: int = 0, stop_task: int | None = None, *, whole: bool = False
    ) -> LoopsLeft | None:
        """Group the runs of some tasks; gives what is left of loops that are not through.

        whole: then go on with the tasks behind them.
        """
        workflow = self._workflow
        stop = len(workflow.tasks) if stop_task is None else stop_task
        task = first_task
        while task < stop:
            around = [loop for loop in workflow.loops if loop.first == task]
            last = max((loop.last for loop in around), default=task)
            span = range(task, last + 1)
            resume = self._resume if task == first_task else None
            if resume is not None or not self._put_whole(span):
                left = self._unroll(span, resume)
                if left is not None and not whole:
                    return left
            task = last + 1
        return None

    def _put_whole(self, tasks: range) -> bool:
        """Put tasks into jobs that execute all iterations; False where that can't be."""
        workflow, jobs, places = self._workflow, self.jobs, self.places
        before = [copied(job) for job in jobs]
        goes_on = any(one.first == tasks.start and one.first_turn for one in workflow.loops)
        deciders = find_deciders(workflow, tasks) if goes_on else {}
        for task in tasks:
            guards = guards_of(workflow, deciders, task, 0) if goes_on else ()
            for unit in _units(workflow.tasks[task]):
                _add(workflow, jobs, places, unit, guards)
        inside = [
            loop
            for loop in workflow.loops
            if tasks.start <= loop.first and loop.last < tasks.stop
        ]
        if all(_is_fused(workflow, jobs, places, loop) for loop in inside):
            return True
        jobs[:] = before
        places.forget(tasks)
        return False

    def _unroll(self, tasks: range, resume: LoopsLeft | None) -> LoopsLeft | None:
        """Give iterations of these tasks jobs of their own, in the order of execution.

        Gives what is left, once there are as many jobs as may be submitted at once.
        """
        workflow, first = self._workflow, len(self.jobs)
        deciders = find_deciders(workflow, tasks)
        after = None if resume is None else (resume.task, resume.iteration)
        planned: set[Entry] = set()

        def goes_on(index: int, turns: dict[int, int]) -> bool:
            before = turn_before(workflow.loops, index, turns)
            waits = any(t == before[0] and i in before[1] for t, i in planned)
            return waits or self._goes_on(index, turns)

        for task, iteration in execution_order(
            workflow.loops, tasks, after=after, goes_on=goes_on
        ):
            if after is not None and len(self.jobs) - first >= self._most and planned:
                return LoopsLeft(tasks.start, *after)
            guards = guards_of(workflow, deciders, task, iteration)
            for unit in _units(workflow.tasks[task]):
                one = replace(unit, iteration=iteration)
                _add(workflow, self.jobs, self.places, one, guards)
            after = task, iteration
            planned.add(after)
        return None


def _place_earlier(
    workflow: Workflow, places: Places, earlier: Sequence[EarlierJob]
) -> None:
    """Note which earlier job executes what; its natural order is that of its rows."""
    for index, job in enumerate(earlier):
        for task, action in job.steps:
            place = places.make(workflow.tasks[task], action, job.iteration)
            place.job[job.rows[task]] = index
            place.row[job.rows[task]] = np.arange(job.num_rows)


# -- loops


def _is_fused(workflow: Workflow, jobs: list[Job], places: Places, loop: Loop) -> bool:
    """Whether all that an element of a loop does is in one row of one job."""
    tasks = workflow.tasks[loop.first : loop.last + 1]
    wanted = {(task.index, action) for task in tasks for action in range(task.num_actions)}
    return all(
        wanted <= {(step.task, step.action) for step in job.steps}
        for job in jobs
        if any(loop.holds(step.task) for step in job.steps)
    ) and all(_within_rows(workflow, places, one) for one in loop.feedback)


def _within_rows(workflow: Workflow, places: Places, one: Feedback) -> bool:
    """Whether what passes to the next iteration is made in the same row."""
    if one.offsets is not None or one.of_some or one.producer < one.task:
        return False  # a task before it in a row has made the next one by then
    mine = places.whole(one.task, 0)
    for action in range(workflow.tasks[one.producer].num_actions):
        made = places.whole(one.producer, action)
        same_job = np.array_equal(made.job[one.elements], mine.job)
        if not (same_job and np.array_equal(made.row[one.elements], mine.row)):
            return False
    return True


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
    jobs: list[Job],
    places: Places,
    unit: _Unit,
    guards: tuple[Guard, ...] = (),
) -> None:
    """Put a unit into the job that makes its inputs, or into one of its own."""
    inputs = _outer_sources(workflow, unit)
    upstream: set[int] = set()
    for made in (*inputs, *(one for guard in guards for one in reads_of(guard))):
        for place in places.of(made):
            makers = place.job[made.elements(unit.elements)]
            upstream.update(np.unique(makers).tolist())
    host = _host(jobs, upstream, unit) if unit.iteration is None else None
    if host is not None and not _shares_guards(workflow, jobs[host], unit.task, guards):
        host = None
    rows = None if host is None else _rows_in(jobs[host], host, places, inputs, unit)
    if host is None or rows is None:
        host, rows = len(jobs), np.arange(len(unit.elements))
        resources = _of_job(unit.resources[0])
        jobs.append(Job(resources, [], {}, set(), 0, unit.iteration, guards))
    job = jobs[host]
    job.upstream |= upstream - {host}
    for other in upstream - {host}:
        job.ancestors |= 1 << other | jobs[other].ancestors
    elements = np.empty_like(unit.elements)
    elements[rows] = unit.elements
    job.rows[unit.task] = elements
    for action, wanted in zip(unit.actions, unit.resources, strict=True):
        job.steps.append(Step(unit.task, action, wanted))
        place = places.make(workflow.tasks[unit.task], action, unit.iteration)
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


def _host(jobs: list[Job], upstream: set[int], unit: _Unit) -> int | None:
    """The upstream job that waits for all the others already, if it asks for the same."""
    needed = sum(1 << index for index in upstream)
    for index in upstream:
        if needed & ~(jobs[index].ancestors | 1 << index) == 0:
            same = jobs[index].resources == _of_job(unit.resources[0])
            return index if same and jobs[index].iteration is None else None
    return None


def _shares_guards(
    workflow: Workflow, job: Job, task: int, guards: tuple[Guard, ...]
) -> bool:
    """Whether what decides on a job's rows is what decides on a task's elements."""
    first = job.steps[0].task
    around = (one for one in workflow.loops if one.holds(first) and one.holds(task))
    return not (guards or job.guards) or any(one.first_turn for one in around)


def _rows_in(
    job: Job,
    index: int,
    places: Places,
    inputs: list[Made],
    unit: _Unit,
) -> Indices | None:
    """The row of each of a unit's elements in a job: None unless one-to-one."""
    if len(unit.elements) != job.num_rows:
        return None
    rows: Indices | None = None
    for made in inputs:
        elements = made.elements(unit.elements)
        found_in = places.of(made)
        if not found_in:
            return None
        place = found_in[-1]
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
