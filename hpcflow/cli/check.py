"""`hpcflow check`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from hpcflow.cli import options
from hpcflow.cli.words import count

if TYPE_CHECKING:
    from pathlib import Path


@click.command("check")
@options.template
@options.variables
@options.as_json
def command(template: Path, variables: dict[str, str], *, as_json: bool) -> int:
    """Find every problem of TEMPLATE; make nothing. Exit code 3 if there are any."""
    from hpcflow.app.templates import check

    problems = check(template, variables)
    errors = sum(problem.severity == "error" for problem in problems)
    if as_json:
        document = {"format": 1, "problems": [asdict(problem) for problem in problems]}
        click.echo(json.dumps(document))
    else:
        for problem in problems:
            click.echo(str(problem))
        if errors:
            click.echo(f"hpcflow: {count(errors, 'problem')} in {template}", err=True)
        else:
            click.echo(f"{template}: no problems")
    return 3 if errors else 0
