"""The environments of an action, by the scopes that they are for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpcflow.template.environments import (
    environment_name,
    environment_specifiers,
    is_for_scripts,
)
from hpcflow.template.nodes import Node, broken, child, items, value_of
from hpcflow.template.problems import listed, nearest
from hpcflow.template.scopes import EXPECTED, parse_scope, scope_text, scopes_of

if TYPE_CHECKING:
    from hpcflow.template.context import Section
    from hpcflow.template.problems import Path


class ScopedEnvironments:
    """What an action's `environments` say; an unknown scope or name is reported."""

    def __init__(self, node: Node, path: Path, section: Section) -> None:
        self._known = section.context.environments
        spec = child(node, "environments")
        found: dict[str, Node] = {}
        places: list[tuple[Node, Path]] = []
        for scope, item, here in _scoped(spec, (*path, "environments")):
            if parse_scope(scope) is None:
                section.add(item.at, here, f"{scope!r} is no scope", EXPECTED)
            if scope in found:
                section.add(item.at, here, f"the scope {scope!r} is given twice")
            found[scope] = item
            places.append((item, here))
        for item, here in places:
            _check_name(item, here, section)
        self._understood = spec is None or not broken(spec)
        self._by_scope = found if self._understood else {}

    def name_of(self, scope: str, default: str) -> str | None:
        """The environment of the most specific scope given; None where it is not known."""
        if not self._understood:
            return None
        given = self._most_specific(scope)
        name = default if given is None else environment_name(given)
        return name if name in self._known else None

    def specifiers_of(self, scope: str) -> tuple[tuple[str, Any], ...]:
        """What the environment of the most specific scope given must have."""
        given = self._most_specific(scope)
        return () if given is None else environment_specifiers(given)

    def _most_specific(self, scope: str) -> Node | None:
        given = [s for s in scopes_of(scope) if s in self._by_scope]
        return self._by_scope[given[-1]] if given else None


def _check_name(item: Node, path: Path, section: Section) -> None:
    known = section.context.environments
    name = environment_name(item)
    if name not in known:
        section.add(
            item.at,
            path,
            f"unknown environment {name!r}",
            expected=f"one of {listed(known)}",
            suggestion=nearest(name, known),
        )


def check_executable(
    label: str,
    environment_name: str,
    at: int,
    path: Path,
    section: Section,
    *,
    in_command: bool = False,
) -> None:
    """Report an executable that an environment does not have, or not for commands."""
    environment = section.context.environments[environment_name]
    known = {executable.label: executable for executable in environment.executables}
    if label not in known:
        section.add(
            at,
            path,
            f"the environment {environment.name!r} has no executable {label!r}",
            f"one of {listed(known)}" if known else "an environment with it",
            nearest(label, known),
        )
    elif in_command and is_for_scripts(known[label]):
        message = f"the executable {label!r} is for a `script`, not for commands"
        section.add(at, path, message)


def _scoped(spec: Node | None, path: Path) -> list[tuple[str, Node, Path]]:
    """The environment names of an action with their scopes, from either form."""
    if spec is None:
        return []
    if isinstance(spec.value, dict):
        return [
            (parse_scope(scope) or scope, item, (*path, scope))
            for scope, item in spec.value.items()
            if not item.bad and item.value is not None
        ]
    found = []
    for number, item in items(spec):
        scope, name = child(item, "scope"), child(item, "environment")
        if name is None or (scope is None and "scope" in item.value):
            continue
        kind = "any"
        if scope is not None and isinstance(scope.value, dict):
            kind = scope_text(value_of(scope, "type", "any"), value_of(scope, "kwargs"))
        elif scope is not None:
            kind = parse_scope(scope.value) or scope.value
        found.append((kind, name, (*path, number, "environment")))
    return found
