"""Submitting: compile once, write the job directories, hand the jobs over.

How they are handed over is in `hand_over`.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from hpcflow.compile.grouping import CompileOptions, plan_jobs
from hpcflow.compile.plan import LoopsLeft
from hpcflow.errors import SchedulerAwayError, StorageError, SubmissionError
from hpcflow.persist.journal import read_journal
from hpcflow.persist.submissions import loops_left, submitted_tasks
from hpcflow.persist.workflow_record import WorkflowReader
from hpcflow.submit.earlier import earlier_jobs
from hpcflow.submit.hand_over import hand_over_jobs
from hpcflow.submit.home import recorded_root
from hpcflow.submit.jobs import (
    job_record,
    render_directory,
    scheduler_job,
    write_job_directories,
)
from hpcflow.submit.reconcile import all_over, job_views
from schedulers.errors import SchedulerError
from schedulers.job import Limits
from schedulers.site_checks import listed_problems, max_walltime_s, site_problems

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hpcflow.compile.plan import JobPlan
    from hpcflow.model.workflow import Workflow
    from hpcflow.submit.context import SubmitContext
    from hpcflow.submit.loop_progress import LoopProgress
    from jobstores.generations import Base
    from jobstores.lease import Lease
    from jobstores.workflow_store import WorkflowStore
    from schedulers.port import Scheduler


@dataclass(frozen=True, slots=True)
class SubmitReport:
    """What `submit` did: jobs submitted now, in all of the submission, and its runs.

    Where it went on with an earlier submission first, that one's count too.
    waits: further iterations of loops are submitted when the jobs that there are have
    ended. left: job items that wait for room in a queue.
    """

    submission: int
    submitted: tuple[int, ...]
    jobs: int
    runs: int
    waits: bool = False
    left: int = 0


def submit_workflow(
    store: WorkflowStore, context: SubmitContext, *, stop_task: int | None = None
) -> SubmitReport:
    """Submit what is not submitted yet.

    Iterations of loops that need jobs of their own are submitted some at a time: the next
    ones where all jobs have ended.

    stop_task: only tasks before this one.

    Raises:
        SubmissionError: a scheduler refused a job or does not answer; jobs that were
            accepted before stay, and submitting again goes on behind them.
        StorageError: the workflow is read-only.
    """
    if store.port.read_only:
        raise StorageError(
            f"{store.port.locator} is an archive and cannot be changed: "
            "`hpcflow unzip` it, then submit the copy."
        )
    with store.lease() as lease:
        base = store.base()
        done: list[int] = []
        records: list[dict[str, Any]] = []
        # What was cut off comes first: new jobs may need to wait for it.
        for submission, record in enumerate(base.info["submissions"]):
            submitted = hand_over_jobs(store, lease, context, submission, record)
            if submitted:
                done += submitted
                records += record["jobs"]
        stop = len(base.info["tasks"]) if stop_task is None else stop_task
        _check_not_cancelled(store, base.info)
        waits = loops_left(base.info) is not None and (
            bool(done) or not all_over(store, context.load)
        )
        if submitted_tasks(base.info) < stop and not waits:
            base = _plan(store, lease, base, context, stop)
            submission = len(base.info["submissions"]) - 1
            record = base.info["submissions"][submission]
            records += record["jobs"]
            done += hand_over_jobs(store, lease, context, submission, record)
            waits = loops_left(base.info) is not None
    submission = len(base.info["submissions"]) - 1
    records = records or base.info["submissions"][submission]["jobs"]
    runs = sum(r["rows"] * sum(r.get("turns", (1,) * len(r["steps"]))) for r in records)
    left = waiting_items(store, base)
    return SubmitReport(submission, tuple(done), len(records), runs, waits, left)


def _check_not_cancelled(store: WorkflowStore, info: Mapping[str, Any]) -> None:
    """Loops that were cancelled are not gone on with: iterations are missing."""
    if loops_left(info) is None:
        return
    if read_journal(store.port, len(info["submissions"]) - 1).cancelled:
        raise SubmissionError(
            "the workflow was cancelled before its loops had ended: what follows needs the "
            "iterations that were not executed. Nothing was submitted; make it anew."
        )


def waiting_items(store: WorkflowStore, base: Base) -> int:
    """Job items that go on by themselves once a queue has room for them."""
    left = 0
    for submission, record in enumerate(base.info["submissions"]):
        journal = read_journal(store.port, submission)
        if journal.waits_for_room:
            for job in record["jobs"]:
                left += job["items"] - journal.handed_over(job["index"], job["items"])
    return left


def submit_waiting(store: WorkflowStore, context: SubmitContext) -> bool:
    """Hand over what waits for room in a queue; whether any of it was.

    Raises:
        SubmissionError: a scheduler refused a job or does not answer.
        BusyError: another command changes the workflow.
    """
    with store.lease() as lease:
        base = store.base()
        done: list[int] = []
        for submission, record in enumerate(base.info["submissions"]):
            if read_journal(store.port, submission).waits_for_room:
                done += hand_over_jobs(store, lease, context, submission, record)
    return bool(done)


def _plan(
    store: WorkflowStore, lease: Lease, base: Base, context: SubmitContext, stop: int
) -> Base:
    """Compile what is new, write its job directories, commit the submission."""
    submission = len(base.info["submissions"])
    limits = _site_limits(context, submission)
    workflow, compiled, left = _compile(store, base, context, submission, limits, stop)
    plans = _with_names(compiled, submission)
    records = [job_record(plan, context.defaults) for plan in plans]
    _check_site(context.root, submission, records, limits)
    store.port.delete_tree(f"submissions/{submission}")  # an earlier try that was cut off
    if plans:  # none, where loops have ended, and there is nothing behind them
        write_job_directories(
            store.port,
            context.root,
            workflow,
            plans,
            records,
            submission=submission,
            schedulers=_load_all(context, submission, records),
            node=context.node,
            umask=context.umask,
        )
    return store.commit(
        lease,
        base,
        info=_with_submission(base.info, context, records, left, stop),
        jobs={(submission, record["index"]): record["items"] for record in records},
    )


def _with_names(plans: tuple[JobPlan, ...], submission: int) -> tuple[JobPlan, ...]:
    """Names that no other submission has: copies of a workflow share its id."""
    token = secrets.token_hex(5)
    return tuple(
        replace(plan, name=f"hf-{token}-s{submission}-j{plan.index}") for plan in plans
    )


def _site_limits(context: SubmitContext, submission: int) -> Callable[[str], Limits]:
    """What a site allows, by scheduler; each is asked once, when it is used."""

    @cache
    def limits(name: str) -> Limits:
        if name == "local":
            return Limits()
        try:
            return context.load(name, submission).limits()
        except SchedulerError as error:
            raise SchedulerAwayError(f"nothing was submitted: {error}") from error

    return limits


def _check_site(
    root: str,
    submission: int,
    records: list[dict[str, Any]],
    limits: Callable[[str], Limits],
) -> None:
    """Refuse, all at once, what a site would refuse or never start.

    Raises:
        SubmissionError: names every job and what is wrong.
    """
    found = [
        (
            f"job {record['index']}",
            site_problems(
                scheduler_job(root, submission, record).resources,
                limits(record["scheduler"]),
            ),
        )
        for record in records
        if record["scheduler"] != "local"
    ]
    if any(problems for _, problems in found):
        raise SubmissionError(
            f"nothing was submitted, as the site would never run it:\n"
            f"{listed_problems(found)}\n"
            "Change the template's resources and make the workflow again."
        )


def _compile(
    store: WorkflowStore,
    base: Base,
    context: SubmitContext,
    submission: int,
    limits: Callable[[str], Limits] = lambda _: Limits(),
    stop: int | None = None,
) -> tuple[Workflow, tuple[JobPlan, ...], LoopsLeft | None]:
    workflow = WorkflowReader(store, base).workflow()
    first = submitted_tasks(base.info)
    left = loops_left(base.info)
    resume = None if left is None else LoopsLeft(*left["after"])
    options = CompileOptions(
        default_scheduler=context.default_scheduler,
        local_cores=context.local_cores,
        max_array_items=lambda name: limits(name).max_array_items,
        max_walltime_s=lambda name, partition: max_walltime_s(limits(name), partition),
        most_loop_jobs=context.loop_jobs,
    )
    plans, left_now = plan_jobs(
        workflow,
        submission=submission,
        workflow_id=base.info["id"],
        options=options,
        first_task=first,
        stop_task=stop,
        earlier=earlier_jobs(
            context.folder or context.root, base.info, workflow, first, resume=resume
        ),
        resume=resume,
        goes_on=_progress(store).goes_on if resume is not None else _always,
    )
    return workflow, plans, left_now


def _always(_loop: int, _turns: dict[int, int]) -> bool:
    return True


def _progress(store: WorkflowStore) -> LoopProgress:
    """How far loops are; all jobs have ended."""
    from hpcflow.submit.loop_progress import LoopProgress  # imports NumPy

    view = store.view()
    return LoopProgress(store, view, job_views(store.port, view), over=True)


def dry_run(store: WorkflowStore, context: SubmitContext) -> dict[str, dict[str, bytes]]:
    """The job directories that submitting would write: job name -> file -> content.

    Nothing is written; no scheduler is asked.
    """
    base = store.base()
    submission = len(base.info["submissions"])
    workflow, plans, _ = _compile(store, base, context, submission)
    records = [job_record(plan, context.defaults) for plan in plans]
    schedulers = _load_all(context, submission, records)
    return {
        plan.name: render_directory(
            context.root,
            workflow,
            plans,
            plan,
            record,
            submission=submission,
            scheduler=schedulers[plan.scheduler],
            node=context.node,
            umask=context.umask,
        )
        for plan, record in zip(plans, records, strict=True)
    }


def _with_submission(
    info: dict[str, Any],
    context: SubmitContext,
    records: list[dict[str, Any]],
    left: LoopsLeft | None,
    stop: int,
) -> dict[str, Any]:
    at = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    path = recorded_root(info["submissions"], context.root)
    tasks = stop if left is None else left.first
    added: dict[str, Any] = {"at": at, "path": path, "tasks": tasks, "jobs": records}
    if left is not None:
        scheduler = context.default_scheduler
        added["left"] = {"after": list(left), "tasks": stop, "scheduler": scheduler}
    return {**info, "submissions": [*info["submissions"], added]}


def _load_all(
    context: SubmitContext, submission: int, records: list[dict[str, Any]]
) -> dict[str, Scheduler]:
    names = {record["scheduler"] for record in records}
    return {name: context.load(name, submission) for name in names}
