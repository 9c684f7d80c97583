"""`hpcflow unzip`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from hpcflow.cli import options
from hpcflow.cli.progress import Watched
from hpcflow.cli.words import nearest_path


@click.command("unzip")
@click.argument("archive", type=click.Path(path_type=Path, readable=False))
@options.path
@options.as_json
def command(archive: Path, path: Path | None, *, as_json: bool) -> None:
    """Unpack ARCHIVE to a directory that can be submitted again."""
    from hpcflow.app.archive import unzip_workflow

    place = path if path is not None else archive.with_suffix("")
    interrupted = "interrupted: nothing was unpacked"
    with Watched("unpacking", interrupted, quiet=as_json) as watched:
        target = unzip_workflow(archive, place, watched.progress)
    if as_json:
        click.echo(json.dumps({"format": 1, "path": str(target)}))
        return
    click.echo(nearest_path(str(target)))
