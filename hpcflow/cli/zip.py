"""`hpcflow zip`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from hpcflow.cli import options
from hpcflow.cli.progress import Watched
from hpcflow.cli.words import nearest_path


@click.command("zip")
@options.workflow
@click.option(
    "--output", type=click.Path(path_type=Path), help="The file  [default: WORKFLOW.zip]."
)
@click.option("--scratch", is_flag=True, help="With the runs' own directories too.")
@options.as_json
def command(workflow: str, output: Path | None, *, scratch: bool, as_json: bool) -> None:
    """Write WORKFLOW into one zip file that show, results and logs read in place."""
    from hpcflow.app.workflow import Workflow

    with Watched("zipping", "interrupted: there is no zip file", quiet=as_json) as watched:
        archive = Workflow.open(workflow).zip(
            output, scratch=scratch, progress=watched.progress
        )
    if as_json:
        click.echo(json.dumps({"format": 1, "path": str(archive)}))
        return
    click.echo(nearest_path(str(archive)))
