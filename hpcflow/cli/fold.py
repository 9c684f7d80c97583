"""`hpcflow fold`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from hpcflow.cli import options

if TYPE_CHECKING:
    from pathlib import Path


@click.command("fold")
@options.workflow
@options.as_json
def command(workflow: Path, *, as_json: bool) -> None:
    """Merge what WORKFLOW's jobs recorded into its columns, and pack finished jobs."""
    from hpcflow.app.workflow import Workflow

    report = Workflow.open(workflow).fold()
    if as_json:
        click.echo(json.dumps({"format": 1, **asdict(report)}))
        return
    click.echo(", ".join(f"{name}: {value}" for name, value in asdict(report).items()))
