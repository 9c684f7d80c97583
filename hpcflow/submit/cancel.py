"""Cancelling a workflow's jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpcflow.errors import StorageError, SubmissionError
from hpcflow.persist.journal import JournalWriter
from hpcflow.submit.reconcile import job_views
from schedulers.errors import SchedulerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobstores.workflow_store import WorkflowStore
    from schedulers.port import Scheduler


def cancel_workflow(
    store: WorkflowStore, load: Callable[[str, int], Scheduler]
) -> dict[str, list[str]]:
    """Ask every scheduler to end this workflow's jobs; give their ids, by scheduler.

    The wish is recorded first, so that what ends now is shown as cancelled.
    """
    if store.port.read_only:
        raise StorageError(f"{store.port.locator} is an archive: it has no jobs to cancel.")
    asked: dict[str, list[str]] = {}
    with store.lease():
        view = store.view()
        alive = [job for job in job_views(store.port, view) if not job.ended]
        for submission in range(len(view.base.info["submissions"])):
            by_scheduler: dict[str, list[str]] = {}
            for job in alive:
                if job.submission == submission and job.id is not None:
                    by_scheduler.setdefault(job.record["scheduler"], []).append(job.id)
            if not by_scheduler:
                continue
            with JournalWriter(store.port, submission) as writer:
                writer.add("cancel")
            for name, job_ids in by_scheduler.items():
                try:
                    load(name, submission).cancel(job_ids)
                except SchedulerError as error:
                    raise SubmissionError(f"{name} could not cancel: {error}") from error
                asked.setdefault(name, []).extend(job_ids)
    return asked
