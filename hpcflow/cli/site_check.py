"""`hpcflow site check`."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from hpcflow.cli import options

EXIT_NOT_ALL_WELL = 6


@click.command("check")
@click.argument("name")
@options.as_json
def command(name: str, *, as_json: bool) -> int:
    """Try what workflows need of the site, or host, NAME: step by step, until one fails."""
    from hpcflow.app.sites import check_site, site_named

    steps = []
    for step in check_site(site_named(name)):
        steps.append(step)
        if not as_json:
            word = "ok" if step.ok else "FAILED"
            click.echo(f"{word:6}  {step.name:11}  {step.seconds:5.2f} s  {step.said}")
    ok = all(step.ok for step in steps)
    if as_json:
        document = {"format": 1, "ok": ok, "steps": [asdict(step) for step in steps]}
        click.echo(json.dumps(document))
    return 0 if ok else EXIT_NOT_ALL_WELL
