"""Features of the language together: each with loops, groups, files and defaults."""

from __future__ import annotations

import pytest

from tests.end_to_end.combined_templates import (
    A_JOB_EACH,
    DIRECT_STEP,
    ONE_SCRIPT,
    STEPS,
    WITHIN_A_JOB,
    both_kinds,
    check_rest,
    combined,
    go,
    rows,
    thorough,
    within_a_job,
)

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


@pytest.mark.parametrize("measure", [A_JOB_EACH], ids=["job_each"])
@pytest.mark.parametrize(
    ("how", "script"),
    [
        thorough("", DIRECT_STEP, id="direct"),
        pytest.param(", script_data_in: json, script_data_out: json", JSON_STEP, id="json"),
        thorough(", script_data_in: hdf5, script_data_out: hdf5", HDF5_STEP, id="hdf5"),
    ],
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


@both_kinds
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
