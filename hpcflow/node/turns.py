"""The loops of a job: whether a row, at the end of a loop's steps, does them again."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any, Dict, List, Sequence, Tuple

from hpcflow.model.conditions import Condition, parse_condition
from hpcflow.node import arrays
from hpcflow.node.rows import Outcomes
from hpcflow.node.shell import UnusableValueError
from hpcflow.node.sources import Defer, Skip
from jobstores.references import resolve

if TYPE_CHECKING:
    from hpcflow.node.manifest import Loop, Manifest, Step
    from hpcflow.node.rows import RowState
    from hpcflow.node.sources import Sources
    from hpcflow.node.upstream import UpstreamRuns
    from jobstores.port import ObjectPort
    from jobstores.records import Record


class Loops:
    """Leads rows through loops; one that holds another stands before it."""

    def __init__(self, port: ObjectPort, loops: List[Loop], sources: Sources) -> None:
        self._port = port
        self._loops = loops
        self._sources = sources
        # Those that what a step takes may end: they look at what there is at that step.
        self._looking = [
            (index, loop.termination["step"])
            for index, loop in enumerate(loops)
            if loop.termination is not None and "rules" in loop.termination
        ]
        self._rules: Dict[Tuple[int, Tuple[bool, ...]], List[Dict[str, Any]]] = {}
        self._conditions: Dict[int, Condition] = {}
        self._steps: Dict[Tuple[int, Tuple[bool, ...]], Step] = {}

    def settle(self, row: RowState) -> None:
        """Decide which step is next for a row that has ended one.

        Raises:
            NotYet, JobStoreError: the value that decides can't be read now.
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
        for index, step in self._looking:
            if step == row.at:
                row.seen[index] = row.outcomes.now()
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
        around = ((self._loops[i], row.turns[i]) for i, _ in step.around)
        names = (f"{loop.name}={loop.first_turn + turn}" for loop, turn in around)
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
        if "rules" in loop.termination:
            return not self._taken_ends(index, loop.termination, row)
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

    def _taken_ends(self, index: int, termination: Dict[str, Any], row: RowState) -> bool:
        """Whether what a step has taken in this turn ends a loop."""
        later = tuple(turn > 0 for turn in row.turns)
        if (index, later) not in self._rules:
            self._rules[index, later] = _rules(termination["rules"], later)
        outcomes = row.seen.get(index)  # a row that has just begun has none
        return _hold(
            self._rules[index, later],
            self._sources,
            row.columns,
            Outcomes(list(row.turns)) if outcomes is None else outcomes,
        )


def _hold(
    rules: List[Dict[str, Any]], sources: Sources, row: List[Any], outcomes: List[Record]
) -> bool:
    """Whether what a run has taken fulfils rules; False where it had none.

    Raises:
        Defer, NotYet, JobStoreError: that can't be told now.
    """
    from hpcflow.node.rules import hold

    try:
        return hold(rules, sources, row, outcomes)
    except (Skip, UnusableValueError):
        return False


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
    """For jobs that go on with loops: whether the turns before end a row's.

    A guard has the row's column of the runs that decide, and a termination, or rules for
    what these runs have taken.
    """

    def __init__(
        self, upstream: UpstreamRuns, manifest: Manifest, sources: Sources
    ) -> None:
        self._upstream = upstream
        self._sources = sources
        self._steps = len(manifest.steps)
        self._guards = manifest.guards
        self._conditions = {
            number: parse_condition(arrays.decode(guard["condition"]))
            for number, guard in enumerate(manifest.guards)
            if "condition" in guard
        }

    def settle(self, row: RowState) -> None:
        """Pass over all steps of a row whose loop ended before; it leaves no record.

        Raises:
            NotYet, JobStoreError: that can't be told now.
        """
        if row.at == 0 and not row.undecided:
            try:
                if any(
                    self._ends(guard, self._conditions.get(number), row)
                    for number, guard in enumerate(self._guards)
                ):
                    row.at = self._steps
            except Defer as outcome:
                row.undecided = str(outcome)
        row.settled = True

    def _ends(
        self, guard: Dict[str, Any], condition: Condition | None, row: RowState
    ) -> bool:
        last = next(self._upstream.executed(row.columns[guard["column"]]), None)
        if last is None:
            return True
        if condition is None:
            return _hold(guard["rules"], self._sources, row.columns, row.outcomes)
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


class GuardedLoops:
    """For jobs whose rows go through loops that others began: both, one after the other."""

    def __init__(self, guards: Guards, loops: Loops) -> None:
        self._guards = guards
        self._loops = loops
        self.in_turn = loops.in_turn
        self.turns_of = loops.turns_of

    def settle(self, row: RowState) -> None:
        """Decide which step is next for a row that begins, or has ended one.

        Raises:
            NotYet, JobStoreError: the value that decides can't be read now.
        """
        if row.outcomes:
            self._loops.settle(row)
        else:
            self._guards.settle(row)


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
