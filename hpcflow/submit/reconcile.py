"""What became of each job item: its own record first, the scheduler second."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hpcflow.persist.journal import JournalState, part_name, read_journal
from hpcflow.submit.ends import doubtful_jobs
from jobstores.decisions import Item
from schedulers.errors import SchedulerError
from schedulers.job import EndCause, ItemStatus, JobPhase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from hpcflow.persist.journal import Part
    from jobstores.decisions import Decision
    from jobstores.port import ObjectPort
    from jobstores.view import View
    from jobstores.workflow_store import WorkflowStore
    from schedulers.port import Scheduler

ABSENT_GRACE_S = 60.0  # accounting lags, and a new job may not be listed yet

CAUSES = {
    EndCause.CANCELLED: "cancelled",
    EndCause.TIME_LIMIT: "the time limit was reached",
    EndCause.OUT_OF_MEMORY: "out of memory",
    EndCause.NODE_FAILURE: "the node was lost",
    EndCause.PREEMPTED: "preempted",
    EndCause.NEVER_STARTED: "the job never started",
}


@dataclass(slots=True)
class JobView:
    """One job with what the store and the scheduler say of its items.

    parts: what was handed over; one of all items, where the queue took the job whole.
    closed: items whose own record says that they ended. statuses: the scheduler's
    view of the others, empty where it was not asked or does not answer.
    ends: why items ended, as their scheduler said it when it was last asked to keep.
    waits_for_room: what is not handed over will be, when a queue has room for it.
    """

    submission: int
    record: dict[str, Any]
    refused: str
    cancelled: bool
    closed: set[int]
    statuses: Mapping[int, ItemStatus]
    parts: Sequence[Part] = ()
    waits_for_room: bool = False
    ends: Mapping[int, EndCause] = field(default_factory=dict)

    @property
    def id(self) -> str | None:
        """The scheduler's id, of the first part; None where nothing was handed over."""
        return self.parts[0].id if self.parts else None

    @property
    def num_submitted(self) -> int:
        """How many of its items were handed over: the first ones."""
        return self.parts[-1].items(self.num_items).stop if self.parts else 0

    def submitted_when(self, item: int) -> float:
        """When (Unix, s) an item was handed over."""
        found = (p.at for p in self.parts if item in p.items(self.num_items))
        return next(found, 0.0)

    @property
    def num_items(self) -> int:
        """Items of the job."""
        items: int = self.record["items"]
        return items

    @property
    def ended(self) -> bool:
        """Whether every item's own record says that it ended."""
        return len(self.closed) == self.num_items


def job_views(port: ObjectPort, view: View) -> list[JobView]:
    """All jobs of all submissions, without asking a scheduler."""
    closed = _closed_items(view)
    views = []
    for submission, record in enumerate(view.base.info["submissions"]):
        journal = read_journal(port, submission)
        views += [
            _job_view(submission, job, journal, closed, view) for job in record["jobs"]
        ]
    return views


def _job_view(
    submission: int,
    record: dict[str, Any],
    journal: JournalState,
    closed: dict[tuple[int, int], set[int]],
    view: View,
) -> JobView:
    index = record["index"]
    packed = f"{submission}/{index}" in view.base.packs
    items = (
        set(range(record["items"])) if packed else closed.get((submission, index), set())
    )
    return JobView(
        submission=submission,
        record=record,
        refused=journal.refused.get(index, ""),
        cancelled=journal.cancelled,
        closed=items,
        statuses={},
        parts=journal.parts.get(index, ()),
        waits_for_room=journal.waits_for_room,
        ends={item: EndCause(cause) for item, cause in journal.ends.get(index, {}).items()},
    )


def _closed_items(view: View) -> dict[tuple[int, int], set[int]]:
    """By job. What the tail says counts: a folded item may have been requeued."""
    closed: dict[tuple[int, int], set[int]] = {}
    for key in view.base.consumed:
        _, submission, job, _, name = key.split("/")
        closed.setdefault((int(submission), int(job)), set()).add(int(name.split(".")[0]))
    for item, decision in view.tail.items():
        items = closed.setdefault((item.submission, item.job), set())
        if decision is not None and decision.closed:
            items.add(item.item)
        else:
            items.discard(item.item)
    return closed


def ask_schedulers(
    jobs: list[JobView],
    load: Callable[[str, int], Scheduler],
    *,
    ended_too: bool = False,
) -> dict[str, str]:
    """Fill in the scheduler's view of every job that has not ended: one question each.

    Returns what went wrong, by scheduler.
    """
    troubles: dict[str, str] = {}
    asked: dict[tuple[str, int | None], list[JobView]] = {}
    for job in jobs:
        if job.id is not None and (ended_too or not job.ended):
            name = job.record["scheduler"]
            # A local scheduler serves one submission; a cluster serves all.
            asked.setdefault(
                (name, job.submission if name == "local" else None), []
            ).append(job)
    for (name, _), group in asked.items():
        try:
            scheduler = load(name, group[0].submission)
            ids, names = questions(group, ended_too=ended_too)
            cancelled = {part.id for job in group if job.cancelled for part in job.parts}
            states = scheduler.states(ids, names=names, cancelled=cancelled & ids.keys())
        except SchedulerError as error:
            troubles[name] = str(error)
            continue
        for job in group:
            job.statuses = {
                item: status
                for part in job.parts
                if part.id in ids
                for item, status in states[part.id].items()
            }
    return troubles


def look(
    store: WorkflowStore, load: Callable[[str, int], Scheduler] | None
) -> tuple[View, list[JobView], dict[str, str]]:
    """A workflow's records, its jobs with what their schedulers say, and what went wrong.

    load: gives a scheduler's adapter; None: no scheduler is asked.
    """
    view = store.view()
    jobs = job_views(store.port, view)
    if load is None:
        return view, jobs, {}
    doubtful = doubtful_jobs(jobs, view)
    troubles = ask_schedulers([job for job in jobs if job not in doubtful], load)
    troubles |= ask_schedulers(doubtful, load, ended_too=True)
    if any(
        has_ended(job, item)
        for job in jobs
        for item in job.statuses
        if item not in job.closed
    ):
        # It may have closed its record since that was read. Now that it has ended it
        # writes no more: what isn't closed by now never will be.
        statuses = {(job.submission, job.record["index"]): job.statuses for job in jobs}
        view = store.view()
        jobs = job_views(store.port, view)
        for job in jobs:
            job.statuses = statuses.get((job.submission, job.record["index"]), {})
    return view, jobs, troubles


def questions(
    jobs: Iterable[JobView], *, ended_too: bool = False
) -> tuple[dict[str, int | range], dict[str, str]]:
    """The ids of jobs that a scheduler is asked for, with their items and their names.

    Of jobs in parts, those parts of which an item has not ended.
    """
    ids: dict[str, int | range] = {}
    names: dict[str, str] = {}
    for job in jobs:
        for part in job.parts:
            items = part.items(job.num_items)
            if ended_too or not job.closed.issuperset(items):
                whole = part.stop is None
                ids[part.id] = len(items) if whole else items
                names[part.id] = part_name(job.record["name"], None if whole else items)
    return ids, names


def has_ended(job: JobView, item: int) -> bool:
    """Whether the scheduler says that an item has ended."""
    status = job.statuses.get(item)
    return status is not None and status.phase is JobPhase.ENDED


def item_is_gone(job: JobView, item: int, decision: Decision | None) -> bool:
    """Whether an item that left no closing record will never write one."""
    status = job.statuses.get(item)
    if status is None or item in job.closed:
        return False
    if has_ended(job, item):
        return True
    if status.phase is not JobPhase.ABSENT:
        return False
    if item in job.ends:
        return True
    submitted = job.submitted_when(item)
    last = decision.last_at / 1e6 if decision is not None else submitted
    return time.time() - max(last, submitted) > ABSENT_GRACE_S


def all_over(store: WorkflowStore, load: Callable[[str, int], Scheduler]) -> bool:
    """Whether nothing happens any more in any job of a workflow.

    Not where a scheduler does not answer.
    """
    view = store.view()
    jobs = job_views(store.port, view)
    if any(job.num_submitted < job.num_items for job in jobs) or ask_schedulers(jobs, load):
        return False
    return all(
        item in job.closed
        or item_is_gone(
            job, item, view.tail.get(Item(job.submission, job.record["index"], item))
        )
        for job in jobs
        for item in range(job.num_items)
    )


def why_gone(status: ItemStatus) -> str:
    """The scheduler's reason, in words."""
    if status.phase is JobPhase.ABSENT:
        return "the scheduler no longer knows the job, and it recorded no end"
    if status.cause in CAUSES:
        return CAUSES[status.cause]
    if status.exit_code is not None and status.exit_code > 128:
        return f"the job item was killed by signal {status.exit_code - 128}"
    return (
        f"the job item ended without finishing its record (exit status {status.exit_code})"
    )
