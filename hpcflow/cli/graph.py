"""`hpcflow graph`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from hpcflow.cli import options

FORMATS = ("mermaid", "dot", "svg")


@click.command("graph")
@click.argument("what", type=options.Place(), metavar="TEMPLATE|WORKFLOW")
@options.variables
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="What to print  [default: by OUTPUT's ending, else mermaid].",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write instead of printing.",
)
@options.as_json
def command(
    what: str,
    variables: dict[str, str],
    *,
    form: str | None,
    output: Path | None,
    as_json: bool,
) -> int:
    """Draw the tasks of a template or workflow, and what goes from one to another."""
    from hpcflow.app.graphs import read_graph
    from hpcflow.report.graph_svg import render_svg
    from hpcflow.report.graph_text import render_dot, render_mermaid

    if as_json and form is not None:
        raise click.UsageError("--json is a format of its own; leave out --format")
    graph = read_graph(what, variables)
    if as_json:
        text = json.dumps({"format": 1, **asdict(graph)}) + "\n"
    else:
        renderers = {"mermaid": render_mermaid, "dot": render_dot, "svg": render_svg}
        text = renderers[form or _form_of(output)](graph)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text)
    return 0


def _form_of(output: Path | None) -> str:
    endings = {".svg": "svg", ".dot": "dot", ".gv": "dot"}
    return endings.get(output.suffix.lower() if output else "", "mermaid")
