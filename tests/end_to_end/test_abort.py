"""Runs that their user ends, and what follows them."""

from __future__ import annotations

import os
from contextlib import suppress

import pytest

TEMPLATE = """
name: endless
template_components:
  command_files: [{label: log, name: log.txt}]
  task_schemas:
    - objective: simulate
      inputs: [{parameter: seconds}]
      outputs: [{parameter: steps}, {parameter: said}]
      actions:
        - abortable: true
          commands:
            - command: |
                trap '' TERM
                echo step > log.txt
                (echo $BASHPID > child; while sleep 1; do :; done) &
                echo said
                sleep <<parameter:seconds>> & wait $!
              stdout: <<parameter:said>>
          output_file_parsers: {steps: {from_files: [log], script: count.py}}
    - objective: next
      inputs: [{parameter: steps}]
      outputs: [{parameter: double}]
      actions:
        - commands:
            - command: echo $(( 2 * <<parameter:steps>> ))
              stdout: <<int(parameter:double)>>
tasks:
  - schema: simulate
    sequences: [{path: inputs.seconds, values: [1000, 2000]}]
  - schema: next
"""
SCRIPT = "def count(log):\n    return len(log.read_text().splitlines())\n"


def alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


@pytest.mark.key("actions.abortable")
def test_an_aborted_run_ends_with_its_tree_and_what_follows_goes_on(cli, until):
    (cli.folder / "count.py").write_text(SCRIPT)
    cli("go", cli.template(TEMPLATE), "--path", "wk")
    until(lambda: cli.states("wk")["simulate"].get("running") == 2)
    refused = cli("abort", "wk", "next", code=4)
    assert "no action of next is `abortable`" in refused.stderr
    children = [int(p.read_text()) for p in (cli.folder / "wk/execute").rglob("child")]
    assert cli.json("abort", "wk", "simulate", "1")["asked"] == [2]
    until(lambda: cli.states("wk")["simulate"].get("aborted") == 1)
    until(lambda: sum(alive(pid) for pid in children) == 1)
    until(lambda: cli.states("wk")["next"].get("succeeded") == 1)
    assert cli.states("wk")["simulate"]["running"] == 1
    cli("abort", "wk", "simulate")
    cli("wait", "wk")
    assert cli.states("wk")["simulate"] == {"aborted": 2, "succeeded": 2}
    assert cli.column("wk", "next", "double") == [2, 2]
    assert not any(map(alive, children))
    gone = cli("abort", "wk", "simulate", code=4)
    assert "no abortable run of simulate is running" in gone.stderr


AROUND = """
name: around
template_components:
  command_files: [{label: log, name: log.txt}]
  task_schemas:
    - objective: simulate
      inputs: [{parameter: x}]
      outputs: [{parameter: y}]
      actions:
        - input_file_generators:
            - {input_file: log, from_inputs: [x], script: make.py, abortable: GENERATOR}
          commands: [{command: cat <<file:log>>}]
          output_file_parsers:
            y: {from_files: [log], script: read.py, abortable: PARSER}
tasks: [{schema: simulate, inputs: {x: 1}}]
"""
ENDLESS = "    import time\n    while True:\n        time.sleep(1)\n    return 1\n"
MAKE = "def make(path, x):\n    path.write_text('1')\n"
READ = "def read(log):\n    return 1\n"


@pytest.mark.key("actions.input_file_generators.abortable")
@pytest.mark.key("actions.output_file_parsers.abortable")
@pytest.mark.parametrize("endless", ["generator", "parser"])
@pytest.mark.parametrize("allowed", [True, False])
def test_runs_that_make_or_read_files_may_be_aborted_where_they_say_so(
    cli, until, endless, allowed
):
    scripts = {"make.py": MAKE, "read.py": READ}
    if endless == "generator":
        scripts["make.py"] = "def make(path, x):\n" + ENDLESS
    else:
        scripts["read.py"] = "def read(log):\n" + ENDLESS
    for name, content in scripts.items():
        (cli.folder / name).write_text(content)
    flags = {"generator": "false", "parser": "false"} | {endless: str(allowed).lower()}
    text = AROUND.replace("GENERATOR", flags["generator"])
    cli("go", cli.template(text.replace("PARSER", flags["parser"])), "--path", "wk")
    until(lambda: cli.states("wk")["simulate"].get("running") == 1)
    if not allowed:
        assert "`abortable`" in cli("abort", "wk", "simulate", code=4).stderr
        cli("cancel", "wk")
        return
    until(
        lambda: (
            cli.states("wk")["simulate"].get("succeeded", 0) == 2 * (endless == "parser")
        )
    )
    cli("abort", "wk", "simulate")
    cli("wait", "wk", code=None)
    assert cli.states("wk")["simulate"]["aborted"] == 1
