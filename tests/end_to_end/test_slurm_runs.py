"""The same workflows on a SLURM cluster."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.command_line import hpcflow

THREE_TASKS = Path(__file__).parents[1] / "workflows" / "three_tasks" / "template.yaml"

pytestmark = pytest.mark.slurm

NAP = """
name: napper
resources: {any: {scheduler: slurm}}
template_components:
  task_schemas:
    - objective: nap
      inputs: [{parameter: s}]
      outputs: [{parameter: t}]
      actions:
        - commands:
            - command: sleep <<parameter:s>>; echo <<parameter:s>>
              stdout: <<float(parameter:t)>>
tasks:
  - schema: nap
    sequences:
      - path: inputs.s
        values: [0.01, 60]
"""


@pytest.fixture
def counted(cli, monkeypatch):
    """Commands of SLURM, counted: a folder of small programs before them on PATH."""
    folder, log = cli.folder / "counted", cli.folder / "calls"
    folder.mkdir()
    log.touch()
    for name in ("sbatch", "squeue", "sacct", "scancel", "scontrol"):
        program = folder / name
        program.write_text(
            f'#!/bin/sh\necho {name} >>{log}\nexec {shutil.which(name)} "$@"\n'
        )
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def calls(name: str) -> int:
        return log.read_text().split().count(name)

    return calls


def test_three_tasks_on_slurm_with_one_sbatch_per_job(cli, counted):
    cli("make", THREE_TASKS, "--path", "wk")
    jobs = cli.json("submit", "wk", "--scheduler", "slurm")["jobs"]
    assert counted("sbatch") == jobs
    assert counted("squeue") == 0
    cli("show", "wk")
    assert counted("squeue") == 1  # one question, whatever the number of jobs
    cli("wait", "wk", "--timeout", "150")
    expected = json.loads((THREE_TASKS.parent / "expected.json").read_text())["all_well"]
    assert cli.column("wk", "total", "total") == expected["total"]["total"]


def test_a_killed_node_side_is_lost_at_the_next_look(cli, until):
    cli("go", cli.template(NAP), "--path", "wk")
    until(lambda: cli.states("wk")["nap"].get("succeeded") == 1)

    def node_of_the_long_one():
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    argv = (entry / "cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
                if argv[-2:-1] == [b"1"] and str(cli.folder).encode() in argv[-3]:
                    return int(entry.name)
        return None

    os.kill(until(node_of_the_long_one), signal.SIGKILL)
    until(lambda: cli.json("show", "wk")["phase"] == "ended", seconds=60)
    assert cli.states("wk")["nap"] == {"succeeded": 1, "lost": 1}
    assert cli.column("wk", "nap", "t") == [0.01, None]


def test_cancel_reaches_the_cluster(cli, until):
    cli("go", cli.template(NAP.replace("0.01", "61")), "--path", "wk")
    until(lambda: cli.json("show", "wk")["jobs"][0]["items"].get("running"))
    cli("cancel", "wk")
    until(lambda: cli.json("show", "wk")["phase"] == "ended")
    assert set(cli.states("wk")["nap"]) <= {"cancelled", "deferred"}


def test_a_submit_killed_before_its_answer_is_taken_up_without_a_second_job(
    cli, counted, monkeypatch
):
    folder = cli.folder / "killing"
    folder.mkdir()
    program = folder / "sbatch"
    program.write_text(f'#!/bin/sh\n{shutil.which("sbatch")} "$@"\nkill -9 $PPID\n')
    program.chmod(0o755)
    cli("make", cli.template(NAP.replace("60]", "0.02]")), "--path", "wk")
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        killed = -signal.SIGKILL
        hpcflow("submit", "wk", folder=cli.folder, exit_code=killed, in_process=False)
    assert cli.json("submit", "wk")["submitted_jobs"] == []
    cli("wait", "wk", "--timeout", "150")
    assert counted("sbatch") == 1
    assert cli.column("wk", "nap", "t") == [0.01, 0.02]
