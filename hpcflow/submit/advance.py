"""What goes on without the user: loops get their next jobs, records go into the base.

An item that left no closing record is not folded, even when its scheduler says
that it is gone: what it left undone is known only to the view, until `resume`
fences it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hpcflow.errors import SubmissionError
from hpcflow.persist.journal import read_journal
from hpcflow.submit.ends import doubtful_jobs, note_ends
from hpcflow.submit.reconcile import ask_schedulers, has_ended, job_views
from jobstores.decisions import Item
from schedulers.errors import SchedulerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hpcflow.submit.context import SubmitContext
    from hpcflow.submit.reconcile import JobView
    from jobstores.fold import FoldReport
    from jobstores.view import View
    from jobstores.workflow_store import WorkflowStore
    from schedulers.port import Scheduler


def go_on(store: WorkflowStore, context: SubmitContext) -> bool:
    """Submit the next iterations of loops that need jobs of their own, if it is time.

    That is, as far as the user asked to submit the workflow, and did not cancel it.
    Behind the last iterations come the tasks that follow. Gives whether anything changed.

    Raises:
        BusyError: another command changes the workflow.
        SubmissionError: a scheduler refused a job or does not answer.
    """
    submissions = store.base().info["submissions"]
    last = submissions[-1] if submissions else {}
    before = submissions[-2] if len(submissions) > 1 else {}
    asked = last.get("left") or before.get("left")
    if asked is None or store.port.read_only:
        return False
    journal = read_journal(store.port, len(submissions) - 1)
    missing = any(
        journal.handed_over(job["index"], job["items"]) < job["items"]
        for job in last["jobs"]
    )
    # What `submit` itself was kept from is the user's to repeat; what this was, is not.
    due = "left" in before and not journal.refused if missing else "left" in last
    if not due or journal.cancelled or journal.waits_for_room:
        return False
    from hpcflow.submit.submit import submit_workflow  # imports NumPy

    context = replace(context, default_scheduler=asked["scheduler"])
    report = submit_workflow(store, context, stop_task=asked["tasks"])
    return bool(report.submitted) or report.submission >= len(submissions)


def end_loops(store: WorkflowStore, load: Callable[[str, int], Scheduler]) -> bool:
    """Cancel jobs of iterations that turned out not to be needed, as their loop has ended.

    They then count as if they had been executed, and had nothing to do. Gives whether
    there is something to do still: some had just begun.

    Raises:
        BusyError: another command changes the workflow.
    """
    if store.port.read_only or not _iterations_in_jobs(store.base().info):
        return False
    view = store.view()
    jobs = job_views(store.port, view)
    waiting = [job for job in jobs if job.record.get("iteration") and not job.ended]
    if not waiting:
        return False
    from hpcflow.submit.loop_progress import LoopProgress  # imports NumPy

    progress = LoopProgress(store, view, jobs, over=False)
    needless = {
        (job.submission, job.record["index"]): job
        for job in waiting
        if job.id is not None and progress.is_needless(job)
    }
    if not needless:
        return False
    with store.lease() as lease:
        closed = store.close_needless(lease, needless, "the loop has ended")
    _cancel([needless[key] for key in closed], load)
    return len(closed) < len(needless)


def _iterations_in_jobs(info: dict[str, Any]) -> bool:
    return any("iteration" in job for one in info["submissions"] for job in one["jobs"])


def _cancel(jobs: list[JobView], load: Callable[[str, int], Scheduler]) -> None:
    """Take jobs out of the queue; one that stays there finds that it has nothing to do."""
    asked: dict[tuple[str, int], list[str]] = {}
    for job in jobs:
        ids = asked.setdefault((job.record["scheduler"], job.submission), [])
        ids += [part.id for part in job.parts]
    for (name, submission), ids in asked.items():
        with suppress(SchedulerError, SubmissionError):
            load(name, submission).cancel(ids)


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
