"""What the items of other jobs came to, read from their segments or packs.

Items of one directory are read together: listed before and after, as the
protocol of attempts asks (docs/reference/store-protocols.md), once for all. Only
what this job needs of them is kept, and that for a limited number of runs, so
that a reducer of a million runs stays small.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Sequence, Set, Tuple

from jobstores.attempts import read_attempts
from jobstores.decisions import Item, resolve
from jobstores.errors import NotFoundError
from jobstores.packs import decide_packed, packs_of
from jobstores.segments import ITEMS_PER_DIRECTORY, attempts_in, directory_prefix

if TYPE_CHECKING:
    from jobstores.decisions import Decision
    from jobstores.port import ObjectPort
    from jobstores.records import Record

KEPT_RUNS = 200_000

Key = Tuple[int, int]  # of a job in the manifest's list, and its item


class ItemRuns:
    """What one item's runs came to: values of the wanted outputs, and failures.

    asked_at: the round in which it was read. fenced: nothing more will come. through:
    its own record says that it did all that it had to, or said of each run why not.
    """

    __slots__ = ("asked_at", "failures", "fenced", "others", "size", "through", "values")

    def __init__(
        self, decision: Decision | None, wanted: frozenset[str], asked_at: int
    ) -> None:
        self.asked_at = asked_at
        self.fenced = decision is not None and decision.tombstone
        self.through = (
            decision is not None
            and decision.closed
            and (decision.why == "done" or (decision.why or "").startswith("signal "))
        )
        self.values: Dict[str, Dict[int, Any]] = {name: {} for name in wanted}
        self.failures: Dict[int, Record] = {}
        self.others: Set[int] = set()  # that succeeded, and made nothing that is wanted
        records = {} if decision is None else decision.records
        self.size = len(records)
        for run, record in records.items():
            if not record.get("ok"):
                self.failures[run] = record
                continue
            if wanted.isdisjoint(record["out"]):
                self.others.add(run)
            for name, value in record["out"].items():
                if name in wanted:
                    self.values[name][run] = value

    def knows(self, run: int) -> bool:
        """Whether the run is decided."""
        return (
            run in self.failures
            or run in self.others
            or any(run in known for known in self.values.values())
        )


class UpstreamItems:
    """Reads items when they are first asked for, and again after `refresh`."""

    def __init__(
        self, port: ObjectPort, jobs: Sequence[Tuple[int, int]], wanted: frozenset[str]
    ) -> None:
        self._port = port
        self._jobs = jobs
        self._wanted = wanted
        self._items: Dict[Key, ItemRuns] = {}
        self._kept = 0
        self._round = 0

    def refresh(self) -> None:
        """From now on, read an item again before it is said to lack a run."""
        self._round += 1

    def of(self, upstream: int, item: int, run: int) -> ItemRuns:
        """An item, read again if it lacks the run and that may have changed."""
        self.expect([(upstream, item, range(run, run + 1))])
        return self._items[upstream, item]

    def expect(self, needs: Iterable[Tuple[int, int, range]]) -> None:
        """Read those of the items that are not known, or not all of their runs."""
        missing: Dict[Tuple[int, int], List[int]] = {}
        for upstream, item, runs in needs:
            if not self._known(upstream, item, runs):
                place = (upstream, item // ITEMS_PER_DIRECTORY)
                missing.setdefault(place, []).append(item)
        if missing:
            self._make_room()
        for (upstream, _), items in missing.items():
            self._read(upstream, sorted(set(items)))

    def _known(self, upstream: int, item: int, runs: range) -> bool:
        found = self._items.get((upstream, item))
        if found is None:
            return False
        return found.asked_at == self._round or all(map(found.knows, runs))

    def _make_room(self) -> None:
        """Forget the items that were read first, where there are too many."""
        while self._kept > KEPT_RUNS:
            self._kept -= self._items.pop(next(iter(self._items))).size

    def _read(self, upstream: int, items: List[int]) -> None:
        """Decide items of one directory."""
        submission, job = self._jobs[upstream]
        directory = directory_prefix(submission, job, items[0])
        before = attempts_in(self._port.list(directory))
        found: Dict[int, ItemRuns] = {}
        absent: List[int] = []
        for item in items:
            try:
                attempts = read_attempts(
                    self._port, Item(submission, job, item), before.get(item, ())
                )
            except NotFoundError:
                attempts = {}
            decision = resolve(attempts)
            found[item] = ItemRuns(decision, self._wanted, self._round)
            if decision is None:  # packed, if need be with claims that found the fence
                absent.append(item)
        after = attempts_in(self._port.list(directory))
        for item in items:
            if after.get(item) != before.get(item):  # it may have been superseded
                found[item] = ItemRuns(None, self._wanted, self._round)
        if absent:
            found.update(self._packed(submission, job, absent))
        for item in items:
            self._keep((upstream, item), found[item])

    def _packed(self, submission: int, job: int, items: List[int]) -> Dict[int, ItemRuns]:
        """Items whose segments are not there, from their job's pack."""
        found: Dict[int, ItemRuns] = {}
        for key in packs_of(self._port, submission, job):
            for item in items:
                decision = decide_packed(self._port, key, item)
                if decision is not None:
                    found[item] = ItemRuns(decision, self._wanted, self._round)
        return found

    def _keep(self, key: Key, runs: ItemRuns) -> None:
        earlier = self._items.pop(key, None)
        if earlier is not None:
            self._kept -= earlier.size
        self._items[key] = runs
        self._kept += runs.size
