"""The rules of a step: whether a run is executed, or a command of it. Loaded late."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, Tuple

from hpcflow.model.conditions import RuleTest, find
from hpcflow.node import arrays
from hpcflow.node.inputs import with_parts
from hpcflow.node.outputs import shortened
from hpcflow.node.sources import REASON_BYTES, ByRule

if TYPE_CHECKING:
    from hpcflow.node.sources import Sources
    from jobstores.records import Record


def hold(
    rules: List[Dict[str, Any]], sources: Sources, row: List[Any], outcomes: List[Record]
) -> bool:
    """Whether all of some rules hold.

    Raises:
        Skip, Defer, NotYet: what they look at can't be had; the message says why.
    """
    try:
        StepRules(rules, sources).check(row, outcomes)
    except ByRule:
        return False
    return True


def of_chosen(
    source: Dict[str, Any], sources: Sources, row: List[Any], outcomes: List[Record]
) -> Any:
    """The list of a group's values, of those members that fulfil rules.

    Raises:
        ByRule: none does.
        Skip, Defer, NotYet: something can't be had; the message says why.
    """
    whole = source["source"]
    row = list(row)
    members = _members(whole, row[whole["column"]])
    wanted = [True] * len(members)
    for given in source["rules"]:
        test = RuleTest(given["rule"])
        values = sources.value_of(given["source"], row, outcomes)
        for number, value in enumerate(values):
            wanted[number] = wanted[number] and test.holds(
                *find(arrays.decode(value), given["path"])
            )
    if not any(wanted):
        paths = ", ".join(RuleTest(given["rule"]).path for given in source["rules"])
        why = f"none of the {len(members)} members of a group fulfils its rules ({paths})"
        raise ByRule(shortened(why, REASON_BYTES))
    row[whole["column"]] = [one for one, is_in in zip(members, wanted) if is_in]
    return sources.value_of(whole, row, outcomes)


def _members(source: Dict[str, Any], cell: List[Any]) -> List[Any]:
    """The cells of a group's members, each as in a group of its own."""
    if source["from"] != "upstream" or source.get("last"):
        return cell
    return [
        [upstream, item, first + k * step, 1, 1]
        for upstream, item, first, step, count in cell
        for k in range(count)
    ]


class StepRules:
    """The rules of a step's runs, or of one of its commands."""

    def __init__(self, rules: List[Dict[str, Any]], sources: Sources) -> None:
        self._sources = sources
        self._rules = [(RuleTest(given["rule"]), given) for given in rules]

    def check(self, row: List[Any], outcomes: List[Record]) -> None:
        """Nothing where all rules hold.

        Raises:
            ByRule: one does not.
            Skip, Defer, NotYet: what it looks at can't be had; the message says why.
        """
        for test, given in self._rules:
            found, value = self._looked_up(given, row, outcomes)
            if not test.holds(found, value):
                why = f"a rule does not hold: {test.why_not(found, value)}"
                raise ByRule(shortened(why, REASON_BYTES))

    def _looked_up(
        self, given: Dict[str, Any], row: List[Any], outcomes: List[Record]
    ) -> Tuple[bool, Any]:
        """Whether there is what a rule looks at, and what it is."""
        source = given.get("source")
        if source is None:
            return False, None
        try:
            value = self._sources.value_of(source, row, outcomes)
        except ByRule:
            return False, None
        if "parts" in source:
            value = with_parts(given["name"], value, source["parts"], row)
        return find(arrays.decode(value), given["path"])
