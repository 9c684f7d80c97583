"""Folding asks a scheduler only about items that were told to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hpcflow.submit.advance import fold_workflow
from hpcflow.submit.cancel import cancel_workflow
from hpcflow.submit.reconcile import job_views
from hpcflow.submit.submit import submit_workflow
from jobstores.decisions import Item
from jobstores.records import RunState
from schedulers.job import ItemStatus, JobPhase
from tests.submit.scenes import FileScheduler, context, ended, opened, play_item

if TYPE_CHECKING:
    from pathlib import Path

ITEM = Item(0, 1, 0)  # task `two`: one item with one run, of id 2
STOPPED = {"t": "end", "run": 2, "start": 1, "at": 2, "ok": False, "int": True}
DONE = {"t": "end", "run": 2, "start": 1, "at": 2, "ok": True, "out": {"z": 2}}


@pytest.fixture
def scheduler(made: Path) -> FileScheduler:
    scheduler = FileScheduler(made.with_name("taken"))
    submit_workflow(opened(made), context(made, scheduler))
    return scheduler


def stop(made: Path) -> None:
    """The item is told to stop while it runs."""
    told = {"t": "signal", "at": 1, "signal": 15}
    play_item(opened(made), ITEM, [told, STOPPED], why="signal 15")


def fold(made: Path, scheduler: FileScheduler) -> Any:
    return fold_workflow(opened(made), lambda *_: scheduler)


def summary(made: Path, task: str) -> dict[int, int]:
    return opened(made).base().summary[task]


def test_what_ended_well_is_folded_without_a_question(
    made: Path, scheduler: FileScheduler
) -> None:
    play_item(opened(made), ITEM, [DONE])
    report = fold(made, scheduler)
    assert (report.items, report.packed) == (1, ("0/1",))
    assert scheduler.questions == []
    assert summary(made, "1")[int(RunState.SUCCEEDED)] == 1


def test_an_item_without_a_closing_record_is_not_folded(
    made: Path, scheduler: FileScheduler
) -> None:
    play_item(opened(made), ITEM, [DONE], why=None)
    scheduler.statuses = {"2": {0: ended()}}
    assert fold(made, scheduler).items == 0


@pytest.mark.parametrize("phase", [JobPhase.PENDING, JobPhase.ABSENT, JobPhase.ENDED])
def test_a_stopped_item_is_packed_when_its_scheduler_will_not_run_it_again(
    made: Path, scheduler: FileScheduler, phase: JobPhase
) -> None:
    stop(made)
    scheduler.statuses = {"2": {0: ItemStatus(phase)}}
    report = fold(made, scheduler)
    assert scheduler.questions == [{"2": 1}]
    assert report.items == 1
    assert report.packed == (("0/1",) if phase is JobPhase.ENDED else ())
    assert summary(made, "1")[int(RunState.LOST)] == 1


def test_what_a_cancelled_submission_left_is_folded_as_cancelled(
    made: Path, scheduler: FileScheduler
) -> None:
    cancel_workflow(opened(made), lambda *_: scheduler)
    stop(made)
    fold(made, scheduler)
    assert summary(made, "1")[int(RunState.CANCELLED)] == 1


def test_a_stopped_item_that_was_folded_is_packed_when_it_cannot_come_back(
    made: Path, scheduler: FileScheduler
) -> None:
    stop(made)
    scheduler.statuses = {"2": {0: ItemStatus(JobPhase.RUNNING)}}
    assert fold(made, scheduler).packed == ()
    scheduler.statuses = {"2": {0: ended()}}
    assert fold(made, scheduler).packed == ("0/1",)
    assert fold(made, scheduler).packed == ()
    assert len(scheduler.questions) == 2


def test_a_folded_item_that_was_requeued_is_not_closed(
    made: Path, scheduler: FileScheduler
) -> None:
    stop(made)
    fold(made, scheduler)
    store = opened(made)
    assert [job.closed for job in job_views(store.port, store.view())] == [
        set(),
        {0},
        set(),
    ]
    play_item(store, ITEM, [], why=None)
    assert [job.closed for job in job_views(store.port, store.view())] == [set()] * 3
