"""Attempts: killed, repeated, superseded, fenced, and cut off from the storage."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jobstores.segments import fence_key, segment_key
from tests.node.job_directory import NODE, Job, outputs_on_fd3, step, variable
from tests.node.test_item_signals import SLEEP, alive, wait_for

COUNTED = 'echo "$HPCFLOW_ELEMENT_IDX" >> count; echo "$HPCFLOW_ATTEMPT" >&3; '


def counted_job(root: Path, **fields) -> Job:
    """Five rows; the fourth lasts until it is killed, in the first attempt only."""
    text = (
        COUNTED
        + '[ "$HPCFLOW_ATTEMPT$HPCFLOW_ELEMENT_IDX" != 03 ] || { touch at; sleep 60; }'
    )
    return Job(
        root, [[n] for n in range(5)], [step(text, **outputs_on_fd3("y", "int"))], **fields
    )


def kill_item(job: Job) -> None:
    process = job.start(HPCFLOW_TREE=str(job.root))
    wait_for(job.root / "execute/at")
    time.sleep(1.3)  # until what was appended is synced, and the run announced
    process.kill()
    process.communicate(timeout=10)
    subprocess.run(
        [sys.executable, "-I", "-S", NODE, "end-tree", str(job.root)], check=True
    )


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
    text = '[ "$HPCFLOW_ATTEMPT" = 1 ] || { touch at; sleep 60; }; echo "${#y}" >&3'
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
    out, err = second.communicate(timeout=20)
    assert (second.returncode, err) == (0, "")
    assert "attempt 0" in out
    assert out.count("\n") == 1
    process.terminate()
    process.communicate(timeout=10)
    assert not (tmp_path / segment_key(0, 0, 0, 1)).exists()


def test_an_item_of_a_fenced_job_does_not_start(tmp_path):
    job = Job(tmp_path, [[0]], [step("touch ran")])
    fence = tmp_path / fence_key(0, 0)
    fence.parent.mkdir(parents=True)
    fence.touch()
    process = job.start()
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert "fenced" in out
    assert not (tmp_path / "execute/ran").exists()


@pytest.mark.parametrize("sign", [fence_key(0, 0), segment_key(0, 0, 0, 1)])
def test_a_superseded_attempt_stops_before_the_next_run(tmp_path, sign):
    job = Job(tmp_path, [[n] for n in range(50)], [step(SLEEP + "sleep 0.2")])
    process = job.start()
    wait_for(tmp_path / "execute/at0")
    (tmp_path / sign).touch()
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "another attempt" in out
    assert job.segment()[-1]["why"] == "superseded"
    assert len(job.segment()) < 12


def test_a_superseded_attempt_ends_a_long_run_at_its_heartbeat(tmp_path):
    job = Job(tmp_path, [[0]], [step(SLEEP + "sleep 60")], silence_s=2)
    process = job.start()
    wait_for(tmp_path / "execute/at0")
    (tmp_path / fence_key(0, 0)).touch()
    process.communicate(timeout=10)
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
    _, err = process.communicate(timeout=20)
    assert process.returncode == 75, err
    assert 0.4 < time.monotonic() - begun < 4
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
    _, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert err.count("takes no records now") == 1
    assert [r["ok"] for r in job.decision().records.values()] == [True] * 3


def test_a_suspended_item_goes_on_when_nobody_took_it_over(tmp_path):
    job = Job(tmp_path, [[0]], [step(SLEEP + "sleep 0.2")], silence_s=1)
    process = job.start()
    wait_for(tmp_path / "execute/at0")
    process.send_signal(signal.SIGSTOP)
    time.sleep(1.5)
    process.send_signal(signal.SIGCONT)
    process.communicate(timeout=10)
    assert process.returncode == 0
    assert job.decision().records[0]["ok"]


def test_a_damaged_rows_file_is_said_and_the_item_closed(tmp_path):
    job = Job(tmp_path, [[0], [1]], [step(":")])
    (job.directory / "rows.bin").write_bytes(b"HPCROWS1")
    process = job.start()
    _, err = process.communicate(timeout=10)
    assert process.returncode == 65
    assert "rows.bin is damaged" in err
    assert job.kinds() == ["header", "close"]


def test_end_tree_ends_what_a_killed_item_left_daemons_included(tmp_path):
    text = (
        SLEEP + "setsid bash -c 'echo $$ > daemon; exec sleep 60' & trap '' TERM; sleep 60"
    )
    job = Job(tmp_path, [[0]], [step(text)])
    process = job.start(HPCFLOW_TREE="token-1")
    wait_for(tmp_path / "execute/daemon")
    time.sleep(0.2)
    process.kill()
    process.communicate(timeout=10)
    pids = [int((tmp_path / "execute" / name).read_text()) for name in ("pid0", "daemon")]
    assert all(alive(pid) for pid in pids)
    command = [sys.executable, "-I", "-S", NODE, "end-tree"]
    subprocess.run([*command, "token-2"], check=True, timeout=20)
    assert all(alive(pid) for pid in pids)
    subprocess.run([*command, "token-1"], check=True, timeout=20)
    assert not any(alive(pid) for pid in pids)
