"""`hpcflow add`."""

from __future__ import annotations

import json

import click

from hpcflow.cli import options
from hpcflow.cli.words import count, nearest_path, typed_path


@click.command("add")
@click.argument("workflow", type=options.Place(), metavar="WORKFLOW")
@options.template
@options.variables
@options.as_json
@options.quiet
def command(
    workflow: str, template: str, variables: dict[str, str], *, as_json: bool, quiet: bool
) -> None:
    """Add the tasks of TEMPLATE to WORKFLOW, behind those it has; submit nothing."""
    from hpcflow.app.workflow import Workflow

    opened = Workflow.open(workflow)
    report = opened.add(template, variables=variables)
    if as_json:
        document = {
            "format": 1,
            "path": opened.place,
            "tasks": list(report.tasks),
            "elements": report.elements,
            "runs": report.runs,
        }
        click.echo(json.dumps(document))
    elif not quiet:
        names = ", ".join(report.tasks)
        where = nearest_path(opened.place)
        click.echo(f"{where}: added {names} with {count(report.elements, 'element')}")
        click.echo(f"next: hpcflow submit {typed_path(opened.place)}")
