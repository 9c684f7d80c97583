"""Attempts: killed, repeated, superseded, fenced, and cut off from the storage."""

from __future__ import annotations

import os
import resource
import signal
import time
from typing import TYPE_CHECKING

import pytest

from jobstores.segments import fence_key, segment_key
from tests.node.job_directory import Job, outputs_on_fd3, step, variable
from tests.node.test_item_signals import SLEEP, alive, wait_for

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

COUNTED = 'echo "$HPCFLOW_ELEMENT_IDX" >> count; echo "$HPCFLOW_ATTEMPT" >&3; '


LAST = "{ echo $$ > pid; touch at; sleep 60; }"


def counted_job(root: Path, **fields) -> Job:
    """Five rows; the fourth lasts until it is killed, in the first attempt only."""
    text = COUNTED + '[ "$HPCFLOW_ATTEMPT$HPCFLOW_ELEMENT_IDX" != 03 ] || ' + LAST
    return Job(
        root, [[n] for n in range(5)], [step(text, **outputs_on_fd3("y", "int"))], **fields
    )


def kill_item(job: Job) -> None:
    process = job.start()
    wait_for(job.root / "execute/at")
    time.sleep(1.3)  # until what was appended is synced, and the run announced
    process.kill()
    process.communicate(timeout=120)
    os.killpg(
        int((job.root / "execute/pid").read_text()), signal.SIGKILL
    )  # as the jobscript does


def test_a_second_attempt_executes_only_what_is_undone(tmp_path):
    job = counted_job(tmp_path)
    kill_item(job)
    decision = job.decision()
    assert sorted(decision.records) == [0, 1, 2]
    assert sorted(decision.running) == [3]
    decision = job.execute()  # at once: the killed process is proven dead
    assert (decision.attempt, decision.closed) == (1, True)
    assert {run: r["out"]["y"] for run, r in decision.records.items()} == {
        0: 0, 1: 0, 2: 0, 3: 1, 4: 1,
    }  # fmt: skip
    assert (tmp_path / "execute/count").read_text().split() == [
        "0",
        "1",
        "2",
        "3",
        "3",
        "4",
    ]


def test_an_attempt_at_what_is_done_executes_nothing(tmp_path):
    job = Job(tmp_path, [[0]], [step("echo x >> count")])
    job.execute()
    job.execute()
    assert (tmp_path / "execute/count").read_text() == "x\n"
    assert job.kinds(attempt=1) == ["header", "close"]


def test_a_failed_run_is_final_for_later_attempts(tmp_path):
    job = Job(tmp_path, [[0]], [step("echo x >> count; exit 1")])
    job.execute()
    job.execute()
    assert (tmp_path / "execute/count").read_text() == "x\n"


def test_outputs_of_an_earlier_attempt_feed_later_steps(tmp_path):
    first = step(
        'head -c 9000 /dev/zero | tr "\\0" z >&3', run_stride=2, **outputs_on_fd3("y")
    )
    text = '[ "$HPCFLOW_ATTEMPT" = 1 ] || ' + LAST + '; echo "${#y}" >&3'
    second = step(
        text,
        inputs={"y": {"from": "step", "step": 0, "output": "y"}},
        variables=[variable("y")],
        run_base=1,
        run_stride=2,
        **outputs_on_fd3("z", "int"),
    )
    job = Job(tmp_path, [[0]], [first, second])
    kill_item(job)
    assert job.execute().records[1]["out"] == {"z": 9000}


def test_an_attempt_at_a_live_item_is_a_duplicate_and_ends_well(tmp_path):
    job = Job(tmp_path, [[0]], [step(SLEEP + "sleep 4")], silence_s=4)
    process = job.start()
    wait_for(tmp_path / "execute/at0")
    second = job.start()
    out, err = second.communicate(timeout=120)
    assert (second.returncode, err) == (0, "")
    assert "attempt 0" in out
    assert out.count("\n") == 1
    process.terminate()
    process.communicate(timeout=120)
    assert not (tmp_path / segment_key(0, 0, 0, 1)).exists()


def test_an_item_of_a_fenced_job_does_not_start(tmp_path):
    job = Job(tmp_path, [[0]], [step("touch ran")])
    fence = tmp_path / fence_key(0, 0)
    fence.parent.mkdir(parents=True)
    fence.touch()
    process = job.start()
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert "fenced" in out
    assert not (tmp_path / "execute/ran").exists()


@pytest.mark.parametrize("sign", [fence_key(0, 0), segment_key(0, 0, 0, 1)])
def test_a_superseded_attempt_stops_before_the_next_run(tmp_path, sign):
    job = Job(tmp_path, [[n] for n in range(50)], [step(SLEEP + "sleep 0.2")])
    process = job.start()
    wait_for(tmp_path / "execute/at0")
    (tmp_path / sign).touch()
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "another attempt" in out
    assert job.segment()[-1]["why"] == "superseded"
    assert len(job.segment()) < 12


def test_a_superseded_attempt_ends_a_long_run_at_its_heartbeat(tmp_path):
    job = Job(tmp_path, [[0]], [step(SLEEP + "sleep 60")], silence_s=2)
    process = job.start()
    wait_for(tmp_path / "execute/at0")
    (tmp_path / fence_key(0, 0)).touch()
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert not alive(int((tmp_path / "execute/pid0").read_text()))
    assert not any(record["t"] == "end" for record in job.segment())


def test_an_item_with_nothing_to_say_beats(tmp_path):
    job = Job(tmp_path, [[0]], [step("sleep 2.2")], silence_s=2)
    job.execute()
    assert job.kinds() == ["header", "beat", "start", "beat", "beat", "end", "close"] or (
        2 <= job.kinds().count("beat") <= 4
    )


def limit_file_size(process: subprocess.Popen[str], limit: int) -> None:
    """From now on the process can't make files longer, as on a full file system."""
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))


def test_an_item_that_can_record_nothing_ends_its_runs_and_itself(tmp_path):
    job = Job(tmp_path, [[0], [1]], [step(SLEEP + "sleep 60")], silence_s=2)
    process = job.start()
    wait_for(tmp_path / "execute/at0")
    limit_file_size(process, 10)
    begun = time.monotonic()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 75, err
    assert 0.4 < time.monotonic() - begun < 50  # the run would last for 60
    assert "takes no records now" in err
    assert "nothing could be recorded for 1 s" in err
    assert not alive(int((tmp_path / "execute/pid0").read_text()))


def test_an_item_survives_a_short_fault_of_the_storage(tmp_path):
    job = Job(tmp_path, [[n] for n in range(3)], [step(SLEEP + "sleep 0.5")], silence_s=20)
    process = job.start()
    wait_for(tmp_path / "execute/at0")
    limit_file_size(process, 10)
    time.sleep(1.5)
    assert not (tmp_path / "execute/at1").exists()  # nothing starts that can't be recorded
    limit_file_size(process, resource.RLIM_INFINITY)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0
    assert err.count("takes no records now") == 1
    assert [r["ok"] for r in job.decision().records.values()] == [True] * 3


@pytest.mark.parametrize("recovers", [True, False])
def test_a_host_that_can_start_nothing_now_is_waited_for(tmp_path, recovers):
    text = ": > at$HPCFLOW_ELEMENT_IDX; sleep 0.3; echo 1 >&3"
    job = Job(tmp_path, [[0], [1]], [step(text, **outputs_on_fd3("y", "int"))])
    process = job.start(HPCFLOW_GUARD_S="20" if recovers else "0.5")
    wait_for(tmp_path / "execute/at0")
    limits = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    no_more = (8, limits[1])  # files: not even a pipe
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, no_more)
    time.sleep(0.8)
    if recovers:
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, limits)
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    record = job.decision().records[1]
    assert record["t"] == ("end" if recovers else "defer")
    assert recovers or "Too many open files" in record["why"]


def test_a_suspended_item_goes_on_when_nobody_took_it_over(tmp_path):
    job = Job(tmp_path, [[0]], [step(SLEEP + "sleep 0.2")], silence_s=1)
    process = job.start()
    wait_for(tmp_path / "execute/at0")
    process.send_signal(signal.SIGSTOP)
    time.sleep(1.5)
    process.send_signal(signal.SIGCONT)
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert job.decision().records[0]["ok"]


def test_a_damaged_rows_file_is_said_and_the_item_closed(tmp_path):
    job = Job(tmp_path, [[0], [1]], [step(":")])
    (job.directory / "rows.bin").write_bytes(b"HPCROWS1")
    process = job.start()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 65
    assert "rows.bin is damaged" in err
    assert job.kinds() == ["header", "close"]
