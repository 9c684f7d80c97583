"""Where one value comes from: the row, an earlier step of it, or another job's run."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Tuple

from hpcflow.node.outputs import shortened
from hpcflow.node.rows import Outcomes
from jobstores.references import resolve

if TYPE_CHECKING:
    from hpcflow.node.manifest import Manifest, Step
    from hpcflow.node.upstream import UpstreamRuns
    from jobstores.port import ObjectPort
    from jobstores.records import Record

REASON_BYTES = 300


class Skip(Exception):  # noqa: N818 - an outcome, not an error
    """The run will not be executed, for good; the message says why."""


class ByRule(Skip):
    """The run will not be executed because of a rule: its own, or of what makes an input.

    lenient: where it is what makes an input, that one is null then.
    """

    def __init__(self, why: str, lenient: bool = False) -> None:
        super().__init__(why)
        self.lenient = lenient


class Defer(Exception):  # noqa: N818 - an outcome, not an error
    """The run can't be executed in this attempt; another one may."""


class NotYet(Exception):  # noqa: N818 - an outcome, not an error
    """What the run needs is not there now; it is worth a little waiting."""


def reason(step: Step, run: int, record: Record) -> str:
    """Why a run that needs this one is skipped: the first cause, by its task."""
    why = record.get("why") or f"exit status {record.get('exit')}"
    if record["t"] == "skip":
        return str(why)  # it names the first cause already
    element = step.first_element + step.element_of(run)
    where = f"task {step.task_name!r}, element {element}"
    return shortened(f"{where} failed: {why}", REASON_BYTES)


def left_out(run: int, output: str, step: Step) -> ByRule:
    """A run that succeeded did not make an output: rules left its commands out."""
    why = f"run {run} made no output {output!r}: a rule left its command out"
    return ByRule(why, lenient=not step.skip_downstream)


class Tolerance:
    """How many of the runs that make an input may have failed; their values are null."""

    __slots__ = ("_limit", "asked", "failed")

    def __init__(self, limit: List[Any]) -> None:
        self._limit = limit
        self.asked = 0
        self.failed: List[str] = []

    def settle(self) -> None:
        """Raise `Skip` where too many have failed."""
        kind, most = self._limit
        allowed = most if kind == "count" else most * self.asked
        if len(self.failed) > allowed:
            of = f" of {self.asked}" if self.asked > 1 else ""
            text = (
                f"{len(self.failed)}{of} runs that make an input failed: {self.failed[0]}"
            )
            raise Skip(shortened(text if self.asked > 1 else self.failed[0], REASON_BYTES))


class Sources:
    """Looks values up, as they are stored: encoded."""

    def __init__(
        self, port: ObjectPort, manifest: Manifest, upstream: UpstreamRuns | None
    ) -> None:
        self._port = port
        self._steps = manifest.steps
        self._upstream = upstream

    def value_of(
        self, source: Dict[str, Any], row: List[Any], outcomes: List[Record]
    ) -> Any:
        """The encoded value of a source; `outcomes` are the row's earlier records.

        Raises:
            Skip, Defer, NotYet: it can't be had; the message says why.
        """
        limit = source.get("allow_failed")
        tolerance = None if limit is None else Tolerance(limit)
        cell = row[source["column"]] if "column" in source else None
        value = self._value(source, cell, row, outcomes, tolerance)
        if tolerance is not None:
            tolerance.settle()
        return value

    def ran(self, source: Dict[str, Any], row: List[Any]) -> bool:
        """Whether there was the earlier iteration that a source is of.

        Raises:
            Defer, NotYet: that can't be told now.
        """
        if "ran" not in source:
            return True
        assert self._upstream is not None
        return next(self._upstream.executed(row[source["ran"]]), None) is not None

    def check(self, index: int, row: List[Any], outcomes: List[Record]) -> bool:
        """Whether an earlier step of the row succeeded; False if that does not matter."""
        return self._check(index, outcomes[index], row)

    def _check(self, index: int, record: Record, row: List[Any]) -> bool:
        step = self._steps[index]
        if record.get("ok"):
            return True
        run = step.run(row)
        if record["t"] == "defer" or record.get("int"):
            raise Defer(record["why"])
        if record.get("rule"):
            raise ByRule(reason(step, run, record), lenient=not step.skip_downstream)
        if step.skip_downstream:
            raise Skip(reason(step, run, record))
        return False

    def _value(
        self,
        source: Dict[str, Any],
        cell: Any,
        row: List[Any],
        outcomes: List[Record],
        tolerance: Tolerance | None,
    ) -> Any:
        kind = source["from"]
        if kind == "constant":
            return source["value"]
        if kind == "row":
            return cell
        if kind == "kept":
            return self._kept(source, row, outcomes)
        if kind == "rules":
            from hpcflow.node.rules import hold

            return "1" if hold(source["rules"], self, row, outcomes) else ""
        if kind == "chosen":
            from hpcflow.node.rules import of_chosen

            return of_chosen(source, self, row, outcomes)
        if kind == "several":
            inner = source["sources"]
            if not source.get("group"):
                return self._value(inner[cell[0]], cell[1], row, outcomes, tolerance)
            self._expect(source, cell)
            return [
                self._value(inner[part], sub, row, outcomes, tolerance)
                for part, sub in cell
            ]
        if kind == "upstream" and source.get("group"):
            assert self._upstream is not None
            if source.get("last"):
                one = {**source, "group": False}
                return [self._value(one, sub, row, outcomes, tolerance) for sub in cell]
            return self._upstream.group(cell, source["output"], tolerance)
        if tolerance is not None:
            tolerance.asked += 1
        try:
            return self._single(source, cell, row, outcomes)
        except Skip as outcome:
            if tolerance is not None:
                tolerance.failed.append(str(outcome))
            elif not (isinstance(outcome, ByRule) and outcome.lenient):
                raise
            return None

    def _single(
        self, source: Dict[str, Any], cell: Any, row: List[Any], outcomes: List[Record]
    ) -> Any:
        """A value that one run makes, or the first of some that was executed."""
        kind = source["from"]
        if kind == "step":
            return self._made(source["step"], source["output"], row, outcomes)
        if kind == "upstream":
            assert self._upstream is not None
            if source.get("last"):
                return self._upstream.last(cell, source["output"])
            upstream, item, run = cell
            return self._upstream.value(upstream, item, run, source["output"])
        if kind != "first":
            return self._value(source, cell, row, outcomes, None)
        last: ByRule | None = None
        for inner, sub in _by_task(source["sources"], cell):
            try:
                if isinstance(sub, Turns):
                    assert self._upstream is not None
                    return self._upstream.last_of(sub)
                if inner["from"] in ("step", "upstream") and not inner.get("group"):
                    return self._single(inner, sub, row, outcomes)
                return self._value(inner, sub, row, outcomes, None)
            except ByRule as outcome:
                last = last or outcome
        assert last is not None
        raise last

    def _made(self, index: int, output: str, row: List[Any], outcomes: List[Record]) -> Any:
        if not self.check(index, row, outcomes):
            return None
        out = outcomes[index]["out"]
        if output not in out:
            raise left_out(outcomes[index]["run"], output, self._steps[index])
        return resolve(self._port, out[output])

    def _kept(self, source: Dict[str, Any], row: List[Any], outcomes: List[Record]) -> Any:
        """What the row has made in an earlier turn of its loops."""
        assert isinstance(outcomes, Outcomes)
        output = source["output"]
        found = outcomes.latest(source["steps"], output, source["loop"])
        if found is None:
            raise ByRule(f"no turn of a loop has made {output!r}")
        index, record = found
        if not self._check(index, record, row):
            return None
        return resolve(self._port, record["out"][output])

    def _expect(self, source: Dict[str, Any], cells: List[Any]) -> None:
        """Have the items of other jobs read together that a list needs."""
        if self._upstream is not None:
            inner = source["sources"]
            places = [p for part, cell in cells for p in _places(inner[part], cell)]
            self._upstream.expect(places)


class Turns(List[Tuple[Any, str]]):
    """Of some actions of a looped task the runs, and the output that each may make."""


def _by_task(
    sources: List[Dict[str, Any]], cells: List[Any]
) -> Iterator[Tuple[Dict[str, Any], Any]]:
    """Sources with their cells; those that are turns of one task are put together."""
    pairs = groupby(zip(sources, cells), lambda pair: pair[0].get("of"))
    for task, found in pairs:
        if task is None:
            yield from found
            continue
        members = list(found)
        yield members[0][0], Turns((cell, inner["output"]) for inner, cell in members)


def _places(source: Dict[str, Any], cell: Any) -> Iterator[List[int]]:
    """The [U, ITEM, RUN] that a cell names."""
    if source["from"] == "upstream" and not source.get("group"):
        yield cell[0][:3] if source.get("last") else cell
    elif source["from"] == "first":
        for inner, sub in zip(source["sources"], cell):
            yield from _places(inner, sub)


def outputs_of(source: Dict[str, Any]) -> Iterator[str]:
    """The outputs of other jobs' runs that a source may take."""
    if source.get("from") == "upstream":
        yield source["output"]
    if source.get("from") == "chosen":
        yield from outputs_of(source["source"])
    for inner in source.get("sources", ()):
        yield from outputs_of(inner)
    for rule in source.get("rules", ()):
        if "source" in rule:
            yield from outputs_of(rule["source"])
