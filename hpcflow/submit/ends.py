"""Why items ended that did not end by themselves: what their scheduler said, kept.

Schedulers forget, some within minutes. What a job recorded itself says that a run was
stopped or killed, but not what for; the submission's journal keeps that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpcflow.persist.journal import JournalWriter
from schedulers.job import EndCause, JobPhase

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hpcflow.submit.reconcile import JobView
    from jobstores.decisions import Decision
    from jobstores.port import ObjectPort
    from jobstores.records import Record
    from jobstores.view import View

# What is worth keeping; the others say nothing that the records don't.
NAMED = (
    EndCause.TIME_LIMIT,
    EndCause.OUT_OF_MEMORY,
    EndCause.NODE_FAILURE,
    EndCause.PREEMPTED,
    EndCause.CANCELLED,
)
KILLED = 137  # the exit status of what SIGKILL ended: perhaps for its memory


def doubtful_jobs(jobs: Iterable[JobView], view: View) -> list[JobView]:
    """Jobs of which an item recorded that it, or a run, was stopped from outside.

    Those whose reason is on record already are not among them.
    """
    wanted: dict[tuple[int, int], set[int]] = {}
    for item, decision in view.tail.items():
        if decision is not None and decision.closed and _is_doubtful(decision):
            wanted.setdefault((item.submission, item.job), set()).add(item.item)
    return [
        job
        for job in jobs
        if wanted.get((job.submission, job.record["index"]), set()) - job.ends.keys()
    ]


def _is_doubtful(decision: Decision) -> bool:
    return decision.signalled or any(map(_was_killed, decision.records.values()))


def _was_killed(record: Record) -> bool:
    """Whether an item's record is of a run that something else may have ended."""
    if record["t"] != "end" or record.get("ok"):
        return False
    return bool(record.get("int")) or record.get("exit") == KILLED


def cause_of(job: JobView, item: int) -> EndCause | None:
    """Why an item was ended, by its scheduler; None where it ended by itself."""
    status = job.statuses.get(item)
    if status is not None and status.phase is JobPhase.ENDED and status.cause in NAMED:
        return status.cause
    return job.ends.get(item)


def note_ends(port: ObjectPort, jobs: Iterable[JobView]) -> None:
    """Keep what schedulers just said; the caller holds the lease."""
    for job in jobs:
        new = [
            (item, cause)
            for item in job.statuses
            if item not in job.ends and (cause := cause_of(job, item)) is not None
        ]
        if new:
            with JournalWriter(port, job.submission) as writer:
                for item, cause in new:
                    writer.add(
                        "ended", job=job.record["index"], item=item, cause=cause.value
                    )
