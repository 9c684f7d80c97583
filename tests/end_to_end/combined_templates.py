"""A workflow of six tasks with a loop, a group, files, a parser and defaults.

The second task, `step`, is left to the tests: it makes y = x + 1 in some way. By hand:

    element  x   (step) y   (measure) z = y + 3   (back) x = z // 2, until it is below 10
    0        20  21, 13         24, 16            12, 8
    1        40  41, 23, 14     44, 26, 17        22, 13, 8
    2        60  61, 33, 19, 12 64, 36, 22, 15    32, 18, 11, 7
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from hpcflow import Workflow

if TYPE_CHECKING:
    from tests.end_to_end.conftest import Cli

# element, turn, x, y
STEPS = [
    [0, 0, 20, 21], [0, 1, 12, 13],
    [1, 0, 40, 41], [1, 1, 22, 23], [1, 2, 13, 14],
    [2, 0, 60, 61], [2, 1, 32, 33], [2, 2, 18, 19], [2, 3, 11, 12],
]  # fmt: skip
LAST_Y = [13, 14, 12]

# Where the tasks of a loop ask for different resources, its iterations are jobs.
WITHIN_A_JOB, A_JOB_EACH = "", "resources: {main: {resources_id: other}}"
thorough = partial(pytest.param, marks=pytest.mark.thorough)
# The turns of a loop are one job's, or jobs of their own.
within_a_job = pytest.mark.parametrize("measure", [WITHIN_A_JOB], ids=["within"])
both_kinds = pytest.mark.parametrize(
    "measure",
    [
        pytest.param(WITHIN_A_JOB, id="within"),
        thorough(A_JOB_EACH, id="job_each"),
    ],
)

ONE_SCRIPT = """
    - objective: step
      inputs: [{parameter: x}]
      outputs: [{parameter: y}]
      actions: [{script: step.py%s}]
"""
DIRECT_STEP = "def step(x):\n    return {'y': x + 1}\n"

FILES = {
    "start.py": "def start(i, k):\n    return {'x': i * k}\n",
    "put_down.py": "def put_down(path, y):\n    path.write_text(f'{y}\\n')\n",
    "read_off.py": "def read_off(sum_file):\n    return int(sum_file.read_text())\n",
    "gather.py": """
import json

def gather(_input_files, _output_files, ):
    with open(_input_files["json"]) as stream:
        given = json.load(stream)
    found = {"total": sum(given["x"]), "last": given["y"]}
    with open(_output_files["json"], "w") as stream:
        json.dump(found, stream)
""",
}

_TEMPLATE = """
name: combined
%(more)s
tasks:
  - schema: start
    sequences: [{path: inputs.i, values: [1, 2, 3]}]
  - schema: step
    groups: [{name: all}]
%(step_task)s
  - schema: measure
    %(measure_task)s
  - schema: back
  - schema: gather
  - schema: report
loops:
  - name: down
    tasks: [step, measure, back]
    num_iterations: 4
    termination: {path: outputs.x, condition: {value.less_than: 10}}
template_components:
%(components)s
  command_files:
    - {label: put, name: put.txt}
    - {label: sum_file, name: sum.txt}
%(command_files)s
  task_schemas:
    - objective: start
      inputs: [{parameter: i}, {parameter: k, default_value: 20}]
      outputs: [{parameter: x}]
      actions: [{script: start.py}]
    - objective: measure
      inputs: [{parameter: y}, {parameter: offset, default_value: 3}]
      outputs: [{parameter: z}]
      actions:
        - input_file_generators: [{input_file: put, from_inputs: [y], script: put_down.py}]
          commands:
            - command: echo $(( $(cat put.txt) + <<parameter:offset>> )) > sum.txt
          output_file_parsers: {z: {from_files: [sum_file], script: read_off.py}}
    - objective: back
      inputs: [{parameter: z}]
      outputs: [{parameter: x}]
      actions:
        - commands:
            - {command: echo $(( <<parameter:z>> / 2 )), stdout: <<int(parameter:x)>>}
    - objective: gather
      inputs: [{parameter: x, group: all}, {parameter: y, group: all}]
      outputs: [{parameter: total}, {parameter: last}]
      actions: [{script: gather.py, script_data_in: json, script_data_out: json}]
    - objective: report
      inputs: [{parameter: total}, {parameter: last}, {parameter: unit, default_value: mm}]
      outputs: [{parameter: text}]
      actions:
        - commands:
            - command: echo <<parameter:total>> <<parameter:unit>> <<join(parameter:last)>>
              stdout: <<parameter:text>>
%(step)s
"""


def combined(step: str, **parts: str) -> str:
    """The template with the schema of `step`; parts: what more there is, by place."""
    places = ("more", "step_task", "measure_task", "components", "command_files")
    return _TEMPLATE % {"step": step, **dict.fromkeys(places, ""), **parts}


def go(cli: Cli, text: str, files: dict[str, str] | None = None) -> Workflow:
    """Run a template to its end."""
    for name, content in {**FILES, **(files or {})}.items():
        (cli.folder / name).write_text(content)
    cli("go", cli.template(text), "--path", "wk", "--wait")
    return Workflow.open(cli.folder / "wk")


def rows(cli: Cli, task: str) -> list[list[Any]]:
    """The rows of a task's iterations: its element, its turns, its inputs and outputs."""
    columns = cli.json("results", "wk", "--task", task, "--iterations")["columns"]
    return [list(row) for row in zip(*columns.values(), strict=True)]


def check_rest(cli: Cli) -> None:
    """What `step` hands on has come through the other five tasks."""
    assert cli.column("wk", "start", "x") == [20, 40, 60]
    assert [row[-1] for row in rows(cli, "measure")] == [
        24, 16, 44, 26, 17, 64, 36, 22, 15
    ]  # fmt: skip
    assert cli.column("wk", "back", "x") == [8, 8, 7]
    assert cli.column("wk", "step", "y") == LAST_Y
    assert cli.column("wk", "report", "text") == ["23 mm 13 14 12"]
