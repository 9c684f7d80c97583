"""Parts of stored values: put a value in a place inside another, both as JSON data.

Works on what `jobstores.values` encodes, so that a compute node needs neither NumPy nor
the classes of a value's objects. Standard library only, Python 3.9.
"""

from __future__ import annotations

from typing import Any, Dict, List, Sequence, Tuple, Union

Step = Union[str, int]


class PartError(ValueError):
    """A value has no such place; the message says where and what is there."""

    def __init__(self, message: str, path: Tuple[Step, ...]) -> None:
        super().__init__(message)
        self.path = path


def put(data: Any, path: Sequence[Step], part: Any) -> Any:
    """Encoded data with `part` in the place `path`; `data` itself is not changed.

    A step is the key of a map or the place in a list (a whole number, from the end where
    it is negative). A key that a map lacks is added; None counts as an empty map.

    Raises:
        PartError: there is no such place.
    """
    return _put(data, tuple(path), part, 0)


def _put(data: Any, path: Tuple[Step, ...], part: Any, depth: int) -> Any:
    if depth == len(path):
        return part
    if data is None:
        data = {}
    if isinstance(data, list):
        return _in_list(data, path, part, depth)
    if isinstance(data, dict):
        tag = next(iter(data)) if len(data) == 1 else ""
        if not isinstance(tag, str) or not tag.startswith("$"):
            return _in_map(data, path, part, depth)
        if tag == "$tuple":
            return {tag: _in_list(data[tag], path, part, depth)}
        if tag == "$dict":
            return {tag: _in_pairs(data[tag], path, part, depth)}
        if tag == "$instance":
            name, inside = data[tag]
            return {tag: [name, _put(inside, path, part, depth)]}
        raise _none_there(path, depth, f"a value of the kind {tag[1:]!r}")
    raise _none_there(path, depth, repr(data) if len(repr(data)) <= 60 else "a long text")


def _in_map(
    data: Dict[str, Any], path: Tuple[Step, ...], part: Any, depth: int
) -> Dict[str, Any]:
    key = str(path[depth])
    if key.startswith("$"):
        raise _none_there(path, depth, "a map, where keys must not begin with `$`")
    return {**data, key: _put(data.get(key), path, part, depth + 1)}


def _in_pairs(
    pairs: List[Any], path: Tuple[Step, ...], part: Any, depth: int
) -> List[List[Any]]:
    """In a map whose keys are not all text."""
    step = path[depth]
    keys = [pair[0] for pair in pairs]
    key = step if step in keys or str(step) not in keys else str(step)
    known = [pair[1] for pair in pairs if pair[0] == key]
    value = _put(known[0] if known else None, path, part, depth + 1)
    if known:
        return [[k, value if k == key else v] for k, v in pairs]
    return [*pairs, [key, value]]


def _in_list(data: List[Any], path: Tuple[Step, ...], part: Any, depth: int) -> List[Any]:
    try:
        place = int(path[depth])
    except ValueError:
        raise _none_there(path, depth, f"a list of {len(data)} items") from None
    if not -len(data) <= place < len(data):
        raise _none_there(path, depth, f"a list of {len(data)} items")
    found = list(data)
    found[place] = _put(data[place], path, part, depth + 1)
    return found


def _none_there(path: Tuple[Step, ...], depth: int, found: str) -> PartError:
    whole = ".".join(map(str, path))
    before = ".".join(map(str, path[:depth]))
    where = f"at {before!r}" if before else "it"
    return PartError(f"there is no part {whole!r}: {where} is {found}", path)
