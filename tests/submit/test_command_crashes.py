"""Commands killed at every call: carried on with, they end as if nothing had been."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hpcflow.errors import ExistsError
from hpcflow.report.data import Phase
from hpcflow.report.status import read_status
from hpcflow.submit.cancel import cancel_workflow
from hpcflow.submit.grow import grow_workflow
from hpcflow.submit.make import make_workflow
from hpcflow.submit.submit import submit_workflow
from jobstores.backends.zip import ZipPort
from jobstores.decisions import Item
from jobstores.records import RunState
from tests.submit import command_crasher
from tests.submit.scenes import (
    NUM_JOBS,
    FileScheduler,
    WallClock,
    context,
    more_tasks,
    opened,
    play_item,
    workflow,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[2]


def crashed(command: str, root: Path) -> Iterator[tuple[int, Path]]:
    """The place as the command left it, killed at each of its points in turn."""
    argv = [sys.executable, "-m", "tests.submit.command_crasher", command, str(root)]
    ran = subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    count = int(ran.stdout)
    assert count > 7
    for number in range(1, count + 1):
        (root / str(number)).rename(root / "now")
        yield number, root / "now"
        (root / "now").rename(root / f"{number}.seen")


def begun(root: Path, *, submitted: bool = False) -> Path:
    """ROOT/start with a workflow; if submitted, it was so at ROOT/now."""
    place = root / ("now" if submitted else "start")
    place.mkdir()
    make_workflow(workflow(place), place / "wk")
    if submitted:
        scheduler = FileScheduler(place / "taken")
        submit_workflow(opened(place / "wk"), context(place / "wk", scheduler))
    return place


def status(place: Path) -> Any:
    scheduler = FileScheduler(place / "taken")
    return read_status(opened(place / "wk"), str(place / "wk"), lambda *_: scheduler)


def carry_on(place: Path) -> tuple[FileScheduler, WallClock]:
    """Submit again; nobody waits for a lease, since its holder is proven dead."""
    scheduler, clock = FileScheduler(place / "taken"), WallClock()
    store = opened(place / "wk")
    submit_workflow(store, context(place / "wk", scheduler, clock.clock()))
    return scheduler, clock


def test_making(tmp_path: Path) -> None:
    (tmp_path / "start").mkdir()
    complete = set()
    for number, place in crashed("make", tmp_path):
        target = place / "wk"
        complete.add(target.exists())
        if target.exists():
            with pytest.raises(ExistsError):
                make_workflow(workflow(place), target)
        else:
            make_workflow(workflow(place), target)
        assert status(place).phase is Phase.MADE, number
        assert carry_on(place)[0].names
    assert complete == {False, True}


def test_submitting(tmp_path: Path) -> None:
    begun(tmp_path)
    found, waited = set(), set()
    for number, place in crashed("submit", tmp_path):
        taken = FileScheduler(place / "taken").names
        found.add(len(taken))
        assert len(status(place).jobs) in (0, NUM_JOBS), number
        scheduler, clock = carry_on(place)
        waited.add(round(clock.slept))
        assert scheduler.names[: len(taken)] == taken
        assert len(scheduler.names) == len(set(scheduler.names)) == NUM_JOBS, number
        seen = status(place)
        assert seen.phase is Phase.ACTIVE
        assert [job.id for job in seen.jobs] == ["1", "2", "3"], number
        assert carry_on(place)[0].names == scheduler.names
    assert found == {0, 1, 2, 3}
    assert 0 in waited
    assert max(waited) > 0  # where the scheduler may still have been about to take it


def test_adding(tmp_path: Path) -> None:
    begun(tmp_path, submitted=True).rename(tmp_path / "start")
    found = set()
    for number, place in crashed("add", tmp_path):
        names = [task.name for task in status(place).tasks]
        found.add(len(names))
        if len(names) == NUM_JOBS:
            assert names == ["one", "two", "three"], number
            assert status(place).phase is Phase.ACTIVE
            grow_workflow(opened(place / "wk"), more_tasks(place))
        names = [task.name for task in status(place).tasks]
        assert names == ["one", "two", "three", "four", "five"], number
        scheduler, _ = carry_on(place)
        assert len(scheduler.names) == len(set(scheduler.names)) == NUM_JOBS + 2, number
        assert list(scheduler.after.values()) == [["1", "3"], ["4"]]
        assert [job.id for job in status(place).jobs] == ["1", "2", "3", "4", "5"]
    assert found == {NUM_JOBS, NUM_JOBS + 2}


def test_submitting_what_was_added(tmp_path: Path) -> None:
    place = begun(tmp_path, submitted=True)
    grow_workflow(opened(place / "wk"), more_tasks(place))
    place.rename(tmp_path / "start")
    found = set()
    for number, place in crashed("submit", tmp_path):
        taken = FileScheduler(place / "taken").names
        found.add(len(taken))
        assert len(status(place).jobs) in (NUM_JOBS, NUM_JOBS + 2), number
        scheduler, _ = carry_on(place)
        assert scheduler.names[: len(taken)] == taken
        assert len(scheduler.names) == len(set(scheduler.names)) == NUM_JOBS + 2, number
        assert [job.id for job in status(place).jobs] == ["1", "2", "3", "4", "5"]
        assert carry_on(place)[0].names == scheduler.names
    assert found == {NUM_JOBS, NUM_JOBS + 1, NUM_JOBS + 2}


def test_cancelling(tmp_path: Path) -> None:
    begun(tmp_path, submitted=True).rename(tmp_path / "start")
    found = set()
    for number, place in crashed("cancel", tmp_path):
        file = place / "taken.cancelled"
        found.add(file.exists())
        assert status(place).phase is Phase.ACTIVE, number
        scheduler = FileScheduler(place / "taken")
        assert cancel_workflow(opened(place / "wk"), lambda *_, s=scheduler: s) == {
            "slurm": ["1", "2", "3"]
        }
        assert set(file.read_text().split()) == {"1", "2", "3"}, number
    assert found == {False, True}


def test_cancelling_what_a_killed_submit_left(tmp_path: Path) -> None:
    begun(tmp_path)
    for number, place in crashed("submit", tmp_path):
        scheduler, clock = FileScheduler(place / "taken"), WallClock()
        asked = cancel_workflow(
            opened(place / "wk"), lambda *_, s=scheduler: s, clock.clock()
        )
        ids = [str(i + 1) for i in range(len(scheduler.names))]
        assert asked == ({"slurm": ids} if ids else {}), number


def finished(root: Path) -> None:
    """Submitted, and all of job 0 and 1 is done."""
    place = begun(root, submitted=True)
    store = opened(place / "wk")
    jobs = store.base().info["submissions"][0]["jobs"]
    runs = iter(range(10))
    for job in (0, 1):
        for item in range(jobs[job]["items"]):
            rows = jobs[job]["rows"] // jobs[job]["items"]
            records = [
                {"t": "end", "run": next(runs), "start": 1, "at": 2, "ok": True}
                for _ in range(rows)
            ]
            play_item(store, Item(0, job, item), records)
    place.rename(root / "start")


WELL = {"one": {RunState.SUCCEEDED: 2}, "two": {RunState.SUCCEEDED: 1}}


@pytest.mark.parametrize("command", ["fold", "zip"])
def test_folding_and_zipping(tmp_path: Path, command: str) -> None:
    finished(tmp_path)
    generations, zipped = set(), set()
    for number, place in crashed(command, tmp_path):
        generations.add(opened(place / "wk").base().number)
        zipped.add((place / "wk.zip").exists())
        for _ in range(2):
            counts = {task.name: task.counts for task in status(place).tasks}
            assert {name: counts[name] for name in WELL} == WELL, number
            if (place / "wk.zip").exists():
                break
            command_crasher.COMMANDS[command](place, lambda _: None)
        if command == "zip":
            base = opened(place / "wk", ZipPort(str(place / "wk.zip"))).base()
            assert base.number == opened(place / "wk").base().number
        assert carry_on(place)[0].names == FileScheduler(place / "taken").names
        base = opened(place / "wk").base()
        assert set(base.packs) == {"0/0", "0/1"}, number
    assert generations == {2, 3}
    assert zipped == {False, True} if command == "zip" else {False}
