"""States and failures as text."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hpcflow.app.runs import FailureDetails
from hpcflow.cli.live import Pace
from hpcflow.cli.render import failure_lines, status_lines, value_text
from hpcflow.report.data import (
    Failure,
    JobStatus,
    LogSlice,
    Phase,
    TaskStatus,
    WorkflowStatus,
)
from jobstores.records import RunState

FAILURE = Failure(
    run=2,
    task="root",
    element=2,
    action=0,
    state=RunState.FAILED,
    exit=1,
    why="exit status 1",
    submission=0,
    job=0,
    item=0,
    attempt=0,
    log=LogSlice("/w/logs/0/0/0.0.0.log", 0, 9),
)
LOST = replace(FAILURE, state=RunState.LOST, exit=None, why="out of memory", log=None)


def status(*failures: Failure, phase: Phase = Phase.ENDED, **others: object):
    counts = {RunState.SUCCEEDED: 1}
    return WorkflowStatus(
        name="w",
        id="0",
        path="/w",
        created="",
        phase=phase,
        tasks=(TaskStatus("root", 1, 1, counts),),
        failures=failures,
        num_failures=len(failures),
        **{"jobs": (), **others},
    )


def explain(_failure: Failure) -> FailureDetails:
    return FailureDetails({"x": -1}, "sqrt -1", "line 1\nline \x1b[2J2", None)


def test_one_failure_is_told_whole():
    assert failure_lines(status(FAILURE), explain) == [
        "",
        "1 run did not succeed:",
        "",
        "  root, element 2: failed, exit status 1",
        "    inputs:  x = -1",
        "    command: sqrt -1",
        "    log:     /w/logs/0/0/0.0.0.log",
        "      | line 1",
        "      | line \\x1b[2J2",
        "    next:    hpcflow logs /w root 2",
    ]


def test_the_next_command_names_the_action():
    (last,) = failure_lines(status(replace(FAILURE, action=1)), explain)[-1:]
    assert last == "    next:    hpcflow logs /w root 2 --action 1"


def test_the_reason_is_not_said_twice():
    lines = failure_lines(status(replace(FAILURE, why="exit status 1: E: no")), explain)
    assert "    why:     E: no" in lines


def test_lost_runs_of_an_item_are_one_group():
    failures = [replace(LOST, run=n, element=n) for n in (3, 4, 5, 9)]
    lines = failure_lines(status(*failures), explain)
    assert lines[2:] == [
        "",
        "  root, elements 3-5, 9: lost",
        "    why:     out of memory",
        "    job:     0, item 0; its own output is /w/logs/0/0/0.out",
        "    next:    hpcflow logs /w root 3",
    ]


def test_cancelled_runs_are_one_line_whatever_they_were_doing():
    cancelled = replace(FAILURE, state=RunState.CANCELLED)
    failures = [replace(cancelled, element=n, item=n, why=str(n)) for n in range(6)]
    lines = failure_lines(status(*failures), explain)
    assert lines[2:] == ["", "  root, elements 0-5: cancelled"]


def test_more_failures_than_are_told_are_counted_by_reason():
    failures = [replace(FAILURE, element=n) for n in range(9)]
    shown = status(*failures)
    lines = failure_lines(replace(shown, num_failures=100), explain)
    assert lines[-3:] == [
        "  others:",
        "    6 x root: exit status 1",
        "    and 91 more",
    ]


def test_jobs_are_shown_while_some_are_active():
    jobs = tuple(
        JobStatus(0, n, f"hf-s0-j{n}", "slurm", str(7 + n), 3, items)
        for n, items in enumerate([{"closed": 3}, {"closed": 1, "running": 2}])
    )
    assert status_lines(status(jobs=jobs, phase=Phase.ACTIVE))[2:] == [
        "  job 1: slurm 8, 3 items: 1 ended, 2 running"
    ]
    assert len(status_lines(status(jobs=jobs))) == 2


def test_what_is_not_submitted_says_how():
    assert status_lines(status(phase=Phase.STOPPED))[-1] == (
        "  `hpcflow submit /w` goes on"
    )


def test_values_stay_on_one_line():
    assert value_text("two\nlines\x1b", 40) == "two\\nlines\\x1b"
    assert value_text({"a": np.arange(2), "b": "é"}, 40) == '{"a": [0, 1], "b": "é"}'
    assert value_text(1 / 3, 40) == "0.3333333333"
    assert value_text("x" * 50, 40) == "x" * 37 + "..."
    assert value_text(None, 40) == "-"


class TestPace:
    def test_it_gives_the_rate_and_what_is_left(self):
        pace = Pace()
        pace.add(100.0, 0)
        pace.add(110.0, 20)
        assert pace.line(110.0, 100) == (
            "watched for 10 s, 2 runs/s, about 40 s left at this rate"
        )

    def test_slow_runs_are_counted_by_the_minute(self):
        pace = Pace()
        pace.add(0.0, 0)
        pace.add(60.0, 1)
        assert "1 runs/min, about 1 min 00 s left" in pace.line(60.0, 2)

    def test_without_progress_there_is_no_rate(self):
        pace = Pace()
        pace.add(0.0, 5)
        assert pace.line(3.0, 10) == "watched for 3 s"
