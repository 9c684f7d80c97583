"""`hpcflow environments`."""

from __future__ import annotations

import click

from hpcflow.cli import options


@click.command("environments")
@click.argument("name", required=False)
@options.as_json
def command(name: str | None, *, as_json: bool) -> None:
    """List the environments that templates can name; or show one, NAME."""
    from hpcflow.cli.components import print_components

    print_components("environment", name, as_json=as_json)
