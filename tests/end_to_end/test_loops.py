"""Loops, from a template to the values of their iterations, on this machine."""

from __future__ import annotations

import json

import pytest

from hpcflow import Workflow
from tests.end_to_end.loop_templates import ADD_ONE, COUNT_UP, HALVE, SHOW, schema, template

HALVING = template(
    HALVE,
    ADD_ONE,
    SHOW,
    tasks="""
  - schema: halve
    sequences: [{path: inputs.x, values: [100, 50, 7]}]
  - schema: add_one
  - schema: show""",
    loops="""
  - name: down
    tasks: [halve, add_one]
    num_iterations: 10
    termination: {path: outputs.x, condition: {value.less_than: 10}}""",
)


def go(cli, text, code=0):
    cli("go", cli.template(text), "--path", "wk", "--wait", code=code)
    return Workflow.open(cli.folder / "wk")


def iterations(cli, task):
    """The rows of a task's iterations, as lists."""
    answer = json.loads(
        cli("results", "wk", "--task", task, "--iterations", "--json").stdout
    )
    return [list(row) for row in zip(*answer["columns"].values(), strict=True)]


def test_each_element_ends_by_itself_and_what_follows_reads_its_last_iteration(cli):
    workflow = go(cli, HALVING)
    assert cli.column("wk", "add_one", "x") == [8, 8, 4]
    assert cli.column("wk", "show", "z") == [80, 80, 40]
    # element, turn, y, x
    assert iterations(cli, "add_one") == [
        [0, 0, 50, 51], [0, 1, 25, 26], [0, 2, 13, 14], [0, 3, 7, 8],
        [1, 0, 25, 26], [1, 1, 13, 14], [1, 2, 7, 8],
        [2, 0, 3, 4],
    ]  # fmt: skip
    second = workflow.tasks.halve.elements[0].iterations[1]
    assert (second.index, second.loops) == (1, {"down": 1})
    assert (second.inputs.x, second.outputs.y) == (51, 25)
    assert [len(e.iterations) for e in workflow.tasks.add_one.elements] == [4, 3, 1]
    log = cli("logs", "wk", "halve", 1, "--iteration", 5, code=None).stderr
    assert "halve, element 1, iteration 5 was not executed: its last iteration is 2" in log


def test_only_what_is_executed_is_counted_before_and_after_a_fold(cli):
    go(cli, HALVING.replace("num_iterations: 10", "num_iterations: 100000"))
    expected = {
        "halve": {"succeeded": 8},
        "add_one": {"succeeded": 8},
        "show": {"succeeded": 3},
    }
    assert cli.states("wk") == expected
    before = iterations(cli, "halve")
    cli("fold", "wk")
    assert cli.states("wk") == expected
    shown = cli.json("show", "wk")
    assert shown["phase"] == "done"
    assert [task["runs"] for task in shown["tasks"]] == [8, 8, 3]
    assert iterations(cli, "halve") == before
    assert cli.column("wk", "add_one", "x") == [8, 8, 4]


def test_a_run_is_told_which_iteration_it_is(cli):
    told = "echo $HPCFLOW_ELEMENT_ITER_IDX $HPCFLOW_ELEMENT_ITER_LOOP_IDX"
    ids = "echo $(( $HPCFLOW_ELEMENT_ITER_ID - $HPCFLOW_ELEMENT_ID ))"
    tell = schema(
        "tell", "n", "n", f'"{told} >&2; {ids} >&2; echo $(( <<parameter:n>> + 1 ))"'
    )
    go(
        cli,
        template(
            tell,
            tasks="  - {schema: tell, inputs: {n: 1}}",
            loops="  - {name: b, tasks: [0], num_iterations: 2}\n"
            "  - {name: a, tasks: [0], num_iterations: 3}",
        ),
    )
    logs = [cli("logs", "wk", "tell", 0, "--iteration", i).stdout for i in range(6)]
    turns = [(a, b) for a in range(3) for b in range(2)]
    assert logs == [f"{i} a={a};b={b}\n{i}\n" for i, (a, b) in enumerate(turns)]
    assert cli("logs", "wk", "tell", 0).stdout == logs[-1]
    assert cli.column("wk", "tell", "n (out)") == [7]


def test_loops_in_loops_pass_values_on_and_the_inner_one_begins_anew(cli):
    # n counts all inner turns; m takes the inner loop's last n, k sees both.
    double = schema(
        "double", "n; m", "m", "echo $(( 2 * <<parameter:m>> + <<parameter:n>> ))"
    )
    go(
        cli,
        template(
            COUNT_UP,
            double,
            SHOW.replace("parameter: x", "parameter: m").replace(
                "parameter:x", "parameter:m"
            ),
            tasks="""
  - {schema: count_up, inputs: {n: 0}}
  - {schema: double, inputs: {m: 1}}
  - {schema: show}""",
            loops="""
  - {name: outer, tasks: [0, 1], num_iterations: 3}
  - {name: inner, tasks: [0], num_iterations: 2}""",
        ),
    )
    assert iterations(cli, "count_up") == [
        [0, 0, 0, 0, 1], [0, 0, 1, 1, 2], [0, 1, 0, 2, 3], [0, 1, 1, 3, 4],
        [0, 2, 0, 4, 5], [0, 2, 1, 5, 6],
    ]  # fmt: skip
    assert iterations(cli, "double") == [
        [0, 0, 2, 1, 4],
        [0, 1, 4, 4, 12],
        [0, 2, 6, 12, 30],
    ]
    assert cli.column("wk", "show", "z") == [300]


def test_an_inner_loop_ends_early_in_each_turn_of_the_outer_one(cli):
    reset = schema("reset", "n", "m", "echo $(( <<parameter:n>> * 10 ))")
    again = schema("again", "m", "n", "echo $(( <<parameter:m>> / 10 - 1 ))")
    go(
        cli,
        template(
            COUNT_UP,
            reset,
            again,
            tasks="""
  - {schema: count_up, inputs: {n: 0}}
  - schema: reset
  - schema: again""",
            loops="""
  - {name: outer, tasks: [0, 1, 2], num_iterations: 3}
  - name: inner
    tasks: [count_up]
    num_iterations: 9
    termination: {path: outputs.n, condition: {value.greater_than_or_equal_to: 3}}""",
        ),
    )
    assert [row[1:3] for row in iterations(cli, "count_up")] == [
        [0, 0], [0, 1], [0, 2], [1, 0], [2, 0],
    ]  # fmt: skip
    assert [row[-1] for row in iterations(cli, "again")] == [2, 2, 2]


def test_a_parameter_that_is_not_iterable_stays_as_it_was(cli):
    go(
        cli,
        template(
            COUNT_UP,
            tasks="  - {schema: count_up, inputs: {n: 5}}",
            loops="  - {tasks: [0], num_iterations: 3, non_iterable_parameters: [n]}",
        ),
    )
    assert iterations(cli, "count_up") == [[0, i, 5, 6] for i in range(3)]


def test_the_termination_may_look_at_any_task_of_the_loop_and_into_its_value(cli):
    tell = """
    - objective: pair
      inputs: [{parameter: n}]
      outputs: [{parameter: p}]
      actions:
        - script: pair.py
          script_data_in: direct
          script_data_out: direct
          environments: {any: python_env}
"""
    (cli.folder / "pair.py").write_text(
        "def pair(n):\n    return {'p': {'error': [1.0, 1 / 2**n]}}\n"
    )
    go(
        cli,
        template(
            COUNT_UP,
            tell,
            tasks="  - {schema: count_up, inputs: {n: 0}}\n  - schema: pair",
            loops="""
  - tasks: [0, 1]
    num_iterations: 50
    termination_task: pair
    termination: {path: outputs.p.error.1, condition: {value.less_than: 0.1}}""",
        ),
    )
    assert cli.column("wk", "count_up", "n (out)") == [4]


def test_a_failure_ends_its_elements_loop_and_skips_what_follows(cli):
    fail = schema(
        "fail", "n", "n", "test <<parameter:n>> != 12 && echo $(( <<parameter:n>> + 1 ))"
    )
    go(
        cli,
        template(
            fail,
            SHOW.replace("parameter: x", "parameter: n").replace(
                "parameter:x", "parameter:n"
            ),
            tasks="""
  - schema: fail
    sequences: [{path: inputs.n, values: [10, 20]}]
  - schema: show""",
            loops="  - {tasks: [0], num_iterations: 1000}".replace("1000", "5"),
        ),
        code=1,
    )
    assert cli.column("wk", "fail", "n (out)") == [None, 25]
    assert cli.column("wk", "show", "z") == [None, 250]
    # 10, 11 and 12 were executed; the next iteration was skipped, and there the loop ended.
    assert cli.states("wk")["fail"] == {"succeeded": 7, "failed": 1, "skipped": 1}
    shown = cli("show", "wk", code=None).stdout + cli("show", "wk", "--json").stdout
    (failure,) = cli.json("show", "wk")["failures"]
    assert (failure["element"], failure["iteration"]) == (0, 2)
    assert "fail" in shown


TRUTHY = "condition: {value.truthy: null}"
REFUSED = {
    "{tasks: [0, 7], num_iterations: 2}": "there is no task 7",
    "{tasks: [2, 1], num_iterations: 2}": "must follow one another",
    "{tasks: [halv], num_iterations: 2}": "did you mean 'halve'?",
    "{tasks: [0], num_iterations: 0}": "at least 1",
    "{tasks: [0, 1], num_iterations: 2}, {tasks: [1, 2], num_iterations: 2}": "overlap",
    "{tasks: [0], num_iterations: 2, non_iterable_parameters: [q]}": "no task of the loop",
    "{tasks: [0], num_iterations: 2, termination_task: 1, "
    f"termination: {{path: outputs.x, {TRUTHY}}}}}": "is not in the loop",
    "{tasks: [0], num_iterations: 2, "
    f"termination: {{path: outputs.yy, {TRUTHY}}}}}": "did you mean 'outputs.y'?",
    "{tasks: [0], num_iterations: 2, "
    f"termination: {{path: inputs.y, {TRUTHY}}}}}": "did you mean 'inputs.x'?",
    "{tasks: [0], num_iterations: 2, "
    f"termination: {{path: resources.num_core, {TRUTHY}}}}}": "'resources.num_cores'?",
    "{tasks: [0], num_iterations: 2, "
    f"termination: {{path: environments.e, {TRUTHY}}}}}": "can't end a loop",
    "{tasks: [0], num_iterations: 2, termination: "
    "{path: outputs.y, condition: {value.lesser: 3}}}": "unknown callable 'lesser'",
    "{name: a, tasks: [0], num_iterations: 2}, "
    "{name: a, tasks: [1], num_iterations: 2}": "two loops named 'a'",
    "{tasks: [0], num_iterations: 99999999}": "at most 10000000",
}


@pytest.mark.parametrize("loops", REFUSED)
def test_a_loop_that_is_wrong_is_refused_where_it_stands(cli, loops):
    text = f"{HALVING[: HALVING.index('loops:')]}loops: [{loops}]"
    answer = cli("check", cli.template(text), code=None)
    assert answer.returncode != 0
    lines = [
        line for line in (answer.stdout + answer.stderr).splitlines() if "loops[" in line
    ]
    assert len(lines) == 1, answer
    assert REFUSED[loops] in lines[0]


PARTS = template(
    schema("part", "k; m", "y", "echo $(( <<parameter:m>> + <<parameter:k>> ))"),
    schema("total", "{parameter: y, group: all}", "m", "echo <<sum(parameter:y)>>"),
    SHOW.replace("parameter: x", "parameter: m").replace("parameter:x", "parameter:m"),
    tasks="""
  - schema: part
    inputs: {m: 0}
    sequences: [{path: inputs.k, values: [1, 2, 3]}]
    groups: [{name: all}]
  - schema: total
  - schema: show""",
    loops="""
  - tasks: [0, 1]
    num_iterations: 5
    termination: {path: outputs.m, condition: {value.greater_than: 50}}""",
)


def test_a_loop_with_a_group_in_it_ends_for_all_members_together(cli):
    go(cli, PARTS)
    assert iterations(cli, "total") == [
        [0, 0, [1, 2, 3], 6], [0, 1, [7, 8, 9], 24], [0, 2, [25, 26, 27], 78],
    ]  # fmt: skip
    assert cli.column("wk", "show", "z") == [780]
    log = cli("logs", "wk", "part", 2, "--iteration", 4, code=None).stderr
    assert "part, element 2, iteration 4 was not executed: its last iteration is 2" in log
    expected = {
        "part": {"succeeded": 9},
        "total": {"succeeded": 3},
        "show": {"succeeded": 1},
    }
    assert cli.states("wk") == expected
    cli("fold", "wk")
    assert cli.states("wk") == expected
    assert cli.json("show", "wk")["phase"] == "done"


def test_a_loop_whose_tasks_ask_for_different_resources_ends_for_each_element(cli):
    own = "\n    resources: {any: {num_threads: 2}}\n"
    text = HALVING.replace("  - schema: add_one\n", f"  - schema: add_one{own}")
    assert own in text
    go(cli, text.replace("num_iterations: 10", "num_iterations: 5"))
    assert cli.column("wk", "show", "z") == [80, 80, 40]
    assert [row[:2] for row in iterations(cli, "halve")] == [
        [0, 0], [0, 1], [0, 2], [0, 3], [1, 0], [1, 1], [1, 2], [2, 0],
    ]  # fmt: skip
    assert cli.states("wk")["add_one"] == {"succeeded": 8}


def test_a_task_in_a_job_of_its_own_reads_each_elements_last_iteration(cli):
    go(
        cli,
        HALVING.replace(
            "  - schema: show", "  - schema: show\n    resources: {any: {num_threads: 2}}"
        ),
    )
    assert cli.column("wk", "show", "z") == [80, 80, 40]


def test_meta_tasks_take_their_place_and_a_loop_may_name_one(cli):
    meta = """
  meta_task_schemas:
    - objective: down
      inputs: [{parameter: x}]
      outputs: [{parameter: x}]
"""
    text = template(
        HALVE,
        ADD_ONE,
        SHOW + meta,
        tasks="  - schema: down\n  - schema: show",
        loops="  - {tasks: [down], num_iterations: 2}",
        more="""
meta_tasks:
  down:
    - {schema: halve, inputs: {x: 100}}
    - schema: add_one
""",
    )
    go(cli, text)
    assert cli.column("wk", "show", "z") == [260]
    by_index = text.replace("tasks: [down]", "tasks: [0]")
    assert cli("check", cli.template(by_index)).returncode == 0
    wrong = text.replace(
        meta, meta.replace("inputs: [{parameter: x}]", "inputs: [{parameter: q}]")
    )
    answer = cli("check", cli.template(wrong), code=None)
    assert "has the input 'q'" in answer.stdout + answer.stderr


def test_a_loop_that_members_of_a_group_would_end_one_by_one_is_refused(cli):
    ends = "termination_task: 0\n    termination: {path: outputs.y,"
    text = PARTS.replace("termination: {path: outputs.m,", ends)
    answer = cli("check", cli.template(text), code=None)
    assert "needs exactly one element of it that decides" in answer.stdout


def test_an_input_of_an_inner_loop_ends_no_outer_one_with_jobs_for_each_turn(cli):
    outer = """
  - name: outer
    tasks: [0, 1]
    num_iterations: 2
    termination: {path: inputs.y.0, condition: {value.greater_than: 50}}"""
    text = PARTS.replace("value.greater_than: 50}}", "value.greater_than: 50}}" + outer, 1)
    answer = cli("check", cli.template(text), code=None)
    assert "can't be ended by an input of task 'total'" in answer.stdout


def test_a_stopped_loop_leaves_nothing_behind_it_that_looks_finished(cli, until):
    slow = schema("slow", "n", "n", "sleep 0.2; echo $(( <<parameter:n>> + 1 ))")
    text = template(
        slow,
        SHOW.replace("parameter: x", "parameter: n").replace("parameter:x", "parameter:n"),
        tasks="  - {schema: slow, inputs: {n: 0}}\n  - schema: show",
        loops="  - {tasks: [0], num_iterations: 100000}",
    )
    cli("go", cli.template(text), "--path", "wk")
    until(lambda: cli.states("wk")["slow"].get("succeeded", 0) >= 2)
    cli("cancel", "wk")
    until(lambda: cli.json("show", "wk")["phase"] != "active")
    assert cli.column("wk", "show", "z") == [None]
    assert cli.states("wk")["show"] == {"cancelled": 1}
    assert cli.states("wk")["slow"]["cancelled"] >= 1
