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
    """Add what TEMPLATE says to WORKFLOW: tasks, elements, iterations; submit nothing."""
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
            "grown": report.grown,
            "iterations": report.iterations,
        }
        click.echo(json.dumps(document))
    elif not quiet:
        where = nearest_path(opened.place)
        for name, elements in report.grown.items():
            click.echo(f"{where}: added {count(elements, 'element')} to {name}")
        for name, more in report.iterations.items():
            turns = count(more, "iteration")
            click.echo(f"{where}: added up to {turns} to the loop {name}")
        if report.tasks:
            names = ", ".join(report.tasks)
            own = report.elements - sum(report.grown.values())
            click.echo(f"{where}: added {names} with {count(own, 'element')}")
        click.echo(f"next: hpcflow submit {typed_path(opened.place)}")
