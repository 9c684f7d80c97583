"""`hpcflow wait`."""

from __future__ import annotations

import click

from hpcflow.cli import options
from hpcflow.cli.finish import follow


@click.command("wait")
@options.workflow
@options.timeout
@options.as_json
@options.quiet
def command(workflow: str, timeout: float | None, *, as_json: bool, quiet: bool) -> int:
    """Wait until WORKFLOW has ended; exit code 1 if not every run succeeded."""
    return follow(options.opened(workflow), timeout=timeout, as_json=as_json, quiet=quiet)
