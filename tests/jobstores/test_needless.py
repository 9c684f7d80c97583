"""Closing jobs that need not start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobstores.attempts import Fenced, Item
from jobstores.operations.findings import Severity
from jobstores.operations.verify import verify
from jobstores.packs import read_item
from jobstores.segments import append_serialised, fence_key
from tests.jobstores.store_scenes import begin, new_store, play

if TYPE_CHECKING:
    from jobstores.workflow_store import WorkflowStore

JOBS = {(0, 0): 2, (0, 1): 2, (0, 2): 1}
END = {"t": "end", "run": 3, "ok": True, "out": {}, "at": 2}


def close(store: WorkflowStore, *jobs: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    with store.lease() as lease:
        return store.close_needless(lease, jobs, "not needed")


def test_a_needless_job_looks_as_if_it_had_been_executed_and_never_starts() -> None:
    store = new_store(jobs=JOBS)
    assert close(store, (0, 1), (0, 2)) == ((0, 1), (0, 2))
    assert set(store.base().packs) == {"0/1", "0/2"}
    for item in (Item(0, 1, 0), Item(0, 1, 1), Item(0, 2, 0)):
        decision = read_item(store.port, item)
        assert decision is not None
        assert (decision.closed, decision.why, decision.records) == (True, "done", {})
        with pytest.raises(Fenced):
            begin(store.port, item)
    # What came late has left a claim, which is no damage.
    assert store.port.list("segments/0/1/0") == ["0.0", "1.0"]
    assert close(store, (0, 1)) == ()
    assert store.view().tail == {}
    assert verify(store.port).of(Severity.DAMAGE) == []


def test_a_job_of_which_something_has_begun_is_left_alone() -> None:
    store = new_store(jobs=JOBS)
    play(store.port, Item(0, 0, 1), END)
    running = begin(store.port, Item(0, 1, 0))
    assert close(store, (0, 0), (0, 1), (0, 2)) == ((0, 2),)
    assert not running.superseded()
    assert set(store.base().packs) == {"0/2"}


def test_a_job_that_begins_at_that_moment_is_closed_when_it_has_ended() -> None:
    store = new_store(jobs=JOBS)
    running = begin(store.port, Item(0, 0, 1))
    mark = {"t": "fence", "at": 5, "why": "not needed"}
    append_serialised(store.port, fence_key(0, 0), mark)  # as one that was cut off did
    assert close(store, (0, 0)) == ()
    assert running.superseded()
    running.writer.append({"t": "close", "at": 6, "why": "superseded"})
    running.writer.sync()
    assert close(store, (0, 0)) == ((0, 0),)
    decision = read_item(store.port, Item(0, 0, 1))
    assert decision is not None
    assert decision.records == {}


def test_what_a_run_recorded_is_never_put_away() -> None:
    store = new_store(jobs=JOBS)
    play(store.port, Item(0, 2, 0), END)
    mark = {"t": "fence", "at": 5, "why": "packed"}
    append_serialised(store.port, fence_key(0, 2), mark)
    assert close(store, (0, 2)) == ()
    assert store.base().packs == {}
