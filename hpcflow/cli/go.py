"""`hpcflow go`."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import click

from hpcflow.cli import options
from hpcflow.cli.results import print_text
from hpcflow.cli.submit import print_plan, submit
from hpcflow.cli.words import typed_path
from hpcflow.errors import RemoteError, SubmissionError


@click.command("go")
@options.template
@options.path
@options.name
@options.store
@options.variables
@options.scheduler
@options.max_queued
@options.dry_run
@click.option("--wait", is_flag=True, help="Wait until it has ended.")
@click.option(
    "--results",
    "tables",
    multiple=True,
    metavar="TASK",
    help="With --wait: then print this task's table; may be repeated.",
)
@options.timeout
@options.as_json
@options.quiet
def command(
    template: str,
    path: Path | None,
    name: str | None,
    store: str,
    variables: dict[str, str],
    scheduler: str | None,
    max_queued: int | None,
    tables: tuple[str, ...],
    timeout: float | None,
    *,
    dry_run: bool,
    wait: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Make a workflow of TEMPLATE and submit it."""
    from hpcflow.app.workflow import Workflow

    if tables and (as_json or not wait):
        raise click.UsageError("--results goes with --wait, and not with --json")
    if dry_run:
        scratch = tempfile.mkdtemp(prefix="hpcflow-dry-run-")
        try:
            workflow = Workflow.make(
                template,
                path=Path(scratch) / "workflow",
                variables=variables,
                name=name,
                on=options.on_host(),
            )
            return print_plan(workflow, scheduler, as_json=as_json)
        finally:
            shutil.rmtree(scratch)
    workflow = Workflow.make(
        template,
        path=path,
        variables=variables,
        name=name,
        store=store,
        on=options.on_host(),
    )
    try:
        code = submit(
            workflow,
            scheduler,
            max_queued,
            wait=wait,
            timeout=timeout,
            as_json=as_json,
            quiet=quiet,
        )
    except (SubmissionError, RemoteError) as error:
        where = typed_path(workflow.place)
        error.add_note(f"The workflow is made; to try again: hpcflow submit {where}")
        raise
    for task in tables:
        click.echo(f"\n{task}:")
        print_text(workflow.results(task))
    return code
