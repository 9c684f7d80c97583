"""The end of `go --wait`, `wait` and `show`: print the state, decide the exit code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from hpcflow.cli.live import LiveView
from hpcflow.cli.render import failure_lines, status_lines
from hpcflow.cli.words import typed_path
from hpcflow.report.data import Phase
from hpcflow.report.document import status_document

if TYPE_CHECKING:
    from hpcflow.app.workflow import Workflow
    from hpcflow.report.data import WorkflowStatus

EXIT_NOT_ALL_WELL = 1
EXIT_GAVE_UP = 8
EXIT_INTERRUPTED = 130


def follow(workflow: Workflow, *, timeout: float | None, as_json: bool, quiet: bool) -> int:
    """Wait with a live view, print the last state, return the exit code."""
    where = typed_path(workflow.place)
    try:
        with LiveView(quiet=quiet or as_json) as view:
            status = workflow.wait(timeout_s=timeout, each=view.update)
    except KeyboardInterrupt:
        message = (
            "you stopped waiting; the workflow's jobs go on. "
            f"Look again: hpcflow show {where} --watch; end them: hpcflow cancel {where}"
        )
        click.echo(f"hpcflow: {message}", err=True)
        if as_json:
            error = {"kind": "interrupted", "message": message}
            click.echo(json.dumps({"format": 1, "error": error}))
        return EXIT_INTERRUPTED
    print_status(workflow, status, as_json=as_json, quiet=quiet)
    if not status.settled:
        if not as_json:
            click.echo(
                f"hpcflow: gave up waiting after {timeout:g} s; the workflow goes on. "
                f"Wait again: hpcflow wait {where}",
                err=True,
            )
        return EXIT_GAVE_UP
    return exit_code(status)


def exit_code(status: WorkflowStatus) -> int:
    """0, or 1 where the workflow ended and not every run succeeded."""
    return EXIT_NOT_ALL_WELL if status.phase in (Phase.ENDED, Phase.STOPPED) else 0


def print_status(
    workflow: Workflow, status: WorkflowStatus, *, as_json: bool, quiet: bool = False
) -> None:
    """The state, as text or as one JSON document."""
    if as_json:
        click.echo(json.dumps(status_document(status)))
        return
    if not quiet:
        click.echo("\n".join(status_lines(status)))
    lines = failure_lines(status, workflow.explain)
    if lines:
        click.echo("\n".join(lines))
