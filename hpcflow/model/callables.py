"""What conditions can ask of a value, and what each of these questions takes.

Standard library only, Python 3.9: the node side imports it.
"""

from __future__ import annotations

import operator
import os
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

TOLERANCE = 1e-8

TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (float,),
    "str": (str,),
    "list": (list,),
    "dict": (dict,),
    "map": (dict,),
    "bool": (bool,),
    "path": (os.PathLike,),
}


def _in_range(value: Any, lower: Any, upper: Any) -> bool:
    return bool(lower <= value < upper)


def _close(value: Any, other: Any, tolerance: Any = TOLERANCE) -> Any:
    return abs(value - other) < tolerance


def _keys(value: Any) -> Any:
    """The keys of a map; AttributeError for what is none."""
    return value.keys()


def _contains(value: Any, keys: Any) -> int:
    known = _keys(value)
    return sum(key in known for key in keys)


def _has_items(value: Any, items: Any) -> bool:
    return all(key in value and _same(value[key], items[key]) for key in items)


def _same(one: Any, other: Any) -> bool:
    return truth(one == other)


def truth(result: Any) -> bool:
    """What a comparison says; of arrays, whether it holds for all elements."""
    try:
        return bool(result)
    except ValueError:  # of an array
        return bool(result.all())


def _is_instance(value: Any, names: Any) -> bool:
    return any(isinstance(value, TYPES[name]) for name in names)


class Call(NamedTuple):
    """A callable. takes: what stands beside its name in a template."""

    takes: str
    test: Callable[..., Any]


CALLS: dict[str, Call] = {
    "equal_to": Call("value", operator.eq),
    "not_equal_to": Call("value", lambda value, other: not _same(value, other)),
    "less_than": Call("value", operator.lt),
    "greater_than": Call("value", operator.gt),
    "less_than_or_equal_to": Call("value", operator.le),
    "greater_than_or_equal_to": Call("value", operator.ge),
    "in": Call("values", lambda value, others: any(_same(value, o) for o in others)),
    "not_in": Call(
        "values", lambda value, others: not any(_same(value, o) for o in others)
    ),
    "in_range": Call("bounds", _in_range),
    "not_in_range": Call("bounds", lambda value, *bounds: not _in_range(value, *bounds)),
    "equal_to_approx": Call("tolerance", _close),
    "factor_of": Call("value", lambda value, other: other % value == 0),
    "has_factor": Call("value", lambda value, other: value % other == 0),
    "truthy": Call("nothing", truth),
    "falsy": Call("nothing", lambda value: not truth(value)),
    "null": Call("nothing", lambda _: True),
    "is_instance": Call("types", _is_instance),
    "keys_contain": Call("key", lambda value, key: key in _keys(value)),
    "keys_contain_any_of": Call("keys", lambda v, keys: _contains(v, keys) > 0),
    "keys_contain_all_of": Call("keys", lambda v, keys: _contains(v, keys) == len(keys)),
    "keys_contain_N_of": Call("count", lambda v, n, keys: _contains(v, keys) == n),
    "keys_contain_at_least_N_of": Call("count", lambda v, n, ks: _contains(v, ks) >= n),
    "keys_contain_at_most_N_of": Call("count", lambda v, n, ks: _contains(v, ks) <= n),
    "keys_contain_one_of": Call("keys", lambda v, keys: _contains(v, keys) == 1),
    "keys_contain_at_least_one_of": Call("keys", lambda v, keys: _contains(v, keys) >= 1),
    "keys_contain_at_most_one_of": Call("keys", lambda v, keys: _contains(v, keys) <= 1),
    "keys_equal_to": Call("keys", lambda value, keys: set(_keys(value)) == set(keys)),
    "keys_is_instance": Call(
        "types", lambda value, names: all(_is_instance(key, names) for key in _keys(value))
    ),
    "items_contain": Call("items", _has_items),
    "allowed_keys": Call("keys", lambda value, keys: set(_keys(value)) <= set(keys)),
    "required_keys": Call("keys", lambda value, keys: set(_keys(value)) >= set(keys)),
    "forbidden_keys": Call("keys", lambda v, keys: not _contains(v, keys)),
}
SHORT = {
    "eq": "equal_to",
    "lt": "less_than",
    "gt": "greater_than",
    "lte": "less_than_or_equal_to",
    "gte": "greater_than_or_equal_to",
    "in_": "in",
}
CALLABLES = tuple(CALLS)
BY_LOWER = {name.lower(): name for name in CALLABLES}


WANTED = {
    "value": "a value",
    "values": "a list of values",
    "bounds": "{lower: A, upper: B} or [A, B]",
    "tolerance": "a number, or {value: A, tolerance: B}",
    "nothing": "nothing (null)",
    "types": f"one of {', '.join(TYPES)}, or a list of them",
    "key": "a key",
    "keys": "a list of keys",
    "count": "{N: COUNT, keys: [...]}",
    "items": "a map of keys and values",
}


def _read_named(given: Any, names: tuple[str, ...], least: int) -> tuple[Any, ...] | None:
    """The arguments of a map or list; None where it is not of such a form."""
    if isinstance(given, dict):
        if set(given) <= set(names) and all(name in given for name in names[:least]):
            return tuple(given[name] for name in names if name in given)
        return None
    if isinstance(given, list) and least <= len(given) <= len(names):
        return tuple(given)
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def arguments_of(takes: str, given: Any) -> tuple[Any, ...] | None:
    """What a callable gets beside the value; None where something else was given."""
    if takes == "value":
        return (given,)
    if takes == "nothing":
        return () if given in (None, True) or given in ([], {}) else None
    if takes == "values":
        return (given,) if isinstance(given, (list, str)) else None
    if takes == "key":
        return None if isinstance(given, (list, dict)) else (given,)
    if takes == "keys":
        keys = given.get("keys") if isinstance(given, dict) else given
        plain = isinstance(keys, list) and not any(
            isinstance(k, (list, dict)) for k in keys
        )
        return (keys,) if plain else ((keys,),) if isinstance(keys, str) else None
    if takes == "items":
        return (given,) if isinstance(given, dict) else None
    if takes == "types":
        names = given if isinstance(given, list) else [given]
        known = [str(name).lower() for name in names]
        return (known,) if known and all(name in TYPES for name in known) else None
    if takes == "bounds":
        found = _read_named(given, ("lower", "upper"), 2)
        return found if found and all(_is_number(bound) for bound in found) else None
    if takes == "count":
        found = _read_named(given, ("N", "keys"), 2)
        return found if found and type(found[0]) is int and type(found[1]) is list else None
    if _is_number(given):
        return (given,)
    found = _read_named(given, ("value", "tolerance"), 1)
    return found if found and all(_is_number(part) for part in found) else None
