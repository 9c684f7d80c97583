"""Submitting: compile once, write the job directories, hand the jobs over.

How they are handed over is in `hand_over`.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from hpcflow.compile.grouping import CompileOptions, compile_jobs
from hpcflow.errors import SchedulerAwayError, StorageError, SubmissionError
from hpcflow.persist.journal import read_journal
from hpcflow.persist.submissions import submitted_tasks
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
from schedulers.errors import SchedulerError
from schedulers.job import Limits
from schedulers.site_checks import listed_problems, max_walltime_s, site_problems

if TYPE_CHECKING:
    from collections.abc import Callable

    from hpcflow.compile.plan import JobPlan
    from hpcflow.model.workflow import Workflow
    from hpcflow.submit.context import SubmitContext
    from jobstores.generations import Base
    from jobstores.lease import Lease
    from jobstores.workflow_store import WorkflowStore
    from schedulers.port import Scheduler


@dataclass(frozen=True, slots=True)
class SubmitReport:
    """What `submit` did: jobs submitted now, in all of the submission, and its runs.

    Where it went on with an earlier submission first, that one's count too.
    left: job items that wait for room in a queue.
    """

    submission: int
    submitted: tuple[int, ...]
    jobs: int
    runs: int
    left: int = 0


def submit_workflow(store: WorkflowStore, context: SubmitContext) -> SubmitReport:
    """Submit what is not submitted yet.

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
        if submitted_tasks(base.info) < len(base.info["tasks"]):
            base = _plan(store, lease, base, context)
            submission = len(base.info["submissions"]) - 1
            record = base.info["submissions"][submission]
            records += record["jobs"]
            done += hand_over_jobs(store, lease, context, submission, record)
    submission = len(base.info["submissions"]) - 1
    records = records or base.info["submissions"][submission]["jobs"]
    runs = sum(r["rows"] * sum(r.get("turns", (1,) * len(r["steps"]))) for r in records)
    left = waiting_items(store, base)
    return SubmitReport(submission, tuple(done), len(records), runs, left)


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


def _plan(store: WorkflowStore, lease: Lease, base: Base, context: SubmitContext) -> Base:
    """Compile what is new, write its job directories, commit the submission."""
    submission = len(base.info["submissions"])
    limits = _site_limits(context, submission)
    workflow, compiled = _compile(store, base, context, submission, limits)
    plans = _with_names(compiled, submission)
    records = [job_record(plan, context.defaults) for plan in plans]
    _check_site(context.root, submission, records, limits)
    store.port.delete_tree(f"submissions/{submission}")  # an earlier try that was cut off
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
        info=_with_submission(base.info, context.root, records),
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
) -> tuple[Workflow, tuple[JobPlan, ...]]:
    workflow = WorkflowReader(store, base).workflow()
    first = submitted_tasks(base.info)
    options = CompileOptions(
        default_scheduler=context.default_scheduler,
        local_cores=context.local_cores,
        max_array_items=lambda name: limits(name).max_array_items,
        max_walltime_s=lambda name, partition: max_walltime_s(limits(name), partition),
    )
    plans = compile_jobs(
        workflow,
        submission=submission,
        workflow_id=base.info["id"],
        options=options,
        first_task=first,
        earlier=earlier_jobs(context.folder or context.root, base.info, workflow, first),
    )
    return workflow, plans


def dry_run(store: WorkflowStore, context: SubmitContext) -> dict[str, dict[str, bytes]]:
    """The job directories that submitting would write: job name -> file -> content.

    Nothing is written; no scheduler is asked.
    """
    base = store.base()
    submission = len(base.info["submissions"])
    workflow, plans = _compile(store, base, context, submission)
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
    info: dict[str, Any], root: str, records: list[dict[str, Any]]
) -> dict[str, Any]:
    at = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    path = recorded_root(info["submissions"], root)
    added = {"at": at, "path": path, "tasks": len(info["tasks"]), "jobs": records}
    return {**info, "submissions": [*info["submissions"], added]}


def _load_all(
    context: SubmitContext, submission: int, records: list[dict[str, Any]]
) -> dict[str, Scheduler]:
    names = {record["scheduler"] for record in records}
    return {name: context.load(name, submission) for name in names}
