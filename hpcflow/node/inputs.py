"""The values of a run's inputs, or why the run can't have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List

from hpcflow.node.shell import UnusableValueError
from hpcflow.node.sources import (
    REASON_BYTES,
    ByRule,
    Defer,
    NotYet,
    Skip,
    Sources,
    reason,
)

if TYPE_CHECKING:
    from hpcflow.node.manifest import Manifest, Step
    from hpcflow.node.rules import StepRules
    from hpcflow.node.upstream import UpstreamRuns
    from jobstores.port import ObjectPort
    from jobstores.records import Record

__all__ = [
    "REASON_BYTES",
    "ByRule",
    "Defer",
    "Inputs",
    "NotYet",
    "Skip",
    "reason",
    "with_parts",
]


def with_parts(name: str, value: Any, parts: List[Dict[str, Any]], row: List[Any]) -> Any:
    """An encoded input with values of the template put into it; null stays null.

    Raises:
        UnusableValueError: it has no such place.
    """
    from jobstores.value_parts import PartError, put

    for part in parts if value is not None else ():
        given = part["value"] if part["from"] == "constant" else row[part["column"]]
        for inner in given if part.get("optional") else [given]:
            try:
                value = put(value, part["path"], inner)
            except PartError as error:
                raise UnusableValueError(f"input {name!r}: {error}") from None
    return value


class Inputs:
    """Gathers the inputs of runs, as they are stored: encoded."""

    def __init__(
        self, port: ObjectPort, manifest: Manifest, upstream: UpstreamRuns | None
    ) -> None:
        self.sources = Sources(port, manifest, upstream)
        self._rules: Dict[int, StepRules] = {}

    def of(self, step: Step, row: List[Any], outcomes: List[Record]) -> Dict[str, Any]:
        """The encoded inputs by name; `outcomes` are the row's earlier records.

        Raises:
            Skip, Defer, NotYet: they can't be had; the message says why.
            UnusableValueError: the template puts a part where the value has no place.
        """
        if step.rules:
            self._rules_of(step).check(row, outcomes)
        for required in step.requires:
            self.sources.check(required, row, outcomes)
        found = {}
        for name, source in step.inputs.items():
            kind = source["from"]
            if kind == "row":
                found[name] = row[source["column"]]
            elif kind == "constant":
                found[name] = source["value"]
            else:
                found[name] = self.sources.value_of(source, row, outcomes)
            if "parts" in source:
                found[name] = with_parts(name, found[name], source["parts"], row)
        return found

    def _rules_of(self, step: Step) -> StepRules:
        """The rules of a step, ready to be tested; their module is loaded for them."""
        key = id(step.rules)  # they differ between the turns of loops, and stay
        if key not in self._rules:
            from hpcflow.node.rules import StepRules

            self._rules[key] = StepRules(step.rules, self.sources)
        return self._rules[key]
