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

kinds = pytest.mark.parametrize(
    "measure", BOTH_KINDS, ids=["within_a_job", "a_job_each"]
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
DIRECT_STEP = "def step(x):\n    return {'y': x + 1}\n"

ONE_SCRIPT = """
    - objective: step
      inputs: [{parameter: x}]
      outputs: [{parameter: y}]
      actions: [{script: step.py%s}]
"""


@kinds
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


@kinds
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


@kinds
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


@kinds
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


@kinds
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


@kinds
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


@kinds
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


@kinds
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
            command_files='    - {label: logs, name: "[ab][.]log", is_regex: true}',
        ),
        scripts,
    )
    assert rows(cli, "step") == [[*row, [row[2], "a.log", "b.log"]] for row in STEPS]
    kept = [p.read_text() for p in workflow.path.glob("artifacts/step/**/a.log")]
    assert sorted(map(int, kept)) == sorted(row[2] for row in STEPS)
    check_rest(cli)


@kinds
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
