"""`hpcflow callback`: for users' own scripts, from within a run."""

from __future__ import annotations

import os

import click

from hpcflow.app.context import node_program


@click.command(
    "callback",
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Record a value or a state of the run that calls it (see `callback --help`)."""
    node = node_program()
    argv = [node.python, "-I", "-S", node.node_main, "callback", *arguments]
    os.execv(node.python, argv)  # noqa: S606 - our own program, no shell
