"""Cancelling a workflow's jobs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from hpcflow.errors import StorageError, SubmissionError
from hpcflow.persist.journal import JournalWriter, read_journal
from hpcflow.persist.submissions import loops_left
from hpcflow.submit.home import check_home
from hpcflow.submit.reconcile import job_views
from hpcflow.submit.unanswered import look_up_unanswered
from schedulers.errors import SchedulerError
from schedulers.job import EndCause

if TYPE_CHECKING:
    from collections.abc import Callable

    from hpcflow.submit.context import Clock
    from hpcflow.submit.reconcile import JobView
    from jobstores.workflow_store import WorkflowStore
    from schedulers.port import Scheduler


def cancel_workflow(
    store: WorkflowStore,
    load: Callable[[str, int], Scheduler],
    clock: Clock | None = None,
    *,
    root: str | None = None,
) -> dict[str, list[str]]:
    """Ask every scheduler to end this workflow's jobs; give their ids, by scheduler.

    root: the path by which its jobs know the workflow; None: that of its store.

    The wish is recorded first, so that what ends now is shown as cancelled. Jobs
    whose submission was never answered are looked up, and cancelled if they are there.

    Raises:
        SubmissionError: a scheduler refused or does not answer, or this is a copy of
            the workflow that the jobs belong to.
    """
    if store.port.read_only:
        raise StorageError(f"{store.port.locator} is an archive: it has no jobs to cancel.")
    asked: dict[str, list[str]] = {}
    with store.lease():
        view = store.view()
        ended = {
            (j.submission, j.record["index"])
            for j in job_views(store.port, view)
            if j.ended or _was_cancelled(j)
        }
        for submission, record in enumerate(view.base.info["submissions"]):
            jobs = [j for j in record["jobs"] if (submission, j["index"]) not in ended]
            for name, ids in _cancel_submission(
                store,
                submission,
                {**record, "jobs": jobs},
                load,
                clock,
                root or _root(store),
            ).items():
                asked.setdefault(name, []).extend(ids)
        _cancel_what_follows(store, view.base.info)
    return asked


def _was_cancelled(job: JobView) -> bool:
    """Whether each item has ended; some before they could record that, as they were told.

    Those that ended for another reason may be queued again.
    """
    told = {item for item, cause in job.ends.items() if cause is EndCause.CANCELLED}
    return len(job.closed | told) == job.num_items


def _cancel_what_follows(store: WorkflowStore, info: dict[str, Any]) -> None:
    """Note that further iterations of loops are not to be submitted either."""
    last = len(info["submissions"]) - 1
    if loops_left(info) is not None and not read_journal(store.port, last).cancelled:
        with JournalWriter(store.port, last) as writer:
            writer.add("cancel")


def _cancel_submission(
    store: WorkflowStore,
    submission: int,
    record: dict[str, Any],
    load: Callable[[str, int], Scheduler],
    clock: Clock | None,
    root: str,
) -> dict[str, list[str]]:
    """Cancel those of a submission's jobs that `record` lists and a scheduler has."""
    journal = read_journal(store.port, submission)
    known = {*journal.ids, *journal.intents}
    jobs = [job for job in record["jobs"] if job["index"] in known]
    if not jobs:
        return {}
    check_home(record, root)
    schedulers = {name: load(name, submission) for name in {j["scheduler"] for j in jobs}}
    asked: dict[str, list[str]] = {}
    with JournalWriter(store.port, submission) as writer:
        look_up_unanswered(store.port, submission, jobs, journal, schedulers, writer, clock)
        for job in jobs:
            if job["index"] in journal.ids:
                ids = [part.id for part in journal.parts[job["index"]]]
                asked.setdefault(job["scheduler"], []).extend(ids)
        if not asked:
            return {}
        writer.add("cancel")
        failures = _ask(schedulers, asked)
        if failures:
            if len(failures) == len(asked) and not journal.cancelled:
                writer.add("cancel_failed", why="; ".join(failures)[:1000])
            raise SubmissionError("\n".join(failures))
    return asked


def _ask(schedulers: dict[str, Scheduler], asked: dict[str, list[str]]) -> list[str]:
    """Ask every scheduler, also behind one that fails; what went wrong."""
    failures = []
    for name, job_ids in asked.items():
        try:
            schedulers[name].cancel(job_ids)
        except SchedulerError as error:
            failures.append(f"{name} could not cancel: {error}")
    return failures


def _root(store: WorkflowStore) -> str:
    return os.path.dirname(store.port.path("logs") or "")
