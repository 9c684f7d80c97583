"""Workflows that grow by tasks, before, while and after they run."""

from __future__ import annotations

import os
import random
import shutil

import pytest

from hpcflow import Workflow
from tests.end_to_end.test_command_crashes import killed, start

FIRST = """
name: growing
template_components:
  task_schemas:
    - objective: one
      inputs: [{parameter: x}]
      outputs: [{parameter: y}]
      actions:
        - commands:
            - command: BEFORE echo one-<<parameter:x>> >> RAN
            - command: echo $((10 * <<parameter:x>>))
              stdout: <<int(parameter:y)>>
tasks:
  - schema: one
    sequences: [{path: inputs.x, values: [1, 2, 3]}]
    groups: [{name: all}]
"""
SECOND = """
template_components:
  task_schemas:
    - objective: two
      inputs: [{parameter: y}, {parameter: x}]
      outputs: [{parameter: z}]
      actions:
        - commands:
            - command: echo two-<<parameter:x>> | tee -a RAN
            - command: echo $((<<parameter:y>> + <<parameter:x>>))
              stdout: <<int(parameter:z)>>
    - objective: three
      inputs: [{parameter: z, group: all}, {parameter: y, group: all}]
      outputs: [{parameter: s}]
      actions:
        - commands:
            - command: echo '<<parameter:z>> <<parameter:y>>' | tr -cd '0-9 '
              stdout: <<parameter:s>>
tasks:
  - schema: two
  - schema: three
"""
THREE = ["11 22 33 10 20 30"]
RUNS = sorted(f"{name}-{x}" for name in ("one", "two") for x in (1, 2, 3))


def first(cli, before=""):
    text = FIRST.replace("RAN", str(cli.folder / "ran")).replace("BEFORE", before)
    return cli.template(text, "first.yaml")


def second(cli):
    text = SECOND.replace("RAN", str(cli.folder / "ran"))
    return cli.template(text, "second.yaml")


def ran(cli):
    return sorted((cli.folder / "ran").read_text().split())


def test_tasks_are_added_to_a_workflow_that_has_run(cli):
    cli("go", first(cli), "--path", "wk", "--wait", "--quiet")
    answer = cli.json("add", "wk", second(cli))
    assert (answer["tasks"], answer["elements"], answer["runs"]) == (["two", "three"], 4, 4)
    status = cli.json("show", "wk")
    assert status["phase"] == "stopped"
    assert cli.states("wk")["two"] == {"pending": 3}
    planned = cli.json("submit", "wk", "--dry-run")["jobs"]
    assert len(planned) == 2  # `one` is not among them
    report = cli.json("submit", "wk")
    assert (report["submission"], report["jobs"], report["runs"]) == (1, 2, 4)
    cli("wait", "wk", "--timeout", "60")
    assert cli.column("wk", "two", "z") == [11, 22, 33]
    assert cli.column("wk", "two", "x") == [1, 2, 3]
    assert cli.column("wk", "three", "s") == THREE
    assert ran(cli) == RUNS
    assert "everything is submitted" in cli("submit", "wk").stdout
    assert cli.json("submit", "wk", "--dry-run")["jobs"] == {}
    assert cli("logs", "wk", "two", "1").stdout == "two-2\n"
    cli("zip", "wk")
    assert cli.json("show", "wk.zip")["phase"] == "done"
    assert cli.json("results", "wk.zip", "--task", "three")["columns"]["s"] == THREE


def test_tasks_are_added_before_anything_is_submitted(cli):
    cli("make", first(cli), "--path", "wk")
    cli("add", "wk", second(cli))
    report = cli.json("submit", "wk")
    assert (report["submission"], report["runs"]) == (0, 7)
    cli("wait", "wk", "--timeout", "60")
    assert cli.column("wk", "three", "s") == THREE


@pytest.mark.parametrize("store", ["zarr", "file"])
def test_new_jobs_wait_for_those_that_run(cli, until, store):
    gate = cli.folder / "gate"
    os.mkfifo(gate)
    file = first(cli, before=f"read _ < {gate};")
    cli("go", file, "--path", "wk", "--store", store)
    until(lambda: cli.states("wk")["one"].get("running"))
    cli("add", "wk", second(cli))
    cli("submit", "wk")
    status = cli.json("show", "wk")
    assert status["phase"] == "active"
    assert [job["submission"] for job in status["jobs"]] == [0, 1, 1]
    assert cli.states("wk")["two"] == {"submitted": 3}
    with gate.open("w") as stream:  # it opens when the first run reads
        stream.write("go\n" * 3)
        stream.flush()
        until(lambda: cli.states("wk")["one"].get("succeeded") == 3)
    cli("wait", "wk", "--timeout", "100")
    assert cli.column("wk", "three", "s") == THREE
    assert ran(cli) == RUNS


def test_a_cancel_ends_the_jobs_of_all_submissions(cli, until):
    cli("go", first(cli, before="sleep 100;"), "--path", "wk")
    until(lambda: cli.states("wk")["one"].get("running"))
    cli("add", "wk", second(cli))
    cli("submit", "wk")
    cli("cancel", "wk")
    until(lambda: cli.json("show", "wk")["phase"] == "ended")
    states = cli.states("wk")
    assert states["one"] == {"cancelled": 3}
    assert states["two"] == {"cancelled": 3}


def test_a_workflow_grows_again_and_again(cli):
    wk = Workflow.make(first(cli), path=cli.folder / "wk")
    cli("submit", "wk", "--wait", "--quiet")
    third = cli.template(
        """
template_components:
  task_schemas:
    - objective: four
      inputs: [{parameter: z}]
      outputs: [{parameter: v}]
      actions:
        - {commands: [{command: echo $((-<<parameter:z>>)), stdout: <<int(parameter:v)>>}]}
tasks: [{schema: four}]
""",
        "third.yaml",
    )
    for template in (second(cli), third):
        wk.add(template)
        cli("submit", "wk", "--wait", "--quiet", "--timeout", "60")
    assert [list(wk.results("four").columns["v"])] == [[-11, -22, -33]]
    assert [job.submission for job in wk.status().jobs] == [0, 1, 1, 2]
    assert len({job.name for job in wk.status().jobs}) == 4


LOOPED = """
name: looped
template_components:
  task_schemas:
    - objective: up
      inputs: [{parameter: n}]
      outputs: [{parameter: n}]
      actions:
        - commands:
            - {command: echo $((<<parameter:n>> + 1)), stdout: <<int(parameter:n)>>}
    - objective: twice
      inputs: [{parameter: n}]
      outputs: [{parameter: m}]
      actions:
        - commands:
            - {command: echo $((<<parameter:n>> * 2)), stdout: <<int(parameter:m)>>}
tasks:
  - schema: up
    sequences: [{path: inputs.n, values: [0, 4]}]
  - schema: twice
    resources: {any: {num_cores: CORES}}
loops:
  - tasks: [0, 1]
    num_iterations: 6
    termination_task: up
    termination: {path: outputs.n, condition: {value.greater_than: 5}}
"""
BEHIND = """
template_components:
  task_schemas:
    - objective: last
      inputs: [{parameter: n}, {parameter: m}]
      outputs: [{parameter: k}]
      actions:
        - commands:
            - command: echo $((<<parameter:n>> + <<parameter:m>>))
              stdout: <<int(parameter:k)>>
    - objective: down
      inputs: [{parameter: k}]
      outputs: [{parameter: k}]
      actions:
        - commands:
            - {command: echo $((<<parameter:k>> - 1)), stdout: <<int(parameter:k)>>}
tasks:
  - schema: last
  - schema: down
loops:
  - tasks: [down]
    num_iterations: 3
"""


@pytest.mark.parametrize("cores", [1, 2])  # 2: iterations have jobs of their own
def test_what_is_added_behind_a_loop_takes_its_last_iteration(cli, cores):
    text = LOOPED.replace("CORES", str(cores))
    file = cli.template(text, "first.yaml")
    cli("go", file, "--path", "wk", "--wait", "--quiet", "--timeout", "100")
    assert (len(cli.json("show", "wk")["jobs"]) > 1) == (cores == 2)
    cli("add", "wk", cli.template(BEHIND, "second.yaml"))
    cli("submit", "wk", "--wait", "--quiet", "--timeout", "100")
    assert cli.column("wk", "last", "k") == [18, 18]
    assert cli.column("wk", "down", "k (out)") == [15, 15]


def test_a_copy_grows_by_itself_once_the_original_has_ended(cli, until):
    gate = cli.folder / "gate"
    file = first(cli, before=f"while [ ! -e {gate} ]; do sleep 0.1; done;")
    cli("go", file, "--path", "wk")
    until(lambda: cli.states("wk")["one"].get("running"))
    shutil.copytree(cli.folder / "wk", cli.folder / "early")
    cli("add", "early", second(cli))
    assert "is a copy of" in cli("submit", "early", code=6).stderr
    gate.touch()
    cli("wait", "wk", "--timeout", "60")
    shutil.copytree(cli.folder / "wk", cli.folder / "late")
    for place in ("late", "wk"):
        cli("add", place, second(cli))
        cli("submit", place, "--wait", "--quiet", "--timeout", "60")
        assert cli.column(place, "three", "s") == THREE


def test_an_archive_can_not_be_added_to(cli):
    cli("make", first(cli), "--path", "wk")
    cli("zip", "wk")
    refused = cli("add", "wk.zip", second(cli), code=7)
    assert len(refused.stderr.splitlines()) == 1
    assert "is an archive, which is only read" in refused.stderr


def test_a_wrong_template_changes_nothing_and_is_told_where_it_stands(cli):
    cli("make", first(cli), "--path", "wk")
    wrong = cli.template(SECOND.replace("schema: three", "schema: tree"), "wrong.yaml")
    before = cli.json("show", "wk")
    refused = cli("add", "wk", wrong, code=3)
    line = wrong.read_text().splitlines().index("  - schema: tree") + 1
    assert f"wrong.yaml:{line}:13: tasks[1].schema: there is no task schema 'tree'" in (
        refused.stderr
    )
    assert cli.json("show", "wk") == before
    clash = FIRST.replace("10 *", "20 *").replace("BEFORE", "").replace("RAN", "ran")
    refused = cli("add", "wk", cli.template(clash, "clash.yaml"), code=3)
    assert "tasks[0]: the workflow has another schema named 'one'" in refused.stderr
    assert refused.stderr.count("clash.yaml") == 1
    own = "config: {scheduler: local}\n" + SECOND
    refused = cli("add", "wk", cli.template(own, "own.yaml"), code=3)
    assert "own.yaml:1:1: config: the workflow keeps the 'config'" in refused.stderr


def test_two_terminals_add_at_once(cli):
    cli("make", first(cli), "--path", "wk")
    file = second(cli)
    both = [start(cli, "add", "wk", file, "--json") for _ in range(2)]
    answers = [(*process.communicate(), process.returncode) for process in both]
    assert [code for _, _, code in answers] == [0, 0], answers
    names = [task["name"] for task in cli.json("show", "wk")["tasks"]]
    assert names == ["one", "two", "three", "two_2", "three_2"]
    cli("submit", "wk", "--wait", "--quiet", "--timeout", "60")
    assert cli.column("wk", "three_2", "s") == THREE


@pytest.mark.parametrize("seed", range(2))
def test_adding_that_is_killed_leaves_the_workflow_before_or_after(cli, seed):
    chance = random.Random(seed)
    cli("go", first(cli), "--path", "wk", "--wait", "--quiet")
    file = second(cli)
    for _ in range(3):
        killed(cli, chance.uniform(0.2, 0.8), "add", "wk", file)
        names = [task["name"] for task in cli.json("show", "wk")["tasks"]]
        assert names[1::2] == ["two", "two_2", "two_3"][: len(names) // 2]
        assert len(names) % 2 == 1
    cli("add", "wk", file)
    killed(cli, chance.uniform(0.2, 0.8), "submit", "wk")
    cli("submit", "wk", "--wait", "--quiet", "--timeout", "60")
    assert cli.json("show", "wk")["phase"] == "done"
    assert cli.column("wk", "three", "s") == THREE


@pytest.mark.slurm
def test_new_jobs_wait_for_those_that_slurm_has(cli, until):
    gate = cli.folder / "gate"
    file = first(cli, before=f"while [ ! -e {gate} ]; do sleep 0.1; done;")
    cli("go", file, "--path", "wk", "--scheduler", "slurm")
    until(lambda: cli.states("wk")["one"].get("running"))
    cli("add", "wk", second(cli))
    cli("submit", "wk", "--scheduler", "slurm")
    assert cli.states("wk")["two"] == {"submitted": 3}
    gate.touch()
    cli("wait", "wk", "--timeout", "150")
    assert cli.column("wk", "three", "s") == THREE
    again = cli.template(
        SECOND.replace("RAN", str(cli.folder / "ran")).replace("  - schema: three\n", ""),
        "again.yaml",
    )
    cli("add", "wk", again)  # now nothing is live
    cli("submit", "wk", "--scheduler", "slurm", "--wait", "--quiet", "--timeout", "150")
    assert cli.column("wk", "two_2", "z") == [11, 22, 33]
