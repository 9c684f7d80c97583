"""Values that one workflow takes from another's store."""

from __future__ import annotations

import json

import pytest

from hpcflow.app.workflow import Workflow
from hpcflow.errors import InvalidTemplateError
from hpcflow.persist.workflow_record import WorkflowReader

COMPONENTS = """
template_components:
  task_schemas:
    - objective: measure
      inputs: [{parameter: x}]
      outputs: [{parameter: y}, {parameter: all}]
      actions:
        - rules: [{path: inputs.x, condition: {value.less_than: 9}}]
          commands:
            - {command: echo $(( <<parameter:x>> * 10 )), stdout: <<int(parameter:y)>>}
            - command: echo 1 <<parameter:x>>
              stdout: "<<list[item_type=int](parameter:all)>>"
    - objective: use
      inputs: [{parameter: x}, {parameter: y}]
      outputs: [{parameter: z}]
      actions:
        - commands:
            - {command: echo <<parameter:x>>-<<parameter:y>>, stdout: <<parameter:z>>}
    - objective: total
      inputs: [{parameter: y, group: g}]
      outputs: [{parameter: sum}]
      actions:
        - commands:
            - {command: "echo <<sum(parameter:y)>>", stdout: <<int(parameter:sum)>>}
"""
FIRST = (
    "tasks: [{schema: measure, sequences: [{path: inputs.x, values: [1, 2, 3, 9]}]}]"
    + COMPONENTS
)
BOTH = """
      x: {{import: {{workflow: first, task: measure, input: x{where}}}}}
      y: {{import: {{workflow: first, task: 0{where}}}}}
"""
USE = "tasks:\n  - schema: use\n    input_sources:" + BOTH


def made(cli, template):
    """The values of a workflow's tasks, and the workflow."""
    path = cli.folder / "second.yaml"
    path.write_text(template + COMPONENTS)
    workflow = Workflow.make(path, path=cli.folder / "second")
    workflow.submit(scheduler="local")
    workflow.wait(timeout_s=120)
    return workflow


@pytest.fixture
def first(cli):
    cli("go", cli.template(FIRST), "--path", "first", "--wait")
    return cli


@pytest.mark.key(
    "tasks.input_sources.import",
    "tasks.input_sources.import.workflow",
    "tasks.input_sources.import.task",
    "tasks.input_sources.import.output",
    "tasks.input_sources.import.input",
)
def test_values_of_another_workflow_are_inputs_element_by_element(first):
    workflow = made(first, USE.format(where=""))
    assert workflow.results("use").columns["z"].tolist() == ["1-10", "2-20", "3-30"]
    store = workflow._opened.store
    kept = WorkflowReader(store, store.base()).workflow().imports
    other = Workflow.open(first.folder / "first")._opened.store.base().info["id"]
    assert [(one.input, one.name, one.elements.tolist()) for one in kept] == [
        ("x", "x", [0, 1, 2]),
        ("y", "y", [0, 1, 2]),
    ]
    assert {(one.workflow, one.workflow_id, one.other_task, one.task) for one in kept} == {
        (str(first.folder / "first"), other, "measure", 0)
    }


@pytest.mark.key("tasks.input_sources.import.where", "tasks.input_sources.path")
def test_rules_choose_what_is_imported_and_a_path_takes_a_part(first):
    where = ", where: {path: outputs.y, condition: {value.greater_than: 10}}"
    source = f"import: {{workflow: first, task: measure, output: all{where}}}, path: 1"
    template = f"""
tasks:
  - schema: use
    inputs: {{x: 0}}
    input_sources: {{y: {{source_type: import, {source}}}}}
"""
    assert made(first, template).results("use").columns["z"].tolist() == ["0-2", "0-3"]


def test_an_input_of_a_group_takes_all_imported_values_as_a_list(first):
    template = """
tasks:
  - schema: total
    input_sources: {y: [{import: {workflow: first, task: measure}}]}
"""
    assert made(first, template).results("total").columns["sum"].tolist() == [60]


def test_what_can_not_be_imported_is_said_before_anything_is_made(first):
    sources = {
        "{workflow: frist, task: measure}": "there is no workflow 'frist' (expected a "
        "path, from the template's directory, or the locator of a store; did you mean "
        "'first'?)",
        "{workflow: second.yaml, task: measure}": "second.yaml is a file, not a workflow",
        "{workflow: first, task: mesure}": "has no task 'mesure' (expected one of "
        "'measure'; did you mean 'measure'?)",
        "{workflow: first, task: measure, output: q}": "has no output 'q'",
        "{workflow: first, task: measure, where: {path: inputs.x, condition: "
        "{value.less_than: 0}}}": "has a value of 'y', and is chosen",
    }
    for source, message in sources.items():
        template = f"""
tasks:
  - schema: total
    input_sources: {{y: {{import: {source}}}}}
"""
        with pytest.raises(InvalidTemplateError) as caught:
            made(first, template)
        assert message in str(caught.value)
        assert not (first.folder / "second").exists()


def test_elements_without_a_value_are_left_out_with_a_warning(first):
    path = first.template(USE.format(where="") + COMPONENTS)
    told = json.loads(first("check", path, "--json").stdout)["problems"]
    assert [(one["severity"], one["message"]) for one in told] == [
        (
            "warning",
            (
                f"1 of 4 elements of task 'measure' of {first.folder / 'first'} have no "
                "value of 'y'; they are left out"
            ),
        )
    ]
