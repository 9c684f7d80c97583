"""Processes killed at every call: the store opens, and nothing synced is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobstores.attempts import Item, decide
from jobstores.backends.posix import PosixPort
from jobstores.errors import JobStoreError
from jobstores.generations import IdRange
from jobstores.packs import read_item
from jobstores.workflow_store import WorkflowStore
from tests.jobstores import store_crasher
from tests.jobstores.store_scenes import (
    end,
    new_store,
    plain_column,
    plain_columns,
    play,
    rows,
    timing,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobstores.workflow_store.write_columns", plain_columns)
    monkeypatch.setattr("jobstores.workflow_store.read_column", plain_column)
    monkeypatch.setattr("jobstores.fold.read_column", plain_column)


def crashed(operation: str, root: Path) -> Iterator[tuple[int, str]]:
    """The store as the operation left it, killed before each of its calls in turn."""
    command = [sys.executable, "-m", "tests.jobstores.store_crasher", operation, str(root)]
    ran = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    count = int(ran.stdout)
    assert count > 4
    for number in range(1, count + 1):
        yield number, str(root / str(number))


def scene(root: Path) -> WorkflowStore:
    """Two finished items of job 0 (one after a retry), two unfinished ones of job 1."""
    port = PosixPort(str(root / "start"))
    store = new_store(
        port,
        documents={"d": b"1"},
        tables={"t": {"x": ("int", [1])}},
        jobs={(0, 0): 2, (0, 1): 2},
    )
    play(port, Item(0, 0, 0), end(0, out={"y": 1}), end(1, ok=False, int=True))
    play(port, Item(0, 0, 0), end(1, out={"y": 2}))
    play(port, Item(0, 0, 1), end(2))
    play(port, Item(0, 1, 0), end(3), {"t": "start", "run": 4, "at": 1}, close=False)
    return store


def opened(place: str) -> WorkflowStore:
    return WorkflowStore(PosixPort(place), timing=timing())


def seen(store: WorkflowStore) -> dict[int, bool]:
    """Every run that has an end in the view: whether it ended well."""
    view = store.view()
    found: dict[int, bool] = {}
    if "runs" in view.base.tables:
        ids, states = (store.column(view.base, "runs", name) for name in ("id", "state"))
        found = {run: state == 3 for run, state in zip(ids, states, strict=True)}
    for decision in view.tail.values():
        assert decision is not None
        found.update({run: bool(record["ok"]) for run, record in decision.records.items()})
    return found


ALL = {0: True, 1: True, 2: True, 3: True}


def test_making_a_store(tmp_path: Path) -> None:
    (tmp_path / "start").mkdir()
    for number, place in crashed("create", tmp_path):
        try:
            base = opened(place).base()
        except JobStoreError:
            base = new_store(
                PosixPort(place), documents={"d": b"1"}, tables={"t": {"x": ("int", [1])}}
            ).base()
        store = opened(place)
        assert base.number == 1, number
        assert store.document(base, "d") == b"1"
        assert list(store.column(base, "t", "x")) == [1]


def test_committing(tmp_path: Path) -> None:
    scene(tmp_path)
    found = set()
    for number, place in crashed("commit", tmp_path):
        store = opened(place)
        base = store.base()
        after = bool(base.info)
        found.add(after)
        assert store.document(base, "d") == (b"2" if after else b"1"), number
        assert list(store.column(base, "t", "x")) == [2 if after else 1]
        assert seen(store) == ALL
        store_crasher.commit(PosixPort(place))
        assert store.base().number == base.number + 1
    assert found == {False, True}


def test_folding(tmp_path: Path) -> None:
    scene(tmp_path)
    found = set()
    for number, place in crashed("fold", tmp_path):
        store = opened(place)
        found.add(store.base().number)
        assert seen(store) == ALL, number
        store_crasher.fold(PosixPort(place))
        assert seen(store) == ALL, number
        assert set(store.base().packs) == {"0/0"}
        assert store.base().summary["sim"] == {0: 97, 3: 3}
        with store.lease() as lease:
            store.commit(lease, store.base(), info={})
            store.sweep(lease, min_age_s=-10)
        assert seen(store) == ALL, number
    assert found == {2, 3}


def test_sweeping(tmp_path: Path) -> None:
    store = scene(tmp_path)
    decisions = {}
    with store.lease() as lease:
        store.fold(lease)
        for _ in range(3):
            store.commit(lease, store.base(), info={}, documents={"d": b"2"})
    for item in (Item(0, 0, 0), Item(0, 0, 1), Item(0, 1, 0)):
        decisions[item] = decide(store.port, item)
        assert decisions[item] is not None
    for number, place in crashed("sweep", tmp_path):
        store = opened(place)
        assert seen(store) == ALL, number
        assert store.document(store.base(), "d") == b"2"
        for item, decision in decisions.items():
            assert read_item(store.port, item) == decision, (number, item)
        store_crasher.sweep(PosixPort(place))
        assert seen(store) == ALL, number
        assert os.listdir(os.path.join(place, "segments/0/0")) == ["fence"]


def test_fencing(tmp_path: Path) -> None:
    scene(tmp_path)
    for number, place in crashed("fence", tmp_path):
        port = PosixPort(place)
        store_crasher.fence_job(port)
        for item in (Item(0, 1, 0), Item(0, 1, 1)):
            decision = decide(port, item)
            assert decision is not None, number
            assert decision.tombstone
        assert seen(opened(place)) == ALL, number


def test_appending(tmp_path: Path) -> None:
    scene(tmp_path)
    most = 0
    for number, place in crashed("append", tmp_path):
        safe_file = Path(place, "safe")
        safe = safe_file.read_text().split() if safe_file.exists() else []
        safe_file.unlink(missing_ok=True)
        most = max(most, len(safe))
        decision = decide(PosixPort(place), Item(0, 9, 0))
        found = set(decision.records) if decision is not None else set()
        assert {int(run) for run in safe} <= found, number
        play(PosixPort(place), Item(0, 9, 0), end(30))
        assert {30, *map(int, safe)} <= seen(opened(place)).keys()
    assert most == 4


@pytest.mark.parametrize("kept", range(0, 60, 7))
def test_a_torn_record_is_not_there_and_the_next_attempt_goes_on(
    tmp_path: Path, kept: int
) -> None:
    port = PosixPort(str(tmp_path))
    item = Item(0, 0, 0)
    play(port, item, end(0), end(1), close=False)
    path = Path(str(port.path("segments/0/0/0/0.0")))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - kept] if kept else whole + b"2 0badcafe {")
    decision = decide(port, item)
    assert decision is not None
    assert set(decision.records) == ({0, 1} if kept == 0 else {0})
    play(port, item, end(5))
    decision = decide(port, item)
    assert decision is not None
    assert 5 in decision.records


# --- many at once ---------------------------------------------------------------------

WRITER = """
import sys, time
from jobstores.attempts import Item, start
from jobstores.backends.posix import PosixPort
from jobstores.process_identity import identity

port, job = PosixPort(sys.argv[1]), int(sys.argv[2])
for number in range(5):
    item = Item(0, job, number)
    attempt = start(port, item, {"at": 1, **identity()}, silence_s=60.0,
                    monotonic=time.monotonic, sleep=time.sleep)
    for event in range(40):
        run = (job * 5 + number) * 40 + event
        attempt.writer.append({"t": "end", "run": run, "at": 2, "ok": True,
                               "out": {"y": run}})
        if event % 4 == 0:
            attempt.writer.sync()
            print(run, flush=True)
    attempt.writer.append({"t": "close", "at": 3, "why": "done"})
    attempt.writer.sync()
    attempt.writer.close()
"""


def test_eight_writers_and_a_folder_at_once(tmp_path: Path) -> None:
    port = PosixPort(str(tmp_path / "w"))
    jobs = {(0, job): 5 for job in range(8)}
    store = new_store(port, ranges=[IdRange("sim", 0, 1600, ("y",))], jobs=jobs)
    writers = []
    for job in range(8):
        with open(tmp_path / f"{job}.out", "wb") as out:
            command = [sys.executable, "-c", WRITER, str(tmp_path / "w"), str(job)]
            writers.append(subprocess.Popen(command, cwd=PROJECT, stdout=out))
    seen_before: set[int] = set()
    folds = 0
    with store.lease() as lease:
        while any(writer.poll() is None for writer in writers):
            safe = _printed(tmp_path)
            found = seen_of(store)
            assert safe <= found
            assert seen_before <= found
            seen_before = found
            folds += bool(store.fold(lease).items)
            store.commit(lease, store.base(), info={"folds": folds})
            store.sweep(lease, min_age_s=-10)
        assert [writer.returncode for writer in writers] == [0] * 8
        report = store.fold(lease)
    assert folds >= 1
    assert report.base.summary == {"sim": {3: 1600}}
    assert set(report.base.packs) == {f"0/{job}" for job in range(8)}
    assert list(rows(store, "state")) == list(range(1600))
    assert store.column(report.base, "outputs/sim/y", "value") == list(range(1600))


def seen_of(store: WorkflowStore) -> set[int]:
    view = store.view()
    found = {run for d in view.tail.values() if d is not None for run in d.records}
    if "runs" in view.base.tables:
        found.update(store.column(view.base, "runs", "id"))
    return found


def _printed(root: Path) -> set[int]:
    lines = "".join(file.read_text() for file in root.glob("*.out")).split("\n")
    return {int(line) for line in lines[:-1]}
