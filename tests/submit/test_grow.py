"""Tasks that were added, submitted behind jobs that live, have ended, or are unknown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from hpcflow.errors import StorageError, SubmissionError
from hpcflow.persist.workflow_record import WorkflowReader
from hpcflow.submit.grow import grow_workflow
from hpcflow.submit.submit import submit_workflow
from jobstores.decisions import Item
from jobstores.errors import BusyError
from schedulers.errors import RefusedError, UnavailableError
from tests.submit.scenes import FileScheduler, context, ended, more_tasks, opened, play_item

if TYPE_CHECKING:
    from pathlib import Path


def submit(wk: Path, scheduler: Any, **more: Any) -> Any:
    return submit_workflow(opened(wk), context(wk, scheduler, **more))


@pytest.fixture
def scheduler(made: Path) -> FileScheduler:
    """One that has the three jobs of the workflow, to which two tasks are added."""
    scheduler = FileScheduler(made.with_name("taken"))
    submit(made, scheduler)
    scheduler.after.clear()
    return scheduler


def add(wk: Path) -> None:
    grow_workflow(opened(wk), more_tasks(wk.parent))


def test_new_jobs_wait_for_the_live_ones_that_they_read(
    made: Path, scheduler: FileScheduler
) -> None:
    add(made)
    report = submit(made, scheduler)
    assert (report.submission, report.submitted, report.runs) == (1, (0, 1), 2)
    assert list(scheduler.after.values()) == [["1", "3"], ["4"]]
    document = json.loads((made / "submissions/1/jobs/0/job.json").read_text())
    assert [(u["submission"], u["job"]) for u in document["upstream"]] == [(0, 0), (0, 2)]


def test_what_has_ended_by_its_own_record_or_its_schedulers_is_not_awaited(
    made: Path, scheduler: FileScheduler
) -> None:
    store = opened(made)
    items = store.base().info["submissions"][0]["jobs"][0]["items"]
    for item in range(items):
        play_item(store, Item(0, 0, item), [])
    add(made)
    scheduler.statuses = {"3": {0: ended()}}
    submit(made, scheduler)
    assert list(scheduler.after.values()) == [[], ["4"]]
    assert scheduler.questions == [{"3": 1}]  # what has its own record is not asked for


def test_an_earlier_submission_is_completed_first(made: Path) -> None:
    refusal = (False, RefusedError("no such partition"))
    scheduler = FileScheduler(made.with_name("taken"), [(True, None), refusal])
    with pytest.raises(SubmissionError):
        submit(made, scheduler)
    add(made)
    report = submit(made, scheduler)
    assert (report.submitted, report.jobs) == ((1, 2, 0, 1), 5)
    assert list(scheduler.after.values())[-2:] == [["1", "3"], ["4"]]


def test_a_scheduler_that_does_not_answer_lets_nothing_be_submitted(
    made: Path, scheduler: FileScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(made)

    def silent(*_: Any, **__: Any) -> Any:
        raise UnavailableError("away")

    with monkeypatch.context() as patch:
        patch.setattr(scheduler, "states", silent)
        with pytest.raises(SubmissionError, match="which earlier jobs still run"):
            submit(made, scheduler)
    assert len(scheduler.names) == 3
    assert submit(made, scheduler).submitted == (0, 1)


def test_a_live_job_of_another_scheduler_can_not_be_awaited(
    made: Path, scheduler: FileScheduler
) -> None:
    add(made)
    with pytest.raises(SubmissionError, match="has not ended on slurm"):
        submit(made, scheduler, default_scheduler="local")
    assert len(scheduler.names) == 3


def test_adding_to_a_busy_workflow_is_refused(made: Path) -> None:
    with opened(made).lease(), pytest.raises(BusyError, match="being changed"):
        grow_workflow(opened(made), more_tasks(made.parent), wait_s=0.0)
    assert len(opened(made).base().info["tasks"]) == 3


def test_a_workflow_that_kept_too_little_is_refused(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = WorkflowReader.model.fget  # type: ignore[attr-defined]

    def without(reader: WorkflowReader) -> Any:
        model = whole(reader)
        for task in model["tasks"]:
            task.pop("origins", None)
        return model

    monkeypatch.setattr(WorkflowReader, "model", property(without))
    with pytest.raises(StorageError, match="could not grow"):
        add(made)
