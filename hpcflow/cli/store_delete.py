"""`hpcflow store delete`."""

from __future__ import annotations

import json
import sys

import click

from hpcflow.cli import options
from hpcflow.cli.progress import Watched
from hpcflow.cli.words import count


@click.command("delete")
@options.place
@click.option("--yes", is_flag=True, help="Don't ask.")
@options.as_json
def command(store: str, *, yes: bool, as_json: bool) -> int:
    """Delete STORE and all that is in it, or what an interrupted deletion left.

    Refused while its jobs are active, and where there are files that are none of
    the store's.
    """
    from hpcflow.app import stores

    if not yes:
        if as_json or not sys.stdin.isatty():
            raise click.UsageError("deleting asks first; to delete without: --yes")
        if not click.confirm(f"Delete {store} and all that is in it?", err=True):
            click.echo("nothing was deleted", err=True)
            return 0
    interrupted = (
        f"interrupted: {store} may be half deleted; hpcflow store delete completes it"
    )
    with Watched("deleting", interrupted, quiet=as_json) as watched:
        report = stores.delete(store, watched.progress)
    if as_json:
        click.echo(json.dumps({"format": 1, "objects": report.keys}))
    else:
        click.echo(f"deleted {count(report.keys, 'object')}")
    return 0
