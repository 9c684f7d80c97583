"""`hpcflow site add`."""

from __future__ import annotations

import json
from typing import Any

import click

from hpcflow.cli import options


@click.command("add")
@click.argument("name")
@click.option("--host", help="[USER@]HOST[:PORT], or a name of your SSH configuration.")
@click.option(
    "--hosts",
    multiple=True,
    metavar="PATTERN",
    help="Hosts that belong to it, such as login*.cluster.org; may be repeated.",
)
@click.option(
    "--scheduler",
    metavar="NAME",
    callback=options.known_scheduler,
    help="For tasks whose resources name none  [default: local].",
)
@click.option("--work", help="The folder there for workflows, which all nodes see.")
@click.option("--python", help="A Python there, 3.9 or later.")
@click.option(
    "--module",
    "modules",
    multiple=True,
    metavar="MODULE",
    help="A module that each job loads; may be repeated.",
)
@click.option(
    "--setup",
    multiple=True,
    metavar="LINE",
    help="A shell line at the start of each job; may be repeated.",
)
@click.option("--partition", help="For jobs that name none.")
@click.option("--account", help="For jobs that name none.")
@click.option("--qos", help="For jobs that name none.")
@click.option("--local-cores", type=click.IntRange(min=1), help="For the local scheduler.")
@click.option("--ssh-config", metavar="FILE", help="In place of your SSH configuration.")
@click.option("--replace", is_flag=True, help="Put it in the place of one of that name.")
@options.as_json
def command(
    name: str,
    modules: tuple[str, ...],
    setup: tuple[str, ...],
    *,
    replace: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Add the site NAME; print the file that has it."""
    from hpcflow.app.own_environments import modules_setup
    from hpcflow.app.site_file import Site
    from hpcflow.app.sites import add_site

    keys = {key: value for key, value in given.items() if value}
    lines = (*modules_setup(modules), *setup)
    path = add_site(Site(name, **keys, setup=lines), replace=replace)
    click.echo(json.dumps({"format": 1, "path": str(path)}) if as_json else str(path))
