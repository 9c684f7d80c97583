"""`hpcflow results`."""

from __future__ import annotations

import csv
import json
import sys
from typing import TYPE_CHECKING, Any

import click

from hpcflow.cli import options
from hpcflow.cli.render import plain, value_text
from hpcflow.cli.words import count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hpcflow.results.table import Table

SHOWN_ROWS = 60
CELL_WIDTH = 40
LAST_CELL_WIDTH = 300


@click.command("results")
@options.workflow
@click.option("--task", metavar="NAME", help="The task  [default: the last].")
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated values, every row.")
@click.option(
    "--column", "columns", multiple=True, metavar="NAME", help="Only these columns."
)
@click.option("--iterations", is_flag=True, help="A row per iteration of an element.")
@options.as_json
def command(
    workflow: str,
    task: str | None,
    columns: tuple[str, ...],
    *,
    iterations: bool,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Print the inputs and outputs of a task of WORKFLOW, a row per element."""
    table = options.opened(workflow).results(task, iterations=iterations).select(columns)
    if as_json:
        _print_json(table)
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(table.columns)
        writer.writerows(_csv_rows(table))
    else:
        print_text(table)


def _csv_rows(table: Table) -> Iterator[tuple[Any, ...]]:
    """Rows whose lists, maps and arrays are JSON."""
    columns = [column.tolist() for column in table.columns.values()]
    for cells, column in zip(table.columns.values(), columns, strict=True):
        if cells.dtype == object:
            column[:] = map(_csv_cell, column)
    return zip(*columns, strict=True)


def _csv_cell(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    return json.dumps(value, default=plain)


def _print_json(table: Table) -> None:
    from jobstores import values

    document = {
        "format": 1,
        "task": table.task,
        "inputs": list(table.inputs),
        "outputs": list(table.outputs),
        "columns": {
            name: [values.encode(value) for value in column.tolist()]
            for name, column in table.columns.items()
        },
    }
    click.echo(json.dumps(document))


def print_text(table: Table) -> None:
    """The first rows, as columns of text; a text in the last column is not cut short."""
    shown = [
        [*(value_text(value, CELL_WIDTH) for value in row[:-1]), _last_cell(row[-1])]
        for row, _ in zip(table.rows(), range(SHOWN_ROWS), strict=False)
    ]
    rows = [list(table.columns), *shown]
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.columns))]
    for row in rows:
        click.echo("  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)).rstrip())
    if len(table) > SHOWN_ROWS:
        click.echo(
            f"... {count(len(table) - SHOWN_ROWS, 'more row')}; --csv or --json prints all",
            err=True,
        )


def _last_cell(value: Any) -> str:
    return value_text(value, LAST_CELL_WIDTH if isinstance(value, str) else CELL_WIDTH)
