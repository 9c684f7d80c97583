"""`hpcflow check`."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from hpcflow.cli import options
from hpcflow.cli.words import count


@click.command("check")
@click.argument(
    "template", type=options.TemplatePlace(), metavar="TEMPLATE", required=False
)
@options.variables
@click.option(
    "--json-schema",
    is_flag=True,
    help="Print the JSON Schema of templates, for editors, instead.",
)
@options.as_json
def command(
    template: str | None, variables: dict[str, str], *, json_schema: bool, as_json: bool
) -> int:
    """Find every problem of TEMPLATE; make nothing. Exit code 3 if there are any."""
    if json_schema:
        from hpcflow.app.templates import json_schema_of_templates

        click.echo(json.dumps(json_schema_of_templates(), indent=1, ensure_ascii=False))
        return 0
    if template is None:
        raise click.UsageError("Missing argument 'TEMPLATE'.")
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
