"""`hpcflow config get`."""

from __future__ import annotations

import json

import click

from hpcflow.cli import options
from hpcflow.errors import NoSuchPartError


@click.command("get")
@click.argument("key")
@options.as_json
def command(key: str, *, as_json: bool) -> None:
    """Print the setting KEY as it holds here."""
    from hpcflow.app.settings import settings

    found = settings()
    if key not in found:
        raise NoSuchPartError(f"no setting {key!r}; there are: {', '.join(found)}")
    value = found[key]
    click.echo(json.dumps({"format": 1, "value": value}) if as_json else value)
