"""`hpcflow queue`."""

from __future__ import annotations

import json

import click

from hpcflow.cli import options
from hpcflow.cli.render import job_line, phase_words
from hpcflow.cli.words import count, nearest_path


@click.command("queue")
@options.as_json
def command(*, as_json: bool) -> int:
    """List your workflows that have not ended, and their jobs, wherever they run.

    Those that were submitted from this account and host, or from hosts with the same
    home directory.
    """
    from hpcflow.app.queue import read_queue
    from hpcflow.report.document import status_document

    found = read_queue()
    if as_json:
        document = {
            "format": 1,
            "workflows": [status_document(status) for status in found.workflows],
            "troubles": found.troubles,
        }
        click.echo(json.dumps(document))
        return 0
    for status in found.workflows:
        over = f"{status.over} of {count(status.num_runs, 'run')} are over"
        where = nearest_path(status.path)
        click.echo(f"{status.name}: {phase_words(status)}, {over}   ({where})")
        for job in status.jobs:
            if job.is_active:
                click.echo(f"  {job_line(job)}")
        for warning in status.warnings:
            click.echo(f"  warning: {warning}")
    for place, why in found.troubles.items():
        click.echo(f"{nearest_path(place)}: can't be read: {why}", err=True)
    if not found.workflows:
        click.echo("no workflow of yours is in a queue")
    return 0
