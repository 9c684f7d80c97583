"""Reading the file of sites: every problem with its place."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import yaml

from hpcflow.app.site_file import KEYS, Site

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_LISTS = ("hosts", "setup")
_NUMBERS = ("local_cores",)


def read(
    text: str, path: Path, schedulers: Sequence[str]
) -> tuple[dict[str, Site], list[str]]:
    """The sites that the text of a file names, and what is wrong with it."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        return {}, [f"{path}: {' '.join(str(error).split())}"]
    reader = _Reader(path, schedulers)
    return reader.read(root), reader.problems


class _Reader:
    """Reads the file's nodes; what is wrong is listed with its place."""

    def __init__(self, path: Path, schedulers: Sequence[str]) -> None:
        self._path = path
        self._schedulers = schedulers
        self.problems: list[str] = []

    def read(self, root: yaml.Node | None) -> dict[str, Site]:
        """All sites."""
        if root is None:
            return {}
        if not isinstance(root, yaml.MappingNode):
            self._add(root, "", "this is no map", "sites by name")
            return {}
        found = {}
        for key, node in root.value:
            if key.value in found:
                self._add(key, key.value, "this site stands here twice", "each name once")
            found[key.value] = self._site(key.value, node)
        return found

    def _site(self, name: str, node: yaml.Node) -> Site:
        given: dict[str, Any] = {}
        if isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null"):
            return Site(name)
        if not isinstance(node, yaml.MappingNode):
            self._add(node, name, "this is no map", f"a map of {', '.join(KEYS)}")
            return Site(name)
        for key, value in node.value:
            path = f"{name}.{key.value}"
            if key.value not in KEYS:
                near = get_close_matches(key.value, KEYS, 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                expected = f"one of {', '.join(KEYS)}{hint}"
                self._add(key, path, "there is no such key", expected)
            elif key.value in given:
                self._add(key, path, "this key stands here twice", "each key once")
            else:
                given[key.value] = self._value(key.value, path, value)
        if any(value is None for value in given.values()):
            return Site(name)
        return Site(name, **given)

    def _value(self, key: str, path: str, node: yaml.Node) -> Any:
        """A value; None where there is a problem."""
        value = yaml.SafeLoader("").construct_object(node, deep=True)
        if key in _LISTS:
            value = value.splitlines() if isinstance(value, str) else value
            if isinstance(value, list) and all(isinstance(one, str) for one in value):
                return tuple(value)
            self._add(node, path, f"found {value!r}", "text, or a list of texts")
        elif key in _NUMBERS:
            if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                return value
            self._add(node, path, f"found {value!r}", "a whole number above 0")
        elif not isinstance(value, str) or not value.strip():
            self._add(node, path, f"found {value!r}", "text")
        elif key == "scheduler" and value not in self._schedulers:
            near = get_close_matches(value, self._schedulers, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            expected = f"one of {', '.join(self._schedulers)}{hint}"
            self._add(node, path, f"there is no scheduler {value!r}", expected)
        else:
            return value
        return None

    def _add(self, node: yaml.Node, path: str, what: str, expected: str) -> None:
        place = f"{self._path}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"
        self.problems.append(f"{place}: {path}: {what}; expected {expected}")
