"""Outputs of other jobs' runs, read from their items' segments or packs.

Each item is read once and only what this job needs of it is kept, for a limited
number of runs, so that a reducer of a million runs stays small. An item whose
runs are not all decided is read again when `refresh` has been called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Tuple

from hpcflow.node import manifest as manifests
from hpcflow.node.outcomes import REASON_BYTES, Defer, NotYet, Skip, reason
from hpcflow.node.outputs import shortened
from jobstores.decisions import Item
from jobstores.errors import CorruptError, NotFoundError
from jobstores.packs import read_item
from jobstores.references import resolve

if TYPE_CHECKING:
    from jobstores.decisions import Decision
    from jobstores.port import ObjectPort
    from jobstores.records import Record

KEPT_RUNS = 200_000


class _ItemRuns:
    """What one upstream item's runs came to, as far as this job asks."""

    __slots__ = ("failures", "fenced", "read_at", "size", "values")

    def __init__(
        self, decision: Decision | None, wanted: frozenset[str], when: int
    ) -> None:
        self.read_at = when
        self.fenced = decision is not None and decision.tombstone
        self.values: Dict[str, Dict[int, Any]] = {name: {} for name in wanted}
        self.failures: Dict[int, Record] = {}
        records = {} if decision is None else decision.records
        self.size = len(records)
        for run, record in records.items():
            if not record.get("ok"):
                self.failures[run] = record
                continue
            for name, value in record["out"].items():
                if name in wanted:
                    self.values[name][run] = value


class UpstreamRuns:
    """Looks up outputs of the runs of other jobs."""

    def __init__(self, port: ObjectPort, manifest: manifests.Manifest) -> None:
        self._port = port
        self._manifest = manifest
        self._wanted = frozenset(
            source["output"]
            for step in manifest.steps
            for source in step.inputs.values()
            if source["from"] == "upstream"
        )
        self._items: Dict[Tuple[int, int], _ItemRuns] = {}
        self._jobs: Dict[int, manifests.Manifest] = {}
        self._kept = 0
        self._round = 0

    def refresh(self) -> None:
        """From now on, read an item again before it is said to lack a run."""
        self._round += 1

    def value(self, upstream: int, item: int, run: int, output: str) -> Any:
        """The encoded output of a run; None where it failed but nothing is skipped for it.

        Raises:
            Skip: it failed, or was skipped.
            Defer: it was left undone, or its item is fenced.
            NotYet: it is not decided.
        """
        runs = self._runs(upstream, item, run, output)
        found = runs.values[output]
        if run in found:
            return self._resolved(found[run])
        failure = runs.failures.get(run)
        if failure is not None:
            return self._despite(upstream, run, failure)
        if any(run in other for other in runs.values.values()):
            raise Skip(f"run {run} made no output {output!r}")
        if runs.fenced:
            raise Defer(
                f"run {run} was left undone by item {item} of {self._name(upstream)}"
            )
        raise NotYet(f"run {run} of {self._name(upstream)} is not decided")

    def _name(self, upstream: int) -> str:
        other = self._manifest.upstream[upstream]
        return f"job {other.job} of submission {other.submission}"

    def _runs(self, upstream: int, item: int, run: int, output: str) -> _ItemRuns:
        runs = self._items.get((upstream, item))
        if runs is not None and (
            run in runs.values[output]
            or run in runs.failures
            or runs.read_at == self._round
        ):
            return runs
        other = self._manifest.upstream[upstream]
        where = Item(other.submission, other.job, item)
        decision = read_item(self._port, where)
        if runs is not None:
            self._kept -= self._items.pop((upstream, item)).size
        runs = _ItemRuns(decision, self._wanted, self._round)
        while self._items and self._kept + runs.size > KEPT_RUNS:
            self._kept -= self._items.pop(next(iter(self._items))).size
        self._items[upstream, item] = runs
        self._kept += runs.size
        return runs

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
