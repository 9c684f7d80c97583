"""Cancelling a workflow's jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpcflow.errors import StorageError, SubmissionError
from hpcflow.persist.journal import JournalWriter, read_journal
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
        for submission, record in enumerate(store.base().info["submissions"]):
            ids = read_journal(store.port, submission).ids
            by_scheduler: dict[str, list[str]] = {}
            for job in record["jobs"]:
                if job["index"] in ids:
                    by_scheduler.setdefault(job["scheduler"], []).append(ids[job["index"]])
            with JournalWriter(store.port, submission) as writer:
                writer.add("cancel")
            for name, job_ids in by_scheduler.items():
                try:
                    load(name, submission).cancel(job_ids)
                except SchedulerError as error:
                    raise SubmissionError(f"{name} could not cancel: {error}") from error
                asked.setdefault(name, []).extend(job_ids)
    return asked
