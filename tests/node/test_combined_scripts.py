"""Scripts of an item that share one interpreter."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from jobstores import values
from tests.node.job_directory import Job, encoded, script

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "import os, sys\ncalls = []\n\ndef work(x):\n"


def job_of(root: Path, body: str, given=range(5), **fields) -> Job:
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    step = {"inputs": {"x": {"from": "row", "column": 1}}, "outputs": ["y"], "combine": 0}
    rows = [[number, encoded(value)] for number, value in enumerate(given)]
    return Job(root, rows, [script(HEAD + lines, "work", **{**step, **fields})])


def outputs(job: Job, **environment: str) -> list:
    records = job.execute(**environment).records
    assert all(r["ok"] for r in records.values()), (records, job.log())
    return [values.decode(records[run]["out"]["y"]) for run in sorted(records)]


def test_all_runs_of_an_item_share_an_interpreter_and_keep_their_own_environment(tmp_path):
    made = "[os.getpid(), os.environ['HPCFLOW_RUN_ID'], len(calls)]"
    body = f"calls.append(x)\nreturn {{'y': {made}}}"
    found = outputs(job_of(tmp_path, body))
    assert len({pid for pid, _, _ in found}) == 1
    assert [run for _, run, _ in found] == list("01234")
    assert [number for _, _, number in found] == [1, 2, 3, 4, 5]


def test_each_slot_has_an_interpreter_of_its_own(tmp_path):
    job = job_of(
        tmp_path,
        "import time\ntime.sleep(0.05)\nreturn {'y': os.getpid()}",
        range(8),
    )
    text = (job.directory / "job.json").read_text()
    (job.directory / "job.json").write_text(
        text.replace('"concurrency": 1', '"concurrency": 2')
    )
    assert len(set(outputs(job))) == 2


def test_two_steps_that_have_the_environment_in_common_share_it_too(tmp_path):
    step = {"inputs": {}, "outputs": ["y"], "combine": 0}
    scripts = [
        script(
            "import os\n\ndef work():\n    return {'y': os.getpid()}\n",
            "work",
            run_base=base,
            run_stride=2,
            **step,
        )
        for base in (0, 1)
    ]
    assert len(set(outputs(Job(tmp_path, [[0], [1]], scripts)))) == 1


def test_a_run_that_fails_leaves_the_others_as_they_are(tmp_path):
    body = "print('see', x)\nif x == 2:\n    raise ValueError('no two')\nreturn {'y': x}"
    job = job_of(tmp_path, body)
    records = job.execute().records
    assert [records[run]["ok"] for run in range(5)] == [True, True, False, True, True]
    assert records[2]["why"] == "exit status 1: ValueError: no two"
    first, last = records[2]["log"][1:]
    shown = job.log()[first:last]
    assert shown.startswith("see 2\nTraceback")
    assert "call" not in shown.replace("most recent call last", "")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("os._exit(7)", "exit status 7"),
        ("os.kill(os.getpid(), 9)", "killed by signal 9 (SIGKILL)"),
        ("sys.exit(3)", "exit status 3"),
        ("sys.exit('words')", "exit status 1"),
    ],
)
def test_an_interpreter_that_dies_fails_one_run_and_is_replaced(tmp_path, body, why):
    job = job_of(tmp_path, f"if x == 1:\n    {body}\nreturn {{'y': x}}")
    records = job.execute().records
    assert [records[run]["ok"] for run in range(5)] == [True, False, True, True, True]
    assert why in (records[1]["why"], records[1]["why"].replace("exit status 137", why))


def test_environment_and_directory_of_a_run_do_not_reach_the_next(tmp_path):
    body = (
        "seen = os.environ.get('LEFT'), os.path.basename(os.getcwd())\n"
        "os.environ['LEFT'] = 'behind'\nos.chdir('/')\nreturn {'y': seen}"
    )
    assert outputs(job_of(tmp_path, body)) == [(None, "execute")] * 5


@pytest.mark.parametrize("signum, elements", [(signal.SIGTERM, 50), (signal.SIGKILL, 1000)])
def test_an_item_killed_in_the_middle_keeps_what_was_done_and_goes_on_there(
    tmp_path, signum, elements
):
    gate, last = tmp_path / "gate", elements * 6 // 10
    body = (
        f"import time\nopen({str(tmp_path / 'seen')!r}, 'a').write(f'{{x}}\\n')\n"
        f"while x == {last} and not os.path.exists({str(gate)!r}):\n    time.sleep(0.01)\n"
        "return {'y': x * x}"
    )
    job = job_of(tmp_path / "w", body, range(elements))
    process = job.start()
    seen = tmp_path / "seen"
    deadline = time.monotonic() + 60
    while not (seen.exists() and f"\n{last}\n" in seen.read_text()):
        assert time.monotonic() < deadline
        os.sched_yield()
    process.send_signal(signum)
    ended = {signal.SIGTERM: 128 + signal.SIGTERM, signal.SIGKILL: -signal.SIGKILL}
    assert process.wait(30) == ended[signum]
    gate.touch()  # what the interpreter of a killed item still does is of no account
    process.communicate()
    done = [r["run"] for r in job.segment() if r["t"] == "end" and r["ok"]]
    assert done == list(range(last))
    records = job.execute().records
    made = [records[run]["out"]["y"] for run in range(elements)]
    assert made == [number * number for number in range(elements)]
    calls = seen.read_text().split()
    assert len(calls) == elements + 1  # the one that was cut off, twice
    assert calls.count(str(last)) == 2


def test_nothing_runs_on_when_the_item_has_ended(tmp_path):
    pids = set(outputs(job_of(tmp_path, "return {'y': os.getpid()}")))
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)
