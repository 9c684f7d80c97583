"""`hpcflow unzip`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from hpcflow.cli import options
from hpcflow.cli.words import nearest_path


@click.command("unzip")
@click.argument("archive", type=click.Path(path_type=Path, readable=False))
@options.path
@options.as_json
def command(archive: Path, path: Path | None, *, as_json: bool) -> None:
    """Unpack ARCHIVE to a directory that can be submitted again."""
    from hpcflow.app.archive import unzip_workflow

    target = unzip_workflow(archive, path if path is not None else archive.with_suffix(""))
    if as_json:
        click.echo(json.dumps({"format": 1, "path": str(target)}))
        return
    click.echo(nearest_path(str(target)))
