"""`hpcflow logs`."""

from __future__ import annotations

import json

import click

from hpcflow.cli import options


@click.command("logs")
@click.argument("workflow", type=options.Place())
@click.argument("task")
@click.argument("element", type=int, default=0)
@click.option(
    "--action", type=int, default=0, show_default=True, help="The action's index."
)
@click.option(
    "--iteration", type=int, help="The iteration, in a loop  [default: the last]."
)
@options.as_json
def command(
    workflow: str,
    task: str,
    element: int,
    action: int,
    iteration: int | None,
    *,
    as_json: bool,
) -> None:
    """Print what the run of TASK's ELEMENT wrote to stdout and stderr."""
    log = options.opened(workflow).log(task, element, action, iteration)
    if as_json:
        document = {
            "format": 1,
            "path": log.path,
            "start": log.start,
            "end": log.end,
            "text": log.text.decode(errors="replace"),
        }
        click.echo(json.dumps(document))
    else:
        click.echo(log.text, nl=False)
