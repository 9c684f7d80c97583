"""Handing jobs over: whole, or in parts where a queue takes no more for now.

Each call to a scheduler is framed by two durable lines of the submission's
journal, so that a crash or a refusal between two jobs is taken up where it
stopped: a job whose answer is unknown is looked up by its unique name before
it is submitted, and items that have an id are never submitted again.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hpcflow.errors import SchedulerAwayError, StorageError, SubmissionError
from hpcflow.persist.journal import (
    JournalState,
    JournalWriter,
    Part,
    journal_key,
    read_journal,
)
from hpcflow.submit.earlier import live_jobs
from hpcflow.submit.home import check_home
from hpcflow.submit.jobs import scheduler_job
from hpcflow.submit.parts import Room, items_to_wait_for, next_items
from hpcflow.submit.reconcile import job_views
from hpcflow.submit.unanswered import look_up_unanswered
from jobstores import segments
from schedulers.errors import (
    QueueFullError,
    RefusedError,
    SchedulerError,
    UnknownOutcomeError,
)
from schedulers.job import Dependency

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hpcflow.submit.context import SubmitContext
    from hpcflow.submit.reconcile import JobView
    from jobstores.lease import Lease
    from jobstores.workflow_store import WorkflowStore
    from schedulers.port import Scheduler

Records = list[dict[str, Any]]


def hand_over_jobs(
    store: WorkflowStore,
    lease: Lease,
    context: SubmitContext,
    submission: int,
    submission_record: Mapping[str, Any],
) -> list[int]:
    """Hand over what is not yet of a submission, as far as its queues take it.

    Returns the jobs of which items were handed over.

    Raises:
        SubmissionError: a scheduler refused a job or does not answer, or this is a copy
            of the workflow that the jobs belong to.
    """
    journal = read_journal(store.port, submission)
    records: Records = submission_record["jobs"]
    missing = [r for r in records if _is_missing(journal, r)]
    if not missing:
        return []
    check_home(submission_record, context.root)
    if context.deliver is not None:
        context.deliver(submission, records[0]["name"])
    names = {record["scheduler"] for record in missing}
    schedulers = {name: context.load(name, submission) for name in names}
    live = live_jobs(store, context, awaited(missing))
    with JournalWriter(store.port, submission) as writer:
        if context.max_queued not in (None, journal.max_queued):
            writer.add("limit", max_queued=context.max_queued)
            journal.max_queued = context.max_queued
        rooms = {
            name: Room(scheduler, journal.max_queued, _largest_part(journal))
            for name, scheduler in schedulers.items()
        }
        look_up_unanswered(
            store.port, submission, missing, journal, schedulers, writer, context.clock
        )
        over = _HandOver(
            store, lease, context, submission, records, journal, writer, schedulers, live
        )
        return [r["index"] for r in missing if over.one_job(r, rooms[r["scheduler"]])]


def _largest_part(journal: JournalState) -> int:
    """Items of the largest part that a queue took; 0 where it took all jobs whole."""
    return max(
        (
            part.stop - part.start
            for parts in journal.parts.values()
            for part in parts
            if part.stop is not None
        ),
        default=0,
    )


def _is_missing(journal: JournalState, record: Mapping[str, Any]) -> bool:
    items: int = record["items"]
    return journal.handed_over(record["index"], items) < items


def awaited(records: Sequence[Mapping[str, Any]]) -> list[tuple[int, int]]:
    """The jobs of earlier submissions that some jobs read, each with its submission."""
    return [(s, job) for record in records for s, job in record.get("after", ())]


@dataclass(slots=False)
class _HandOver:
    """One pass over the jobs of a submission. live: earlier jobs that have not ended."""

    store: WorkflowStore
    lease: Lease
    context: SubmitContext
    submission: int
    records: Records
    journal: JournalState
    writer: JournalWriter
    schedulers: Mapping[str, Scheduler]
    live: Mapping[tuple[int, int], JobView]
    _checked: set[int] = field(default_factory=set)

    @cached_property
    def closed(self) -> dict[int, set[int]]:
        """By job, the items that have ended by their own records."""
        views = job_views(self.store.port, self.store.view())
        return {
            v.record["index"]: v.closed for v in views if v.submission == self.submission
        }

    def one_job(self, record: dict[str, Any], room: Room) -> bool:
        """Hand a job over, as far as there is room; whether any of it was."""
        before = self.journal.handed_over(record["index"], record["items"])
        while _is_missing(self.journal, record):
            wanted = next_items(
                record, self.records, self.journal, lambda: self.closed, room.takes_parts
            )
            if wanted is None:
                break  # it waits for a job of which not all is handed over
            size = room.size(len(wanted), record["throttle"], self._in_queue(record))
            if not size:
                break
            part = wanted[:size] if len(wanted[:size]) < record["items"] else None
            if not self._one_part(record, part, room):
                break
        return self.journal.handed_over(record["index"], record["items"]) > before

    def _in_queue(self, record: Mapping[str, Any]) -> bool:
        """Whether parts of it are on their way; one with a throttle has one at a time."""
        if record["throttle"] is None or record["index"] not in self.journal.parts:
            return False
        closed = self.closed.get(record["index"], set())
        return len(closed) < self.journal.handed_over(record["index"], record["items"])

    def _one_part(self, record: dict[str, Any], part: range | None, room: Room) -> bool:
        """Whether items were taken; if not, `room` knows whether to try fewer."""
        index, name = record["index"], record["scheduler"]
        if index not in self.journal.parts and index not in self._checked:
            _check_never_ran(self.store, self.submission, index)
            self._checked.add(index)
        self.lease.check()
        if self.context.deliver is None:  # else it is there
            os.makedirs(
                f"{self.context.root}/logs/{self.submission}/{index}", exist_ok=True
            )
        dependencies = self._dependencies(record, part)
        job = scheduler_job(self.context.root, self.submission, record, part)
        items = {} if part is None else {"items": [part.start, part.stop]}
        self.writer.add("intent", job=index, name=job.name, **items)
        self.journal.refused.pop(index, None)
        try:
            job_id = self.schedulers[name].submit(job, dependencies)
        except QueueFullError as error:
            self._not_now(index, error)
            return room.refused(len(job.items))
        except SchedulerError as error:
            self._raise(record, error)
        self.writer.add("submitted", job=index, id=job_id, **items)
        stop = None if part is None else part.stop
        start = 0 if part is None else part.start
        self.journal.add_part(index, Part(job_id, time.time(), start, stop))
        room.taken(len(job.items))
        return True

    def _not_now(self, index: int, error: SchedulerError) -> None:
        self.writer.add("full", job=index, why=str(error)[:1000])
        self.journal.full[index] = str(error)

    def _raise(self, record: Mapping[str, Any], error: SchedulerError) -> None:
        """Record what went wrong, and say it.

        Raises:
            SubmissionError: always.
        """
        index, name = record["index"], record["scheduler"]
        if isinstance(error, UnknownOutcomeError):
            raise SchedulerAwayError(
                f"{name} gave no answer for job {index} ({record['name']}); it may be "
                "queued. Run `hpcflow submit` again: it looks the name up first. "
                f"({error})"
            ) from error
        refused = isinstance(error, RefusedError)
        if not refused and self.journal.in_parts:
            self._not_now(index, error)
        else:
            self.writer.add("refused", job=index, why=str(error)[:1000])
        verb = "refused" if refused else "could not take"
        raise (SubmissionError if refused else SchedulerAwayError)(
            f"{name} {verb} job {index} ({record['name']}): {error}\n"
            f"{len(self.journal.ids)} of its submission's jobs are submitted. "
            "When this is mended, `hpcflow submit` goes on from here."
        ) from error

    def _dependencies(
        self, record: Mapping[str, Any], part: range | None
    ) -> list[Dependency]:
        """What items wait for: of this submission, and `live` ones of earlier ones."""
        found = items_to_wait_for(
            record, part, self.records, self.journal, lambda: self.closed
        )
        index, name = record["index"], record["scheduler"]
        for key in awaited([record]):
            job = self.live.get(key)
            if job is None:
                continue
            if job.record["scheduler"] != name:
                raise SubmissionError(
                    f"job {index} ({record['name']}) of {name} needs values of job "
                    f"{job.record['index']} of submission {job.submission}, which has not "
                    f"ended on {job.record['scheduler']}: run `hpcflow submit` when it has."
                )
            found += [
                Dependency(one.id)
                for one in job.parts
                if not job.closed.issuperset(one.items(job.num_items))
            ]
        return found


def _check_never_ran(store: WorkflowStore, submission: int, job: int) -> None:
    """A job that the journal does not know, and that has run, is not handed over again."""
    if store.port.list(segments.job_prefix(submission, job)):
        raise StorageError(
            f"{store.port.locator}: {journal_key(submission)} does not know job {job}, but "
            "the job has left records: the journal was damaged. Nothing was submitted; "
            "put the journal back from a copy, or make the workflow anew."
        )
