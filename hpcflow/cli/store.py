"""`hpcflow store`: operations on a whole store, each a module of its own."""

from __future__ import annotations

import click

from hpcflow.cli.lazy import LazyGroup

COMMANDS = {
    "info": ("store_info", "Show what a store consists of, and its size."),
    "verify": ("store_verify", "Check every checksum and reference; repair."),
    "copy": ("store_copy", "Copy a store to another place, of any kind."),
    "rechunk": ("store_rechunk", "Lay columns out anew in few large objects."),
    "delete": ("store_delete", "Delete a store."),
    "fold": ("fold", "Merge what jobs recorded into the workflow's columns."),
    "zip": ("zip", "Write a workflow into one zip file."),
    "unzip": ("unzip", "Unpack a zipped workflow."),
}


@click.command(cls=LazyGroup, lazy=COMMANDS, name="store")
def command() -> None:
    """Work on a whole store: where a workflow's records lie.

    STORE is a workflow's folder, a zip file, or a locator: zarr:PATH, file:PATH,
    s3://BUCKET/PREFIX or aws:REGION:NAME.
    """
