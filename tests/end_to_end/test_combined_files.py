"""Files and programs together with loops, groups and defaults."""

from __future__ import annotations

import pytest

from tests.end_to_end.combined_templates import (
    STEPS,
    both_kinds,
    check_rest,
    combined,
    go,
    rows,
    thorough,
    within_a_job,
)


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


@both_kinds
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
@pytest.mark.parametrize("form", ["json", thorough("hdf5")])
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
