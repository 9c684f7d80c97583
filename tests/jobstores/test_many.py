"""Many calls at once: in order, no more than pays, and none left when it is over."""

from __future__ import annotations

import os
import signal
import threading
import warnings
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobstores.attempts import Item
from jobstores.backends.many import at_once, map_many
from jobstores.backends.memory import MemoryPort
from jobstores.columns import read_column, write_column
from jobstores.faults import CountingPort, FaultyPort
from jobstores.operations.copy import copy
from jobstores.operations.rechunk import rechunk
from jobstores.operations.transfer import Room
from jobstores.operations.verify import verify
from jobstores.packs import verify_pack, write_pack
from jobstores.workflow_store import WorkflowStore
from tests.jobstores.operations.places import content, fill, opened
from tests.jobstores.store_scenes import end, new_store, play, timing

LONG_S = 120.0  # for what never comes if the code is wrong


class MeetingPort(MemoryPort):
    """Memory of which a call of some kind waits, once, until another is under way.

    met: that came; within, most: calls under way now, and at the most.
    """

    parallel = 4

    def __init__(self, method: str = "", part: str = "") -> None:
        super().__init__()
        self.method, self.part = method, part
        self.met = threading.Event()
        self.lock = threading.Lock()
        self.within = self.most = 0
        self.calls: list[tuple[str, str]] = []

    def _meet(self, method: str, key: str) -> None:
        with self.lock:
            self.calls.append((method, key))
        if method != self.method or self.part not in key:
            return
        with self.lock:
            self.within += 1
            self.most = max(self.most, self.within)
            if self.within > 1:
                self.met.set()
        self.met.wait(LONG_S)
        with self.lock:
            self.within -= 1

    def get(self, key, start=0, stop=None):
        self._meet("get", key)
        return super().get(key, start, stop)

    def put(self, key, data, **how):
        self._meet("put", key)
        super().put(key, data, **how)

    def read_segment(self, key, start=0):
        self._meet("read_segment", key)
        return super().read_segment(key, start)


# --- the function itself ---------------------------------


@settings(deadline=None)
@given(st.integers(1, 9), st.lists(st.integers(), max_size=40))
def test_answers_come_in_the_order_of_the_items(parallel, items):
    assert list(map_many(parallel, lambda n: (n, 2 * n), items)) == [
        (n, 2 * n) for n in items
    ]


def test_one_at_a_time_nothing_is_taken_ahead():
    taken = iter(range(10))
    answers = map_many(1, lambda n: n, taken)
    assert next(answers) == 0
    assert next(taken) == 1


@pytest.mark.parametrize("parallel", [2, 5])
def test_no_more_run_at_once_than_pays_and_few_are_taken_ahead(parallel):
    lock, within, most, taken = threading.Lock(), [0], [0], [0]
    full = threading.Barrier(parallel)

    def act(_):
        with lock:
            within[0] += 1
            most[0] = max(most[0], within[0])
        full.wait(LONG_S)
        with lock:
            within[0] -= 1

    def items():
        for n in range(10 * parallel):
            taken[0] = n + 1
            yield n

    for done, _ in enumerate(map_many(parallel, act, items()), 1):
        assert taken[0] <= done + 2 * parallel
    assert most[0] == parallel


def test_a_failure_ends_the_whole_once_what_had_begun_is_done():
    begun, ended = [], []
    both = threading.Barrier(2)

    def act(n):
        begun.append(n)
        if n < 2:
            both.wait(LONG_S)
        if n == 0:
            raise OSError("the first")
        ended.append(n)

    with pytest.raises(OSError, match="the first"):
        list(map_many(2, act, range(100)))
    assert set(begun) == {0, *ended}
    assert len(begun) <= 4


def test_an_interruption_leaves_nothing_under_way():
    begun, ended = [], []

    def act(n):
        begun.append(n)
        ended.append(n)

    def interrupted():
        for n in map_many(3, act, range(100)):
            raise KeyboardInterrupt(n)

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert begun == ended
    assert threading.active_count() == before


def test_what_pays_for_two_ports_is_what_pays_for_one_of_them():
    assert at_once(MemoryPort()) == 1
    assert at_once(MemoryPort(), MeetingPort()) == 4
    assert at_once(CountingPort(MeetingPort())) == 4
    assert at_once(FaultyPort(MeetingPort(), {})) == 1


# --- where it is used ------------------------------------


@pytest.mark.parametrize("method", ["put", "get"])
def test_the_chunks_of_a_column_are_written_and_read_at_once(method):
    port = MeetingPort(method, "/c/")
    ref = write_column(port, "gen/x", "a", range(10), "int", chunk_rows=2)
    assert read_column(port, ref).tolist() == list(range(10))
    assert port.met.is_set()


def test_a_column_is_read_in_a_process_that_was_forked():
    port = MeetingPort()
    ref = write_column(port, "gen/x", "a", range(10), "int", chunk_rows=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # there are threads: that's it
        pid = os.fork()
    if pid == 0:
        signal.alarm(int(LONG_S))
        found = read_column(port, ref).tolist() == list(range(10))
        os._exit(0 if found else 1)
    assert os.waitpid(pid, 0)[1] == 0


@pytest.mark.parametrize(("method", "part"), [("put", "values/"), ("get", "gen/")])
def test_objects_are_copied_and_read_back_at_once(method, part):
    source, target = MemoryPort(), MeetingPort(method, part)
    store = fill(source)
    for n in range(4):
        source.put(f"values/0/9/0.0/{n}.y", b"%d" % n)
    told = []
    copy(source, target, timing=timing(), progress=lambda *a: told.append(a))
    assert target.met.is_set()
    assert target.most <= target.parallel
    assert content(target) == content(source)
    assert told == sorted(told, key=lambda a: a[0])
    assert told[-1][0] == told[-1][1]
    assert verify(target).findings == ()
    assert store.id == opened(target).id


def test_a_copy_reads_the_segments_of_an_item_from_the_highest_attempt_down():
    source = MeetingPort()
    new_store(source, jobs={(0, 0): 30})
    for attempt in range(4):
        for item in range(30):
            play(source, Item(0, 0, item), end(0, ok=attempt == 3), close=attempt == 3)
    source.calls.clear()
    copy(source, MemoryPort(), timing=timing())
    for item in range(30):
        stem = f"segments/0/0/0/{item}."
        read = [k for m, k in source.calls if m == "read_segment" and k.startswith(stem)]
        assert read[:4] == [f"{stem}{attempt}" for attempt in (3, 2, 1, 0)]


def test_after_an_interruption_nothing_is_copied_any_more_and_it_can_go_on():
    source, target = MemoryPort(), MeetingPort()
    fill(source)

    def interrupt(done, _):
        if done == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy(source, target, timing=timing(), progress=interrupt)
    assert not any(t.name.startswith("ThreadPoolExecutor") for t in threading.enumerate())
    assert target.stat("store.json") is None
    copy(source, target, resume=True, timing=timing())
    assert content(target) == content(source)


@pytest.mark.parametrize("operation", ["view", "fold", "verify"])
def test_segments_are_read_at_once(operation):
    port = MeetingPort("read_segment", "segments/0/0/")
    port.met.set()
    store = new_store(port, jobs={(0, 0): 6})
    for item in range(6):
        play(port, Item(0, 0, item), end(item))
    port.met.clear()
    if operation == "view":
        assert len(store.view().tail) == 6
    elif operation == "verify":
        assert verify(port).clean
    else:
        with store.lease() as lease:
            assert store.fold(lease).items == 6
    assert port.met.is_set()


def test_columns_laid_out_anew_at_once_are_the_same_ones():
    port, plain = MeetingPort("put", "/c/"), MemoryPort()
    port.met.set()
    for one in (port, plain):
        fill(one)
    port.met.clear()
    reports = [rechunk(opened(one)) for one in (port, plain)]
    assert port.met.is_set()
    assert reports[0].chunk_rows == reports[1].chunk_rows
    assert verify(port).findings == ()
    tables = [WorkflowStore(one).base().tables for one in (port, plain)]
    assert [list(columns) for columns in tables[0].values()] == [
        list(columns) for columns in tables[1].values()
    ]


# --- memory ----------------------------------------------


@pytest.mark.parametrize(("size", "most"), [(60, 1), (40, 2), (500, 1)])
def test_no_more_of_large_objects_is_in_memory_than_there_is_room_for(size, most):
    room, lock, within, seen = Room(100), threading.Lock(), [0], [0]
    full = threading.Barrier(most)

    def work(_):
        with room.taken(size):
            with lock:
                within[0] += 1
                seen[0] = max(seen[0], within[0])
            full.wait(LONG_S)
            with lock:
                within[0] -= 1

    list(map_many(4, work, range(8)))
    assert seen[0] == most


def test_a_pack_is_checked_by_few_requests_and_each_item_of_it():
    port = CountingPort(MemoryPort())
    frames = [(item, 0, b"%d" % item * 100) for item in range(500)]
    write_pack(port, "packs/0/0.a.pack", 500, {i: [len(d)] for i, _, d in frames}, frames)
    port.reset()
    found = verify_pack(port, "packs/0/0.a.pack")
    assert found == {i: {0: (len(d), zlib.crc32(d))} for i, _, d in frames}
    assert port.counts == {"get": 3}
