"""Commands killed at random moments on the local scheduler, and carried on with."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections import Counter

import pytest

from tests.command_line import BESIDE, environment

TEMPLATE = """
name: chain
template_components:
  task_schemas:
    - objective: one
      inputs: [{parameter: x}]
      outputs: [{parameter: y}]
      actions:
        - commands:
            - command: echo one-<<parameter:x>> >> RAN
            - command: echo <<parameter:x>>
              stdout: <<int(parameter:y)>>
    - objective: two
      inputs: [{parameter: y, group: all}]
      outputs: [{parameter: z}]
      actions:
        - commands:
            - command: echo two >> RAN
            - command: echo '<<parameter:y>>' | tr -cd 0-9
              stdout: <<int(parameter:z)>>
tasks:
  - schema: one
    sequences: [{path: inputs.x, values: [1, 2, 3]}]
    groups: [{name: all}]
  - schema: two
"""
RUNS = {"one-1": 1, "one-2": 1, "one-3": 1, "two": 1}


def start(cli, *arguments):
    return subprocess.Popen(
        [BESIDE / "hpcflow", *map(str, arguments)],
        cwd=cli.folder,
        env=environment(cli.folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def killed(cli, after_s, *arguments):
    """Kill a command so long after its start; whether it was still running."""
    process = start(cli, *arguments)
    time.sleep(after_s)
    process.kill()
    process.communicate()
    return process.returncode == -signal.SIGKILL


def template(cli):
    return cli.template(TEMPLATE.replace("RAN", str(cli.folder / "ran")))


def finish(cli):
    """Carry on to the end; every run has run once, and the results are right."""
    begun = time.monotonic()
    if not (cli.folder / "wk").exists():
        cli("make", template(cli), "--path", "wk")
    cli("submit", "wk", "--wait", "--quiet", "--timeout", "60")
    assert time.monotonic() - begun < 65  # no lease of a dead command was waited for
    assert Counter((cli.folder / "ran").read_text().split()) == RUNS
    cli("zip", "wk")
    for place in ("wk", "wk.zip"):
        assert cli.json("show", place)["phase"] == "done"
        assert cli.json("results", place, "--task", "two")["columns"]["z"] == [123]


@pytest.mark.parametrize("seed", range(3))
def test_commands_killed_at_random_moments(cli, seed):
    chance = random.Random(seed)
    file = template(cli)
    killed(cli, chance.uniform(0.1, 1.2), "go", file, "--path", "wk")
    if (cli.folder / "wk").exists():
        cli("show", "wk")
    else:
        cli("make", file, "--path", "wk")
    for command in ("submit", "submit", "fold", "zip"):
        killed(cli, chance.uniform(0.1, 0.7), command, "wk")
        cli("show", "wk")
        if (cli.folder / "wk.zip").exists():
            cli("show", "wk.zip")
            (cli.folder / "wk.zip").unlink()
    finish(cli)


def test_two_submits_at_the_same_instant(cli):
    cli("make", template(cli), "--path", "wk")
    both = [start(cli, "submit", "wk", "--json") for _ in range(2)]
    answers = [(*process.communicate(), process.returncode) for process in both]
    codes = sorted(code for _, _, code in answers)
    assert codes in ([0, 0], [0, 5]), answers
    for _, stderr, code in answers:
        assert code == 0 or "is being changed by process" in stderr
    finish(cli)


def test_a_cancel_that_is_killed_is_carried_on_with(cli, until):
    file = cli.template(TEMPLATE.replace("echo one-", "sleep 60 && echo one-"))
    cli("go", file, "--path", "wk")
    until(lambda: cli.states("wk")["one"].get("running"))
    killed(cli, 0.45, "cancel", "wk")
    cli("cancel", "wk")
    until(lambda: cli.json("show", "wk")["phase"] == "ended")
    assert set(cli.states("wk")["one"]) == {"cancelled"}
