"""`hpcflow config`."""

from __future__ import annotations

import click

from hpcflow.cli.lazy import LazyGroup

COMMANDS = {
    "list": ("config_list", "Print all settings, and the files that they are in."),
    "get": ("config_get", "Print one setting."),
    "set": ("config_set", "Set one."),
    "unset": ("config_unset", "Go back to the default of one."),
}


@click.command(cls=LazyGroup, lazy=COMMANDS, name="config")
def command() -> None:
    """Show and change the settings of this machine: config.yaml."""
