"""`hpcflow cancel`."""

from __future__ import annotations

import json

import click

from hpcflow.cli import options
from hpcflow.cli.words import count


@click.command("cancel")
@options.workflow
@options.as_json
def command(workflow: str, *, as_json: bool) -> None:
    """Cancel the jobs of WORKFLOW; what has ended keeps its values."""
    asked = options.opened(workflow).cancel()
    if as_json:
        click.echo(json.dumps({"format": 1, "cancelled": asked}))
        return
    for scheduler, ids in asked.items():
        click.echo(
            f"{scheduler}: asked to end {count(len(ids), 'job')} ({', '.join(ids[:10])}"
            f"{', ...' if len(ids) > 10 else ''})"
        )
    if not asked:
        click.echo("no job is waiting or running")
