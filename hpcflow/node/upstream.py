"""Outputs of other jobs' runs, or why they can't be had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Sequence

from hpcflow.node import manifest as manifests
from hpcflow.node.inputs import REASON_BYTES, Defer, NotYet, Skip, reason
from hpcflow.node.outputs import shortened
from hpcflow.node.upstream_items import UpstreamItems
from jobstores.errors import CorruptError, NotFoundError
from jobstores.references import resolve

if TYPE_CHECKING:
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
            source["output"]
            for step in manifest.steps
            for source in step.inputs.values()
            if source["from"] == "upstream"
        )
        jobs = [(other.submission, other.job) for other in manifest.upstream]
        self._items = UpstreamItems(port, jobs, wanted)
        self._jobs: Dict[int, manifests.Manifest] = {}

    def refresh(self) -> None:
        """From now on, read an item again before it is said to lack a run."""
        self._items.refresh()

    def group(self, places: Sequence[List[int]], output: str) -> List[Any]:
        """The outputs of many runs: of `[U, ITEM, FIRST_RUN, STEP, COUNT]` each.

        Raises:
            Skip, Defer, NotYet: one of them can't be had, see `value`.
        """
        found = []
        for part in _parts(places):
            needs = [(u, i, range(r, r + s * n, s)) for u, i, r, s, n in part]
            self._items.expect(needs)
            found += [self.value(u, i, run, output) for u, i, runs in needs for run in runs]
        return found

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
            raise Skip(f"run {run} made no output {output!r}")
        if runs.fenced:
            raise Defer(
                f"run {run} was left undone by item {item} of {self._name(upstream)}"
            )
        raise NotYet(f"run {run} of {self._name(upstream)} is not decided")

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
            if step.run_base <= run and (run - step.run_base) % step.run_stride == 0
        ]
        return max(fitting, key=lambda step: step.run_base, default=None)


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
