"""`hpcflow config set`."""

from __future__ import annotations

import click


@click.command("set")
@click.argument("key")
@click.argument("value")
def command(key: str, value: str) -> None:
    """Set KEY to VALUE; print the file."""
    from hpcflow.app.settings import change

    click.echo(change(key, value))
