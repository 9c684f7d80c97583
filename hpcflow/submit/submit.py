"""Submitting: compile once, write the job directories, hand the jobs over.

Each call to a scheduler is framed by two durable lines of the submission's
journal, so that a crash or a refusal between two jobs is taken up where it
stopped: a job whose answer is unknown is looked up by its unique name before
it is submitted, and a job that has an id is never submitted again.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from hpcflow.compile.grouping import CompileOptions, plan_jobs
from hpcflow.compile.plan import LoopsLeft
from hpcflow.errors import StorageError, SubmissionError
from hpcflow.persist.journal import JournalState, JournalWriter, journal_key, read_journal
from hpcflow.persist.submissions import loops_left, submitted_tasks
from hpcflow.persist.workflow_record import WorkflowReader
from hpcflow.submit.earlier import earlier_jobs, live_jobs
from hpcflow.submit.home import check_home, recorded_root
from hpcflow.submit.jobs import (
    job_record,
    render_directory,
    scheduler_job,
    write_job_directories,
)
from hpcflow.submit.reconcile import all_over, job_views
from hpcflow.submit.unanswered import look_up_unanswered
from jobstores import segments
from schedulers.errors import RefusedError, SchedulerError, UnknownOutcomeError
from schedulers.job import Dependency, DependencyKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hpcflow.compile.plan import JobPlan
    from hpcflow.model.workflow import Workflow
    from hpcflow.submit.context import SubmitContext
    from hpcflow.submit.loop_progress import LoopProgress
    from hpcflow.submit.reconcile import JobView
    from jobstores.generations import Base
    from jobstores.lease import Lease
    from jobstores.workflow_store import WorkflowStore
    from schedulers.port import Scheduler


@dataclass(frozen=True, slots=True)
class SubmitReport:
    """What `submit` did: jobs submitted now, in all of the submission, and its runs.

    Where it went on with an earlier submission first, that one's count too.
    waits: further iterations of loops are submitted when the jobs that there are have
    ended.
    """

    submission: int
    submitted: tuple[int, ...]
    jobs: int
    runs: int
    waits: bool = False


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
            submitted = _submit_jobs(store, lease, context, submission, record)
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
            done += _submit_jobs(store, lease, context, submission, record)
            waits = loops_left(base.info) is not None
    submission = len(base.info["submissions"]) - 1
    records = records or base.info["submissions"][submission]["jobs"]
    runs = sum(r["rows"] * sum(r.get("turns", (1,) * len(r["steps"]))) for r in records)
    return SubmitReport(submission, tuple(done), len(records), runs, waits)


def _check_not_cancelled(store: WorkflowStore, info: Mapping[str, Any]) -> None:
    """Loops that were cancelled are not gone on with: iterations are missing."""
    if loops_left(info) is None:
        return
    if read_journal(store.port, len(info["submissions"]) - 1).cancelled:
        raise SubmissionError(
            "the workflow was cancelled before its loops had ended: what follows needs the "
            "iterations that were not executed. Nothing was submitted; make it anew."
        )


def _plan(
    store: WorkflowStore, lease: Lease, base: Base, context: SubmitContext, stop: int
) -> Base:
    """Compile what is new, write its job directories, commit the submission."""
    submission = len(base.info["submissions"])
    limits = _site_limits(context, submission)
    workflow, compiled, left = _compile(store, base, context, submission, limits, stop)
    plans = _with_names(compiled, submission)
    records = [job_record(plan) for plan in plans]
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


def _site_limits(context: SubmitContext, submission: int) -> Callable[[str], int | None]:
    """The most items of an array, by scheduler; each is asked once, when it is used."""

    @cache
    def limit(name: str) -> int | None:
        if name == "local":
            return None
        try:
            return context.load(name, submission).limits().max_array_items
        except SchedulerError as error:
            raise SubmissionError(f"nothing was submitted: {error}") from error

    return limit


def _compile(
    store: WorkflowStore,
    base: Base,
    context: SubmitContext,
    submission: int,
    limits: Callable[[str], int | None] = lambda _: None,
    stop: int | None = None,
) -> tuple[Workflow, tuple[JobPlan, ...], LoopsLeft | None]:
    workflow = WorkflowReader(store, base).workflow()
    first = submitted_tasks(base.info)
    left = loops_left(base.info)
    resume = None if left is None else LoopsLeft(*left["after"])
    options = CompileOptions(
        default_scheduler=context.default_scheduler,
        local_cores=context.local_cores,
        max_array_items=limits,
        most_loop_jobs=context.loop_jobs,
    )
    plans, left_now = plan_jobs(
        workflow,
        submission=submission,
        workflow_id=base.info["id"],
        options=options,
        first_task=first,
        stop_task=stop,
        earlier=earlier_jobs(context.root, base.info, workflow, first, resume=resume),
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
    records = [job_record(plan) for plan in plans]
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


def _submit_jobs(
    store: WorkflowStore,
    lease: Lease,
    context: SubmitContext,
    submission: int,
    submission_record: dict[str, Any],
) -> list[int]:
    journal = read_journal(store.port, submission)
    missing = [r for r in submission_record["jobs"] if r["index"] not in journal.ids]
    if not missing:
        return []
    check_home(submission_record, context.root)
    schedulers = _load_all(context, submission, missing)
    live = live_jobs(store, context, _awaited(missing))
    done = []
    with JournalWriter(store.port, submission) as writer:
        look_up_unanswered(
            store.port, submission, missing, journal, schedulers, writer, context.clock
        )
        for record in missing:
            if record["index"] in journal.ids:
                continue
            _check_never_ran(store, submission, record["index"])
            lease.check()
            _prepare_log_directory(context.root, submission, record["index"])
            after = [live[key] for key in _awaited([record]) if key in live]
            _submit_one(context, submission, record, after, journal, schedulers, writer)
            done.append(record["index"])
    return done


def _awaited(records: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """The jobs of earlier submissions that some jobs read, each with its submission."""
    return [(s, job) for record in records for s, job in record.get("after", ())]


def _check_never_ran(store: WorkflowStore, submission: int, job: int) -> None:
    """A job that the journal does not know, and that has run, is not handed over again."""
    if store.port.list(segments.job_prefix(submission, job)):
        raise StorageError(
            f"{store.port.locator}: {journal_key(submission)} does not know job {job}, but "
            "the job has left records: the journal was damaged. Nothing was submitted; "
            "put the journal back from a copy, or make the workflow anew."
        )


def _prepare_log_directory(root: str, submission: int, job: int) -> None:
    """Without it SLURM fails the job with no output at all."""
    os.makedirs(f"{root}/logs/{submission}/{job}", exist_ok=True)


def _submit_one(
    context: SubmitContext,
    submission: int,
    record: dict[str, Any],
    after: list[JobView],
    journal: JournalState,
    schedulers: Mapping[str, Scheduler],
    writer: JournalWriter,
) -> None:
    """Hand a job over. after: jobs of earlier submissions that it waits for."""
    index, name = record["index"], record["scheduler"]
    for job in after:
        if job.record["scheduler"] != name:
            raise SubmissionError(
                f"job {index} ({record['name']}) of {name} needs values of job "
                f"{job.record['index']} of submission {job.submission}, which has not "
                f"ended on {job.record['scheduler']}: run `hpcflow submit` when it has."
            )
    dependencies = [
        Dependency(
            journal.ids[job],
            DependencyKind.ELEMENTWISE if elementwise else DependencyKind.AFTER_END,
        )
        for job, elementwise in record["depends"]
    ]
    dependencies += [Dependency(job.id) for job in after if job.id is not None]
    writer.add("intent", job=index, name=record["name"])
    try:
        job_id = schedulers[name].submit(
            scheduler_job(context.root, submission, record), dependencies
        )
    except UnknownOutcomeError as error:
        raise SubmissionError(
            f"{name} gave no answer for job {index} ({record['name']}); it may be queued. "
            f"Run `hpcflow submit` again: it looks the name up first. ({error})"
        ) from error
    except SchedulerError as error:
        writer.add("refused", job=index, why=str(error)[:1000])
        verb = "refused" if isinstance(error, RefusedError) else "could not take"
        raise SubmissionError(
            f"{name} {verb} job {index} ({record['name']}): {error}\n"
            f"{len(journal.ids)} of its submission's jobs are submitted. "
            "When this is mended, `hpcflow submit` goes on from here."
        ) from error
    writer.add("submitted", job=index, id=job_id)
    journal.ids[index] = job_id
