"""Signals: forwarded, recorded, and the runs they end are not final."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.node.job_directory import Job, outputs_on_fd3, step, variable

SLEEP = 'echo $$ > "pid$HPCFLOW_ELEMENT_IDX"; : > "at$HPCFLOW_ELEMENT_IDX"; '


def wait_for(path: Path, within_s: float = 120) -> None:
    deadline = time.monotonic() + within_s
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        )
    except OSError:
        return False


def stop(job: Job, number: int, **environment: str) -> tuple[int, str]:
    process = job.start(**environment)
    wait_for(job.root / "execute" / "at0")
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    return process.returncode, err


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT, signal.SIGXCPU, signal.SIGHUP]
)
def test_a_stop_is_passed_on_and_recorded(tmp_path, number):
    job = Job(tmp_path, [[0], [1]], [step("echo so far; " + SLEEP + "sleep 60")])
    begun = time.monotonic()
    assert stop(job, number, HPCFLOW_GRACE_S="110") == (128 + number, "")
    assert time.monotonic() - begun < 100  # the grace is not waited out
    records = {record["t"]: record for record in job.segment()}
    assert list(records) == ["header", "signal", "end", "defer", "close"]
    end = records["end"]
    assert (end["ok"], end["int"], end["run"]) == (False, True, 0)
    assert end["why"] == f"stopped by {number.name}"
    assert records["signal"]["signal"] == number
    assert records["defer"]["run"] == 1
    assert number.name in records["defer"]["why"]
    assert records["close"]["why"] == f"signal {number.value}"
    assert job.log() == "so far\n"
    assert job.decision().signalled


def test_runs_that_do_not_stop_are_killed_with_their_trees(tmp_path):
    text = "trap '' TERM; (echo $BASHPID > child; sleep 60) & "
    text += "until [ -s child ]; do sleep 0.02; done; " + SLEEP + "wait"
    job = Job(tmp_path, [[0]], [step(text)])
    status, _ = stop(job, signal.SIGTERM, HPCFLOW_GRACE_S="0.3")
    assert status == 143
    assert not alive(int((tmp_path / "execute/pid0").read_text()))
    assert not alive(int((tmp_path / "execute/child").read_text()))


def test_a_run_that_the_scheduler_signalled_first_was_stopped_too(tmp_path):
    job = Job(tmp_path, [[0]], [step(SLEEP + "sleep 60")])
    process = job.start()
    wait_for(tmp_path / "execute/at0")
    os.kill(int((tmp_path / "execute/pid0").read_text()), signal.SIGTERM)
    time.sleep(0.1)  # what a scheduler's signals may be apart
    process.terminate()
    process.communicate(timeout=120)
    (record,) = job.decision().records.values()
    assert (record["int"], record["why"]) == (True, "stopped by SIGTERM")


def test_a_run_that_dies_of_a_signal_of_its_own_failed(tmp_path):
    job = Job(tmp_path, [[0]], [step("kill -TERM $$")])
    (record,) = job.execute().records.values()
    assert not record.get("int")
    assert "SIGTERM" in record["why"]


def test_a_run_gets_its_grace_to_save_what_it_has(tmp_path):
    text = SLEEP + "trap 'sleep 0.3; touch saved; exit 0' TERM; sleep 60 & wait"
    job = Job(tmp_path, [[0]], [step(text)])
    assert stop(job, signal.SIGTERM)[0] == 143
    assert (tmp_path / "execute/saved").exists()
    (record,) = job.decision().records.values()
    assert (record["ok"], record["int"], record["exit"]) == (False, True, 0)


def test_all_slots_are_stopped_and_nothing_new_begins(tmp_path):
    text = SLEEP + "sleep 60"
    job = Job(tmp_path, [[n] for n in range(5)], [step(text)], concurrency=2)
    process = job.start()
    wait_for(tmp_path / "execute/at0")
    wait_for(tmp_path / "execute/at1")
    process.terminate()
    process.communicate(timeout=120)
    kinds = {run: record["t"] for run, record in job.decision().records.items()}
    assert kinds == {0: "end", 1: "end", 2: "defer", 3: "defer", 4: "defer"}
    assert not (tmp_path / "execute/at2").exists()


def test_the_next_attempt_executes_what_was_stopped_and_only_that(tmp_path):
    text = 'echo "$HPCFLOW_ATTEMPT" >&3; touch "at$((HPCFLOW_ELEMENT_IDX - 1))"; sleep "$x"'
    job = Job(
        tmp_path,
        [[0, 0], [1, 60], [2, 0]],
        [
            step(
                text,
                inputs={"x": {"from": "row", "column": 1}},
                variables=[variable("x")],
                **outputs_on_fd3("y", "int"),
            )
        ],
    )
    assert stop(job, signal.SIGTERM)[0] == 143
    (job.directory / "step_0.sh").write_text('echo "$HPCFLOW_ATTEMPT" >&3')
    decision = job.execute()
    assert {run: r["out"]["y"] for run, r in decision.records.items()} == {0: 0, 1: 1, 2: 1}


def test_a_warning_is_passed_on_and_the_item_goes_on(tmp_path):
    text = SLEEP + "trap 'echo warned; exit 0' USR1; for i in {1..200}; do sleep 0.1; done"
    job = Job(tmp_path, [[0]], [step(text)])
    assert stop(job, signal.SIGUSR1) == (0, "")
    (record,) = job.decision().records.values()
    assert record["ok"]
    assert job.log().endswith("warned\n")
    assert job.kinds() == ["header", "signal", "end", "close"]


def test_a_run_that_dies_of_a_warning_is_not_final(tmp_path):
    job = Job(
        tmp_path, [[0], [1]], [step(SLEEP + 'sleep "$((20 * (1 - HPCFLOW_ELEMENT_IDX)))"')]
    )
    assert stop(job, signal.SIGUSR2) == (0, "")
    first, second = (job.decision().records[run] for run in (0, 1))
    assert (first["ok"], first["int"]) == (False, True)
    assert first["why"] == "ended by SIGUSR2, which the item was sent"
    assert second["ok"]


def test_a_hang_up_that_is_ignored_stays_ignored(tmp_path):
    job = Job(tmp_path, [[0]], [step(SLEEP + "sleep 0.5; exit 0")])
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = job.start()
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    wait_for(tmp_path / "execute/at0")
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=120)
    assert process.returncode == 0


def test_a_stop_while_rows_wait_for_another_job_ends_the_wait(tmp_path):
    upstream = {"from": "upstream", "column": 1, "output": "y"}
    job = Job(
        tmp_path,
        [[0, [0, 0, 0]]],
        [step(":", inputs={"y": upstream})],
        job=1,
        upstream=[{"submission": 0, "job": 0, "items": 1}],
    )
    process = job.start()
    wait_for(tmp_path / "segments/0/1/0/0.0")
    time.sleep(0.3)
    process.terminate()
    process.communicate(timeout=120)
    assert process.returncode == 143
    assert job.kinds() == ["header", "signal", "defer", "close"]
