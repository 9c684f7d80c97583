"""A parsed document: values that know where they stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpcflow.template.source import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hpcflow.template.problems import Problems

MAX_DEPTH = 100
MAX_VALUES = 20_000_000
MAX_DIGITS = 4000  # of a whole number; Python refuses to read longer ones


@dataclass(slots=True, eq=False)
class Node:
    """A value of the document.

    value: a scalar, a list of nodes, or a dict from keys to nodes.
    at: its offset in the parsed text. keys: the offsets of a map's keys.
    size: scalars in it, those behind aliases counted each time.
    bad: something is wrong with it and was reported; it is checked no further.
    """

    value: Any
    at: int
    keys: dict[Any, int] | None = None
    size: int = 1
    bad: bool = False


def scalar_node(value: Any, at: int, problems: Problems) -> Node:
    """A node of a scalar; bad where it holds a variable without a value."""
    unknown = isinstance(value, str) and UNKNOWN in value and problems.any_errors
    return Node(value, at, bad=unknown)


def plain(node: Node) -> Any:
    """The node's value without positions."""
    value = node.value
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def child(node: Node | None, key: str) -> Node | None:
    """The value of a map's key; None where it is absent, null or bad."""
    if node is None or node.bad or not isinstance(node.value, dict):
        return None
    found: Node | None = node.value.get(key)
    return None if found is None or found.bad or found.value is None else found


def value_of(node: Node | None, key: str, default: Any = None) -> Any:
    """The plain value of a map's key; the default where `child` gives None."""
    found = child(node, key)
    return default if found is None else plain(found)


def entries(node: Node | None) -> Iterator[tuple[str, int, Node]]:
    """The entries of a map: name, offset of the name, value; those named by texts."""
    if node is not None and isinstance(node.value, dict):
        for name, item in node.value.items():
            if isinstance(name, str):
                yield name, key_at(node, name), item


def items(node: Node | None) -> Iterator[tuple[int, Node]]:
    """The good items of a list, with their numbers."""
    if node is not None and isinstance(node.value, list):
        for number, item in enumerate(node.value):
            if not item.bad:
                yield number, item


def key_at(node: Node, key: Any) -> int:
    """The offset of a map's key; of the map where it has none."""
    return (node.keys or {}).get(key, node.at)


def broken(node: Node | None) -> bool:
    """Whether anything in a value is bad: then what follows from it is not reported."""
    if node is None:
        return False
    if node.bad:
        return True
    if isinstance(node.value, dict):
        return any(broken(item) for item in node.value.values())
    return isinstance(node.value, list) and any(broken(item) for item in node.value)


def kind_name(value: Any) -> str:
    """What a value is, for a message."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        short = value if len(value) <= 40 else value[:37] + "..."
        return f"the text {short!r}"
    if isinstance(value, int | float):
        return f"the number {value}"
    return f"the date {value}"


def add_entry(container: Node, key: Any, at: int, node: Node, problems: Problems) -> None:
    """Put an entry into a map; a key that it has already is a problem."""
    assert container.keys is not None
    if key in container.keys:
        line = problems.line_of(container.keys[key])
        problems.add(at, (), f"the key {key!r} stands in line {line} already")
        return
    container.value[key] = node
    container.keys[key] = at
