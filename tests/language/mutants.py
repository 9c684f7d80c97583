"""Mutants of a document: a node renamed, retyped, deleted or duplicated."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Path = tuple[str | int, ...]
# One of each type; a value is retyped to those of other types.
RETYPED: tuple[Any, ...] = (None, True, 12345, 0.125, "zz_text", ["zz_item"], {"zz": 1})


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change. what: "rename", "delete", "duplicate" or "retype" (then: to `value`)."""

    what: str
    path: Path
    value: Any = None

    def __str__(self) -> str:
        to = f" to {self.value!r}" if self.what == "retype" else ""
        return f"{self.what} {'.'.join(map(str, self.path))}{to}"


def mutants(document: Any, path: Path = ()) -> Iterator[Mutant]:
    """All that can be made of a document of maps, lists and scalars."""
    if isinstance(document, dict):
        parts: list[tuple[str | int, Any]] = list(document.items())
    elif isinstance(document, list):
        parts = list(enumerate(document))
    else:
        return
    for key, value in parts:
        place = (*path, key)
        if isinstance(document, dict):
            yield Mutant("rename", place)
        yield Mutant("delete", place)
        yield Mutant("duplicate", place)
        for other in RETYPED:
            if type(other) is not type(value):
                yield Mutant("retype", place, other)
        yield from mutants(value, place)


def render(document: Any, mutant: Mutant | None = None, path: Path = ()) -> str:
    """The document as JSON, changed as the mutant says."""
    if isinstance(document, dict):
        entries = [
            (json.dumps(name), text)
            for key, value in document.items()
            for name, text in _entry(key, value, mutant, (*path, key))
        ]
        return "{" + ", ".join(f"{name}: {text}" for name, text in entries) + "}"
    if isinstance(document, list):
        items = [
            text
            for number, value in enumerate(document)
            for _, text in _entry(number, value, mutant, (*path, number))
        ]
        return "[" + ", ".join(items) + "]"
    return json.dumps(document)


def _entry(
    key: str | int, value: Any, mutant: Mutant | None, path: Path
) -> list[tuple[str | int, str]]:
    """What stands for an entry of a map or an item of a list: none, one or two."""
    if mutant is None or mutant.path != path:
        return [(key, render(value, mutant, path))]
    if mutant.what == "delete":
        return []
    if mutant.what == "duplicate":
        return [(key, render(value))] * 2
    if mutant.what == "rename":
        return [(f"{key}_zz", render(value))]
    return [(key, json.dumps(mutant.value))]


def value_at(document: Any, path: Path) -> Any:
    """The value at a place."""
    for step in path:
        document = document[step]
    return document
