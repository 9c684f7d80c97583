"""What became of a job's items: their own record first, the scheduler second."""

from __future__ import annotations

import time
from typing import Any

import pytest

from hpcflow.persist.journal import Part
from hpcflow.submit.reconcile import (
    ABSENT_GRACE_S,
    JobView,
    ask_schedulers,
    has_ended,
    item_is_gone,
    why_gone,
)
from jobstores.decisions import Decision
from schedulers.errors import UnavailableError
from schedulers.job import EndCause, ItemStatus, JobPhase

NOW = 1_800_000_000.0


def job(
    index: int = 0, *, scheduler: str = "slurm", submission: int = 0, **given: Any
) -> Any:
    record = {
        "index": index,
        "name": f"hf-{submission}-{index}",
        "scheduler": scheduler,
        "items": given.pop("items", 2),
    }
    job_id = given.pop("id", str(10 + index))
    at = given.pop("submitted_at", NOW - 1000)
    fields: dict[str, Any] = {
        "submission": submission,
        "record": record,
        "parts": () if job_id is None else (Part(job_id, at),),
        "refused": "",
        "cancelled": False,
        "closed": set(),
        "statuses": {},
    }
    return JobView(**{**fields, **given})


def decision(last_at: float, *, closed: bool = False) -> Decision:
    return Decision(0, {}, {}, {}, closed, None, int(last_at * 1e6), False, {})


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)


@pytest.mark.parametrize(
    ("phase", "gone"), [(phase, phase is JobPhase.ENDED) for phase in JobPhase]
)
def test_an_item_is_gone_when_its_scheduler_says_that_it_ended(
    phase: JobPhase, gone: bool
) -> None:
    seen = job(statuses={0: ItemStatus(phase)}, submitted_at=NOW)
    assert item_is_gone(seen, 0, None) is gone
    assert has_ended(seen, 0) is gone
    assert not has_ended(seen, 1)


def test_an_item_that_closed_its_record_is_not_gone() -> None:
    seen = job(statuses={0: ItemStatus(JobPhase.ENDED)}, closed={0})
    assert not item_is_gone(seen, 0, decision(NOW, closed=True))


def test_a_scheduler_that_was_not_asked_gives_no_verdict() -> None:
    assert not item_is_gone(job(), 0, None)
    assert not item_is_gone(job(), 0, decision(0.0))


@pytest.mark.parametrize(
    ("submitted_ago", "recorded_ago", "gone"),
    [
        (ABSENT_GRACE_S + 1, None, True),
        (ABSENT_GRACE_S - 1, None, False),  # a new job may not be listed yet
        (1000, ABSENT_GRACE_S + 1, True),
        (1000, ABSENT_GRACE_S - 1, False),  # accounting lags
        (ABSENT_GRACE_S - 1, 1000, False),  # submitted again since
    ],
)
def test_an_absent_item_is_gone_after_a_grace(
    submitted_ago: float, recorded_ago: float | None, gone: bool
) -> None:
    seen = job(statuses={0: ItemStatus(JobPhase.ABSENT)}, submitted_at=NOW - submitted_ago)
    last = None if recorded_ago is None else decision(NOW - recorded_ago)
    assert item_is_gone(seen, 0, last) is gone


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (ItemStatus(JobPhase.ABSENT), "no longer knows"),
        (ItemStatus(JobPhase.ENDED, cause=EndCause.CANCELLED), "cancelled"),
        (ItemStatus(JobPhase.ENDED, cause=EndCause.TIME_LIMIT, exit_code=0), "time limit"),
        (ItemStatus(JobPhase.ENDED, cause=EndCause.OUT_OF_MEMORY), "out of memory"),
        (ItemStatus(JobPhase.ENDED, cause=EndCause.NODE_FAILURE), "node was lost"),
        (ItemStatus(JobPhase.ENDED, cause=EndCause.PREEMPTED), "preempted"),
        (ItemStatus(JobPhase.ENDED, cause=EndCause.NEVER_STARTED), "never started"),
        (ItemStatus(JobPhase.ENDED, cause=EndCause.EXITED, exit_code=137), "signal 9"),
        (ItemStatus(JobPhase.ENDED, cause=EndCause.EXITED, exit_code=66), "status 66"),
        (ItemStatus(JobPhase.ENDED, cause=EndCause.OTHER, exit_code=1), "status 1"),
    ],
)
def test_why_an_item_is_gone(status: ItemStatus, words: str) -> None:
    assert words in why_gone(status)


class Answers:
    """Schedulers that say that all is running; the questions they were asked."""

    def __init__(self, down: tuple[str, ...] = ()) -> None:
        self.down = down
        self.questions: list[tuple[str, int, list[str], list[str]]] = []
        self.cancelled: set[str] = set()

    def load(self, name: str, submission: int) -> Any:
        answers = self

        class Scheduler:
            def states(self, job_ids: Any, *, names: Any, cancelled: Any) -> Any:
                answers.questions.append(
                    (name, submission, sorted(job_ids), sorted(names.values()))
                )
                answers.cancelled |= set(cancelled)
                if name in answers.down:
                    raise UnavailableError("no answer")
                running = ItemStatus(JobPhase.RUNNING)
                return {i: dict.fromkeys(range(n), running) for i, n in job_ids.items()}

        return Scheduler()


def test_a_cluster_is_asked_once_for_all_submissions() -> None:
    answers = Answers()
    jobs = [job(0), job(1), job(2, submission=1)]
    assert ask_schedulers(jobs, answers.load) == {}
    expected = ("slurm", 0, ["10", "11", "12"], ["hf-0-0", "hf-0-1", "hf-1-2"])
    assert answers.questions == [expected]
    assert all(seen.statuses[1].phase is JobPhase.RUNNING for seen in jobs)


def test_a_scheduler_is_told_which_jobs_were_cancelled() -> None:
    """Grid Engine and PBS can't always tell."""
    answers = Answers()
    ask_schedulers([job(0), job(1, submission=1, cancelled=True)], answers.load)
    assert answers.cancelled == {"11"}


def test_a_local_scheduler_is_asked_for_each_submission() -> None:
    answers = Answers()
    ask_schedulers(
        [job(0, scheduler="local"), job(0, scheduler="local", submission=1)], answers.load
    )
    assert [question[:3] for question in answers.questions] == [
        ("local", 0, ["10"]),
        ("local", 1, ["10"]),
    ]


def test_what_needs_no_answer_is_not_asked() -> None:
    answers = Answers()
    done = job(0, closed={0, 1})
    assert ask_schedulers([done, job(1, id=None)], answers.load) == {}
    assert answers.questions == []
    ask_schedulers([done], answers.load, ended_too=True)
    assert len(answers.questions) == 1


def test_a_scheduler_that_does_not_answer_is_named_and_others_are_asked() -> None:
    answers = Answers(down=("slurm",))
    jobs = [job(0), job(1, scheduler="sge")]
    assert ask_schedulers(jobs, answers.load) == {"slurm": "no answer"}
    assert jobs[0].statuses == {}
    assert not item_is_gone(jobs[0], 0, None)
    assert jobs[1].statuses[0].phase is JobPhase.RUNNING
