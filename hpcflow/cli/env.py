"""`hpcflow env`: the user's own environments."""

from __future__ import annotations

import click

from hpcflow.cli.lazy import LazyGroup

COMMANDS = {
    "define": ("env_define", "Define one, from this shell or a list of modules."),
    "test": ("env_test", "Run its set-up, and look for its programs."),
    "remove": ("env_remove", "Remove one of your own."),
}


@click.command(cls=LazyGroup, lazy=COMMANDS, name="env")
def command() -> None:
    """Define environments of your own, and try them.

    They are kept in environments.yaml beside the configuration; `hpcflow environments`
    lists them with those of installed packages.
    """
