"""`hpcflow site`: the hosts that workflows can run on."""

from __future__ import annotations

import click

from hpcflow.cli.lazy import LazyGroup

COMMANDS = {
    "add": ("site_add", "Write down how a host is reached, and what jobs need there."),
    "check": ("site_check", "Try what works on a site, step by step."),
    "list": ("site_list", "List the sites that were added."),
}


@click.command(cls=LazyGroup, lazy=COMMANDS, name="site")
def command() -> None:
    """Add, list and try the hosts that workflows can run on.

    They are kept in sites.yaml beside the configuration.
    """
