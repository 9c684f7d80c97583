"""Conditions on values, and rules that apply them: `{value.less_than: 3}`.

They are parsed when a template is read and evaluated when it is expanded or, where
the value is only known then, on the node. Standard library and job stores only,
Python 3.9.

A condition is kept as the plain JSON-like data that the template has, so that it can
be stored; `parse_condition` makes it ready to be tested.
"""

from __future__ import annotations

import operator
import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from jobstores.values import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ABOUT = ("value", "key", "index")
PARTS = {"length": "length", "len": "length", "type": "type", "dtype": "type"}
COMBINED = ("and", "or", "xor")
TOLERANCE = 1e-8

_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (float,),
    "str": (str,),
    "list": (list,),
    "dict": (dict,),
    "map": (dict,),
    "bool": (bool,),
    "path": (os.PathLike,),
}


class Fault(NamedTuple):
    """Something wrong with a condition.

    where: keys and places that lead to it inside the condition. found, valid: a word
    that is none, and those that there are.
    """

    where: tuple[str | int, ...]
    message: str
    expected: str = ""
    found: str = ""
    valid: tuple[str, ...] = ()


class ConditionError(ValueError):
    """A condition that can't be understood; all that is wrong is in `faults`."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(fault.message for fault in faults))


class Condition:
    """A test of one value."""

    __slots__ = ("_test", "text")

    def __init__(self, test: Callable[[Any], bool], text: str) -> None:
        self._test = test
        self.text = text

    def holds(self, value: Any) -> bool:
        """Whether a value fulfils it; False where it can't be applied to such a value.

        Of an array, all elements have to.
        """
        return self._test(value)

    def __str__(self) -> str:
        return self.text


# -- what can be asked of a value


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
    return _truth(one == other)


def _truth(result: Any) -> bool:
    try:
        return bool(result)
    except ValueError:  # of an array
        return bool(result.all())


def _is_instance(value: Any, names: Any) -> bool:
    return any(isinstance(value, _TYPES[name]) for name in names)


class _Call(NamedTuple):
    """A callable. takes: what stands beside its name in a template."""

    takes: str
    test: Callable[..., Any]


_CALLS: dict[str, _Call] = {
    "equal_to": _Call("value", operator.eq),
    "not_equal_to": _Call("value", lambda value, other: not _same(value, other)),
    "less_than": _Call("value", operator.lt),
    "greater_than": _Call("value", operator.gt),
    "less_than_or_equal_to": _Call("value", operator.le),
    "greater_than_or_equal_to": _Call("value", operator.ge),
    "in": _Call("values", lambda value, others: any(_same(value, o) for o in others)),
    "not_in": _Call(
        "values", lambda value, others: not any(_same(value, o) for o in others)
    ),
    "in_range": _Call("bounds", _in_range),
    "not_in_range": _Call("bounds", lambda value, *bounds: not _in_range(value, *bounds)),
    "equal_to_approx": _Call("tolerance", _close),
    "factor_of": _Call("value", lambda value, other: other % value == 0),
    "has_factor": _Call("value", lambda value, other: value % other == 0),
    "truthy": _Call("nothing", _truth),
    "falsy": _Call("nothing", lambda value: not _truth(value)),
    "null": _Call("nothing", lambda _: True),
    "is_instance": _Call("types", _is_instance),
    "keys_contain": _Call("key", lambda value, key: key in _keys(value)),
    "keys_contain_any_of": _Call("keys", lambda v, keys: _contains(v, keys) > 0),
    "keys_contain_all_of": _Call("keys", lambda v, keys: _contains(v, keys) == len(keys)),
    "keys_contain_N_of": _Call("count", lambda v, n, keys: _contains(v, keys) == n),
    "keys_contain_at_least_N_of": _Call("count", lambda v, n, ks: _contains(v, ks) >= n),
    "keys_contain_at_most_N_of": _Call("count", lambda v, n, ks: _contains(v, ks) <= n),
    "keys_contain_one_of": _Call("keys", lambda v, keys: _contains(v, keys) == 1),
    "keys_contain_at_least_one_of": _Call("keys", lambda v, keys: _contains(v, keys) >= 1),
    "keys_contain_at_most_one_of": _Call("keys", lambda v, keys: _contains(v, keys) <= 1),
    "keys_equal_to": _Call("keys", lambda value, keys: set(_keys(value)) == set(keys)),
    "keys_is_instance": _Call(
        "types", lambda value, names: all(_is_instance(key, names) for key in _keys(value))
    ),
    "items_contain": _Call("items", _has_items),
    "allowed_keys": _Call("keys", lambda value, keys: set(_keys(value)) <= set(keys)),
    "required_keys": _Call("keys", lambda value, keys: set(_keys(value)) >= set(keys)),
    "forbidden_keys": _Call("keys", lambda v, keys: not _contains(v, keys)),
}
_SHORT = {
    "eq": "equal_to",
    "lt": "less_than",
    "gt": "greater_than",
    "lte": "less_than_or_equal_to",
    "gte": "greater_than_or_equal_to",
    "in_": "in",
}
CALLABLES = tuple(_CALLS)
_BY_LOWER = {name.lower(): name for name in CALLABLES}


# -- what stands beside a callable's name

_WANTED = {
    "value": "a value",
    "values": "a list of values",
    "bounds": "{lower: A, upper: B} or [A, B]",
    "tolerance": "a number, or {value: A, tolerance: B}",
    "nothing": "nothing (null)",
    "types": f"one of {', '.join(_TYPES)}, or a list of them",
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


def _arguments(takes: str, given: Any) -> tuple[Any, ...] | None:
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
        return (known,) if known and all(name in _TYPES for name in known) else None
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


# -- parsing


def parse_condition(given: Any) -> Condition:
    """The condition of plain data, as a template or a store has it.

    Raises:
        ConditionError: with all that is wrong with it.
    """
    faults: list[Fault] = []
    found = _parse(given, (), faults)
    if found is None or faults:
        raise ConditionError(faults)
    return found


def _parse(given: Any, where: tuple[Any, ...], faults: list[Fault]) -> Condition | None:
    expected = "a map of one condition, such as {value.less_than: 3}"
    if not isinstance(given, dict):
        faults.append(Fault(where, "this is not a condition", expected))
        return None
    if len(given) != 1:
        message = f"a condition has one key; this one has {len(given)}"
        faults.append(Fault(where, message, "`and`, `or` or `xor` with a list of them"))
        return None
    key, argument = next(iter(given.items()))
    inside = (*where, key)
    if key in COMBINED:
        return _parse_combined(key, argument, inside, faults)
    return _parse_single(str(key), argument, inside, faults)


def _parse_combined(
    key: str, parts: Any, where: tuple[Any, ...], faults: list[Fault]
) -> Condition | None:
    if not isinstance(parts, list) or not parts:
        faults.append(Fault(where, f"{key!r} has no conditions", "a list of conditions"))
        return None
    parsed = [_parse(part, (*where, place), faults) for place, part in enumerate(parts)]
    found = [part for part in parsed if part is not None]
    if len(found) < len(parts):
        return None
    tests = [part.holds for part in found]
    text = f" {key} ".join(part.text for part in found)
    text = f"({text})" if len(found) > 1 else text
    if key == "and":
        return Condition(lambda value: all(test(value) for test in tests), text)
    if key == "or":
        return Condition(lambda value: any(test(value) for test in tests), text)
    return Condition(lambda value: sum(test(value) for test in tests) % 2 == 1, text)


def _parse_single(
    key: str, argument: Any, where: tuple[Any, ...], faults: list[Fault]
) -> Condition | None:
    about, *rest = key.split(".")
    about = about.lower()
    if about not in ABOUT:
        faults.append(
            Fault(
                where,
                f"unknown condition {key!r}",
                "value.CALLABLE, key.CALLABLE, index.CALLABLE, and, or, xor",
                about,
                (*ABOUT, *COMBINED),
            )
        )
        return None
    part = PARTS.get(rest[0].lower(), "") if len(rest) > 1 else ""
    name = rest[-1].lower() if rest else ""
    known = _BY_LOWER.get(_SHORT.get(name, name))
    if len(rest) > (2 if part else 1) or known is None:
        odd = ".".join(rest[1:] if part else rest)
        faults.append(
            Fault(
                where,
                f"unknown callable {odd!r} of a condition",
                "",
                rest[-1] if rest else "",
                CALLABLES,
            )
        )
        return None
    if part == "length" and about == "index":
        faults.append(Fault(where, "an index is a number and has no length"))
        return None
    call = _CALLS[known]
    takes = "types" if part == "type" and call.takes in ("value", "values") else call.takes
    arguments = _arguments(takes, argument)
    if arguments is None:
        message = f"{known!r} can't take {argument!r}"
        faults.append(Fault(where, message, _WANTED[takes]))
        return None
    text = key if not arguments else f"{key}: {argument!r}"
    if part == "type":
        return _over(about, _type_test(known, arguments), text)
    return _over(about, _test(call.test, arguments, part), text)


def _test(
    test: Callable[..., Any], arguments: tuple[Any, ...], part: str
) -> Callable[[Any], bool]:
    def holds(value: Any) -> bool:
        try:
            subject = len(value) if part == "length" else value
            return _truth(test(subject, *arguments))
        except (TypeError, AttributeError, ArithmeticError, ValueError):
            return False

    return holds


def _type_test(name: str, arguments: tuple[Any, ...]) -> Callable[[Any], bool]:
    """A test of a value's exact type: True is a bool, not an int."""
    wanted = "not" not in name.split("_")
    names = arguments[0] if arguments else []

    def holds(value: Any) -> bool:
        exact = any(
            type(value) in _TYPES[one] or (one == "path" and isinstance(value, os.PathLike))
            for one in names
        )
        return exact is wanted

    return holds


def _over(about: str, test: Callable[[Any], bool], text: str) -> Condition:
    """The test of the value itself, or of all keys of a map, or all places in a list."""
    if about == "key":
        return Condition(lambda v: isinstance(v, dict) and all(map(test, v)), text)
    if about == "index":
        return Condition(
            lambda v: isinstance(v, (list, tuple)) and all(map(test, range(len(v)))), text
        )
    return Condition(test, text)


# -- rules

CASTS = ("int", "float", "str", "bool")
_WORDS = {"true": True, "yes": True, "false": False, "no": False}


class RuleTest:
    """A rule ready to be tested.

    rule: `{"path": "inputs.p.a", "condition": ...}`, perhaps with `cast` (from the
    name of a type to another's) and `default`; or `{"check_exists": PATH}`, or
    `{"check_missing": PATH}`. The condition stands in it as in a template. Its `doc` is
    said of what does not fulfil it.
    """

    __slots__ = ("_cast", "_condition", "_default", "check", "doc", "path")

    def __init__(self, rule: Mapping[str, Any]) -> None:
        self.check = next((c for c in ("check_exists", "check_missing") if c in rule), "")
        self.path: str = rule[self.check or "path"]
        self._condition = None if self.check else parse_condition(decode(rule["condition"]))
        self._cast: Mapping[str, str] = rule.get("cast") or {}
        self._default = decode(rule.get("default"))
        self.doc = f" ({rule['doc']})" if "doc" in rule else ""

    def holds(self, found: bool, value: Any) -> bool:
        """Whether it holds; `found` is False where its path leads to nothing."""
        if self._condition is None:
            return found is (self.check == "check_exists")
        return self._condition.holds(self._subject(found, value))

    @property
    def condition(self) -> str:
        """What it asks for, as text."""
        return str(self._condition)

    def why_not(self, found: bool, value: Any) -> str:
        """What to say of a run that is skipped because it does not hold."""
        if self._condition is None:
            return f"{self.path} is {'given' if found else 'not given'}{self.doc}"
        shown = repr(self._subject(found, value))
        shown = shown if len(shown) <= 80 else shown[:77] + "..."
        return f"{self.path} is {shown}; the rule asks for {self._condition}{self.doc}"

    def _subject(self, found: bool, value: Any) -> Any:
        if not found:
            return self._default
        for kind, to in self._cast.items():
            if type(value) in _TYPES[kind]:
                return _cast(value, to)
        return value


def _cast(value: Any, to: str) -> Any:
    try:
        if to == "bool":
            return (
                _WORDS.get(value.lower(), value) if isinstance(value, str) else bool(value)
            )
        return {"int": int, "float": float, "str": str}[to](value)
    except (ValueError, TypeError, OverflowError):
        return value


def find(value: Any, path: list[str]) -> tuple[bool, Any]:
    """What a dot path leads to inside a value: keys of maps, places in lists."""
    for part in path:
        try:
            value = value[part] if isinstance(value, dict) else value[int(part)]
        except (LookupError, TypeError, ValueError):
            return False, None
    return True, value


_NAME = re.compile(r"[^.\[\]]+(\[[^\[\]]*\])?")


def split_path(path: str) -> tuple[str, str, list[str]]:
    """A rule's path, "inputs.p[label].a.0", as its root, its name, and what follows."""
    root, _, rest = path.partition(".")
    match = _NAME.match(rest)
    name = match[0] if match else rest
    inside = rest[len(name) :].lstrip(".")
    return root, name, inside.split(".") if inside else []
