"""Attempts, decisions and fences: protocol 3, scene by scene."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import pytest

from jobstores import process_identity
from jobstores.attempts import Attempt, Duplicate, Fenced, Item, decide, fence, start
from jobstores.backends.memory import MemoryPort
from jobstores.backends.posix import PosixPort
from jobstores.errors import AlreadyExistsError, BusyError, NotFoundError
from jobstores.segments import (
    SegmentWriter,
    append_serialised,
    fence_key,
    read_segment,
    segment_key,
)
from tests.jobstores.store_doubles import FakeClock, HookedPort, counting, imported_by

ITEM = Item(2, 5, 1003)
FENCE = fence_key(2, 5)


def begin(port: Any, clock: FakeClock | None = None, item: Item = ITEM) -> Attempt:
    clock = clock or FakeClock()
    return start(
        port,
        item,
        {"at": 7, "host": "elsewhere", "scheduler_id": "17"},
        silence_s=70.0,
        monotonic=clock.monotonic,
        sleep=clock.sleep,
    )


def end(run: int, *, ok: bool = True, **more: Any) -> dict[str, Any]:
    return {"t": "end", "run": run, "at": 100 + run, "ok": ok, **more}


def write(attempt: Attempt, *records: dict[str, Any]) -> None:
    for record in records:
        attempt.writer.append(record)
    attempt.writer.sync()


CLOSE = {"t": "close", "at": 999, "why": "done"}


def fence_items(
    port: Any, *items: Item, clock: FakeClock | None = None, **more: Any
) -> Any:
    clock = clock or FakeClock()
    return fence(
        port,
        items,
        silence_s=70.0,
        monotonic=clock.monotonic,
        sleep=clock.sleep,
        header={"at": 50, "why": "lost"},
        **more,
    )


# --- starting ---------------------------------------


def test_the_first_attempt_costs_three_look_ups(tmp_path: Any) -> None:
    port, counts = counting(PosixPort(str(tmp_path)))
    clock = FakeClock()
    attempt = begin(port, clock)
    assert counts == {
        "list": 1,  # is there an earlier attempt?
        "create_segment": 1,  # the claim
        "read_segment": 1,  # the fence, which is not there
        "append": 1,
        "sync": 1,
    }
    assert (attempt.number, attempt.accepted, clock.slept) == (0, {}, 0.0)
    (header,) = read_segment(port, segment_key(*ITEM, 0)).records
    assert header == {
        "at": 7,
        "host": "elsewhere",
        "scheduler_id": "17",
        "t": "header",
        "attempt": 0,
        "kind": "run",
        "cuts": {},
    }


def test_a_later_attempt_leaves_final_runs_alone() -> None:
    port = MemoryPort()
    first = begin(port)
    write(
        first,
        end(0),
        end(1, ok=False, exit=3),
        end(2, ok=False, int=True),
        {"t": "skip", "run": 3, "at": 1, "why": "rule"},
        {"t": "defer", "run": 4, "at": 1, "why": "time"},
        {"t": "start", "run": 5, "at": 1},
        CLOSE,
    )
    second = begin(port)
    assert (second.number, sorted(second.accepted)) == (1, [0, 1, 3])


def test_side_segments_are_not_attempts() -> None:
    port = MemoryPort()
    port.create_segment(segment_key(*ITEM, 0) + ".side.0").append(b"x\n")
    assert begin(port).number == 0


def test_a_silent_attempt_is_succeeded_after_the_silence() -> None:
    port = MemoryPort()
    write(begin(port), end(0))
    clock = FakeClock()
    assert begin(port, clock).number == 1
    assert clock.slept >= 70.0


@pytest.mark.parametrize("grows_at", [1.0, 69.9])
def test_an_attempt_that_grows_is_alive(grows_at: float) -> None:
    port = MemoryPort()
    alive = begin(port)

    def beat(now: float) -> None:
        if now >= 1000.0 + grows_at:
            alive.writer.append({"t": "beat", "at": 1})

    with pytest.raises(Duplicate):
        begin(port, FakeClock(beat))


def test_a_claim_without_a_header_is_watched_like_any_other() -> None:
    port = MemoryPort()
    port.create_segment(segment_key(*ITEM, 0)).close()
    clock = FakeClock()
    assert begin(port, clock).number == 1
    assert clock.slept >= 70.0


def test_an_attempt_that_appears_while_we_watch_is_watched_too() -> None:
    port = MemoryPort()
    begin(port)
    clock = FakeClock()

    def other_starts(now: float) -> None:
        if now > 1060 and port.list("segments/2/5/1") == ["1003.0"]:
            port.create_segment(segment_key(*ITEM, 1)).append(b"")

    clock.on_sleep = other_starts
    assert begin(port, clock).number == 2
    assert clock.slept >= 130.0


def test_who_loses_the_claim_watches_the_winner() -> None:
    store = MemoryPort()

    def before(name: str, key: str) -> None:
        if name == "create_segment" and key.endswith(".0") and not store.list("segments"):
            begin(store)

    clock = FakeClock()
    assert begin(HookedPort(store, before), clock).number == 1
    assert clock.slept >= 70.0


def test_an_attempt_proven_dead_is_not_watched() -> None:
    port = MemoryPort()
    text = (
        "import json; from jobstores.process_identity import identity;"
        "print(json.dumps(identity()))"
    )
    ran = subprocess.run([sys.executable, "-c", text], capture_output=True, check=True)
    dead, clock = json.loads(ran.stdout), FakeClock()
    assert process_identity.proven_dead(dead)
    times = {"silence_s": 70.0, "monotonic": clock.monotonic, "sleep": clock.sleep}
    start(port, ITEM, {"at": 1, **dead}, **times)
    assert start(port, ITEM, {"at": 1}, **times).number == 1
    assert clock.slept == 0.0


def test_superseded_by_a_higher_claim_or_the_fence() -> None:
    port = MemoryPort()
    first = begin(port)
    assert not first.superseded()
    second = begin(port)
    assert first.superseded()
    assert not second.superseded()
    append_serialised(port, FENCE, {"t": "fence", "at": 1})
    assert second.superseded()


def test_a_header_that_can_not_be_written_leaves_a_claim_and_an_error() -> None:
    def full(name: str, key: str) -> None:
        if name == "append":
            raise OSError("disk full")

    store = MemoryPort()
    with pytest.raises(OSError, match="disk full"):
        begin(HookedPort(store, full))
    assert decide(store, ITEM) is None
    assert begin(store).number == 1


# --- deciding ---------------------------------------


def test_undecided_items() -> None:
    port = MemoryPort()
    assert decide(port, ITEM) is None
    port.create_segment(segment_key(*ITEM, 0)).close()
    assert decide(port, ITEM) is None
    begin(port)
    decision = decide(port, ITEM)
    assert decision is not None
    assert (decision.attempt, decision.closed, decision.last_at) == (1, False, 7)
    port.create_segment(segment_key(*ITEM, 2)).close()
    assert decide(port, ITEM) is None
    port.delete(segment_key(*ITEM, 0))  # as a sweep does
    begin_without_listing = port.append_segment(segment_key(*ITEM, 2))
    begin_without_listing.append(b"")
    assert decide(port, ITEM) is None


def test_a_claim_that_comes_while_reading_makes_it_undecided() -> None:
    store = MemoryPort()
    begin(store)

    def before(name: str, key: str) -> None:
        if name == "read_segment" and len(store.list("segments/2/5/1")) == 1:
            store.create_segment(segment_key(*ITEM, 1)).close()

    assert decide(HookedPort(store, before), ITEM) is None


def test_what_a_ghost_appends_after_the_cut_never_counts() -> None:
    port = MemoryPort()
    ghost = begin(port)
    write(ghost, end(0, by="ghost"))
    successor = begin(port)
    write(ghost, end(1, by="ghost"), end(2, by="ghost"), CLOSE)
    write(successor, end(1, by="successor"))
    decision = decide(port, ITEM)
    assert decision is not None
    assert {run: r["by"] for run, r in decision.records.items()} == {
        0: "ghost",
        1: "successor",
    }
    assert (decision.attempt, decision.lower, decision.closed) == (1, {0: 0}, False)


def test_the_cut_of_the_nearest_attempt_limits_those_below_it() -> None:
    port = MemoryPort()
    zero = begin(port)
    write(zero, end(0, by=0))
    one = begin(port)
    write(zero, end(1, by=0))
    write(one, end(1, by=1))
    two = begin(port)
    write(two, end(2, by=2))
    decision = decide(port, ITEM)
    assert decision is not None
    assert {run: r["by"] for run, r in decision.records.items()} == {0: 0, 1: 1, 2: 2}


def test_the_first_success_of_a_run_wins_else_its_last_record() -> None:
    port = MemoryPort()
    first = begin(port)
    write(first, end(0, ok=False, int=True, by=0), end(1, by=0), {"t": "defer", "run": 2})
    second = begin(port)
    write(second, end(0, by=1), end(1, by=1), end(2, ok=False, by=1))
    decision = decide(port, ITEM)
    assert decision is not None
    assert {run: r["by"] for run, r in decision.records.items()} == {0: 1, 1: 0, 2: 1}
    assert decision.lower == {1: 0}


def test_running_is_what_the_deciding_attempt_started_and_did_not_end() -> None:
    port = MemoryPort()
    first = begin(port)
    write(first, *({"t": "start", "run": run, "at": 1} for run in range(4)))
    write(first, end(0), end(1, ok=False, int=True))
    second = begin(port)
    write(second, *({"t": "start", "run": run, "at": 2} for run in (1, 2)))
    open_ = decide(port, ITEM)
    assert open_ is not None
    assert (sorted(open_.running), sorted(open_.records)) == ([1, 2], [0])
    write(second, end(2), CLOSE)
    closed = decide(port, ITEM)
    assert closed is not None
    assert (sorted(closed.running), closed.closed, closed.why) == ([3], True, "done")


def rising(
    port: Any, submission: int, job: int, item: int, numbers: Any
) -> dict[int, bytes]:
    key = segment_key
    return {k: port.read_segment(key(submission, job, item, k)) for k in sorted(numbers)}


@pytest.mark.parametrize("mutant", [False, True])
def test_a_lower_segment_is_read_after_the_one_that_speaks_of_it(
    mutant: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read too early it would lack what the top took over from it."""
    store = MemoryPort()
    first = begin(store)
    top = SegmentWriter(store.create_segment(segment_key(*ITEM, 1)))
    reads: list[str] = []

    def before(name: str, key: str) -> None:
        reads.extend([key] if name == "read_segment" else [])
        if name == "read_segment" and len(reads) == 2:  # one of the two was read
            write(first, end(0))
            cut = read_segment(store, segment_key(*ITEM, 0)).valid_bytes
            top.append({"t": "header", "attempt": 1, "kind": "run", "cuts": {"0": cut}})
            top.append(end(1))
            top.append(CLOSE)

    if mutant:
        monkeypatch.setattr("jobstores.attempts.read_item_segments", rising)
    decision = decide(HookedPort(store, before), ITEM)
    if mutant:
        assert decision is not None
        assert sorted(decision.records) == [1]  # run 0 is lost
    else:
        assert decision is None


# --- fencing ---------------------------------------


def test_after_a_fence_nothing_starts_and_nothing_late_counts() -> None:
    port = MemoryPort()
    ghost = begin(port)
    write(ghost, {"t": "start", "run": 0, "at": 1}, end(1))
    decisions = fence_items(port, ITEM)
    write(ghost, end(0), CLOSE)
    with pytest.raises(Fenced):
        begin(port)
    decision = decide(port, ITEM)
    assert decision == decisions[ITEM]
    assert decision is not None
    assert (decision.closed, decision.tombstone, decision.why) == (True, True, "lost")
    assert (sorted(decision.records), sorted(decision.running)) == ([1], [0])


def test_an_attempt_that_finds_the_fence_withdraws() -> None:
    port = MemoryPort()
    first = begin(port)
    write(first, end(0), CLOSE)
    before = decide(port, ITEM)
    append_serialised(port, FENCE, {"t": "fence", "at": 1})
    with pytest.raises(Fenced):
        begin(port)
    assert port.list("segments/2/5/1") == ["1003.0", "1003.1"]
    assert decide(port, ITEM) == before
    with pytest.raises(Fenced):
        begin(port)
    assert len(port.list("segments/2/5/1")) == 2


def test_closed_items_keep_their_decision_and_unstarted_ones_get_a_tombstone() -> None:
    port = MemoryPort()
    closed, unstarted = Item(2, 5, 0), Item(2, 5, 1)
    write(begin(port, item=closed), end(0), CLOSE)
    clock = FakeClock()
    decisions = fence_items(port, closed, unstarted, clock=clock)
    assert clock.slept == 0.0
    assert (decisions[closed].why, decisions[closed].attempt) == ("done", 0)
    assert (decisions[unstarted].tombstone, decisions[unstarted].records) == (True, {})
    with pytest.raises(Fenced):
        begin(port, item=unstarted)


def test_a_late_fence_can_not_be_missed_where_there_is_a_tombstone() -> None:
    """A file system may show the fence late, but never lets a number be claimed twice."""
    store = MemoryPort()
    fence_items(store, ITEM)

    class LateFence(MemoryPort):
        def read_segment(self, key: str, begin: int = 0) -> bytes:
            if key == FENCE:
                raise NotFoundError(key)
            return store.read_segment(key, begin)

        def list(self, prefix: str) -> list[str]:
            return []

        def create_segment(self, key: str) -> Any:
            return store.create_segment(key)

    with pytest.raises(Fenced):
        begin(LateFence())


def test_without_claiming_unstarted_items_only_the_fence_holds_them() -> None:
    port = MemoryPort()
    assert fence_items(port, ITEM, claim_unstarted=False) == {}
    with pytest.raises(Fenced):
        begin(port)


def test_a_live_attempt_is_not_fenced() -> None:
    port = MemoryPort()
    alive = begin(port)
    clock = FakeClock(lambda _: alive.writer.append({"t": "beat", "at": 1}))
    with pytest.raises(BusyError, match="still alive"):
        fence_items(port, ITEM, clock=clock)
    assert not alive.superseded()


def test_an_attempt_that_starts_before_the_fence_is_seen_is_watched_too() -> None:
    store = MemoryPort()
    write(begin(store), end(0))

    def before(name: str, key: str) -> None:
        if name == "append" and key == FENCE:
            store.create_segment(segment_key(*ITEM, 1)).close()

    clock = FakeClock()
    decisions = fence_items(HookedPort(store, before), ITEM, clock=clock)
    assert clock.slept >= 140.0
    assert (decisions[ITEM].attempt, sorted(decisions[ITEM].records)) == (2, [0])


def test_fencing_again_changes_nothing() -> None:
    port = MemoryPort()
    write(begin(port), end(0))
    first = fence_items(port, ITEM)
    assert fence_items(port, ITEM) == first


def test_a_fence_cut_short_is_done_again() -> None:
    store = MemoryPort()
    write(begin(store), end(0))

    def dies(name: str, key: str) -> None:
        if name == "append" and key == segment_key(*ITEM, 1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fence_items(HookedPort(store, dies), ITEM)
    assert decide(store, ITEM) is None
    decision = fence_items(store, ITEM)[ITEM]
    assert (decision.attempt, sorted(decision.records)) == (2, [0])


def test_a_fence_goes_above_a_claim_that_came_before_it() -> None:
    store = MemoryPort()
    write(begin(store), end(0))

    def before(name: str, key: str) -> None:
        if name == "create_segment" and key == segment_key(*ITEM, 1):
            try:
                store.create_segment(key).close()
            except AlreadyExistsError:
                return

    assert fence_items(HookedPort(store, before), ITEM)[ITEM].attempt == 2


def test_a_fence_is_for_one_job() -> None:
    with pytest.raises(ValueError, match="one job"):
        fence_items(MemoryPort(), Item(0, 0, 0), Item(0, 1, 0))


# --- who is dead, and what a start costs ---------------------------------------


def test_only_certain_death_is_proven() -> None:
    mine = process_identity.identity()
    assert process_identity.proven_alive(mine)
    assert not process_identity.proven_dead(mine)
    assert process_identity.proven_dead({**mine, "boot": "another"})
    assert process_identity.proven_dead({**mine, "pid_start": mine["pid_start"] - 1})
    for change in (
        {"host": "elsewhere", "boot": "another"},
        {"host": "localhost", "boot": "another"},
        {"pid_ns": "pid:[1]", "pid_start": 1},
        {"pid": None},
        {"pid_start": None},
    ):
        assert not process_identity.proven_dead({**mine, **change}), change
        if change != {"pid_start": None}:
            assert not process_identity.proven_alive({**mine, **change}), change
    assert not process_identity.proven_dead({})


def test_a_zombie_is_dead() -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as child:
        mine = process_identity.identity()
        started = process_identity.process_start(child.pid)
        record = {**mine, "pid": child.pid, "pid_start": started}
        assert process_identity.proven_alive(record)
        child.kill()
        deadline = time.monotonic() + 120
        while not process_identity.proven_dead(record):
            assert time.monotonic() < deadline
        assert not process_identity.proven_alive(record)


def test_the_node_side_imports_only_the_standard_library() -> None:
    names = "attempts, jobstores.packs, jobstores.references, jobstores.backends.posix"
    assert not imported_by(f"import jobstores.{names}")
