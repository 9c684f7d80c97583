"""`hpcflow store info`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from hpcflow.cli import options
from hpcflow.cli.progress import Watched
from hpcflow.cli.words import count, size
from jobstores.records import RunState

if TYPE_CHECKING:
    from jobstores.operations.info import StoreInfo

SHOWN_TABLES = 12


@click.command("info")
@options.place
@options.as_json
def command(store: str, *, as_json: bool) -> None:
    """Show what STORE consists of: runs, generations, and sizes by part."""
    from hpcflow.app import stores

    interrupted = "interrupted: nothing was changed"
    with Watched("counting", interrupted, quiet=as_json) as watched:
        found = stores.info(store, watched.progress)
    if as_json:
        click.echo(json.dumps(_document(found)))
    else:
        click.echo("\n".join(_lines(found)))


def _states(found: StoreInfo) -> dict[str, int]:
    return {RunState(state).name.lower(): number for state, number in found.runs.items()}


def _document(found: StoreInfo) -> dict[str, Any]:
    return {
        "format": 1,
        "store": found.locator,
        "id": found.id,
        "store_format": found.format,
        "column_format": found.column_format,
        "generation": found.generation,
        "generations": found.generations,
        "runs": _states(found),
        "ranges": dict(found.ranges),
        "jobs": found.jobs,
        "packed_jobs": found.packed,
        "objects": found.total.objects,
        "bytes": found.total.bytes,
        "bytes_per_run": found.bytes_per_run,
        "parts": {
            name: {"objects": part.objects, "bytes": part.bytes}
            for name, part in found.parts.items()
        },
        "tables": {
            name: {
                "rows": table.rows,
                "columns": table.columns,
                "formats": list(table.formats),
                "chunks": table.chunks,
                "objects": table.size.objects,
                "bytes": table.size.bytes,
            }
            for name, table in found.tables.items()
        },
    }


def _lines(found: StoreInfo) -> list[str]:
    states = ", ".join(f"{number} {name}" for name, number in _states(found).items())
    per_run = found.bytes_per_run
    each = "" if per_run is None else f", {size(round(per_run))} per run"
    total = size(found.total.bytes)
    lines = [
        found.locator,
        f"  id          {found.id}, store format {found.format}",
        f"  generation  {found.generation} ({found.generations} kept)",
        f"  runs        {found.num_runs}: {states or 'none'}",
        f"  jobs        {found.jobs}, {found.packed} packed",
        f"  size        {count(found.total.objects, 'object')}, {total}{each}",
        "",
    ]
    rows: list[tuple[str, ...]] = [("part", "objects", "size")]
    rows += [(n, str(p.objects), size(p.bytes)) for n, p in found.parts.items()]
    lines += _table(rows)
    if found.tables:
        rows = [("table", "rows", "columns", "chunks", "size", "format")]
        largest = sorted(found.tables.items(), key=lambda item: -item[1].size.bytes)
        for name, table in largest[:SHOWN_TABLES]:
            cells = (str(table.rows), str(table.columns), str(table.chunks))
            formats = ",".join(table.formats)
            rows.append((name, *cells, size(table.size.bytes), formats))
        lines += ["", *_table(rows)]
        more = len(largest) - SHOWN_TABLES
        if more > 0:
            lines.append(f"  and {count(more, 'smaller table')}")
    return lines


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  "
        + "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
