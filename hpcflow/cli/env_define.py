"""`hpcflow env define`."""

from __future__ import annotations

import json
import os

import click

from hpcflow.cli import options


@click.command("define")
@click.argument("name")
@click.option("--from-shell", is_flag=True, help="As this shell is: modules and paths.")
@click.option(
    "--variable",
    "variables",
    multiple=True,
    metavar="VARIABLE",
    help="With --from-shell: take this variable too; may be repeated.",
)
@click.option(
    "--module",
    "modules",
    multiple=True,
    metavar="MODULE",
    help="A module to load; may be repeated.",
)
@click.option(
    "--setup", "lines", multiple=True, metavar="LINE", help="A shell line; may be repeated."
)
@click.option(
    "--executable",
    "executables",
    type=(str, str),
    multiple=True,
    metavar="LABEL COMMAND",
    help="A program that it offers; may be repeated.",
)
@click.option("--replace", is_flag=True, help="Put it in the place of one of that name.")
@options.as_json
def command(
    name: str,
    variables: tuple[str, ...],
    modules: tuple[str, ...],
    lines: tuple[str, ...],
    executables: tuple[tuple[str, str], ...],
    *,
    from_shell: bool,
    replace: bool,
    as_json: bool,
) -> None:
    """Define the environment NAME; print the file that has it."""
    from hpcflow.app.own_environments import define, modules_setup, shell_setup

    if variables and not from_shell:
        raise click.UsageError("--variable is for --from-shell")
    setup = shell_setup(os.environ, variables) if from_shell else []
    setup += [*modules_setup(modules), *lines]
    if not setup and not executables:
        raise click.UsageError(
            "say what it is: --from-shell, --module, --setup or --executable"
        )
    path = define(name, setup, executables, replace=replace)
    click.echo(json.dumps({"format": 1, "path": str(path)}) if as_json else str(path))
