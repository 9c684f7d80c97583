"""`hpcflow show`."""

from __future__ import annotations

import click

from hpcflow.cli import options
from hpcflow.cli.finish import follow, print_status


@click.command("show")
@options.workflow
@click.option("--watch", is_flag=True, help="Follow it until it has ended.")
@options.as_json
def command(workflow: str, *, watch: bool, as_json: bool) -> int:
    """Show where WORKFLOW (default: this directory) is: runs by state, and what failed."""
    opened = options.opened(workflow)
    if watch:
        return follow(opened, timeout=None, as_json=as_json, quiet=False)
    print_status(opened, opened.status(), as_json=as_json)
    return 0
