"""A small language for the shape of documents, and the check against it.

The tables that use it (`language.py`) are data: they drive the checks here, and can
be printed as a JSON Schema or a reference. What is wrong is reported and marked as
bad, so that later steps neither trip over it nor report it again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hpcflow.template.nodes import Node, key_at, kind_name
from hpcflow.template.problems import listed, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hpcflow.template.problems import Path, Problems


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value. name: what is expected, in words.

    json: the same as a JSON Schema, for editors; it may allow more, never less.
    """

    name: str
    test: Callable[[Any], bool]
    json: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words. later: words of the language that are not supported yet."""

    words: tuple[str, ...]
    later: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Items:
    """A list of so many items."""

    item: Shape
    least: int = 0
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Map:
    """A map from names of the user's choice. names: what they must be, if anything."""

    item: Shape
    names: Scalar | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a record. doc: a line for the reference."""

    shape: Shape
    doc: str = ""
    required: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """A map with known keys. name: what it describes.

    others: keys that are known by their form, and what they hold.
    """

    name: str
    keys: Mapping[str, Key] = field(default_factory=dict)
    others: tuple[Scalar, Key] | None = None

    def key(self, name: Any) -> Key | None:
        """What a name holds; None where it is no key."""
        known = self.keys.get(name)
        if known is None and self.others is not None and self.others[0].test(name):
            return self.others[1]
        return known


@dataclass(frozen=True, slots=True)
class Either:
    """Different shapes for a scalar, a list and a map; those not given are wrong."""

    scalar: Shape | None = None
    items: Shape | None = None
    map: Shape | None = None


@dataclass(frozen=True, slots=True)
class Anything:
    """Any value at all."""


@dataclass(frozen=True, slots=True)
class Later:
    """A part of the language that is known but not supported yet.

    what: its name where that is not simply the key.
    """

    what: str = ""


Shape = Scalar | Choice | Items | Map | Record | Either | Anything | Later


def describe(shape: Shape) -> str:
    """What is expected, in words: "a list", "text"."""
    match shape:
        case Scalar(name=name):
            return name
        case Choice(words=words):
            return f"one of {listed(words)}"
        case Items():
            return "a list"
        case Map():
            return "a map"
        case Record(name=name):
            return f"a map of {name}"
        case Either():
            parts = [
                describe(part)
                for part in (shape.scalar, shape.items, shape.map)
                if part is not None and not isinstance(part, Later)
            ]
            return " or ".join(parts)
        case Anything() | Later():
            return "a value"


def key_meant(name: Any, shape: Record) -> str:
    """The key that an unknown one probably stands for; "" for a known one, too."""
    return "" if shape.key(name) is not None else nearest(name, shape.keys)


def misspelt(node: Node | None, key: str, shape: Record) -> bool:
    """Whether a map has an unknown key that probably stands for this one."""
    if node is None or not isinstance(node.value, dict):
        return False
    return any(key_meant(name, shape) == key for name in node.value)


def _has_key(shape: Shape, name: Any) -> bool:
    return isinstance(shape, Record) and name in shape.keys


class Checker:
    """Checks nodes against shapes."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems

    def check(self, node: Node, shape: Shape, path: Path) -> None:
        """Report what is wrong with a value, and mark it as bad."""
        if node.bad:
            return
        match shape:
            case Anything():
                pass
            case Record():
                self._record(node, shape, path)
            case Items():
                self._items(node, shape, path)
            case Map():
                self._map(node, shape, path)
            case Scalar():
                if isinstance(node.value, list | dict) or not shape.test(node.value):
                    self._wrong(node, shape, path)
            case Choice():
                self._choice(node, shape, path)
            case Either():
                self._either(node, shape, path)
            case Later():
                what = shape.what or repr(path[-1] if path else "this")
                self.later(node, what, path)

    def later(self, node: Node, what: str, path: Path) -> None:
        """Refuse a part of the language that is known but not supported yet."""
        node.bad = True
        self._problems.add(node.at, path, f"{what} is not supported yet")

    def _wrong(self, node: Node, shape: Shape, path: Path) -> None:
        node.bad = True
        self._problems.add(
            node.at, path, f"found {kind_name(node.value)}", expected=describe(shape)
        )

    def _record(self, node: Node, shape: Record, path: Path) -> None:
        if not isinstance(node.value, dict):
            self._wrong(node, shape, path)
            return
        for name, item in node.value.items():
            key = shape.key(name)
            if key is None:
                self._unknown_key(node, name, shape, path)
            elif isinstance(key.shape, Later):
                at = key_at(node, name)
                what = key.shape.what or repr(name)
                item.bad = True
                self._problems.add(at, (*path, name), f"{what} is not supported yet")
            elif item.value is not None or key.required:
                self.check(item, key.shape, (*path, name))
                node.bad |= key.required and item.bad
        for name, key in shape.keys.items():
            if key.required and name not in node.value:
                node.bad = True
                if any(key_meant(other, shape) == name for other in node.value):
                    continue  # it is there, misspelt
                self._problems.add(
                    node.at,
                    path,
                    f"the key {name!r} is missing",
                    expected=describe(key.shape),
                )

    def _unknown_key(self, node: Node, name: Any, shape: Record, path: Path) -> None:
        node.value[name].bad = True
        if name == "<<":
            message = "merge keys (`<<`) are not part of YAML 1.2; write the keys out"
            self._problems.add(key_at(node, name), path, message)
            return
        suggestion = key_meant(name, shape)
        if not suggestion:
            within = (key for key, spec in shape.keys.items() if _has_key(spec.shape, name))
            suggestion = next((f"{key}.{name}" for key in within), "")
        valid = [
            key for key, spec in shape.keys.items() if not isinstance(spec.shape, Later)
        ]
        self._problems.add(
            key_at(node, name),
            (*path, str(name)),
            f"unknown key {name!r} of {shape.name}",
            expected="" if suggestion else f"one of {listed(valid)}",
            suggestion=suggestion,
        )

    def _items(self, node: Node, shape: Items, path: Path) -> None:
        if not isinstance(node.value, list):
            self._wrong(node, shape, path)
            return
        length = len(node.value)
        if length < shape.least or (shape.most is not None and length > shape.most):
            node.bad = True
            found = "the list is empty" if length == 0 else f"the list has {length} items"
            bound = "" if shape.least == shape.most else "at least "
            noun = "item" if shape.least == 1 else "items"
            expected = f"{bound}{shape.least} {noun}"
            self._problems.add(node.at, path, found, expected=expected)
        if isinstance(shape.item, Anything):
            return
        for number, item in enumerate(node.value):
            self.check(item, shape.item, (*path, number))

    def _map(self, node: Node, shape: Map, path: Path) -> None:
        if not isinstance(node.value, dict):
            self._wrong(node, shape, path)
            return
        for name, item in node.value.items():
            if not isinstance(name, str) or (shape.names and not shape.names.test(name)):
                item.bad = True
                self._problems.add(
                    key_at(node, name),
                    (*path, str(name)),
                    f"{kind_name(name)} can't be a key here",
                    expected=shape.names.name if shape.names else "text",
                )
            elif not isinstance(shape.item, Anything):
                self.check(item, shape.item, (*path, name))

    def _choice(self, node: Node, shape: Choice, path: Path) -> None:
        if node.value in shape.later:
            self.later(node, repr(node.value), path)
        elif not isinstance(node.value, str):
            self._wrong(node, shape, path)
        elif node.value not in shape.words:
            node.bad = True
            self._problems.add(
                node.at,
                path,
                f"unknown word {node.value!r}",
                expected=describe(shape),
                suggestion=nearest(node.value, shape.words),
            )

    def _either(self, node: Node, shape: Either, path: Path) -> None:
        if isinstance(node.value, dict):
            part = shape.map
        elif isinstance(node.value, list):
            part = shape.items
        else:
            part = shape.scalar
        if part is None:
            self._wrong(node, shape, path)
        else:
            self.check(node, part, path)
