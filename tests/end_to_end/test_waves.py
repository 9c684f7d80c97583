"""Queues that take only so many items: arrays go into them in parts, as they empty."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.command_line import BESIDE, environment
from tests.end_to_end.living_slurm import Site
from tests.jobstores.store_doubles import EFFORT

COUNT = 13 * EFFORT
TEMPLATE = """
name: waves
resources: {any: {scheduler: slurm, elements_per_job: 1}}
template_components:
  task_schemas:
    - objective: double
      inputs: [{parameter: x}]
      outputs: [{parameter: y}]
      actions:
        - commands:
            - {command: echo $(( 2 * <<parameter:x>> )), stdout: <<int(parameter:y)>>}
    - objective: add
      inputs: [{parameter: y}]
      outputs: [{parameter: z}]
      actions:
        - commands:
            - {command: echo $(( <<parameter:y>> + 1 )), stdout: <<int(parameter:z)>>}
tasks:
  - schema: double
    sequences: [{path: inputs.x, values: VALUES}]
  - schema: add
    resources: {any: {num_cores: 2}}
""".replace("VALUES", json.dumps(list(range(COUNT))))


@pytest.fixture
def site(cli, monkeypatch):
    made = Site(cli.folder / "slurm")
    monkeypatch.setenv("PATH", f"{made.folder}{os.pathsep}{os.environ['PATH']}")
    yield made
    cli("cancel", "wk", code=None)


def expected():
    return [2 * x + 1 for x in range(COUNT)]


def test_arrays_larger_than_the_site_takes_go_into_a_short_queue_in_parts(cli, site):
    site.allows(array=8)
    cli("go", cli.template(TEMPLATE), "--path", "wk", "--max-queued", "5", "--wait", "-q")
    assert cli.column("wk", "add", "z") == expected()
    assert site.longest <= 5
    assert site.started_once(2 * COUNT)


def test_a_killed_wait_is_taken_up_by_the_next_and_nothing_runs_twice(cli, site, until):
    site.allows(queue=5)  # and nobody told us
    submitted = cli.json("go", cli.template(TEMPLATE), "--path", "wk")
    assert 0 < submitted["waiting_items"] < 2 * COUNT
    waiter = subprocess.Popen(
        [BESIDE / "hpcflow", "wait", "wk", "--quiet"],
        cwd=cli.folder,
        env=environment(cli.folder),
        stdin=subprocess.DEVNULL,
    )
    begun = len(site.lines("calls"))
    journal = cli.folder / "wk" / "submissions" / "0" / "journal"

    def is_stopped_between_calls():
        """Within a call of sbatch, what became of that would be settled for a minute."""
        if site.lines("calls")[begun:].count("sbatch") < 2:
            return False
        waiter.send_signal(signal.SIGSTOP)
        if '"intent"' not in journal.read_text().splitlines()[-1]:
            return True
        waiter.send_signal(signal.SIGCONT)
        return False

    until(is_stopped_between_calls)
    waiter.send_signal(signal.SIGKILL)
    waiter.wait()
    # With neither, what is in the queue ends, and the rest is named as waiting.
    until(lambda: not cli.states("wk")["double"].get("submitted"))
    shown = cli.json("show", "wk")
    assert (shown["phase"], shown["waiting_items"] > 0) == ("stopped", True)
    assert "wait for room in the queue: `hpcflow wait wk`" in cli("show", "wk").stdout
    site.allows(down=2)  # the controller is away for a while
    cli("wait", "wk", "--quiet")
    assert cli.column("wk", "add", "z") == expected()
    assert site.longest <= 5
    assert site.started_once(2 * COUNT)


def test_queue_lists_what_has_not_ended_with_one_question_to_a_cluster(cli, site, until):
    template = cli.template(TEMPLATE)
    site.allows(queue=0)
    cli("go", template, "--path", "wk")
    cli("go", template, "--path", "other", "--max-queued", "2")
    cli(
        "go",
        cli.template(TEMPLATE.replace("slurm", "local"), "here.yaml"),
        "--path",
        "here",
    )
    calls = len(site.lines("calls"))
    found = cli.json("queue")
    assert site.lines("calls")[calls:].count("squeue") <= 1
    names = [Path(one["path"]).name for one in found["workflows"]]
    assert names[:2] == ["wk", "other"]
    shown = cli("queue").stdout
    assert "waves: partly submitted, 0 of 26 runs are over   (wk)" in shown
    cli("cancel", "here", code=None)
    cli("cancel", "other", code=None)
    shutil.rmtree(cli.folder / "wk")  # gone, and no longer asked for
    until(
        lambda: (
            [w["path"] for w in cli.json("queue")["workflows"]]
            == [str(cli.folder / "other")]
        )
    )
    (cli.folder / "other" / "store.json").write_text("{")
    answer = cli("queue")
    assert "no workflow of yours is in a queue" in answer.stdout
    assert "can't be read" in answer.stderr
    shutil.rmtree(cli.folder / "other")


def test_a_queue_that_takes_nothing_is_no_error_and_a_cancelled_rest_stays_out(cli, site):
    site.allows(queue=0)
    cli("make", cli.template(TEMPLATE), "--path", "wk")
    said = cli("submit", "wk")
    assert "the queue has no room now" in said.stdout
    assert cli.json("show", "wk")["waiting_items"] == 2 * COUNT
    site.allows(queue=4)
    assert 0 < cli.json("submit", "wk")["waiting_items"] < 2 * COUNT
    cli("cancel", "wk")
    calls = len(site.lines("calls"))
    cli("wait", "wk", code=1)
    assert "sbatch" not in site.lines("calls")[calls:]
