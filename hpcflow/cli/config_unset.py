"""`hpcflow config unset`."""

from __future__ import annotations

import click


@click.command("unset")
@click.argument("key")
def command(key: str) -> None:
    """Take KEY out of the file; print the file."""
    from hpcflow.app.settings import change

    click.echo(change(key, None))
