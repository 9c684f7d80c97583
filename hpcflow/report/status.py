"""The state of a workflow: base and segments counted, schedulers asked once.

The work is proportional to what was not folded yet; what was folded comes as
counts from the newest commit. Nothing here imports NumPy or Zarr unless folded
failures are to be listed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import repeat
from typing import TYPE_CHECKING, Any

from hpcflow.model.blocks import TaskIndex
from hpcflow.persist.submissions import loops_left, submitted_tasks
from hpcflow.report.data import (
    Failure,
    JobStatus,
    LogSlice,
    Phase,
    TaskStatus,
    WorkflowStatus,
)
from hpcflow.report.failures import folded_failures, folded_states
from hpcflow.report.item_runs import item_runs
from hpcflow.submit.ends import KILLED, cause_of
from hpcflow.submit.reconcile import (
    CAUSES,
    JobView,
    item_is_gone,
    look,
    why_gone,
)
from jobstores.decisions import Item
from jobstores.outcomes import outcome
from jobstores.records import RunState
from jobstores.segments import segment_key
from schedulers.job import EndCause, JobPhase

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobstores.decisions import Decision
    from jobstores.port import ObjectPort
    from jobstores.view import View
    from jobstores.workflow_store import WorkflowStore
    from schedulers.port import Scheduler

MAX_FAILURES = 50
_NOT_WELL = (RunState.FAILED, RunState.LOST, RunState.CANCELLED)


def read_status(
    store: WorkflowStore,
    path: str,
    load: Callable[[str, int], Scheduler],
    *,
    ask: bool = True,
    max_failures: int = MAX_FAILURES,
) -> WorkflowStatus:
    """The state of the workflow at `path`.

    `load` gives a scheduler's adapter; with `ask` false none is asked.
    """
    is_asked = ask and not store.port.read_only
    view, jobs, troubles = look(store, load if is_asked else None)
    count = _Count(store.port, view, path, max_failures)
    requeued = {i for i in view.tail if segment_key(*i, 0) in view.base.consumed}
    if requeued:  # their tail says all anew, the folded records included
        count.take_back(folded_states(store, view.base, requeued))
    folded_runs = count.known_runs()
    cancelled = {job.submission for job in jobs if job.cancelled}
    for item, decision in view.tail.items():
        if decision is not None:
            count.add_item(item, decision, cancelled=item.submission in cancelled)
    for job in jobs:
        count.add_job(job)
    count.leave_out_loops(jobs, submitted_tasks(view.base.info))
    count.leave_out(folded_runs)
    left = loops_left(view.base.info)
    if left is not None and _are_cancelled(jobs, view.base.info):
        count.cancel_pending(range(left["after"][0], left["tasks"]))
    failures = count.failures
    folded = sum(count.folded[state] for state in _NOT_WELL)
    if folded and len(failures) < max_failures:
        more = max_failures - len(failures)
        failures += folded_failures(store, view.base, path, more, without=requeued)
    return WorkflowStatus(
        name=view.base.info["name"],
        id=view.base.info["id"],
        path=path,
        created=view.base.info["created"],
        phase=_phase(count, jobs, view.base.info),
        tasks=count.tasks(),
        jobs=tuple(_job_status(job) for job in jobs),
        failures=_explained(sorted(failures, key=lambda f: f.run)[:max_failures], jobs),
        num_failures=sum(c[state] for c in count.counts for state in _NOT_WELL),
        warnings=tuple(
            f"{name} does not answer, so the states of its jobs may be old: {why}"
            for name, why in troubles.items()
        ),
        left=sum(job.num_items - job.num_submitted for job in jobs if job.waits_for_room),
        notes=_notes(jobs, view.base.info),
    )


class _Count:
    """Runs of each task by state, and the failures met while counting."""

    def __init__(self, port: ObjectPort, view: View, path: str, most: int) -> None:
        self._port = port
        self._most = most  # failures to name
        self._info: list[dict[str, Any]] = view.base.info["tasks"]
        self._index = TaskIndex(self._info)
        self._tail = view.tail
        self._path = path
        self.counts = [
            Counter({RunState(int(s)): n for s, n in view.base.summary[str(t)].items()})
            for t in range(len(self._info))
        ]
        self.folded = sum(self.counts, Counter())
        self._not_needed: Counter[int] = Counter()  # runs by task, see `_drop`
        self._not_made: Counter[int] = Counter()  # runs by task, see `leave_out_loops`
        self.failures: list[Failure] = []

    def task_of(self, run: int) -> int:
        """The task, or block of one, that a run belongs to: its entry in the record."""
        return self._index.block_of(run).index

    def known_runs(self) -> list[int]:
        """By task, how many runs are counted as anything but pending."""
        return [c.total() - c[RunState.PENDING] for c in self.counts]

    def _move(self, task: int, old: RunState, new: RunState, runs: int = 1) -> None:
        self.counts[task][old] -= runs
        self.counts[task][new] += runs

    def take_back(self, folded: list[tuple[int, RunState]]) -> None:
        """Count folded runs as if they were not: their item was requeued since."""
        for run, state in folded:
            self._move(self.task_of(run), state, RunState.PENDING)
            self.folded[state] -= 1

    def add_item(self, item: Item, decision: Decision, *, cancelled: bool) -> None:
        """Count what an item recorded since the last fold."""
        for run, record in decision.records.items():
            state = outcome(record, cancelled=cancelled)
            self._move(self.task_of(run), RunState.PENDING, state)
            if state in _NOT_WELL:
                self._fail(
                    item, decision.lower.get(run, decision.attempt), run, state, record
                )
        for run in decision.running:
            self._move(self.task_of(run), RunState.PENDING, RunState.RUNNING)

    def add_job(self, job: JobView) -> None:
        """Count what a job's submission means for runs without a record."""
        if job.id is None:
            return
        for item in range(job.num_submitted):
            if self._is_folded(job, item):
                self._drop(self._in_loops(job, item))
                continue
            key = Item(job.submission, job.record["index"], item)
            decision = self._tail.get(key)
            undone = self._undone(job, item, decision)
            gone = item_is_gone(job, item, decision)
            if item in job.closed:
                loops = self._in_loops(job, item)
                self._drop(Counter({task: undone.pop(task) for task in loops}))
            state = self._state_of_undone(job, item, gone=gone)
            for task, runs in undone.items():
                self._move(task, RunState.PENDING, state, runs)
            if gone:
                self._lose(job, key, decision, state, sum(undone.values()))
            elif item in job.closed and undone.total():
                why = (decision.why if decision is not None else None) or "not started"
                self._fail_undone(key, decision, state, why)

    def _is_folded(self, job: JobView, item: int) -> bool:
        key = Item(job.submission, job.record["index"], item)
        return item in job.closed and key not in self._tail

    def _undone(self, job: JobView, item: int, decision: Decision | None) -> Counter[int]:
        """Runs of an item that have no record at all, by task."""
        rows, items = job.record["rows"], job.num_items
        in_item = (item + 1) * rows // items - item * rows // items
        undone: Counter[int] = Counter()
        turns = job.record.get("turns") or repeat(1)
        for (task, _), count in zip(job.record["steps"], turns, strict=False):
            undone[task] += in_item * count
        if decision is not None:
            for run in (*decision.records, *decision.running):
                undone[self.task_of(run)] -= 1
        return undone

    def _in_loops(self, job: JobView, item: int) -> Counter[int]:
        """How many runs of tasks in loops an item may have, by task."""
        if "turns" not in job.record:
            return Counter()
        return Counter(
            {
                task: count
                for task, count in self._undone(job, item, None).items()
                if self._info[task]["max_iterations"] > 1
                or self._info[task].get("continues", (0, 0, 0))[2]
            }
        )

    def _drop(self, runs: Counter[int]) -> None:
        """Of a closed item's runs in loops, those without a record are not needed.

        Its loops ended early: each iteration that was begun has left its records.
        """
        for task, count in runs.items():
            self._not_needed[task] += count

    @staticmethod
    def _state_of_undone(job: JobView, item: int, *, gone: bool) -> RunState:
        if not gone and item not in job.closed:
            return RunState.SUBMITTED
        if not gone:
            return RunState.CANCELLED if job.cancelled else RunState.LOST
        cause = cause_of(job, item)
        cancelled = job.cancelled or cause is EndCause.CANCELLED
        return RunState.CANCELLED if cancelled else RunState.LOST

    def _lose(
        self,
        job: JobView,
        item: Item,
        decision: Decision | None,
        state: RunState,
        undone: int,
    ) -> None:
        """An item is gone: what ran in it is lost, with the scheduler's reason."""
        why = why_gone(job.statuses[item.item])
        running = dict(decision.running) if decision is not None else {}
        attempt = decision.attempt if decision is not None else 0
        for run in running:
            self._move(self.task_of(run), RunState.RUNNING, state)
            self._fail(item, attempt, run, state, {"why": why})
        if undone:
            self._fail_undone(item, decision, state, why)

    def _fail_undone(
        self, item: Item, decision: Decision | None, state: RunState, why: str
    ) -> None:
        """Name the runs of an item that were not even started, as far as asked for."""
        attempt = decision.attempt if decision is not None else 0
        known = {*decision.records, *decision.running} if decision is not None else set()
        most = self._most + len(known)
        for run in item_runs(self._port, item.submission, item.job, item.item, most):
            if len(self.failures) >= self._most:
                return
            if run not in known:
                self._fail(item, attempt, run, state, {"why": why})

    def _fail(
        self, item: Item, attempt: int, run: int, state: RunState, record: dict[str, Any]
    ) -> None:
        task, element, iteration, action = self._index.locate(run)
        log = record.get("log")
        folder = f"{self._path}/logs/{item.submission}/{item.job}"
        self.failures.append(
            Failure(
                run=run,
                task=self._index.tasks[task].name,
                element=element,
                iteration=iteration,
                action=action,
                state=state,
                exit=record.get("exit"),
                why=record.get("why", ""),
                submission=item.submission,
                job=item.job,
                item=item.item,
                attempt=attempt,
                log=LogSlice(f"{folder}/{item.item}.{attempt}.{log[0]}.log", log[1], log[2])
                if log
                else None,
            )
        )

    def leave_out(self, folded: list[int]) -> None:
        """Take the runs that are not needed out of what is pending.

        folded: by task, the runs that the base knows the outcome of.
        """
        for task, count in self._not_needed.items():
            self._not_needed[task] = count - folded[task]
        self._not_needed += self._not_made
        for task, count in self._not_needed.items():
            self.counts[task][RunState.PENDING] -= count

    def leave_out_loops(self, jobs: list[JobView], tasks: int) -> None:
        """Take iterations that no job was made for out of what is to be done.

        tasks: how many of them, from the first on, are through with being submitted.
        """
        planned: Counter[int] = Counter()
        for job in jobs:
            for task, runs in _runs_of(job.record).items():
                planned[task] += runs
        for task, info in enumerate(self._info[:tasks]):
            runs = info["elements"] * info["max_iterations"] * info["actions"]
            self._not_made[task] = runs - planned[task]

    def cancel_pending(self, tasks: range) -> None:
        """Count what is not submitted of some tasks, and never will be, as cancelled."""
        for task in tasks:
            runs = self.counts[task][RunState.PENDING]
            self._move(task, RunState.PENDING, RunState.CANCELLED, runs)

    def tasks(self) -> tuple[TaskStatus, ...]:
        """The counts, by task with all of its blocks, without zeros."""
        found = []
        for task in self._index.tasks:
            entries = [block.index for block in task.blocks]
            counts = sum((self.counts[k] for k in entries), Counter())
            found.append(
                TaskStatus(
                    name=task.name,
                    elements=task.elements,
                    runs=task.num_runs - sum(self._not_needed[k] for k in entries),
                    counts={state: n for state, n in sorted(counts.items()) if n},
                )
            )
        return tuple(found)


def _runs_of(record: dict[str, Any]) -> Counter[int]:
    """How many runs of each task a job may have."""
    runs: Counter[int] = Counter()
    turns = record.get("turns") or repeat(1)
    for (task, _), count in zip(record["steps"], turns, strict=False):
        runs[task] += record["rows"] * count
    return runs


def _phase(count: _Count, jobs: list[JobView], info: dict[str, Any]) -> Phase:
    total = sum(count.counts, Counter())
    if not jobs:
        return Phase.MADE
    if total[RunState.SUBMITTED] or total[RunState.RUNNING]:
        return Phase.ACTIVE
    if _are_cancelled(jobs, info):
        return Phase.ENDED
    if any(job.num_submitted < job.num_items for job in jobs) or submitted_tasks(
        info
    ) < len(info["tasks"]):
        return Phase.STOPPED
    # A skipped run without a failed one is no fault: a rule, or its own script, said so.
    # An aborted one has ended as its user wanted.
    well = sum(total[s] for s in (RunState.SUCCEEDED, RunState.SKIPPED, RunState.ABORTED))
    return Phase.DONE if well == total.total() else Phase.ENDED


def _are_cancelled(jobs: list[JobView], info: dict[str, Any]) -> bool:
    """Whether loops that are not through were cancelled."""
    last = len(info["submissions"]) - 1
    return loops_left(info) is not None and any(
        job.cancelled for job in jobs if job.submission == last
    )


def _notes(jobs: list[JobView], info: dict[str, Any]) -> tuple[str, ...]:
    left = loops_left(info)
    if left is None or _are_cancelled(jobs, info):
        return ()
    task = info["tasks"][left["after"][1]]["name"]
    note = (
        f"the loop over {task!r} has more iterations than were submitted at once: "
        "`hpcflow wait` submits the next ones when these have ended, and so does "
        "`hpcflow submit`"
    )
    return (note,)


def _explained(failures: list[Failure], jobs: list[JobView]) -> tuple[Failure, ...]:
    """With the scheduler's reason for the end of the item that each was in."""
    by_key = {(job.submission, job.record["index"]): job for job in jobs}
    found = []
    for failure in failures:
        job = by_key.get((failure.submission, failure.job))
        cause = cause_of(job, failure.item) if job is not None else None
        if cause is None or not _is_of_its_item(failure):
            found.append(failure)
            continue
        words, why = CAUSES[cause], failure.why
        if words not in why:
            why = f"{words} ({why})" if why else words
        found.append(replace(failure, cause=cause.value, why=why))
    return tuple(found)


def _is_of_its_item(failure: Failure) -> bool:
    """Whether a run did not end by itself: it was stopped, killed or never started."""
    return failure.state in (RunState.LOST, RunState.CANCELLED) or (
        failure.state is RunState.FAILED and failure.exit == KILLED
    )


def _job_status(job: JobView) -> JobStatus:
    items: Counter[str] = Counter({"closed": len(job.closed)} if job.closed else {})
    for item in range(job.num_submitted):
        if item not in job.closed:
            status = job.statuses.get(item)
            items[status.phase.value if status is not None else "unknown"] += 1
    if job.num_submitted < job.num_items:
        items["not submitted"] = job.num_items - job.num_submitted
    blocked = [s for s in job.statuses.values() if s.phase is JobPhase.BLOCKED]
    note = job.refused or (f"waits in vain: {blocked[0].reason}" if blocked else "")
    return JobStatus(
        submission=job.submission,
        index=job.record["index"],
        name=job.record["name"],
        scheduler=job.record["scheduler"],
        id=job.id,
        num_items=job.num_items,
        items=dict(items),
        note=note,
    )
