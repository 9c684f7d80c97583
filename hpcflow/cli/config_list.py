"""`hpcflow config list`."""

from __future__ import annotations

import json

import click

from hpcflow.cli import options


@click.command("list")
@options.as_json
def command(*, as_json: bool) -> None:
    """Print all settings as they hold here, and the files that they are in."""
    from hpcflow.app.components import environments_file
    from hpcflow.app.config import config_file, sites_file
    from hpcflow.app.settings import settings

    found = settings()
    files = [config_file(), sites_file(), environments_file()]
    if as_json:
        document = {"format": 1, "settings": found, "files": [str(path) for path in files]}
        click.echo(json.dumps(document))
        return
    for key, value in found.items():
        click.echo(f"{key}: {value}")
    for path in files:
        click.echo(f"# {path}{'' if path.exists() else ' (not there)'}")
