"""Conditions on values, and rules that apply them: `{value.less_than: 3}`.

They are parsed when a template is read and evaluated when it is expanded or, where
the value is only known then, on the node. Standard library and job stores only,
Python 3.9.

A condition is kept as the plain JSON-like data that the template has, so that it can
be stored; `parse_condition` makes it ready to be tested.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from hpcflow.model.callables import (
    BY_LOWER,
    CALLABLES,
    CALLS,
    SHORT,
    TYPES,
    WANTED,
    arguments_of,
    truth,
)
from jobstores.values import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ABOUT = ("value", "key", "index")
PARTS = {"length": "length", "len": "length", "type": "type", "dtype": "type"}
COMBINED = ("and", "or", "xor")


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
    known = BY_LOWER.get(SHORT.get(name, name))
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
    call = CALLS[known]
    takes = "types" if part == "type" and call.takes in ("value", "values") else call.takes
    arguments = arguments_of(takes, argument)
    if arguments is None:
        message = f"{known!r} can't take {argument!r}"
        faults.append(Fault(where, message, WANTED[takes]))
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
            return truth(test(subject, *arguments))
        except (TypeError, AttributeError, ArithmeticError, ValueError):
            return False

    return holds


def _type_test(name: str, arguments: tuple[Any, ...]) -> Callable[[Any], bool]:
    """A test of a value's exact type: True is a bool, not an int."""
    wanted = "not" not in name.split("_")
    names = arguments[0] if arguments else []

    def holds(value: Any) -> bool:
        exact = any(
            type(value) in TYPES[one] or (one == "path" and isinstance(value, os.PathLike))
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
            if type(value) in TYPES[kind]:
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
