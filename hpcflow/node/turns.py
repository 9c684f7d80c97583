"""The loops of a job: whether a row, at the end of a loop's steps, does them again."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any, Dict, List, Sequence, Tuple

from hpcflow.model.conditions import Condition, parse_condition
from hpcflow.node import arrays
from hpcflow.node.sources import Defer, Skip
from jobstores.references import resolve

if TYPE_CHECKING:
    from hpcflow.node.manifest import Loop, Manifest, Step
    from hpcflow.node.rows import RowState
    from hpcflow.node.upstream import UpstreamRuns
    from jobstores.port import ObjectPort
    from jobstores.records import Record


class Loops:
    """Leads rows through loops; one that holds another stands before it."""

    def __init__(self, port: ObjectPort, loops: List[Loop]) -> None:
        self._port = port
        self._loops = loops
        self._conditions: Dict[int, Condition] = {}
        self._steps: Dict[Tuple[int, Tuple[bool, ...]], Step] = {}

    def settle(self, row: RowState) -> None:
        """Decide which step is next for a row that has ended one.

        Raises:
            JobStoreError: the value that decides can't be read now.
        """
        again = -1
        for index in range(len(self._loops) - 1, -1, -1):
            loop = self._loops[index]
            if loop.last == row.at - 1 and self._goes_on(index, row):
                again = index
                row.turns[index] += 1
                row.marks[index] = row.executed
                row.at = loop.first
                break
        for index in range(again + 1, len(self._loops)):
            if self._loops[index].first == row.at:  # it is entered
                row.turns[index] = 0
                row.marks[index] = row.executed
        row.settled = True

    def in_turn(self, step: Step, row: RowState) -> Step:
        """A step as it is in the present turns.

        From a loop's second one on, what the loop changes comes from the turn before.
        """
        if not step.around:
            return step
        later = tuple(turn > 0 for turn in row.turns)
        if (step.index, later) not in self._steps:
            self._steps[step.index, later] = _in_turn(step, later)
        return self._steps[step.index, later]

    def turns_of(self, step: Step, row: RowState) -> Tuple[int, str]:
        """A step's present iteration, and its loops' turns as text: `a=0;b=1`."""
        names = (f"{self._loops[i].name}={row.turns[i]}" for i, _ in step.around)
        return row.iteration(step), ";".join(names)

    def _goes_on(self, index: int, row: RowState) -> bool:
        """Whether a loop has another turn.

        Not if nothing was executed in this one: then all that would be executed in the
        next waits for the same, in vain.
        """
        loop = self._loops[index]
        if row.turns[index] + 1 >= loop.iterations or row.executed == row.marks[index]:
            return False
        if row.undecided or loop.termination is None:
            return True
        if index not in self._conditions:
            given = arrays.decode(loop.termination["condition"])
            self._conditions[index] = parse_condition(given)
        makers = (loop.termination["step"], *loop.termination.get("others", ()))
        return not any(
            is_fulfilled(
                self._port, self._conditions[index], loop.termination, row.outcomes[step]
            )
            for step in makers
        )


def _in_turn(step: Step, later: Tuple[bool, ...]) -> Step:
    found = copy(step)
    found.inputs = {name: _source(one, later) for name, one in step.inputs.items()}
    found.rules = _rules(step.rules, later)
    return found


def _rules(rules: List[Dict[str, Any]], later: Tuple[bool, ...]) -> List[Dict[str, Any]]:
    return [
        {**rule, "source": _source(rule["source"], later)} if "source" in rule else rule
        for rule in rules
    ]


def _source(source: Dict[str, Any], later: Tuple[bool, ...]) -> Dict[str, Any]:
    """Where a value is, as the innermost loop says that is in a later turn."""
    for loop, changed in source.get("again", ()):
        if later[loop]:
            again: Dict[str, Any] = changed
            return again
    if "rules" in source:
        return {**source, "rules": _rules(source["rules"], later)}
    return source


class Guards:
    """For jobs that execute one turn of loops: whether the turns before end a row's.

    A guard has the row's column of the runs that decide, and a termination.
    """

    def __init__(self, upstream: UpstreamRuns, manifest: Manifest) -> None:
        self._upstream = upstream
        self._steps = len(manifest.steps)
        self._guards = [
            (guard, parse_condition(arrays.decode(guard["condition"])))
            for guard in manifest.guards
        ]

    def settle(self, row: RowState) -> None:
        """Pass over all steps of a row whose loop ended before; it leaves no record.

        Raises:
            NotYet, JobStoreError: that can't be told now.
        """
        if row.at == 0 and not row.undecided:
            try:
                if any(
                    self._ends(guard, condition, row) for guard, condition in self._guards
                ):
                    row.at = self._steps
            except Defer as outcome:
                row.undecided = str(outcome)
        row.settled = True

    def _ends(self, guard: Dict[str, Any], condition: Condition, row: RowState) -> bool:
        last = next(self._upstream.executed(row.columns[guard["column"]]), None)
        if last is None:
            return True
        try:
            value = self._upstream.value(*last, guard["output"])
        except Skip:
            return False
        return _holds(condition, guard["path"], value)

    @staticmethod
    def in_turn(step: Step, _row: RowState) -> Step:
        """The step itself: it is written for its turn."""
        return step

    @staticmethod
    def turns_of(step: Step, _row: RowState) -> Tuple[int, str]:
        """The step's iteration, and its loops' turns as text."""
        return step.iteration, step.turns


def _holds(condition: Condition, path: List[Any], encoded: Any) -> bool:
    """Whether a condition holds of a part of an encoded value."""
    return holds_of_part(condition, path, arrays.decode(encoded))


def holds_of_part(condition: Condition, path: Sequence[Any], value: Any) -> bool:
    """Whether a condition holds of a part of a value; False where there is none."""
    for step in path:
        try:
            value = value[step]
        except (LookupError, TypeError):
            return False
    return condition.holds(value)


def is_fulfilled(
    port: ObjectPort, condition: Condition, termination: Dict[str, Any], record: Record
) -> bool:
    """Whether a run's output fulfils a termination; False where there is no such value."""
    if not record.get("ok") or termination["output"] not in record["out"]:
        return False
    value = resolve(port, record["out"][termination["output"]])
    return _holds(condition, termination["path"], value)
