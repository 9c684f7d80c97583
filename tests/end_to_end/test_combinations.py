"""Features of the language together: each with loops, groups, files and defaults."""

from __future__ import annotations

import pytest

from tests.end_to_end.combined_templates import (
    A_JOB_EACH,
    BOTH_KINDS,
    STEPS,
    WITHIN_A_JOB,
    check_rest,
    combined,
    go,
    rows,
)

# The turns of a loop are one job's or jobs of their own: rules, which tell them apart the
# most, are tried in both, everything else in one.
both_kinds = pytest.mark.parametrize("measure", BOTH_KINDS, ids=["within", "job_each"])
within_a_job = pytest.mark.parametrize("measure", [WITHIN_A_JOB], ids=["within"])
a_job_each = pytest.mark.parametrize("measure", [A_JOB_EACH], ids=["job_each"])

JSON_STEP = """
import json

def step(_input_files, _output_files):
    with open(_input_files["json"]) as stream:
        given = json.load(stream)
    with open(_output_files["json"], "w") as stream:
        json.dump({"y": given["x"] + 1}, stream)
"""
HDF5_STEP = """
import h5py

def step(_input_files, _output_files):
    with h5py.File(_input_files["hdf5"]) as stream:
        x = stream["x"][()]
    with h5py.File(_output_files["hdf5"], "w") as stream:
        stream["y"] = x + 1
"""
DIRECT_STEP = "def step(x):\n    return {'y': x + 1}\n"

ONE_SCRIPT = """
    - objective: step
      inputs: [{parameter: x}]
      outputs: [{parameter: y}]
      actions: [{script: step.py%s}]
"""


@a_job_each
@pytest.mark.parametrize(
    ("how", "script"),
    [
        ("", DIRECT_STEP),
        (", script_data_in: json, script_data_out: json", JSON_STEP),
        (", script_data_in: hdf5, script_data_out: hdf5", HDF5_STEP),
    ],
    ids=["direct", "json", "hdf5"],
)
def test_scripts_with_data_of_each_kind(cli, measure, how, script):
    if "h5py" in script:
        pytest.importorskip("h5py")
    go(cli, combined(ONE_SCRIPT % how, measure_task=measure), {"step.py": script})
    assert rows(cli, "step") == STEPS
    check_rest(cli)


@within_a_job
def test_default_values_with_a_part_put_into_them_in_each_turn(cli, measure):
    step = """
    - objective: step
      inputs: [{parameter: x}, {parameter: by, default_value: {much: 5, note: kept}}]
      outputs: [{parameter: y}, {parameter: note}]
      actions:
        - commands:
            - command: echo $(( <<parameter:x>> + <<parameter:by.much>> ))
              stdout: <<int(parameter:y)>>
            - {command: echo <<parameter:by.note>>, stdout: <<parameter:note>>}
"""
    go(
        cli,
        combined(step, measure_task=measure, step_task="    inputs: {by.much: 1}"),
    )
    by = {"much": 1, "note": "kept"}
    assert rows(cli, "step") == [[*row[:3], by, row[3], "kept"] for row in STEPS]
    check_rest(cli)


@both_kinds
def test_rules_that_choose_another_action_in_each_turn(cli, measure):
    step = """
    - objective: step
      inputs: [{parameter: x}]
      outputs: [{parameter: y}, {parameter: size}]
      actions:
        - rules: [{path: inputs.x, condition: {value.less_than_or_equal_to: 15}}]
          commands:
            - {command: echo $(( <<parameter:x>> + 1 )), stdout: <<int(parameter:y)>>}
            - {command: echo small, stdout: <<parameter:size>>}
        - rules: [{path: inputs.x, condition: {value.greater_than: 15}}]
          script: step.py
"""
    script = "def step(x):\n    return {'y': x + 1, 'size': 'large'}\n"
    go(cli, combined(step, measure_task=measure), {"step.py": script})
    assert rows(cli, "step") == [
        [*row, "small" if row[2] <= 15 else "large"] for row in STEPS
    ]
    assert cli.states("wk")["step"] == {"succeeded": 9, "skipped": 9}
    check_rest(cli)


@within_a_job
def test_a_directory_for_each_turn_of_each_element(cli, measure):
    step = """
    - objective: step
      inputs: [{parameter: x}]
      outputs: [{parameter: y}]
      actions:
        - requires_dir: true
          commands:
            - command: test -z "$(ls)" && echo $(( <<parameter:x>> + 1 )) > own.txt
            - {command: cat own.txt, stdout: <<int(parameter:y)>>}
"""
    workflow = go(cli, combined(step, measure_task=measure))
    assert rows(cli, "step") == STEPS
    found = [path.read_text() for path in workflow.path.glob("execute/step/**/own.txt")]
    assert sorted(map(int, found)) == sorted(row[3] for row in STEPS)
    check_rest(cli)


@a_job_each
def test_commands_that_hand_lists_and_files_on(cli, measure):
    step = """
    - objective: step
      inputs: [{parameter: x}]
      outputs: [{parameter: parts}, {parameter: y}]
      actions:
        - commands:
            - command: echo <<parameter:x>>,1
              stdout: <<list[item_type=int, delim=","](parameter:parts)>>
            - {command: echo told >&2, stderr: told.txt}
        - commands:
            - command: read -r a; echo $(( a + <<sum(parameter:parts)>> - a ))
              stdin: <<parameter:x>>
              stdout: <<int(parameter:y)>>
"""
    go(cli, combined(step, measure_task=measure))
    assert rows(cli, "step") == [[*row[:3], [row[2], 1], row[3]] for row in STEPS]
    check_rest(cli)


COUNTING_STEP = """
import os
calls = []

def step(x):
    calls.append(x)
    print(f"call {len(calls)}")
    return {"y": x + 1, "first": len(calls) == 1}
"""


@within_a_job
def test_combined_scripts_go_through_the_turns_of_a_loop(cli, measure):
    step = ONE_SCRIPT.replace("{parameter: y}", "{parameter: y}, {parameter: first}") % ""
    go(
        cli,
        combined(
            step,
            measure_task=measure,
            more="resources: {any: {combine_scripts: true, use_job_array: false}}",
        ),
        {"step.py": COUNTING_STEP},
    )
    assert [row[:4] for row in rows(cli, "step")] == STEPS
    if measure == WITHIN_A_JOB:  # in the interpreters of the item's slots
        assert sum(row[4] for row in rows(cli, "step")) <= 2
    check_rest(cli)


@a_job_each
def test_generated_files_that_one_element_set_gives_itself(cli, measure):
    step = """
    - objective: step
      inputs: [{parameter: x}]
      outputs: [{parameter: y}]
      actions:
        - input_file_generators: [{input_file: one, from_inputs: [x], script: write_x.py}]
          commands:
            - command: echo $(( $(cat one.txt) + <<parameter:x>> ))
              stdout: <<int(parameter:y)>>
"""
    script = "def write_x(path, x):\n    path.write_text('1')\n"
    text = combined(
        step,
        measure_task=measure,
        command_files="    - {label: one, name: one.txt}",
    )
    given = text.replace(
        "  - schema: step\n    groups: [{name: all}]\n",
        """  - schema: step
    element_sets:
      - groups: [{name: all}]
        input_files: {one: {contents: "1"}}
""",
    )
    assert given != text
    for place, template, expected in (
        ("wk", text, {"succeeded": 18}),
        ("given", given, {"succeeded": 18}),
    ):
        if place == "given":
            cli("delete", "wk", code=None)
            (cli.folder / "wk").rename(cli.folder / "before")
        go(cli, template, {"write_x.py": script})
        assert rows(cli, "step") == STEPS
        assert cli.states("wk")["step"] == expected
        check_rest(cli)


@within_a_job
def test_parsers_of_files_that_are_kept_for_each_turn(cli, measure):
    step = """
    - objective: step
      inputs: [{parameter: x}]
      outputs: [{parameter: y}, {parameter: names}]
      actions:
        - commands: [{command: echo <<parameter:x>> > a.log; echo 1 > b.log}]
          output_file_parsers:
            y: {from_files: [logs], script: add_up.py}
            names: {from_files: [logs], script: name_them.py, inputs: [x]}
          save_files: [logs]
"""
    scripts = {
        "add_up.py": "def add_up(logs):\n"
        "    return sum(int(log.read_text()) for log in logs)\n",
        "name_them.py": "def name_them(logs, x):\n"
        "    return [x, *(log.name for log in logs)]\n",
    }
    workflow = go(
        cli,
        combined(
            step,
            measure_task=measure,
            command_files='    - {label: logs, name: {name: "[ab][.]log", is_regex: true}}',
        ),
        scripts,
    )
    assert rows(cli, "step") == [[*row, [row[2], "a.log", "b.log"]] for row in STEPS]
    kept = [p.read_text() for p in workflow.path.glob("artifacts/step/**/a.log")]
    assert sorted(map(int, kept)) == sorted(row[2] for row in STEPS)
    check_rest(cli)


@within_a_job
@pytest.mark.parametrize("form", ["json", "hdf5"])
def test_programs_with_data_in_files(cli, measure, form):
    step = f"""
    - objective: step
      inputs: [{{parameter: x}}]
      outputs: [{{parameter: y}}]
      actions: [{{program: add_one, program_data_in: {form}, program_data_out: {form}}}]
"""
    if form == "hdf5":
        pytest.importorskip("h5py")
        body = """import h5py, sys
with h5py.File(sys.argv[1]) as stream:
    x = stream["x"][()]
with h5py.File(sys.argv[2], "w") as stream:
    stream["y"] = x + 1
"""
    else:
        body = """import json, sys
with open(sys.argv[1]) as stream:
    x = json.load(stream)["x"]
with open(sys.argv[2], "w") as stream:
    json.dump({"y": x + 1}, stream)
"""
    program = f"#!/usr/bin/env python3\n{body}"
    go(cli, combined(step, measure_task=measure), {"add_one": program})
    assert rows(cli, "step") == STEPS
    check_rest(cli)


@within_a_job
def test_an_abortable_action_of_combined_scripts_that_nobody_aborts(cli, measure):
    step = ONE_SCRIPT % ", abortable: true"
    go(
        cli,
        combined(
            step,
            measure_task=measure,
            more="resources: {any: {combine_scripts: true, use_job_array: false}}",
        ),
        {"step.py": DIRECT_STEP},
    )
    assert rows(cli, "step") == STEPS
    check_rest(cli)


# In the tasks below x becomes x + 1, then half of that while it is above 60 and one less
# than half from 40 to 60; else no rule holds, and x stays: 100, 50, 24, 24, ...
RULED = """
name: ruled
tasks:
  - schema: step
    sequences: [{path: inputs.x, values: [100, 40]}]
  - schema: maybe
    %s
  - schema: report
    %s
loops:
  - tasks: [step, maybe]
    num_iterations: 5
    termination: {path: outputs.x, condition: {value.less_than: 21}}
template_components:
  task_schemas:
    - objective: step
      inputs: [{parameter: x}]
      outputs: [{parameter: y}]
      actions:
        - commands:
            - {command: echo $(( <<parameter:x>> + 1 )), stdout: <<int(parameter:y)>>}
    - objective: maybe
      inputs: [{parameter: y}]
      outputs: [{parameter: x}]
      actions:
        - rules: [{path: inputs.y, condition: {value.greater_than: 60}}]
          commands:
            - {command: echo $(( <<parameter:y>> / 2 )), stdout: <<int(parameter:x)>>}
        - rules: [{path: inputs.y, condition: {value.in_range: {lower: 40, upper: 60}}}]
          commands:
            - {command: echo $(( <<parameter:y>> / 2 - 1 )), stdout: <<int(parameter:x)>>}
    - objective: report
      inputs: [{parameter: x}]
      outputs: [{parameter: text}]
      actions:
        - commands:
            - {command: echo got <<parameter:x>>, stdout: <<parameter:text>>}
"""


@pytest.mark.parametrize(
    ("maybe", "report"),
    [(WITHIN_A_JOB, ""), (A_JOB_EACH, ""), (WITHIN_A_JOB, A_JOB_EACH)],
    ids=["within_a_job", "a_job_each", "read_by_another_job"],
)
def test_a_turn_that_rules_leave_out_keeps_what_an_earlier_one_made(cli, maybe, report):
    go(cli, RULED % (maybe, report))
    assert [row[-1] for row in rows(cli, "step")] == [101, 51, 25, 25, 25, 41]
    assert cli.column("wk", "report", "text") == ["got 24", "got 19"]
    assert cli.states("wk")["maybe"] == {"succeeded": 3, "skipped": 9}


ONE_TASK = """
name: one
tasks:
  - schema: step
    %s
  - schema: report
loops: [{tasks: [0], num_iterations: %s}]
template_components:
  task_schemas:
    - objective: step
      inputs: [%s]
      outputs: [{parameter: x}]
      actions:
%s
    - objective: report
      inputs: [{parameter: x}]
      outputs: [{parameter: text}]
      actions:
        - commands:
            - {command: echo got <<parameter:x>>, stdout: <<parameter:text>>}
"""


def test_a_task_whose_rule_no_longer_holds_hands_on_its_own_last_value(cli):
    action = """
        - rules: [{path: inputs.x, condition: {value.greater_than: 15}}]
          commands:
            - {command: echo $(( <<parameter:x>> / 2 )), stdout: <<int(parameter:x)>>}
"""
    sequence = "sequences: [{path: inputs.x, values: [100, 40, 3]}]"
    go(cli, ONE_TASK % (sequence, 6, "{parameter: x}", action))
    assert cli.column("wk", "report", "text") == ["got 12", "got 10", "got 3"]
    # executed: 100, 50, 25; 40, 20; and one turn of each in which nothing is
    assert cli.states("wk")["step"] == {"succeeded": 5, "skipped": 3}


def test_alternatives_by_rules_end_a_loop_whichever_made_the_value(cli):
    action = """
        - rules: [{path: inputs.x, condition: {value.greater_than: 15}}]
          commands:
            - {command: echo $(( <<parameter:x>> / 2 )), stdout: <<int(parameter:x)>>}
        - rules: [{path: inputs.x, condition: {value.less_than_or_equal_to: 15}}]
          commands:
            - {command: echo $(( <<parameter:x>> - 1 )), stdout: <<int(parameter:x)>>}
"""
    sequence = "sequences: [{path: inputs.x, values: [100, 40]}]"
    for limit, expected in ((30, ["got 25", "got 20"]), (11, ["got 10", "got 9"])):
        ends = (
            f"6, termination: {{path: outputs.x, condition: {{value.less_than: {limit}}}}}"
        )
        text = ONE_TASK % (sequence, ends, "{parameter: x}", action)
        place = f"below_{limit}"
        cli("go", cli.template(text), "--path", place, "--wait")
        assert cli.column(place, "report", "text") == expected


def test_parts_that_a_sequence_puts_in_are_put_into_each_turns_value(cli):
    sequence = """inputs: {x: {a: 1, b: 0}}
    sequences: [{path: inputs.x.b, values: [10, 20]}]"""
    script = "def add(x):\n    return {'x': {'a': x['a'] + x['b'], 'b': 0}}\n"
    text = ONE_TASK % (sequence, 3, "{parameter: x}", "        - script: add.py")
    go(cli, text, {"add.py": script})
    assert rows(cli, "step") == [
        [e, turn, {"a": 1 + turn * b, "b": b}, {"a": 1 + (turn + 1) * b, "b": 0}]
        for e, b in ((0, 10), (1, 20))
        for turn in range(3)
    ]


LABELLED = """
        - commands:
            - command: echo $(( <<parameter:x[one]>> + <<parameter:x[two]>> ))
              stdout: <<int(parameter:x)>>
"""
LABELS = "{parameter: x, labels: {one: {}, two: {}}}"


def test_a_labelled_input_is_passed_on_where_output_labels_say_so(cli):
    task = """inputs: {"x[one]": 1, "x[two]": 5}
    output_labels: [{parameter: x, label: one}]"""
    text = ONE_TASK % (task, 3, LABELS, LABELLED)
    go(cli, text)
    assert rows(cli, "step") == [[0, 0, 1, 5, 6], [0, 1, 6, 5, 11], [0, 2, 11, 5, 16]]
    assert cli.column("wk", "report", "text") == ["got 16"]


def test_a_labelled_input_that_nothing_is_said_of_is_refused_in_a_loop(cli):
    task = 'inputs: {"x[one]": 1, "x[two]": 5}'
    refused = cli("check", cli.template(ONE_TASK % (task, 3, LABELS, LABELLED)), code=3)
    assert "it is not said whether it is 'x[one]' of 'step'" in refused.stdout
    both = '3, non_iterable_parameters: ["x[one]", "x[two]"]'
    go(cli, ONE_TASK % (task, both, LABELS, LABELLED))
    assert rows(cli, "step") == [[0, turn, 1, 5, 6] for turn in range(3)]


HISTORY = {
    "direct": "def step(x):\n    return {'y': told(x)['y'], 'all': told(x)['all']}\n",
    "json": """
import json

def step(_input_files, _output_files):
    with open(_input_files["json"]) as stream:
        found = told(json.load(stream)["x"])
    with open(_output_files["json"], "w") as stream:
        json.dump(found, stream)
""",
    "hdf5": """
import h5py

def step(_input_files, _output_files):
    with h5py.File(_input_files["hdf5"]) as stream:
        x = {
            key: {
                "loop_idx": {"down": int(one["loop_idx"]["down"][()])},
                "value": int(one["value"][()]),
            }
            for key, one in stream["x"].items()
        }
    with h5py.File(_output_files["hdf5"], "w") as stream:
        found = told(x)
        stream["y"] = found["y"]
        stream["all"] = found["all"]
""",
}
TOLD = """
def told(x):
    turns = [x[f"iteration_{number}"] for number in range(len(x))]
    assert [one["loop_idx"] for one in turns] == [{"down": n} for n in range(len(x))]
    xs = [one["value"] for one in turns]
    return {"y": xs[-1] + 1, "all": " ".join(map(str, xs))}
"""


@pytest.mark.key("actions.script_data_in.all_iterations")
@pytest.mark.parametrize(
    ("form", "measure"),
    [
        ("direct", WITHIN_A_JOB),
        ("direct", A_JOB_EACH),
        ("json", WITHIN_A_JOB),
        ("hdf5", A_JOB_EACH),
    ],
    ids=["direct-within", "direct-job_each", "json-within", "hdf5-job_each"],
)
def test_all_iterations_of_an_input(cli, form, measure):
    if form == "hdf5":
        pytest.importorskip("h5py")
    step = (
        ONE_SCRIPT.replace("{parameter: y}", "{parameter: y}, {parameter: all}")
        % f", script_data_in: {{x: {{format: {form}, all_iterations: true}}}}, "
        f"script_data_out: {form}"
    )
    go(cli, combined(step, measure_task=measure), {"step.py": TOLD + HISTORY[form]})
    xs = {e: [row[2] for row in STEPS if row[0] == e] for e in range(3)}
    assert [row[-1] for row in rows(cli, "step")] == [
        " ".join(map(str, xs[row[0]][: row[1] + 1])) for row in STEPS
    ]
    check_rest(cli)
