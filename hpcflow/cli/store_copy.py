"""`hpcflow store copy`."""

from __future__ import annotations

import json

import click

from hpcflow.cli import options
from hpcflow.cli.progress import Watched
from hpcflow.cli.words import count, size


@click.command("copy")
@options.place
@click.argument("target", metavar="TARGET")
@click.option("--resume", is_flag=True, help="Go on with a copy that was cut short.")
@click.option("--scratch", is_flag=True, help="With the runs' own directories too.")
@options.as_json
def command(store: str, target: str, *, resume: bool, scratch: bool, as_json: bool) -> None:
    """Copy STORE to TARGET, an empty place of any kind, and compare what was copied.

    Columns are written as such places lay them out. Jobs may go on meanwhile. The
    copy can be read, folded and zipped; what was submitted belongs to the original.
    """
    from hpcflow.app import stores

    interrupted = (
        f"interrupted: {target} is no store yet. --resume goes on, hpcflow store delete "
        "removes what is there"
    )
    with Watched("copying", interrupted, quiet=as_json) as watched:
        report = stores.copy(
            store, target, resume=resume, scratch=scratch, progress=watched.progress
        )
    if as_json:
        document = {
            "format": 1,
            "generation": report.base.number,
            "objects": report.objects,
            "bytes": report.bytes,
            "kept": report.kept,
            "transcoded_columns": report.transcoded,
        }
        click.echo(json.dumps(document))
        return
    text = f"copied {count(report.objects, 'object')}, {size(report.bytes)}"
    if report.kept:
        text += f"; {count(report.kept, 'object')} had been copied before"
    if report.transcoded:
        text += f"; {count(report.transcoded, 'column')} were written in another format"
    click.echo(text)
