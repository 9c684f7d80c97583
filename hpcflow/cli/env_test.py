"""`hpcflow env test`."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from hpcflow.cli import options


@click.command("test")
@click.argument("name")
@options.as_json
def command(name: str, *, as_json: bool) -> int:
    """Run the set-up of the environment NAME here, and look for each of its programs.

    Exit code 1 where anything is missing.
    """
    from hpcflow.app.components import component, known_components
    from hpcflow.app.own_environments import try_environment

    environment = component("environment", name, known_components().environments)
    trials = try_environment(environment)
    if as_json:
        document = {"format": 1, "name": name, "parts": [asdict(trial) for trial in trials]}
        click.echo(json.dumps(document))
    else:
        for trial in trials:
            click.echo(f"{trial.part}: {'works' if trial.works else trial.why}")
    return 0 if all(trial.works for trial in trials) else 1
