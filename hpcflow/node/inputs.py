"""The values of a run's inputs, or why the run can't have them."""

from __future__ import annotations

from contextlib import suppress
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
    from hpcflow.node.rows import RowState
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
        return {
            name: self._one(name, source, row, outcomes)
            for name, source in step.inputs.items()
        }

    def _one(
        self, name: str, source: Dict[str, Any], row: List[Any], outcomes: List[Record]
    ) -> Any:
        kind = source["from"]
        if kind == "row":
            found = row[source["column"]]
        elif kind == "constant":
            found = source["value"]
        else:
            found = self.sources.value_of(source, row, outcomes)
        if "parts" in source:
            found = with_parts(name, found, source["parts"], row)
        return found

    def note_histories(
        self, step: Step, row: RowState, iteration: int, turns: Dict[str, int]
    ) -> None:
        """Note what a step's inputs are in a row's iteration, of those wanted later on.

        An iteration that has no value is left out.

        Raises:
            Defer, NotYet: a value can't be had now.
            UnusableValueError: the template puts a part where a value has no place.
        """
        for name in step.histories:
            known = row.histories.setdefault((step.index, name), {})
            source = step.inputs[name]
            for number, one in enumerate(source.get("earlier", ())):
                if number not in known and self.sources.ran(one, row.columns):
                    self._note(known, number, one["turns"], name, one, row)
            self._note(known, iteration, turns, name, source, row)

    def _note(
        self,
        known: Dict[int, Any],
        iteration: int,
        turns: Dict[str, int],
        name: str,
        source: Dict[str, Any],
        row: RowState,
    ) -> None:
        with suppress(Skip):
            value = self._one(name, source, row.columns, row.outcomes)
            known[iteration] = {"loop_idx": turns, "value": value}

    def _rules_of(self, step: Step) -> StepRules:
        """The rules of a step, ready to be tested; their module is loaded for them."""
        key = id(step.rules)  # they differ between the turns of loops, and stay
        if key not in self._rules:
            from hpcflow.node.rules import StepRules

            self._rules[key] = StepRules(step.rules, self.sources)
        return self._rules[key]
