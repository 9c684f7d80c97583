"""Command files of runs, where an item is attempted again and jobs are several."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from tests.node.job_directory import Job, outputs_on_fd3, step

if TYPE_CHECKING:
    from pathlib import Path

NAMES = {"start": "in.txt", "outcome": "out.txt"}


def generate(**fields):
    files = {"names": {"start": "in.txt"}, "makes": ["start"]}
    return step("echo made >> in.txt", files=files, directory=True, **fields)


def use(text, **fields):
    """The second step: it needs what the first made."""
    return step(
        text,
        action=1,
        run_base=1,
        run_stride=2,
        directory=True,
        files={"names": NAMES, "needs": ["start"], "makes": ["outcome"]},
        inputs={"file:start": {"from": "step", "step": 0, "output": "file:start"}},
        requires=[0],
        **outputs_on_fd3("y"),
        **fields,
    )


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.01)


def test_an_attempt_finds_the_files_of_accepted_runs_and_nothing_of_killed_ones(tmp_path):
    text = (
        "if [ ! -e ../../../first ]; then echo half > out.txt; touch ../../../first; "
        "sleep 60; fi\nls >&3; cat in.txt >&3; echo whole >> out.txt"
    )
    steps = [generate(run_stride=2), use(text)]
    job = Job(tmp_path, [[0]], steps)
    process = job.start()
    wait_for(tmp_path / "execute/first")
    os.kill(process.pid, signal.SIGTERM)
    process.communicate(timeout=30)
    found = job.execute().records
    assert found[1]["ok"]
    assert found[1]["out"]["y"] == "in.txt\nmade"
    (place,) = found[1]["out"]["file:outcome"]
    assert (tmp_path / place[0]).read_text() == "whole\n"
    assert (tmp_path / "execute/work/e0/0.0.0/out.txt").read_text() == "half\n"
    assert (tmp_path / "execute/work/e0/0.0.0/in.txt").read_text() == "made\n"


def test_a_file_that_is_gone_fails_the_run_that_needs_it(tmp_path):
    gone = [["execute/work/e0/0.0.0/gone.txt", "in.txt"]]
    needing = {
        **use("echo never"),
        "inputs": {"file:start": {"from": "row", "column": 1}},
        "requires": [],
    }
    record = Job(tmp_path, [[0, gone]], [needing]).execute().records[1]
    assert not record["ok"] and record["exit"] == -1
    assert "the file 'start' is gone" in record["why"]


def test_files_of_another_job_are_copied_so_that_none_changes_them(tmp_path):
    Job(tmp_path, [[0]], [generate(run_stride=2)]).execute()
    place = [["execute/work/e0/0.0.0/in.txt", "in.txt"]]
    second = {
        **use("echo more >> in.txt; cp in.txt out.txt; echo done >&3"),
        "inputs": {"file:start": {"from": "row", "column": 1}},
        "requires": [],
    }
    found = Job(tmp_path, [[0, place]], [second], job=1).execute().records[1]
    (outcome,) = found["out"]["file:outcome"]
    assert outcome == ["execute/work/e0/0.1.0/out.txt", "out.txt"]
    assert (tmp_path / outcome[0]).read_text() == "made\nmore\n"
    assert (tmp_path / place[0][0]).read_text() == "made\n"


def test_a_run_whose_files_were_given_starts_no_process(tmp_path):
    given = {"start": {"from": "row", "column": 1}}
    (tmp_path / "mine").write_text("given\n")
    first = generate(run_stride=2)
    first["files"]["given"] = given
    second = use("cat in.txt >&3; touch out.txt")
    rows = [[0, [str(tmp_path / "mine"), "in.txt"]], [1, None]]
    found = Job(tmp_path, rows, [first, second]).execute().records
    assert [found[run]["ok"] for run in range(4)] == [True] * 4
    assert [found[1]["out"]["y"], found[3]["out"]["y"]] == ["given", "made"]
    assert found[0]["start"] == found[0]["at"]
    assert not (tmp_path / "execute/work/e0/0.0.0/in.txt").samefile(tmp_path / "mine")
