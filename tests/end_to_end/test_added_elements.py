"""Elements that are added to the tasks of workflows that have run."""

from __future__ import annotations

import pytest

from hpcflow import Workflow

FIRST = """
name: growing
template_components:
  task_schemas:
    - objective: one
      inputs: [{parameter: x}]
      outputs: [{parameter: y}]
      actions:
        - commands:
            - command: test <<parameter:x>> -ne 9 && echo $((10 * <<parameter:x>>))
              stdout: <<int(parameter:y)>>
    - objective: two
      inputs: [{parameter: y}, {parameter: x}, {parameter: k}]
      outputs: [{parameter: z}, {parameter: here}]
      actions:
        - requires_dir: true
          commands:
            - command: echo two-<<parameter:x>>
            - command: echo $((<<parameter:y>> + <<parameter:x>> + 1000 * <<parameter:k>>))
              stdout: <<int(parameter:z)>>
            - command: echo "$HPCFLOW_ELEMENT_IDX $(basename "$(dirname "$PWD")")"
              stdout: <<parameter:here>>
    - objective: three
      inputs: [{parameter: z, group: all}]
      outputs: [{parameter: s}]
      actions:
        - commands:
            - {command: echo $((<<sum(parameter:z)>>)), stdout: <<int(parameter:s)>>}
tasks:
  - schema: one
    sequences: [{path: inputs.x, values: [1, 2, 3]}]
    groups: [{name: all}]
  - schema: two
    sequences: [{path: inputs.k, values: [1, 2], nesting_order: 1}]
  - schema: three
"""
MORE = """
add_elements:
  - task: one
    sequences: [{path: inputs.x, values: [7, 8]}]
    groups: [{name: all}]
    propagate_to: [two]
"""
AGAIN = """
add_elements:
  - task: 0
    inputs: {x: 9}
    groups: [{name: all}]
    propagate_to: [two]
  - {task: two, inputs: {y: 1, x: 2, k: 3}, propagate_to: []}
tasks: [{schema: three}]
"""


def test_elements_are_added_run_alone_and_are_seen_with_the_others(cli):
    cli("go", cli.template(FIRST, "first.yaml"), "--path", "wk", "--wait", "--quiet")
    refused = cli(
        "add", "wk", cli.template(MORE.replace("[two]", "[two, three]"), "w"), code=3
    )
    assert "can't be passed on to 'three', which takes a group as 'z'" in refused.stderr
    before = cli.json("results", "wk", "--task", "two")["columns"]
    answer = cli.json("add", "wk", cli.template(MORE, "more.yaml"))
    assert (answer["tasks"], answer["grown"]) == ([], {"one": 2, "two": 4})
    assert (answer["elements"], answer["runs"]) == (6, 6)
    assert cli.states("wk") == {
        "one": {"succeeded": 3, "pending": 2},
        "two": {"succeeded": 6, "pending": 4},
        "three": {"succeeded": 1},
    }
    assert cli.json("submit", "wk")["runs"] == 6
    cli("wait", "wk", "--timeout", "100")
    now = cli.json("results", "wk", "--task", "two")["columns"]
    assert {name: cells[:6] for name, cells in now.items()} == before
    assert now["element"] == list(range(10))
    assert now["y"] == [10, 10, 20, 20, 30, 30, 70, 70, 80, 80]
    assert now["x"] == [1, 1, 2, 2, 3, 3, 7, 7, 8, 8]
    assert now["k"] == [1, 2] * 5
    assert now["z"] == [11 * x + 1000 * k for x, k in zip(now["x"], now["k"], strict=True)]
    assert now["here"] == [f"{e} e{e}" for e in range(10)]
    assert cli.column("wk", "three", "s") == [9132]  # what was made of the group stays
    assert cli("logs", "wk", "two", "8").stdout == "two-8\n"
    assert "elements 0 to 9" in cli("logs", "wk", "two", "10", code=4).stderr
    graph = cli("graph", "wk").stdout
    assert "two<br>10 elements" in graph
    assert graph.count('["one') == 1

    said = cli("add", "wk", cli.template(AGAIN, "again.yaml")).stdout
    assert "added 1 element to one\n" in said
    assert "added 3 elements to two\n" in said
    assert "added three_2 with 3 elements\n" in said
    cli("submit", "wk", "--wait", "--quiet", "--timeout", "100", code=1)
    status = cli.json("show", "wk")
    assert [task["name"] for task in status["tasks"]] == ["one", "two", "three", "three_2"]
    assert [task["elements"] for task in status["tasks"]] == [6, 13, 1, 3]
    assert (status["failures"][0]["task"], status["failures"][0]["element"]) == ("one", 5)
    wk = Workflow.open(cli.folder / "wk")
    assert list(wk.results("two").columns["z"])[10:] == [None, None, 3003]
    assert list(wk.results("three_2").columns["s"])[:2] == [9132, 165 * 2 + 6000]
    assert wk.tasks.two.elements[12].outputs.here == "12 e12"
    assert wk.tasks.two.elements[6].inputs.x == 7
    assert [i.outputs.z for i in wk.tasks.two.elements[7].iterations] == [2077]
    assert len(wk.tasks) == 4
    cli("zip", "wk")
    assert cli.json("results", "wk.zip", "--task", "one")["columns"]["y"][3:] == [
        70,
        80,
        None,
    ]


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
    - objective: last
      inputs: [{parameter: n}, {parameter: m}]
      outputs: [{parameter: k}]
      actions:
        - commands:
            - command: echo $((<<parameter:n>> + <<parameter:m>>))
              stdout: <<int(parameter:k)>>
tasks:
  - schema: up
    sequences: [{path: inputs.n, values: [0, 4]}]
  - schema: twice
    resources: {any: {num_cores: CORES}}
  - schema: last
loops:
  - tasks: [0, 1]
    num_iterations: 3
    termination_task: up
    termination: {path: outputs.n, condition: {value.greater_than: 4}}
"""


@pytest.mark.parametrize("cores", [1, 2])  # 2: iterations have jobs of their own
def test_elements_added_to_tasks_in_a_loop_go_through_it(cli, cores):
    text = LOOPED.replace("CORES", str(cores))
    cli("go", cli.template(text, "first.yaml"), "--path", "wk", "--wait", "--quiet")
    lonely = cli.template("add_elements: [{task: twice, inputs: {n: 1}}]", "lonely.yaml")
    assert "whose tasks 'up' get none" in cli("add", "wk", lonely, code=3).stderr
    cli(
        "add", "wk", cli.template("add_elements: [{task: up, inputs: {n: 3}}]", "more.yaml")
    )
    cli("submit", "wk", "--wait", "--quiet", "--timeout", "100")
    assert cli.column("wk", "last", "k") == [9, 15, 15]
    wk = Workflow.open(cli.folder / "wk")
    table = wk.results("up", iterations=True).columns
    assert table["element"].tolist() == [0, 0, 0, 1, 2, 2]
    assert table["loop_0"].tolist() == [0, 1, 2, 0, 0, 1]
    assert table["n (out)"].tolist() == [1, 2, 3, 5, 4, 5]
    assert len(wk.tasks.up.elements[2].iterations) == 2
