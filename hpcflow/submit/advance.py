"""Folding: what jobs recorded goes into the base.

An item that left no closing record is not folded, even when its scheduler says
that it is gone: what it left undone is known only to the view, until `resume`
fences it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpcflow.submit.ends import doubtful_jobs, note_ends
from hpcflow.submit.reconcile import ask_schedulers, has_ended, job_views
from jobstores.decisions import Item

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobstores.fold import FoldReport
    from jobstores.view import View
    from jobstores.workflow_store import WorkflowStore
    from schedulers.port import Scheduler


def fold_workflow(
    store: WorkflowStore, load: Callable[[str, int], Scheduler], *, settled: bool = False
) -> FoldReport:
    """Merge finished segments into the base, pack those of finished jobs, sweep.

    settled: nothing goes on any more, so that what schedulers say of items that left no
        closing record is kept before they forget it.

    Raises:
        BusyError: another command holds the lease.
    """
    with store.lease(wait_s=10.0) as lease:
        view = store.view()
        jobs = job_views(store.port, view)
        cancelled = {job.submission for job in jobs if job.cancelled}
        stopped = _stopped(view)
        affected = [j for j in jobs if (j.submission, j.record["index"]) in stopped]
        # A stopped item may have been requeued: only its scheduler knows.
        doubtful = doubtful_jobs(jobs, view)
        affected += [job for job in doubtful if job not in affected]
        ask_schedulers(affected, load, ended_too=True)
        unclosed = [job for job in jobs if not job.ended and job not in affected]
        if settled:
            ask_schedulers(unclosed, load)
        note_ends(store.port, [*affected, *unclosed])
        gone = [
            Item(job.submission, job.record["index"], item)
            for job in affected
            for item in stopped.get((job.submission, job.record["index"]), ())
            if has_ended(job, item)
        ]
        report = store.fold(lease, also=gone, cancelled=cancelled)
        store.sweep(lease)
        return report


def _stopped(view: View) -> dict[tuple[int, int], list[int]]:
    """Closed items that were told to stop by a signal, by job.

    Those that are folded already too: their job is packed once they can't come back.
    """
    stopped: dict[tuple[int, int], list[int]] = {}
    for key, segment in view.base.consumed.items():
        _, submission, job, _, name = key.split("/")
        item = Item(int(submission), int(job), int(name.split(".")[0]))
        if segment.signalled and item not in view.tail:
            stopped.setdefault((item.submission, item.job), []).append(item.item)
    for item, decision in view.tail.items():
        if decision is not None and decision.closed and decision.signalled:
            stopped.setdefault((item.submission, item.job), []).append(item.item)
    return stopped
