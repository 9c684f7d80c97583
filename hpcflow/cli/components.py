"""Listing and showing what installed packages and the user's files offer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping


def print_components(kind: str, name: str | None, *, as_json: bool) -> None:
    """Print all components of a kind ("schema", "environment", "parameter"), or one.

    Raises:
        NoSuchPartError: there is none of that name.
    """
    from hpcflow.app.components import component, describe_components, known_components

    found = known_components()
    for problem in found.problems:
        click.echo(str(problem), err=True)
    described = describe_components(kind, found, listed=name is None)
    if name is not None:
        one = component(kind, name, described)
        click.echo(json.dumps({"format": 1, kind: one}) if as_json else _text(one))
    elif as_json:
        click.echo(json.dumps({"format": 1, f"{kind}s": list(described.values())}))
    else:
        _list(kind, described)


def _list(kind: str, described: Mapping[str, Mapping[str, Any]]) -> None:
    if not described:
        click.echo(f"hpcflow: no {kind}s beside those that templates define", err=True)
    width = max(map(len, described), default=0)
    for name, one in described.items():
        click.echo(f"{name:<{width}}  {one['from']}".rstrip())


def _text(one: Mapping[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(dict(one), sort_keys=False, allow_unicode=True).rstrip()
