"""`hpcflow fold`."""

from __future__ import annotations

import json

import click

from hpcflow.cli import options
from hpcflow.cli.words import count


@click.command("fold")
@options.workflow
@options.as_json
def command(workflow: str, *, as_json: bool) -> None:
    """Merge what WORKFLOW's jobs recorded into its columns, and pack finished jobs."""
    report = options.opened(workflow).fold()
    if as_json:
        document = {
            "format": 1,
            "generation": report.base.number,
            "items": report.items,
            "runs": report.runs,
            "packed_jobs": len(report.packed),
        }
        click.echo(json.dumps(document))
        return
    click.echo(
        f"folded {count(report.runs, 'run')} of {count(report.items, 'job item')}; "
        f"packed {count(len(report.packed), 'finished job')}"
    )
