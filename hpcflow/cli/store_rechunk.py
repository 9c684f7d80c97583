"""`hpcflow store rechunk`."""

from __future__ import annotations

import json

import click

from hpcflow.cli import options
from hpcflow.cli.progress import Watched
from hpcflow.cli.words import count


@click.command("rechunk")
@options.place
@click.option(
    "--table",
    default="all",
    metavar="NAME",
    help="all, runs, parameters (inputs and outputs), or one table  [default: all].",
)
@click.option(
    "--chunk-rows",
    type=click.IntRange(min=1),
    metavar="ROWS",
    help="Rows of each chunk  [default: as many as make a few hundred kB].",
)
@click.option(
    "--no-backup",
    is_flag=True,
    help="Don't read back and compare what was written before it counts.",
)
@options.as_json
def command(
    store: str, table: str, chunk_rows: int | None, *, no_backup: bool, as_json: bool
) -> None:
    """Lay the columns of STORE out anew, in few large objects. The rows stay.

    What was there stays, too, until a later fold sweeps it away.
    """
    from hpcflow.app import stores

    interrupted = "interrupted: the store is as it was"
    with Watched("writing columns", interrupted, quiet=as_json) as watched:
        report = stores.rechunk(
            store,
            table,
            chunk_rows=chunk_rows,
            backup=not no_backup,
            progress=watched.progress,
        )
    if as_json:
        document = {
            "format": 1,
            "generation": report.base.number,
            "rows": dict(report.rows),
            "chunk_rows": {name: dict(rows) for name, rows in report.chunk_rows.items()},
        }
        click.echo(json.dumps(document))
    elif not report.columns:
        click.echo("nothing is folded yet, so there is nothing to lay out anew")
    else:
        click.echo(
            f"generation {report.base.number}: wrote {count(report.columns, 'column')} of "
            f"{count(len(report.rows), 'table')} anew"
        )
