"""`hpcflow make`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from hpcflow.cli import options
from hpcflow.cli.words import nearest_path

if TYPE_CHECKING:
    from pathlib import Path


@click.command("make")
@options.template
@options.path
@options.name
@options.store
@options.variables
@options.as_json
def command(
    template: str,
    path: Path | None,
    name: str | None,
    store: str,
    variables: dict[str, str],
    *,
    as_json: bool,
) -> None:
    """Make a workflow of TEMPLATE and print its directory; submit nothing."""
    from hpcflow.app.workflow import Workflow

    workflow = Workflow.make(
        template,
        path=path,
        variables=variables,
        name=name,
        store=store,
        on=options.on_host(),
    )
    if as_json:
        click.echo(json.dumps({"format": 1, "path": workflow.place}))
        return
    click.echo(nearest_path(workflow.place))
