"""`hpcflow submit`, and the part of it that `go` shares."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from hpcflow.cli import options
from hpcflow.cli.finish import follow
from hpcflow.cli.words import count, nearest_path, typed_path

if TYPE_CHECKING:
    from hpcflow.app.workflow import Workflow
    from hpcflow.submit.submit import SubmitReport


@click.command("submit")
@options.workflow
@options.scheduler
@options.max_queued
@options.dry_run
@click.option("--wait", is_flag=True, help="Wait until it has ended.")
@options.timeout
@options.as_json
@options.quiet
def command(
    workflow: str,
    scheduler: str | None,
    max_queued: int | None,
    timeout: float | None,
    *,
    dry_run: bool,
    wait: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Submit what WORKFLOW has not submitted yet."""
    opened = options.opened(workflow)
    if dry_run:
        return print_plan(opened, scheduler, as_json=as_json)
    return submit(
        opened,
        scheduler,
        max_queued,
        wait=wait,
        timeout=timeout,
        as_json=as_json,
        quiet=quiet,
    )


def submit(
    workflow: Workflow,
    scheduler: str | None,
    max_queued: int | None,
    *,
    wait: bool,
    timeout: float | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Submit, say what was submitted, and wait if asked to; return the exit code."""
    report = workflow.submit(scheduler=scheduler, max_queued=max_queued)
    if wait:
        if not quiet and not as_json:
            click.echo(_summary(workflow, report), err=True)
        return follow(workflow, timeout=timeout, as_json=as_json, quiet=quiet)
    if as_json:
        document = {
            "format": 1,
            "path": workflow.place,
            "submission": report.submission,
            "submitted_jobs": list(report.submitted),
            "jobs": report.jobs,
            "runs": report.runs,
            "waiting_items": report.left,
        }
        click.echo(json.dumps(document))
    elif not quiet:
        click.echo(_summary(workflow, report))
        verb = "wait" if report.left or report.waits else "show"
        click.echo(f"next: hpcflow {verb} {typed_path(workflow.place)}")
    return 0


def _summary(workflow: Workflow, report: SubmitReport) -> str:
    where = nearest_path(workflow.place)
    jobs = len(report.submitted)
    if report.left:
        items = count(report.left, "job item")
        done = (
            f"submitted of {count(jobs, 'job')} what" if jobs else "nothing submitted, as"
        )
        reason = "there is room for in the queue" if jobs else "the queue has no room now"
        return (
            f"{where}: {done} {reason}; {items} wait for more room, and are submitted "
            "while `hpcflow wait` runs"
        )
    if not jobs and report.waits:
        return (
            f"{where}: further iterations of its loops are submitted when the jobs that "
            f"there are have ended: `hpcflow wait {typed_path(workflow.place)}` does that"
        )
    if not jobs:
        return f"{where}: everything is submitted already"
    return f"{where}: submitted {count(jobs, 'job')} with {count(report.runs, 'run')}"


def print_plan(workflow: Workflow, scheduler: str | None, *, as_json: bool) -> int:
    """The jobs that `submit` would submit."""
    plan = workflow.plan(scheduler=scheduler)
    shown = {
        job: {n: c.decode() for n, c in files.items() if n.endswith((".sh", ".json"))}
        for job, files in plan.items()
    }
    if as_json:
        click.echo(json.dumps({"format": 1, "jobs": shown}))
        return 0
    for job, files in shown.items():
        for name, content in files.items():
            if name.endswith(".sh"):
                click.echo(f"# ---- {job}/{name}\n{content}")
    click.echo(f"{count(len(plan), 'job')} would be submitted; nothing was.", err=True)
    return 0
