"""The workflow's store: generations, view, fold, sweep."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobstores import generations
from jobstores.attempts import Fenced, Item, decide, fence
from jobstores.backends.file import FilePort
from jobstores.backends.memory import MemoryPort
from jobstores.backends.posix import PosixPort
from jobstores.columns import read_column
from jobstores.errors import (
    AlreadyExistsError,
    BusyError,
    ConflictError,
    CorruptError,
    LeaseLostError,
    NotFoundError,
    UnsupportedError,
)
from jobstores.generations import IdRange
from jobstores.lease import acquire
from jobstores.outcomes import outcome
from jobstores.packs import read_item
from jobstores.records import RunState
from jobstores.references import put_reference, resolve
from jobstores.segments import exists, fence_key, segment_key
from jobstores.testing import FaultyPort, KilledError
from jobstores.workflow_store import WorkflowStore
from tests.jobstores.store_doubles import EFFORT, FakeClock, HookedPort
from tests.jobstores.store_scenes import (
    CLOSE,
    RANGES,
    begin,
    end,
    fold,
    new_store,
    outputs,
    play,
    rows,
    timing,
)

ITEM = Item(0, 0, 0)


# --- making, opening, committing ---------------------------------------


@pytest.fixture(params=["memory", "zarr", "file"])
def port(request: pytest.FixtureRequest, tmp_path: Any) -> Any:
    kinds = {"zarr": PosixPort, "file": FilePort}
    if request.param == "memory":
        return MemoryPort()
    return kinds[request.param](str(tmp_path / "w"))


def test_what_was_made_is_there_when_opened(port: Any) -> None:
    made = WorkflowStore.create(
        port,
        info={"name": "demo"},
        documents={"template": b"tasks: []", "empty": b""},
        tables={
            "inputs/x": {"i": ("int", [3, 1]), "f": ("float", [0.5, math.inf])},
            "texts": {"s": ("string", ["a", "ü"]), "j": ("json", [{"a": 1}, None])},
        },
        ranges=RANGES,
    )
    store = WorkflowStore(port)
    base = store.base()
    assert store.id == made.id == base.store_id
    assert (base.number, base.info, base.ranges) == (1, {"name": "demo"}, RANGES)
    assert base.summary == {"sim": {RunState.PENDING: 100}, "post": {RunState.PENDING: 10}}
    assert store.document(base, "template") == b"tasks: []"
    assert store.column(base, "inputs/x", "i").tolist() == [3, 1]
    assert store.column(base, "inputs/x", "f").tolist() == [0.5, math.inf]
    assert store.column(base, "texts", "s") == ["a", "ü"]
    assert store.column(base, "texts", "j") == [{"a": 1}, None]
    with pytest.raises(NotFoundError, match=r"no document 'x'.*there are: empty, template"):
        store.document(base, "x")
    with pytest.raises(NotFoundError, match="no column 'k' in 'texts'"):
        store.column(base, "texts", "k")


def test_a_store_is_made_once(port: Any) -> None:
    new_store(port)
    with pytest.raises(AlreadyExistsError, match="is a job store already"):
        new_store(port)


def test_what_is_no_store_is_not_opened(port: Any) -> None:
    with pytest.raises(NotFoundError, match="is not a job store"):
        WorkflowStore(port)


def test_making_that_was_cut_short_is_taken_up() -> None:
    port = MemoryPort()
    generations.write_marker(port, "id", 0)
    with pytest.raises(NotFoundError, match="cut short"):
        WorkflowStore(port).base()
    assert new_store(port).id == "id"


def test_of_two_makers_one_wins() -> None:
    store = MemoryPort()

    def other(name: str, key: str) -> None:
        if name == "put" and key.endswith(".commit"):
            new_store(store)

    with pytest.raises(AlreadyExistsError):
        new_store(HookedPort(store, other))
    assert WorkflowStore(store).base().number == 1


def test_a_newer_store_is_not_opened() -> None:
    port = MemoryPort()
    port.put("store.json", b'{"format": 2, "id": "x"}')
    with pytest.raises(UnsupportedError, match="format 2"):
        WorkflowStore(port)


def test_what_a_commit_is_not_given_stays(port: Any) -> None:
    store = new_store(
        port,
        info={"a": 1},
        documents={"d": b"1", "e": b"1"},
        tables={"t": {"x": ("int", [1])}, "u": {"x": ("int", [1])}},
    )
    first = store.base()
    with store.lease() as lease:
        second = store.commit(
            lease,
            first,
            documents={"e": b"2"},
            tables={"u": {"x": ("int", [2, 3])}},
            ranges=[IdRange("more", 110, 5, ())],
            jobs={(0, 1): 8},
        )
        third = store.commit(lease, second, info={"b": 2})
    assert WorkflowStore(port).base() == third
    assert (second.info, third.info) == ({"a": 1}, {"b": 2})
    assert third.tables["t"] == first.tables["t"]
    assert store.column(third, "u", "x").tolist() == [2, 3]
    assert store.column(first, "u", "x").tolist() == [1]
    assert (store.document(third, "d"), store.document(third, "e")) == (b"1", b"2")
    assert third.jobs == {"0/1": 8}
    assert third.summary["more"] == {RunState.PENDING: 5}
    assert [r.name for r in third.ranges] == ["sim", "post", "more"]


def test_a_run_table_that_is_given_makes_the_summary() -> None:
    table = {
        "id": ("int", [0, 1, 105]),
        "state": ("int", [RunState.SUBMITTED, RunState.PENDING, RunState.SUBMITTED]),
    }
    store = new_store(tables={"runs": table})
    assert store.base().summary == {
        "sim": {RunState.PENDING: 99, RunState.SUBMITTED: 1},
        "post": {RunState.PENDING: 9, RunState.SUBMITTED: 1},
    }


def test_ranges_have_one_name_each_and_columns_one_length() -> None:
    with pytest.raises(ValueError, match="'sim' already"):
        new_store(ranges=[*RANGES, RANGES[0]])
    with pytest.raises(ValueError, match="differ in length"):
        new_store(tables={"t": {"a": ("int", [1]), "b": ("int", [])}})


def test_a_commit_on_an_old_base_is_refused() -> None:
    store = new_store()
    base = store.base()
    with store.lease() as lease:
        store.commit(lease, base, info={"by": 1})
        with pytest.raises(ConflictError, match="reload"):
            store.commit(lease, base, info={"by": 2})
    assert store.base().info == {"by": 1}


def test_a_commit_needs_the_lease() -> None:
    clock = FakeClock()
    store = WorkflowStore.create(
        MemoryPort(), info={}, documents={}, tables={}, ranges=RANGES, timing=timing(clock)
    )
    lease = store.lease()
    with pytest.raises(BusyError):
        store.lease()
    clock.now += 40
    for write in (
        lambda: store.commit(lease, store.base(), info={"late": True}),
        lambda: store.fold(lease),
        lambda: store.sweep(lease),
    ):
        with pytest.raises(LeaseLostError):
            write()
    assert store.base().number == 1
    lease.release()


def test_a_lease_lost_while_writing_commits_nothing() -> None:
    clock, memory = FakeClock(), MemoryPort()

    def slow(name: str, key: str) -> None:
        if key.endswith("documents/0-d"):
            clock.now += 40

    port = HookedPort(memory, slow)
    store = new_store(port)
    store._timing = timing(clock)
    with store.lease() as lease, pytest.raises(LeaseLostError):
        store.commit(lease, store.base(), documents={"d": b"x"})
    assert store.base().number == 1


@pytest.mark.parametrize("swept", [False, True])
def test_a_commit_that_was_held_up_says_whether_it_counts(
    swept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paused between its last look and the commit, while others went on."""
    monkeypatch.setattr("jobstores.lease.proven_alive", lambda _: False)  # another host
    clock, memory = FakeClock(), MemoryPort()
    new_store(memory)
    paused: list[bool] = []

    def pause(name: str, key: str) -> None:
        if name == "put" and key == generations.manifest_key(2) and not paused:
            paused.append(True)
            clock.now += 100
            other = WorkflowStore(memory, timing=timing(FakeClock()))
            with acquire(memory, timing=timing(FakeClock())) as lease:
                for number in range(4 if swept else 0):
                    other.commit(lease, other.base(), info={"number": number})
                other.sweep(lease, min_age_s=-10)

    store = WorkflowStore(HookedPort(memory, pause), timing=timing(clock))
    lease = store.lease()
    base = store.base()
    if swept:
        with pytest.raises(LeaseLostError, match="held up while it committed"):
            store.commit(lease, base, info={"late": True})
        assert store.base().info == {"number": 3}
    else:
        store.commit(lease, base, info={"late": True})
        assert store.base().info == {"late": True}


# --- the view ---------------------------------------


def test_the_view_is_the_base_and_what_is_not_in_it() -> None:
    store = new_store()
    assert store.view().tail == {}
    play(store.port, Item(0, 0, 1), end(1))
    fold(store)
    play(store.port, Item(0, 0, 2), {"t": "start", "run": 2, "at": 5}, close=False)
    store.port.create_segment(segment_key(0, 1, 0, 0)).close()
    view = store.view()
    assert list(view.tail) == [Item(0, 0, 2), Item(0, 1, 0)]
    running = view.tail[Item(0, 0, 2)]
    assert running is not None
    assert (list(running.running), running.closed) == ([2], False)
    assert view.tail[Item(0, 1, 0)] is None
    assert view.base.summary["sim"] == {RunState.PENDING: 99, RunState.SUCCEEDED: 1}


def test_a_folded_item_with_a_new_attempt_is_in_the_tail_again() -> None:
    store = new_store()
    play(store.port, ITEM, end(0), end(1, ok=False, int=True))
    fold(store)
    play(store.port, ITEM, end(1))
    decision = store.view().tail[ITEM]
    assert decision is not None
    assert {run: record["ok"] for run, record in decision.records.items()} == {
        0: True,
        1: True,
    }
    fold(store)
    assert rows(store, "state", "attempt") == {0: [3, 0], 1: [3, 1]}


def test_what_was_recorded_stays_in_view_beside_a_claim_without_a_header() -> None:
    store = new_store()
    other = Item(0, 0, 1)
    play(store.port, ITEM, end(0), end(1, ok=False, int=True), close=False)
    play(store.port, other, end(2))
    fold(store)
    for item in (ITEM, other):
        store.port.create_segment(segment_key(*item, 1)).close()
    tail = store.view().tail
    found = {i: (sorted(d.records), d.closed) for i, d in tail.items() if d is not None}
    assert found == {ITEM: ([0, 1], False), other: ([2], False)}
    assert decide(store.port, ITEM) is None
    assert fold(store).items == 0


def test_an_attempt_that_starts_while_a_view_is_read_is_in_it() -> None:
    memory = MemoryPort()
    new_store(memory)
    play(memory, ITEM, end(0))

    def before(name: str, key: str) -> None:
        if name == "read_segment" and len(memory.list("segments/0/0/0")) == 1:
            play(memory, ITEM, end(1))
            play(memory, Item(0, 0, 1), end(2))

    tail = WorkflowStore(HookedPort(memory, before)).view().tail
    found = {item: sorted(d.records) for item, d in tail.items() if d is not None}
    assert found == {ITEM: [0, 1], Item(0, 0, 1): [2]}


# --- folding ---------------------------------------


@pytest.mark.parametrize(
    ("record", "state"),
    [
        ({"t": "end", "ok": True}, RunState.SUCCEEDED),
        ({"t": "end", "ok": False}, RunState.FAILED),
        ({"t": "end", "ok": False, "why": "exit 3"}, RunState.FAILED),
        ({"t": "end", "ok": False, "int": True}, RunState.LOST),
        ({"t": "end", "ok": False, "why": "aborted by user"}, RunState.ABORTED),
        ({"t": "skip", "why": "rule"}, RunState.SKIPPED),
        ({"t": "defer"}, RunState.DEFERRED),
        ({"t": "start"}, RunState.LOST),
    ],
)
def test_the_state_that_a_record_leaves(record: dict[str, Any], state: RunState) -> None:
    assert outcome(record) == state


@pytest.mark.parametrize(
    ("record", "state"),
    [
        ({"t": "end", "ok": True}, RunState.SUCCEEDED),
        ({"t": "end", "ok": False}, RunState.FAILED),
        ({"t": "end", "ok": False, "int": True}, RunState.CANCELLED),
        ({"t": "defer"}, RunState.CANCELLED),
        ({"t": "start"}, RunState.CANCELLED),
    ],
)
def test_what_a_cancelled_submission_left_is_cancelled(
    record: dict[str, Any], state: RunState
) -> None:
    assert outcome(record, cancelled=True) == state


def test_a_fold_writes_all_columns(port: Any) -> None:
    store = new_store(port)
    full = end(7, exit=0, mem=5, user=0.5, sys=0.25, log=[1, 2, 3], out={"y": 1.5})
    play(
        port,
        Item(0, 3, 4),
        full,
        end(8, ok=False, exit=9, why="exit 9"),
        {"t": "skip", "run": 9, "at": 4, "why": "rule 'x'"},
        {"t": "start", "run": 10, "at": 44},
    )
    report = fold(store)
    assert (report.items, report.runs, report.packed) == (1, 4, ())
    assert rows(store, "state", "exit", "start", "end", "why") == {
        7: [RunState.SUCCEEDED, 0, 7, 107, ""],
        8: [RunState.FAILED, 9, 8, 108, "exit 9"],
        9: [RunState.SKIPPED, -1, -1, -1, "rule 'x'"],
        10: [RunState.LOST, -1, 44, -1, ""],
    }
    names = ("submission", "job", "item", "attempt", "memory", "user", "system")
    assert rows(store, *names)[7] == [0, 3, 4, 0, 5, 0.5, 0.25]
    assert all(map(math.isnan, rows(store, "user", "system")[8]))
    assert rows(store, "log_slot", "log_start", "log_end") == {
        7: [1, 2, 3],
        8: [-1, -1, -1],
        9: [-1, -1, -1],
        10: [-1, -1, -1],
    }
    assert outputs(store, "outputs/sim/y") == {7: 1.5}
    assert store.base().summary["sim"] == {0: 96, 3: 1, 4: 1, 5: 1, 7: 1}


def test_open_and_undecided_items_are_left_alone() -> None:
    store = new_store()
    play(store.port, Item(0, 0, 0), end(0), close=False)
    store.port.create_segment(segment_key(0, 0, 1, 0)).close()
    report = fold(store)
    assert (report.items, report.base.number) == (0, 1)
    assert fold(store, Item(0, 0, 1), Item(0, 0, 9)).items == 0


def test_a_fenced_item_is_folded() -> None:
    store = new_store()
    play(store.port, ITEM, end(0), {"t": "start", "run": 1, "at": 5}, close=False)
    clock = FakeClock()
    times = {"silence_s": 1.0, "monotonic": clock.monotonic, "sleep": clock.sleep}
    fence(store.port, [ITEM], header={"at": 1, "why": "lost"}, **times)
    fold(store)
    assert rows(store, "state") == {0: RunState.SUCCEEDED, 1: RunState.LOST}
    assert store.view().tail == {}


def test_an_item_declared_finished_is_looked_at_again_when_it_grows() -> None:
    store = new_store(jobs={(0, 0): 1})
    attempt = play(store.port, ITEM, {"t": "start", "run": 0, "at": 5}, close=False)
    assert fold(store, ITEM).items == 1
    assert rows(store, "state") == {0: RunState.LOST}
    assert store.view().tail == {}
    assert fold(store, ITEM).base.packs == {}
    attempt.writer.append(end(0))
    assert list(store.view().tail) == [ITEM]
    assert fold(store).items == 0
    attempt.writer.append(CLOSE)
    assert fold(store).packed == ("0/0",)
    assert rows(store, "state") == {0: RunState.SUCCEEDED}


def test_an_attempt_that_starts_while_its_item_is_folded_leaves_it_for_later() -> None:
    memory = MemoryPort()
    new_store(memory, jobs={(0, 0): 2})
    play(memory, ITEM, end(0, out={"y": 1}))
    play(memory, Item(0, 0, 1), end(1, out={"y": 2}))
    begun: list[Any] = []

    def before(name: str, key: str) -> None:
        if name == "read_segment" and key == segment_key(0, 0, 1, 0) and not begun:
            begun.append(begin(memory, ITEM))

    store = WorkflowStore(HookedPort(memory, before), timing=timing())
    assert fold(store).items == 1
    assert rows(store, "state") == {1: RunState.SUCCEEDED}
    assert outputs(store, "outputs/sim/y") == {1: 2}
    assert list(store.view().tail) == [ITEM]
    begun[0].writer.append(CLOSE)
    assert fold(store).packed == ("0/0",)
    assert rows(store, "state") == {0: RunState.SUCCEEDED, 1: RunState.SUCCEEDED}
    assert outputs(store, "outputs/sim/y") == {0: 1, 1: 2}


@pytest.mark.parametrize(
    ("first", "second", "kinds"),
    [
        ([1, 2], [3], ("int", "int")),
        ([1.5], [2.5], ("float", "float")),
        ([True], [False], ("bool", "bool")),
        ([1], [1.0], ("int", "json")),
        ([True], [1], ("bool", "json")),
        ([2**63], [1], ("json", "json")),
        ([1, 1.0], [2], ("json", "json")),
        (["x", None], [[1, {"a": 2}]], ("json", "json")),
        ([0.1], [None], ("float", "json")),
        ([-(2**63)], [2**63 - 1], ("int", "int")),
    ],
)
def test_values_are_kept_in_the_narrowest_kind(
    first: list[Any], second: list[Any], kinds: tuple[str, str]
) -> None:
    store = new_store()
    given: dict[int, Any] = {}
    for number, values in enumerate((first, second)):
        ends = [end(10 * number + i, out={"y": value}) for i, value in enumerate(values)]
        given.update({record["run"]: record["out"]["y"] for record in ends})
        play(store.port, Item(0, 0, number), *ends)
        fold(store)
        assert store.base().tables["outputs/sim/y"]["value"].kind == kinds[number]
    found = outputs(store, "outputs/sim/y")
    assert found == given
    assert {run: type(v) for run, v in found.items()} == {
        run: type(v) for run, v in given.items()
    }


def test_tables_that_do_not_change_keep_their_arrays() -> None:
    store = new_store(tables={"inputs": {"x": ("int", [1])}})
    play(store.port, Item(0, 0, 0), end(0, out={"y": 1, "z": "a"}))
    before = fold(store).base
    play(store.port, Item(0, 0, 1), end(1, out={"y": 2}))
    after = fold(store).base
    assert after.tables["inputs"] == before.tables["inputs"]
    assert after.tables["outputs/sim/z"] == before.tables["outputs/sim/z"]
    assert after.tables["outputs/sim/y"] != before.tables["outputs/sim/y"]
    assert outputs(store, "outputs/sim/y") == {0: 1, 1: 2}


def test_values_of_runs_that_belong_to_no_range_make_no_table() -> None:
    store = new_store()
    play(store.port, ITEM, end(5000, out={"y": 1}))
    assert "outputs" not in "".join(fold(store).base.tables)
    assert rows(store, "state") == {5000: RunState.SUCCEEDED}


def test_large_values_stay_objects_until_asked_for() -> None:
    store = new_store()
    reference = put_reference(store.port, "values/0/0/0.0/1.y", [1] * 3000)
    play(store.port, ITEM, end(0, out={"y": 5}), end(1, out={"y": reference}))
    fold(store)
    base = store.base()
    kept = store.column_ref(base, "outputs/sim/y", "value")
    texts = read_column(store.port, kept, encoded=True)
    assert [resolve(store.port, json.loads(text)) for text in texts] == [5, [1] * 3000]


def test_outputs_of_a_replaced_run_are_replaced() -> None:
    store = new_store()
    failed = end(0, ok=False, out={"y": 1, "z": 1})
    play(
        store.port,
        Item(0, 0, 0),
        failed,
        end(1, out={"y": 9}),
    )
    fold(store)
    play(store.port, Item(1, 0, 0), end(0, out={"y": 2.5}))
    fold(store)
    assert outputs(store, "outputs/sim/y") == {0: 2.5, 1: 9}
    assert outputs(store, "outputs/sim/z") == {}


def test_later_submissions_replace_what_did_not_succeed_and_nothing_else() -> None:
    store = new_store()
    play(store.port, Item(1, 0, 0), end(0), end(1, ok=False), end(2, ok=False))
    fold(store)
    play(store.port, Item(0, 5, 0), end(0, ok=False), end(1, ok=False), end(2))
    fold(store)
    assert rows(store, "state", "submission") == {0: [3, 1], 1: [4, 1], 2: [4, 1]}
    play(store.port, Item(2, 0, 0), end(0), {"t": "defer", "run": 1, "at": 1}, end(2))
    fold(store)
    assert rows(store, "state", "submission") == {0: [3, 1], 1: [6, 2], 2: [3, 2]}


events = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 4), st.booleans()),
    max_size=12,
)


def _expected(folds: list[Any]) -> dict[int, tuple[int, int, bool]]:
    """The rule again, run by run: plain Python instead of arrays."""
    base: dict[int, tuple[int, int, bool]] = {}
    for batch in folds:
        before = dict(base)
        for submission, job, run, ok in batch:
            old = base.get(run)
            known = before.get(run)
            earlier = known is not None and (submission, job) < known[:2]
            if not earlier and (old is None or not old[2]):
                base[run] = (submission, job, ok)
    return base


@settings(max_examples=60 * EFFORT, deadline=None)
@given(st.lists(events, max_size=3))
def test_folds_agree_with_the_rule_applied_run_by_run(batches: list[Any]) -> None:
    store = new_store()
    folds = []
    for number, batch in enumerate(batches):
        items: dict[Item, dict[int, bool]] = {}
        for submission, job, run, ok in batch:
            items.setdefault(Item(submission, job, number), {}).setdefault(run, ok)
        for item, ends in items.items():
            play(store.port, item, *(end(run, ok=ok) for run, ok in ends.items()))
        fold(store)
        folds.append(
            [(*i[:2], run, ok) for i in sorted(items) for run, ok in items[i].items()]
        )
    expected = _expected(folds)
    if expected:
        found = rows(store, "submission", "job", "state")
        assert {r: (s, j, v == 3) for r, (s, j, v) in found.items()} == expected
    assert sum(store.base().summary["sim"].values()) == 100


# --- packing and sweeping ---------------------------------------


def test_a_job_is_packed_when_nothing_more_can_come_of_it(port: Any) -> None:
    store = new_store(port, jobs={(0, 0): 2, (0, 1): 1, (0, 2): 2})
    play(port, Item(0, 0, 0), end(0))
    play(port, Item(0, 1, 0), end(1), {"t": "signal", "at": 5, "signal": "TERM"})
    play(port, Item(0, 2, 0), end(2))
    assert fold(store).packed == ()  # one did not start, one may be requeued
    play(port, Item(0, 0, 1), end(3))
    assert fold(store).packed == ("0/0",)
    assert fold(store, Item(0, 1, 0)).packed == ("0/1",)
    assert fold(store, Item(0, 2, 0)).packed == ()
    assert fold(store, Item(0, 2, 1)).packed == ("0/2",)
    assert store.base().consumed == {}
    assert fold(store).base.number == store.base().number
    assert store.view().tail == {}
    with pytest.raises(Fenced):
        begin(port, Item(0, 2, 1))


def test_an_attempt_that_starts_before_the_packing_fence_prevents_it() -> None:
    memory = MemoryPort()
    new_store(memory, jobs={(0, 0): 1})
    play(memory, ITEM, end(0))
    begun: list[Any] = []

    def before(name: str, key: str) -> None:
        if name == "append_segment" and not begun and key == fence_key(0, 0):
            begun.append(begin(memory, ITEM))

    store = WorkflowStore(HookedPort(memory, before), timing=timing())
    assert fold(store).packed == ()
    assert begun[0].superseded()
    assert list(store.view().tail) == [ITEM]
    begun[0].writer.append(CLOSE)
    assert fold(store).packed == ("0/0",)


def sweep(store: WorkflowStore, min_age_s: float = -10.0) -> int:
    with store.lease() as lease:
        return store.sweep(lease, min_age_s)


def commit(store: WorkflowStore, **changes: Any) -> Any:
    with store.lease() as lease:
        return store.commit(lease, store.base(), **changes)


def test_a_sweep_leaves_packs_and_what_two_generations_need(port: Any) -> None:
    store = new_store(
        port, jobs={(0, 0): 1}, documents={"d": b"1"}, tables={"t": {"x": ("int", [1])}}
    )
    play(port, ITEM, end(0, out={"y": 1}))
    packed = fold(store).base
    decision = decide(port, ITEM)
    assert decision is not None
    sweep(store)
    assert exists(
        port, segment_key(*ITEM, 0)
    )  # the generation before did not know the pack
    changed = commit(store, documents={"d": b"2"})
    sweep(store)
    assert not exists(port, segment_key(*ITEM, 0))
    assert read_item(port, ITEM) == decision
    assert store.document(packed, "d") == b"1"
    for number in range(3):
        commit(store, info={"number": number})
    sweep(store)
    base = store.base()
    assert len(generations.numbers(port)) == 2
    assert store.document(base, "d") == b"2"
    assert store.column(base, "t", "x").tolist() == [1]
    assert outputs(store, "outputs/sim/y") == {0: 1}
    assert rows(store, "state") == {0: RunState.SUCCEEDED}
    with pytest.raises(NotFoundError):
        store.document(packed, "d")
    with pytest.raises(Fenced):
        begin(port, ITEM)
    assert sweep(store) == 0
    assert changed.tables["t"] == base.tables["t"]


def test_a_sweep_leaves_what_is_young(port: Any) -> None:
    store = new_store(port, jobs={(0, 0): 1})
    play(port, ITEM, end(0))
    fold(store)
    for number in range(4):
        commit(store, info={"number": number}, documents={"d": b"%d" % number})
    assert sweep(store, min_age_s=900.0) == 0
    assert len(generations.numbers(port)) == 7
    assert exists(port, segment_key(*ITEM, 0))


def test_what_is_being_swept_is_gone_to_a_reader_and_not_damaged(port: Any) -> None:
    store = new_store(port, tables={"t": {"x": ("int", [1, 2])}})
    ref = store.column_ref(store.base(), "t", "x")
    for number in range(3):
        commit(store, tables={"t": {"x": ("int", [number])}})
    store.port = FaultyPort(port, {1: "kill"}, only=("delete_tree",))
    with pytest.raises(KilledError):
        sweep(store)
    chunk = "000000.ndjson" if port.column_format == "ndjson" else "c/0"
    assert list(port.walk(ref.key)) == [f"{ref.key}/{chunk}"]
    with pytest.raises(NotFoundError):
        read_column(port, ref)


def test_a_sweep_removes_what_folds_cut_short_left(port: Any) -> None:
    store = new_store(port, jobs={(0, 0): 1})
    play(port, ITEM, end(0))
    fold(store)
    port.put("gen/000003.dead/runs/id/c/0", b"x")
    port.put("gen/000009.slow/runs/id/c/0", b"x")
    port.put("packs/0/0.dead.pack", b"x")
    commit(store, info={})
    sweep(store)
    assert port.stat("gen/000003.dead/runs/id/c/0") is None
    assert port.stat("gen/000009.slow/runs/id/c/0") is not None
    assert port.stat("packs/0/0.dead.pack") is None
    assert read_item(port, ITEM) is not None


def test_a_sweep_keeps_what_the_pack_does_not_hold() -> None:
    store = new_store(jobs={(0, 0): 2})
    ghost = play(store.port, Item(0, 0, 0), end(0))
    play(store.port, Item(0, 0, 1), end(1))
    fold(store)
    ghost.writer.append({"t": "beat", "at": 9})  # after its close: a ghost indeed
    with pytest.raises(Fenced):
        begin(store.port, Item(0, 0, 1))  # its claim is withdrawn, and no obstacle
    commit(store, info={})
    sweep(store)
    assert exists(store.port, segment_key(0, 0, 0, 0))
    assert not exists(store.port, segment_key(0, 0, 1, 1))
    assert store.view().tail == {}


def test_a_damaged_pack_stops_a_sweep() -> None:
    store = new_store(jobs={(0, 0): 1})
    play(store.port, ITEM, end(0))
    key = fold(store).base.packs["0/0"]
    commit(store, info={})
    store.port.put(key, store.port.get(key)[:-1])
    with pytest.raises(CorruptError, match="the pack"):
        sweep(store)
    assert exists(store.port, segment_key(*ITEM, 0))


def test_a_reader_of_several_attempts_is_never_misled_by_a_sweep() -> None:
    """After each single removal an item is decided as before, by the pack if need be."""
    memory = MemoryPort()
    store = new_store(memory, jobs={(0, 0): 1})
    play(memory, ITEM, end(0), end(1, ok=False, int=True))
    play(memory, ITEM, end(1))
    fold(store)
    commit(store, info={})
    decision = decide(memory, ITEM)
    seen: list[bool] = []

    def after_each(name: str, key: str) -> None:
        seen.append(read_item(memory, ITEM) == decision)

    assert sweep(WorkflowStore(HookedPort(memory, after_each), timing=timing())) > 1
    assert seen
    assert all(seen)
