"""`hpcflow show`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hpcflow.cli import options
from hpcflow.cli.finish import follow, print_status

if TYPE_CHECKING:
    from pathlib import Path


@click.command("show")
@options.workflow
@click.option("--watch", is_flag=True, help="Follow it until it has ended.")
@options.as_json
def command(workflow: Path, *, watch: bool, as_json: bool) -> int:
    """Show where WORKFLOW (default: this directory) is: runs by state, and what failed."""
    from hpcflow.app.workflow import Workflow

    opened = Workflow.open(workflow)
    if watch:
        return follow(opened, timeout=None, as_json=as_json, quiet=False)
    print_status(opened, opened.status(), as_json=as_json)
    return 0
