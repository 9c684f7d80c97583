"""Iterations that are added to loops of workflows that have run."""

from __future__ import annotations

import pytest

from hpcflow import Workflow
from tests.end_to_end.loop_templates import SHOW, schema, template
from tests.end_to_end.test_loop_waves import PART, SHOW_M, TASKS, TOTAL, configure

UP = """
    - objective: up
      inputs: [{parameter: x}, {parameter: a}]
      outputs: [{parameter: x}, {parameter: here}]
      actions:
        - requires_dir: true
          commands:
            - command: >-
                test <<parameter:x>> -ne -50
                && echo $((<<parameter:x>> + <<parameter:a>>))
              stdout: <<int(parameter:x)>>
            - command: >-
                echo "$HPCFLOW_ELEMENT_ITER_IDX $HPCFLOW_ELEMENT_ITER_LOOP_IDX
                $(basename "$(dirname "$PWD")")"
              stdout: <<parameter:here>>
"""
ENDING = """
  - name: rise
    tasks: [0]
    num_iterations: 2
    termination: {path: outputs.x, condition: {value.greater_than: 3}}"""
FIRST = template(
    UP,
    tasks="""
  - schema: up
    sequences: [{path: inputs.x, values: [0, 3, -9, -51]}]
    inputs: {a: 1}""",
    loops=ENDING,
)
THREE_MORE = "add_iterations: [{loop: rise, num_iterations: 3}]"
ONE_MORE = (
    "add_iterations: [{loop: rise, num_iterations: 1}]\n"
    "tasks: [{schema: show}]\n"
    f"template_components:\n  task_schemas:{SHOW}"
)


def test_a_loop_of_one_task_goes_on_where_it_did_not_end(cli):
    cli("go", cli.template(FIRST, "first.yaml"), "--path", "wk", "--wait", code=1)
    answer = cli.json("add", "wk", cli.template(THREE_MORE, "more.yaml"))
    assert (answer["iterations"], answer["grown"], answer["tasks"]) == ({"rise": 3}, {}, [])
    assert (answer["elements"], answer["runs"]) == (0, 12)
    assert cli.states("wk")["up"] == {"succeeded": 6, "failed": 1, "pending": 12}
    assert cli.json("submit", "wk")["jobs"] == 1
    cli("wait", "wk", "--timeout", "100", code=1)
    cli("add", "wk", cli.template(ONE_MORE, "one.yaml"))
    cli("submit", "wk", "--wait", "--quiet", "--timeout", "100", code=1)
    wk = Workflow.open(cli.folder / "wk")
    table = wk.results("up", iterations=True).columns
    begun = list(zip(table["element"].tolist(), table["rise"].tolist(), strict=True))
    # 1 ended at once, 0 ends in its fourth iteration, and 3 has failed.
    assert begun == [
        *((0, i) for i in range(4)),
        (1, 0),
        *((2, i) for i in range(6)),
        *((3, i) for i in (0, 1, 2, 5)),
    ]
    assert table["x"].tolist()[:5] == [0, 1, 2, 3, 3]
    assert table["x (out)"].tolist()[5:] == [-8, -7, -6, -5, -4, -3, -50, None, None, None]
    assert table["here"].tolist()[:11] == [
        f"{turn} rise={turn} i{turn}" for _, turn in begun[:11]
    ]
    assert list(wk.results("up").columns["x (out)"]) == [4, 4, -3, None]
    assert list(wk.results("show").columns["x"]) == [4, 4, -3, None]
    assert list(wk.results("show").columns["z"]) == [40, 40, -30, None]
    assert [i.loops["rise"] for i in wk.tasks.up.elements[0].iterations] == [0, 1, 2, 3]
    assert cli.states("wk") == {
        "up": {"succeeded": 12, "failed": 1, "skipped": 2},
        "show": {"succeeded": 3, "skipped": 1},
    }
    assert "its last iteration is 3" in cli(
        "logs", "wk", "up", "0", "--iteration", "4", code=4
    ).stderr  # fmt: skip
    assert "up to 6 iterations" in cli("graph", "wk").stdout
    cli("zip", "wk")
    assert cli.json("results", "wk.zip", "--task", "show")["columns"]["z"][:3] == [
        40,
        40,
        -30,
    ]
    cli("store", "verify", "wk")


HALVE = schema("halve", "x", "y", "echo $(( <<parameter:x>> / 2 ))")
LESS = schema("less", "y", "x", "echo $(( <<parameter:y>> - 1 ))")
TWO_TASKS = template(
    HALVE,
    LESS,
    SHOW,
    tasks="""
  - schema: halve
    sequences: [{path: inputs.x, values: [400, 40, 4]}]
  - {schema: less, resources: {any: {num_cores: CORES}}}
  - schema: show""",
    loops="""
  - tasks: [0, 1]
    num_iterations: 2
    termination: {path: outputs.x, condition: {value.less_than: 1}}""",
)
MORE_OF_ALL = """
add_elements: [{task: halve, inputs: {x: 1000}}]
add_iterations: [{loop: loop_0, num_iterations: MORE, keep: [KEEP]}]
tasks: [{schema: show}]
"""


def more_of_all(cli, more, keep):
    text = MORE_OF_ALL.replace("MORE", str(more)).replace("KEEP", keep)
    return cli.template(text, f"{more}.yaml")


def halved(x, times):
    """What the loop makes of a value in so many turns."""
    for _ in range(times):
        x = x // 2 - 1
        if x < 1:
            break
    return x


@pytest.mark.parametrize("cores", [1, 2])  # 2: iterations have jobs of their own
def test_several_tasks_go_on_and_what_is_behind_keeps_or_takes_the_last(cli, cores):
    text = TWO_TASKS.replace("CORES", str(cores))
    cli("go", cli.template(text, "first.yaml"), "--path", "wk", "--wait", "--quiet")
    without = cli.template("add_iterations: [{loop: loop_0, num_iterations: 1}]", "w.yaml")
    refused = cli("add", "wk", without, code=3).stderr
    assert "'show' took values of the loop 'loop_0', and would keep" in refused
    assert refused.endswith("1 problem; nothing was added\n")
    kept = cli.column("wk", "show", "z")
    said = cli("add", "wk", more_of_all(cli, 2, "show")).stdout
    assert "wk: added up to 2 iterations to the loop loop_0\n" in said
    cli("add", "wk", more_of_all(cli, 1, "show, show_2"))  # before the others have run
    cli("submit", "wk", "--wait", "--quiet", "--timeout", "200")
    # A new element has all iterations that there were when it was added.
    assert cli.column("wk", "show", "z") == [
        *kept, 10 * halved(1000, 2), 10 * halved(1000, 4),
    ]  # fmt: skip
    assert cli.column("wk", "show_2", "x") == [
        *(halved(x, 4) for x in (400, 40, 4, 1000)), halved(1000, 4),
    ]  # fmt: skip
    assert cli.column("wk", "show_3", "x") == [
        *(halved(x, 5) for x in (400, 40, 4, 1000)), halved(1000, 5),
    ]  # fmt: skip
    table = cli.json("results", "wk", "--task", "halve", "--iterations")["columns"]
    turns = [[0, 1, 2, 3, 4], [0, 1, 2, 3], [0, 1], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]]
    assert table["loop_0"] == [turn for one in turns for turn in one]
    assert table["x"][:5] == [halved(400, turn) for turn in range(5)]
    columns = cli.json("results", "wk", "--task", "less")["columns"]
    assert [y - 1 for y in columns["y"]] == columns["x"]
    assert cli.json("show", "wk")["phase"] == "done"


GROUPED = template(
    PART,
    TOTAL,
    SHOW_M,
    tasks=TASKS,
    loops="""
  - tasks: [0, 1]
    num_iterations: 3
    termination: {path: outputs.m, condition: {value.greater_than: 500}}""",
)
GROUPED_MORE = """
add_iterations: [{loop: loop_0, num_iterations: 4, keep: [show]}]
tasks: [{schema: show}]
"""


def test_a_loop_that_rests_between_two_parts_goes_on_with_what_was_added_to_it(cli, until):
    configure(cli, 3)
    cli("go", cli.template(GROUPED.replace("RAN", "ran")), "--path", "wk")
    lonely = "add_elements: [{task: part, inputs: {m: 0, k: 4}, propagate_to: []}]"
    wrong = cli("add", "wk", cli.template(lonely, "lonely.yaml"), code=3).stderr
    assert "whose tasks 'total' get none" in wrong
    cli("add", "wk", cli.template(GROUPED_MORE, "more.yaml"))
    until(lambda: cli.json("show", "wk")["phase"] == "stopped")
    cli("submit", "wk")
    cli("wait", "wk", "--timeout", "200")
    assert cli.column("wk", "show", "z") == [780]
    assert cli.column("wk", "show_2", "z") == [7260]
    table = cli.json("results", "wk", "--task", "total", "--iterations")["columns"]
    assert table["loop_0"] == [0, 1, 2, 3, 4]
    assert table["y"][3:] == [[79, 80, 81], [241, 242, 243]]
    assert cli.states("wk")["part"] == {"succeeded": 15}


def test_elements_that_are_added_between_two_parts_of_a_loop_go_through_it_too(cli, until):
    configure(cli, 2)
    cli("go", cli.template(TWO_TASKS.replace("CORES", "2"), "first.yaml"), "--path", "wk")
    cli(
        "add", "wk",
        cli.template("add_elements: [{task: halve, inputs: {x: 1000}}]", "more.yaml"),
    )  # fmt: skip
    until(lambda: cli.json("show", "wk")["phase"] == "stopped")
    cli("submit", "wk")
    cli("wait", "wk", "--timeout", "200")
    assert cli.column("wk", "show", "x") == [halved(x, 2) for x in (400, 40, 4, 1000)]
    assert cli.json("show", "wk")["phase"] == "done"
