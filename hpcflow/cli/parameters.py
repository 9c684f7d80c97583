"""`hpcflow parameters`."""

from __future__ import annotations

import click

from hpcflow.cli import options


@click.command("parameters")
@click.argument("name", required=False)
@options.as_json
def command(name: str | None, *, as_json: bool) -> None:
    """List the parameters that templates can name; or show one, NAME."""
    from hpcflow.cli.components import print_components

    print_components("parameter", name, as_json=as_json)
