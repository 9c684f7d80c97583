"""Rules and conditions of a template, checked and made plain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpcflow.model.conditions import ConditionError, parse_condition, split_path
from hpcflow.template.nodes import Node, broken, child, items, key_at, plain, value_of
from hpcflow.template.problems import listed, nearest
from hpcflow.template.resources import field_of
from jobstores import values

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from hpcflow.model.schema import Action
    from hpcflow.template.context import Section
    from hpcflow.template.problems import Path

CHECKS = ("check_exists", "check_missing")


def read_condition(node: Node, path: Path, section: Section) -> dict[str, Any] | None:
    """A condition as plain data that JSON can hold; None where it is wrong."""
    given = plain(node)
    try:
        parse_condition(given)
    except ConditionError as error:
        for fault in error.faults:
            section.add(
                _offset(node, fault.where),
                (*path, *fault.where),
                fault.message,
                fault.expected or (f"one of {listed(fault.valid)}" if fault.valid else ""),
                nearest(fault.found, fault.valid) if fault.found else "",
            )
        return None
    encoded: dict[str, Any] = values.encode(given)
    return encoded


def _offset(node: Node, where: Path) -> int:
    """Where the part of a condition stands that keys and places lead to."""
    at = node.at
    for step in where:
        if isinstance(node.value, dict):
            at = key_at(node, step)
        node = node.value[step]
        at = node.at if isinstance(step, int) else at
    return at


def read_rules(
    node: Node | None,
    path: Path,
    names: Mapping[str, Collection[str]],
    section: Section,
) -> tuple[dict[str, Any], ...]:
    """Rules as plain data, see `hpcflow.model.conditions.RuleTest`.

    node: a rule, or a list of them. names: what rules may look at, by what their paths
    begin with ("inputs", "outputs", "resources").
    """
    if node is None or node.bad:
        return ()
    if isinstance(node.value, dict):
        rule = _read_rule(node, path, names, section)
        return () if rule is None else (rule,)
    found = [
        _read_rule(item, (*path, number), names, section) for number, item in items(node)
    ]
    return tuple(rule for rule in found if rule is not None)


def _read_rule(
    node: Node, path: Path, names: Mapping[str, Collection[str]], section: Section
) -> dict[str, Any] | None:
    if broken(node):
        return None
    given = [key for key in (*CHECKS, "path") if child(node, key) is not None]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        section.add(
            node.at,
            path,
            f"a rule has one of path, check_exists and check_missing; this one has {found}",
        )
        return None
    key = given[0]
    where = child(node, key)
    assert where is not None
    at = _read_path(where, (*path, key), names, section)
    if key != "path":
        for other in ("condition", "cast", "default"):
            if child(node, other) is not None:
                message = f"{other!r} has no meaning beside {key!r}"
                section.add(key_at(node, other), (*path, other), message)
        return None if at is None else {key: at, **read_doc(node)}
    condition = child(node, "condition")
    if condition is None:
        section.add(node.at, path, "the key 'condition' is missing", "a condition")
        return None
    parsed = read_condition(condition, (*path, "condition"), section)
    if parsed is None or at is None:
        return None
    rule: dict[str, Any] = {"path": at, "condition": parsed, **read_doc(node)}
    cast = child(node, "cast")
    if cast is not None:
        rule["cast"] = plain(cast)
    default = value_of(node, "default")
    if default is not None:
        rule["default"] = values.encode(default)
    return rule


def read_doc(node: Node) -> dict[str, str]:
    """The `doc` of a rule as one text; nothing where there is none."""
    doc = value_of(node, "doc", "")
    text = doc if isinstance(doc, str) else " ".join(doc)
    return {"doc": text} if text else {}


def _read_path(
    node: Node, path: Path, names: Mapping[str, Collection[str]], section: Section
) -> str | None:
    """A rule's path: "inputs.p[label].a", "outputs.p", "resources.num_cores"."""
    root, name, inside = split_path(node.value)
    known = names.get(root)
    if known is None:
        section.add(
            node.at,
            path,
            f"{node.value!r} is no path of a rule",
            f"{' or '.join(f'{name}.NAME' for name in names)}",
            nearest(root, names),
        )
        return None
    if name not in known:
        labelled = [one for one in known if one.partition("[")[0] == name]
        if len(labelled) != 1:
            section.add(
                node.at,
                path,
                f"there is no {name!r} in {root!r} here",
                f"one of {listed(known)}",
                nearest(name, known),
            )
            return None
        name = labelled[0]
    if root == "resources":
        name = field_of(name)
    return ".".join((root, name, *inside))


def rule_inputs(action: Action) -> set[str]:
    """The inputs that an action's rules, and those of its commands, look at."""
    rules = [*action.rules, *(rule for one in action.commands for rule in one.rules)]
    paths = [rule[key] for rule in rules for key in ("path", *CHECKS) if key in rule]
    split = [split_path(path) for path in paths]
    return {name for root, name, _ in split if root == "inputs"}
