"""The protocols under random interleavings: the real code, one call at a time.

Each named step that the protocol needs is also left out on purpose; the
interleavings that were tried must then find a fault, or they prove nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jobstores import attempts, generations
from jobstores.attempts import Attempt, Duplicate, Fenced, Item, decide, fence, start
from jobstores.backends.memory import MemoryPort
from jobstores.errors import BusyError
from jobstores.generations import IdRange
from jobstores.lease import LeaseTiming
from jobstores.workflow_store import WorkflowStore
from tests.jobstores.store_doubles import EFFORT, FakeClock, Stage
from tests.jobstores.store_scenes import plain_column, plain_columns

if TYPE_CHECKING:
    from collections.abc import Callable

ITEM = Item(0, 0, 0)
RUNS = range(3)
SEEDS = 250 * EFFORT


class FaultError(AssertionError):
    """A promise of the protocol was broken."""


class Drama:
    """Three attempts (ghosts included), two readers, and perhaps a resume."""

    def __init__(self, seed: int) -> None:
        self.stage = Stage(seed, crash=0.01)
        self.store = MemoryPort()
        self.seen: list[dict[int, int]] = []
        self.resumed: set[int] | None = None

    def play(self) -> None:
        for name in "abc":
            self.stage.actor(name, lambda name=name: self._attempt(name), mortal=True)
        for name in ("fold", "downstream"):
            self.stage.actor(name, lambda name=name: self._read(name))
        if self.stage.random.random() < 0.5:
            self.stage.actor("resume", self._resume)
        self.stage.run()
        self._check()

    def _attempt(self, name: str) -> None:
        port = self.stage.port(name, self.store)
        try:
            attempt = start(port, ITEM, {"at": 0}, silence_s=0.0, **_clock())
        except (Duplicate, Fenced):
            return
        for run in RUNS:
            if run not in attempt.accepted:
                self._execute(name, attempt, run)
        attempt.writer.append({"t": "close", "at": 0, "why": "done"})

    def _execute(self, name: str, attempt: Attempt, run: int) -> None:
        for _ in range(self.stage.random.randint(0, 2)):
            self.stage.pause(name)
        record = {"t": "end", "run": run, "at": 0, "ok": True, "by": attempt.number}
        attempt.writer.append(record)

    def _read(self, name: str) -> None:
        port = self.stage.port(name, self.store)
        for _ in range(6):
            decision = decide(port, ITEM)
            if decision is not None:
                self.seen.append(_winners(decision))
                if decision.why == "done" and len(decision.records) < len(RUNS):
                    raise FaultError(f"closed, but only {decision.records} were seen")

    def _resume(self) -> None:
        port = self.stage.port("resume", self.store)
        try:
            decisions = fence(
                port,
                [ITEM],
                silence_s=0.0,
                header={"at": 0},
                claim_unstarted=self.stage.random.random() < 0.5,
                **_clock(),
            )
        except BusyError:
            return
        ended = _winners(decisions[ITEM]) if decisions else {}
        self.resumed = set(RUNS) - ended.keys()

    def _check(self) -> None:
        decision = decide(self.store, ITEM)
        if decision is None:
            return
        final = _winners(decision)
        for winners in self.seen:
            for run, by in winners.items():
                if final.get(run) != by:
                    raise FaultError(
                        f"run {run} of attempt {by} was accepted, then {final}"
                    )
        if self.resumed and self.resumed & final.keys():
            raise FaultError(f"runs {self.resumed} were resumed, and accepted too: {final}")


def _clock() -> dict[str, Any]:
    clock = FakeClock()
    return {"monotonic": clock.monotonic, "sleep": clock.sleep}


def _winners(decision: attempts.Decision) -> dict[int, int]:
    return {run: record["by"] for run, record in decision.records.items()}


def test_of_all_attempts_one_result_is_accepted_for_ever() -> None:
    for seed in range(SEEDS):
        Drama(seed).play()


def _without_second_listing(port: Any, item: Item) -> attempts.Decision | None:
    numbers = attempts.attempts_of(port, item)
    if not numbers:
        return None
    found = attempts.read_attempts(port, item, numbers)
    decision = attempts.resolve(found)
    if decision is None and len(numbers) > 1:  # the latest says nothing: the one before
        del found[numbers[-1]]
        decision = attempts.resolve(found)
    return decision


@pytest.mark.parametrize(
    ("owner", "name", "instead"),
    [
        (__name__, "decide", _without_second_listing),
        ("jobstores.attempts", "_fenced", lambda port, item: False),
    ],
    ids=["second-listing", "fence-check"],
)
def test_each_step_of_the_attempts_protocol_is_needed(
    monkeypatch: pytest.MonkeyPatch, owner: str, name: str, instead: Callable[..., Any]
) -> None:
    monkeypatch.setattr(f"{owner}.{name}", instead)
    with pytest.raises(FaultError):
        for seed in range(10 * SEEDS):
            Drama(seed).play()


# --- generations: readers beside writers, folds and sweeps -------------------------------


@pytest.fixture
def quick_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobstores.workflow_store.write_columns", plain_columns)
    monkeypatch.setattr("jobstores.workflow_store.read_column", plain_column)
    monkeypatch.setattr("jobstores.fold.read_column", plain_column)


class Readers:
    """Four jobs write, one process folds and sweeps, another one reads views."""

    def __init__(self, seed: int) -> None:
        self.stage = Stage(seed)
        self.memory = MemoryPort()
        timing = LeaseTiming(beat_in_background=False)
        self.store = WorkflowStore.create(
            self.memory,
            info={},
            documents={},
            tables={},
            ranges=[IdRange("r", 0, 4, ())],
            timing=timing,
        )
        self.lease = self.store.lease()
        jobs = {(0, job): 1 for job in range(4)}
        self.store.commit(self.lease, self.store.base(), jobs=jobs)
        self.done: set[int] = set()

    def play(self) -> None:
        for job in range(4):
            self.stage.actor(f"job {job}", lambda job=job: self._job(job))
        self.stage.actor("fold", self._fold)
        self.stage.actor("reader", self._read)
        try:
            self.stage.run()
        finally:
            self.lease.release()

    def _opened(self, name: str) -> WorkflowStore:
        port = self.stage.port(
            name, self.memory, lambda _, key: ".commit" in key or "/" in key
        )
        store = object.__new__(WorkflowStore)
        store.__dict__.update(self.store.__dict__, port=port)
        return store

    def _job(self, job: int) -> None:
        name = f"job {job}"
        port = self.stage.port(name, self.memory, lambda method, _: method != "list")
        attempt = start(port, Item(0, job, 0), {"at": 0}, silence_s=0.0, **_clock())
        attempt.writer.append({"t": "end", "run": job, "at": 0, "ok": True})
        self.done.add(job)
        attempt.writer.append({"t": "close", "at": 0, "why": "done"})

    def _fold(self) -> None:
        store = self._opened("fold")
        for _ in range(4):
            store.fold(self.lease)
            store.commit(self.lease, store.base(), info={})
            store.sweep(self.lease, min_age_s=-10)

    def _read(self) -> None:
        store = self._opened("reader")
        for _ in range(6):
            before = set(self.done)
            view = store.view()
            seen = {run for d in view.tail.values() if d is not None for run in d.records}
            if "runs" in view.base.tables:
                ids = plain_column(self.memory, view.base.tables["runs"]["id"])
                seen.update(ids)
            if before - seen:
                raise FaultError(f"runs {before - seen} had ended, and are not in the view")


def _is_turn(method: str, key: str) -> bool:
    """Whether others may go on before this call: where it can make a difference."""
    if method == "list":
        return key.startswith("segments")
    return method.startswith("delete") or key.endswith(".commit") or "segment" in method


@pytest.mark.usefixtures("quick_columns")
def test_a_view_holds_every_run_that_had_ended() -> None:
    for seed in range(80 * EFFORT):
        Readers(seed).play()


class _WithoutRecheck:
    """The module `generations`, as if no generation were ever committed meanwhile."""

    def __getattr__(self, name: str) -> Any:
        return getattr(generations, name)

    def newest(self, port: Any) -> generations.Base:
        base = generations.newest(port)
        self.numbers = lambda _: [base.number]
        return base


@pytest.mark.usefixtures("quick_columns")
def test_looking_at_the_generations_again_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jobstores.view.generations", _WithoutRecheck())
    with pytest.raises(FaultError):
        for seed in range(1000):
            Readers(seed).play()
