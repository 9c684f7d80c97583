"""Outputs of other jobs' runs, or why they can't be had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Sequence, Tuple

from hpcflow.node import manifest as manifests
from hpcflow.node.outputs import shortened
from hpcflow.node.sources import (
    REASON_BYTES,
    ByRule,
    Defer,
    NotYet,
    Skip,
    left_out,
    outputs_of,
    reason,
)
from hpcflow.node.upstream_items import UpstreamItems
from jobstores.errors import CorruptError, NotFoundError
from jobstores.references import resolve

if TYPE_CHECKING:
    from hpcflow.node.sources import Tolerance
    from jobstores.port import ObjectPort
    from jobstores.records import Record

RUNS_AT_ONCE = 50_000  # of a group, whose items are read together
PLACES_AT_ONCE = 2_000


class UpstreamRuns:
    """Looks up outputs of the runs of other jobs."""

    def __init__(self, port: ObjectPort, manifest: manifests.Manifest) -> None:
        self._port = port
        self._manifest = manifest
        wanted = frozenset(
            output
            for step in manifest.steps
            for source in step.sources()
            for output in outputs_of(source)
        ).union(_deciding(manifest))
        jobs = [(other.submission, other.job) for other in manifest.upstream]
        self._items = UpstreamItems(port, jobs, wanted)
        self._jobs: Dict[int, manifests.Manifest] = {}

    def refresh(self) -> None:
        """From now on, read an item again before it is said to lack a run."""
        self._items.refresh()

    def expect(self, places: Sequence[List[int]]) -> None:
        """Read the items of `[U, ITEM, RUN]` each together."""
        self._items.expect([(u, i, range(run, run + 1)) for u, i, run in places])

    def group(
        self,
        places: Sequence[List[int]],
        output: str,
        tolerance: Tolerance | None = None,
    ) -> List[Any]:
        """The outputs of many runs: of `[U, ITEM, FIRST_RUN, STEP, COUNT]` each.

        tolerance: takes note of those that failed, whose outputs are None.

        Raises:
            Skip, Defer, NotYet: one of them can't be had, see `value`.
        """
        found: List[Any] = []
        for part in _parts(places):
            needs = [(u, i, range(r, r + s * n, s)) for u, i, r, s, n in part]
            self._items.expect(needs)
            found += [
                self._member(u, i, run, output, tolerance)
                for u, i, runs in needs
                for run in runs
            ]
        return found

    def _member(
        self, upstream: int, item: int, run: int, output: str, tolerance: Tolerance | None
    ) -> Any:
        if tolerance is not None:
            tolerance.asked += 1
        try:
            return self.value(upstream, item, run, output)
        except Skip as outcome:
            if tolerance is not None:
                tolerance.failed.append(str(outcome))
            elif not (isinstance(outcome, ByRule) and outcome.lenient):
                raise
            return None

    def value(self, upstream: int, item: int, run: int, output: str) -> Any:
        """The encoded output of a run; None where it failed but nothing is skipped for it.

        Raises:
            Skip: it failed, or was skipped.
            Defer: it was left undone, or its item is fenced.
            NotYet: it is not decided.
        """
        runs = self._items.of(upstream, item, run)
        found = runs.values[output]
        if run in found:
            return self._resolved(found[run])
        failure = runs.failures.get(run)
        if failure is not None:
            return self._despite(upstream, run, failure)
        if runs.knows(run):
            step = self._step_of(upstream, run)
            if step is None:
                raise Skip(f"run {run} made no output {output!r}")
            raise left_out(run, output, step)
        if runs.fenced:
            raise Defer(
                f"run {run} was left undone by item {item} of {self._name(upstream)}"
            )
        raise NotYet(f"run {run} of {self._name(upstream)} is not decided")

    def last(self, places: Sequence[List[int]], output: str) -> Any:
        """The output of the last of some runs, see `last_of`."""
        return self.last_of([(places, output)])

    def last_of(self, makers: Sequence[Tuple[Sequence[List[int]], str]]) -> Any:
        """An output that one of several runs of each iteration may make: the last one.

        makers: by action of a task, the places of its runs, see `executed`, and the
        output. Iterations in which rules kept all of them from making it are passed over.

        Raises:
            Skip, Defer, NotYet: see `value`.
        """
        by_rule: ByRule | None = None
        for runs in zip(*(self.executed(places) for places, _ in makers)):
            for (_, output), (upstream, item, run) in zip(makers, runs):
                try:
                    return self.value(upstream, item, run, output)
                except ByRule as outcome:
                    by_rule = by_rule or outcome
        raise by_rule or Skip("no iteration of what makes an input was executed")

    def executed(self, places: Sequence[List[int]]) -> Iterator[Tuple[int, int, int]]:
        """The job, item and run of those of some runs that have a record, in their order.

        places: `[U, ITEM, FIRST_RUN, STEP, COUNT]` each.

        Raises:
            Defer, NotYet: there is none, and that may change.
        """
        any_found = False
        for upstream, item, first, step, count in places:
            runs = self._items.of(upstream, item, first)
            for run in range(first, first + step * count, step):
                if runs.knows(run):
                    any_found = True
                    yield upstream, item, run
            if any_found:
                continue
            if runs.fenced:
                raise Defer(f"item {item} of {self._name(upstream)} was given up")
            if not runs.through:
                raise NotYet(f"item {item} of {self._name(upstream)} has not ended")

    def _name(self, upstream: int) -> str:
        other = self._manifest.upstream[upstream]
        return f"job {other.job} of submission {other.submission}"

    def _resolved(self, value: Any) -> Any:
        try:
            return resolve(self._port, value)
        except NotFoundError as error:
            raise NotYet(f"a value's object is not there: {error}") from error
        except CorruptError as error:
            raise Defer(str(error)) from error

    def _despite(self, upstream: int, run: int, failure: Record) -> Any:
        """What stands for the output of a run that has none."""
        if failure["t"] == "defer" or failure.get("int"):
            raise Defer(shortened(f"run {run} was left undone: {failure.get('why')}"))
        step = self._step_of(upstream, run)
        if step is None:
            raise Skip(shortened(f"run {run} failed: {failure.get('why')}", REASON_BYTES))
        if failure.get("rule"):
            raise ByRule(reason(step, run, failure), lenient=not step.skip_downstream)
        if step.skip_downstream:
            raise Skip(reason(step, run, failure))
        return None

    def _step_of(self, upstream: int, run: int) -> manifests.Step | None:
        """The step that a run of another job belongs to, by that job's manifest."""
        if upstream not in self._jobs:
            other = self._manifest.upstream[upstream]
            directory = (
                f"{self._manifest.root}/submissions/{other.submission}/jobs/{other.job}"
            )
            self._jobs[upstream] = manifests.load(directory)
        steps = self._jobs[upstream].steps
        fitting = [
            step
            for step in steps
            if step.run_base <= run
            and (run - step.run_base) % step.run_stride % step.num_actions == 0
        ]
        return max(fitting, key=lambda step: step.run_base, default=None)


def _deciding(manifest: manifests.Manifest) -> Iterator[str]:
    """The outputs of other jobs' runs that what ends loops looks at."""
    terminations = [loop.termination for loop in manifest.loops if loop.termination]
    for ends in (*manifest.guards, *terminations):
        if "rules" in ends:
            yield from outputs_of(ends)
    yield from (guard["output"] for guard in manifest.guards if "output" in guard)


def _parts(places: Sequence[List[int]]) -> Iterator[List[List[int]]]:
    """The places in parts of a size whose runs can be kept."""
    part: List[List[int]] = []
    runs = 0
    for place in places:
        part.append(place)
        runs += place[4]
        if runs >= RUNS_AT_ONCE or len(part) >= PLACES_AT_ONCE:
            yield part
            part, runs = [], 0
    yield part
