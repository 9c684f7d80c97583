"""From a template to its values, on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hpcflow import Workflow

THREE_TASKS = Path(__file__).parents[1] / "workflows" / "three_tasks" / "template.yaml"

SLEEP = """
name: sleeper
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
        values: [0.01, 0.02, 60, 0.03]
    resources:
      any: {elements_per_job: 4}
"""

ECHO = """
name: echo
template_components:
  task_schemas:
    - objective: say
      inputs: [{parameter: x}]
      outputs: [{parameter: y}]
      actions:
        - commands:
            - command: printf '%s' <<parameter:x>>
              stdout: <<str(parameter:y)>>
tasks:
  - schema: say
    sequences:
      - path: inputs.x
        values: VALUES
"""


def test_a_hostile_value_arrives_byte_for_byte_and_runs_nothing(cli, tmp_path):
    target = tmp_path / "touched"
    values = [
        f'$(touch {target}); "a b" * \'',
        f"`touch {target}`",
        "two\nlines  and  spaces ",
        " -n leading",
        "ünïcode ☃ $HOME ${x} \\ ! #",
    ]
    template = cli.template(ECHO.replace("VALUES", json.dumps(values)))
    cli("go", template, "--path", "wk", "--wait")
    assert cli.column("wk", "say", "y") == values
    assert not target.exists()


def test_a_value_flows_unchanged_through_two_tasks(cli):
    hostile = '$(touch /tmp/x); "a b" * \''
    template = cli.template(
        ECHO.replace("VALUES", json.dumps([hostile])).replace(
            "tasks:\n  - schema: say",
            """    - objective: again
      inputs: [{parameter: y}]
      outputs: [{parameter: z}]
      actions:
        - commands:
            - command: cat <<'E' >/dev/null; printf '%s' "<<parameter:y>>"
                nothing
                E
              stdout: <<str(parameter:z)>>
tasks:
  - schema: say""".replace(
                "cat <<'E' >/dev/null; printf '%s' \"<<parameter:y>>\"\n"
                "                nothing\n                E",
                "printf '%s' \"<<parameter:y>>\"",
            ),
        )
        + "  - schema: again\n"
    )
    cli("go", template, "--path", "wk", "--wait")
    assert cli.column("wk", "again", "z") == [hostile]


def test_a_failing_element_is_shown_with_all_one_needs(cli):
    answer = cli(
        "go", THREE_TASKS, "--var", "failing", "1", "--path", "wk", "--wait", code=1
    )
    text = answer.stdout
    assert "element" in text and "exit status" in text
    assert "command" in text and "log:" in text
    assert "hpcflow logs wk" in text
    status = cli.json("show", "wk")
    states = cli.states("wk")
    assert sum(s.get("failed", 0) for s in states.values()) == 1
    assert sum(s.get("skipped", 0) for s in states.values()) >= 1
    assert status["phase"] == "ended"
    failure = next(f for f in status["failures"] if f["state"] == "failed")
    logged = cli("logs", "wk", failure["task"], failure["element"])
    assert "told to fail" in logged.stdout


def node_processes(folder: Path) -> list[int]:
    """Node-side processes of workflows below a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                argv = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            below = any(str(folder).encode() in word for word in argv)
            if below and b"item" in argv and not argv[0].endswith(b"bash"):
                found.append(int(entry.name))
    return found


def test_a_killed_node_side_is_lost_and_what_ended_keeps_its_values(cli, until):
    cli("go", cli.template(SLEEP), "--path", "wk")
    until(lambda: cli.states("wk")["nap"].get("succeeded", 0) >= 2)
    (pid,) = node_processes(cli.folder)
    os.kill(pid, signal.SIGKILL)

    def lost() -> bool:
        states = cli.states("wk")["nap"]
        return "lost" in states and "running" not in states and "submitted" not in states

    until(lost, seconds=10)
    assert cli.json("show", "wk")["phase"] == "ended"
    assert cli.states("wk")["nap"] == {"succeeded": 2, "lost": 2}
    assert cli.column("wk", "nap", "t") == [0.01, 0.02, None, None]
    assert cli("wait", "wk", code=1)


def test_cancel_ends_the_processes_and_is_shown(cli, until):
    cli("go", cli.template(SLEEP), "--path", "wk")
    until(lambda: node_processes(cli.folder))
    cli("cancel", "wk")
    until(lambda: not node_processes(cli.folder))
    until(lambda: cli.json("show", "wk")["phase"] != "active")
    states = cli.states("wk")["nap"]
    assert set(states) <= {"succeeded", "cancelled", "deferred"}
    assert sum(states.values()) == 4


def test_an_archive_is_read_in_place_and_not_changed(cli):
    cli("go", THREE_TASKS, "--path", "wk", "--wait")
    show, results = cli.json("show", "wk"), cli("results", "wk").stdout
    cli("zip", "wk")
    zipped = cli.json("show", "wk.zip")
    assert {**zipped, "path": ""} == {**show, "path": ""}
    assert cli("results", "wk.zip").stdout == results
    for command in ("submit", "cancel", "fold"):
        refused = cli(command, "wk.zip", code=7)
        assert "unzip" in refused.stderr and len(refused.stderr.splitlines()) == 1
    cli("unzip", "wk.zip", "--path", "again")
    assert cli("results", "again").stdout == results


def test_hpcflow_works_by_its_full_path_in_an_empty_environment(cli):
    done = subprocess.run(
        [sys.executable, "-m", "hpcflow", "go", str(THREE_TASKS), "--path", "wk", "--wait"],
        cwd=cli.folder,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert cli.json("show", "wk")["phase"] == "done"


def test_a_dry_run_prints_the_jobs_and_leaves_nothing(cli):
    template = cli.template(ECHO.replace("VALUES", "[1, 2, 3]"))
    answer = cli("go", template, "--dry-run")
    assert "#!/bin/bash" in answer.stdout
    assert sorted(p.name for p in cli.folder.iterdir()) == ["template.yaml"]


def test_a_broken_template_leaves_nothing_behind(cli):
    answer = cli("go", cli.template(SLEEP.replace("schema: nap", "schema: nab")), code=3)
    assert "template.yaml:13:" in answer.stderr.replace(str(cli.folder) + "/", "")
    assert "nap" in answer.stderr
    assert sorted(p.name for p in cli.folder.iterdir()) == ["template.yaml"]


def test_go_ends_with_the_tables_that_are_asked_for(cli):
    template = cli.template(ECHO.replace("VALUES", '["a", "b"]'))
    answer = cli("go", template, "--path", "wk", "--wait", "-q", "--results", "say")
    assert answer.stdout.split() == [
        "say:",
        "element",
        "x",
        "y",
        "0",
        "a",
        "a",
        "1",
        "b",
        "b",
    ]
    for extra in ((), ("--wait", "--json")):
        refused = cli("go", template, "--results", "say", *extra, code=2)
        assert "--results goes with --wait" in refused.stdout + refused.stderr
    assert not list(cli.folder.glob("echo_*"))


def test_a_taken_path_is_refused_and_kept(cli):
    (cli.folder / "wk").mkdir()
    (cli.folder / "wk" / "mine").write_text("keep")
    answer = cli("make", cli.template(SLEEP), "--path", "wk", code=5)
    assert "exists" in answer.stderr
    assert (cli.folder / "wk" / "mine").read_text() == "keep"


def test_the_python_api_reads_values_by_attribute(cli, tmp_path):
    workflow = Workflow.make(
        cli.template(ECHO.replace("VALUES", '["a", "b"]')), path=tmp_path / "wk"
    )
    workflow.submit()
    status = workflow.wait(timeout_s=60)
    assert status.num_failures == 0
    assert workflow.tasks.say.elements[1].outputs.y == "b"
    assert [e.inputs.x for e in workflow.tasks["say"].elements] == ["a", "b"]
    table = workflow.results()
    assert table.columns["y"].tolist() == ["a", "b"]
    with pytest.raises(AttributeError, match="nosuch"):
        _ = workflow.tasks.nosuch


@pytest.mark.parametrize("command", ["show", "results", "submit", "wait", "cancel", "fold"])
def test_what_is_no_workflow_is_named(cli, command):
    answer = cli(command, "nowhere", code=4)
    assert "nowhere" in answer.stderr and len(answer.stderr.splitlines()) == 1
