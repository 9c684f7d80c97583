"""`hpcflow env remove`."""

from __future__ import annotations

import click


@click.command("remove")
@click.argument("name")
def command(name: str) -> None:
    """Remove the environment NAME from your own; those of packages stay."""
    from hpcflow.app.own_environments import remove

    click.echo(str(remove(name)))
