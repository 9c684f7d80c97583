"""`hpcflow site list`."""

from __future__ import annotations

import json

import click

from hpcflow.cli import options


@click.command("list")
@options.as_json
def command(*, as_json: bool) -> None:
    """List the sites that were added."""
    from hpcflow.app.config import sites_file, user_sites

    sites = user_sites()
    if as_json:
        documents = [{"name": name, **site.document()} for name, site in sites.items()]
        click.echo(json.dumps({"format": 1, "sites": documents}))
        return
    if not sites:
        click.echo(f"{sites_file()} has none: `hpcflow site add` adds one", err=True)
    width = max((len(name) for name in sites), default=0)
    for name, site in sites.items():
        click.echo(f"{name:{width}}  {site.destination}  {site.scheduler}  {site.work}")
