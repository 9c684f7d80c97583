"""`hpcflow abort`."""

from __future__ import annotations

import json

import click

from hpcflow.cli import options
from hpcflow.cli.words import count


@click.command("abort")
@click.argument("workflow", type=options.Place())
@click.argument("task")
@click.argument("elements", type=int, nargs=-1)
@click.option("--action", type=int, help="Of this action alone, by its index.")
@options.as_json
def command(
    workflow: str,
    task: str,
    elements: tuple[int, ...],
    action: int | None,
    *,
    as_json: bool,
) -> None:
    """End running runs of TASK, of ELEMENTS or all; what follows them goes on.

    The action must be `abortable`. Its jobs see the wish within seconds.
    """
    asked = options.opened(workflow).abort(task, elements, action)
    if as_json:
        click.echo(json.dumps({"format": 1, "asked": asked}))
    else:
        click.echo(f"asked to end {count(len(asked), 'run')}")
