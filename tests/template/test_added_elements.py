"""Elements that are added pass on to later tasks as if they had been there before."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from hpcflow.model.workflow import FromSeveral, FromTask, FromValues
from hpcflow.template.load import Options, TemplateError, load_template

if TYPE_CHECKING:
    from hpcflow.model.workflow import InputColumn, Task, Workflow

COMPONENTS = """
template_components:
  task_schemas:
    - objective: one
      inputs: [{parameter: x}]
      outputs: [{parameter: y}]
      actions: [{commands: [{command: echo <<parameter:x>>, stdout: <<parameter:y>>}]}]
    - objective: two
      inputs: [{parameter: y}, {parameter: x}, {parameter: k, default_value: 0}]
      outputs: [{parameter: z}]
      actions: [{commands: [{command: echo <<parameter:y>> <<parameter:x>> <<parameter:k>>,
        stdout: <<parameter:z>>}]}]
    - objective: three
      inputs: [{parameter: z}, {parameter: j, default_value: 0}, {parameter: x}]
      outputs: [{parameter: w}]
      actions: [{commands: [{command: echo <<parameter:z>> <<parameter:j>> <<parameter:x>>,
        stdout: <<parameter:w>>}]}]
    - objective: all
      inputs: [{parameter: w, group: g}]
      outputs: [{parameter: s}]
      actions: [{commands: [{command: echo <<parameter:w>>, stdout: <<parameter:s>>}]}]
"""
FIRST = """
tasks:
  - schema: one
    sequences: [{path: inputs.x, values: VALUES}]
  - schema: two
    nesting_order: {inputs.y: Y}
    sequences: [{path: inputs.k, values: [10, 20], nesting_order: 1}]
  - schema: three
    nesting_order: {inputs.z: Z}
    sequences: [{path: inputs.j, values: [5, 6, 7], nesting_order: 1}]
"""


def first(values: list[int], y: int = 0, z: int = 0, more: str = "") -> str:
    text = FIRST.replace("VALUES", str(values)).replace("Y}", f"{y}}}")
    return text.replace("Z}", f"{z}}}") + more + COMPONENTS


def add(workflow: Workflow, text: str) -> Workflow:
    return load_template(text + "\n", options=Options(onto=workflow))


def given(workflow: Workflow, column: InputColumn, row: int) -> Any:
    """What an element gets: values, or what an element of a task has got."""
    if isinstance(column, FromValues):
        return column.table[int(column.index[row])]
    if isinstance(column, FromTask):
        task = workflow.tasks[column.task]
        return element(workflow, task, int(column.elements[row]))
    assert isinstance(column, FromSeveral)
    return given(workflow, column.parts[int(column.part[row])], int(column.row[row]))


def element(workflow: Workflow, task: Task, number: int) -> tuple[Any, ...]:
    return tuple(given(workflow, c, number) for c in task.inputs.values())


def elements(workflow: Workflow, name: str) -> list[tuple[Any, ...]]:
    return [
        element(workflow, task, number)
        for task in workflow.tasks
        if task.name == name
        for number in range(task.num_elements)
    ]


@pytest.mark.parametrize(("y", "z"), [*product((0, 2), repeat=2)])
def test_what_is_added_makes_what_would_have_been_made_with_it(y: int, z: int) -> None:
    grown = load_template(first([1, 2, 3], y, z))
    for more in ("[7]", "[8, 9]"):
        sequence = f"{{path: inputs.x, values: {more}}}"
        before = grown
        grown = add(grown, f"add_elements: [{{task: one, sequences: [{sequence}]}}]")
        assert grown.tasks[: len(before.tasks)] == before.tasks
    whole = load_template(first([1, 2, 3, 7, 8, 9], y, z))
    for name, count in (("one", 6), ("two", 12), ("three", 36)):
        found = elements(grown, name)
        assert len(found) == count
        assert sorted(found) == sorted(elements(whole, name))
        assert found[: count // 2] == elements(load_template(first([1, 2, 3], y, z)), name)
    behind = "tasks: [{schema: two, inputs: {x: 0, k: 1}}]"
    grown = add(grown, behind)  # a new task takes the old and the new elements
    assert elements(grown, "two_2") == [((x,), 0, 1) for x in (1, 2, 3, 7, 8, 9)]


def problems(workflow: Workflow, text: str) -> str:
    with pytest.raises(TemplateError) as caught:
        add(workflow, text)
    return str(caught.value)


def test_what_can_not_be_added_is_told_with_a_way_out() -> None:
    grouped = "    groups: [{name: g}]\n  - schema: all\n"
    workflow = load_template(first([1, 2, 3], more=grouped))
    entry = "add_elements: [{task: one, inputs: {x: 7}%s}]"
    told = problems(workflow, entry % "")
    assert "can't be passed on to 'all', which takes a group as 'w'" in told
    assert "`propagate_to` without 'all'" in told
    assert told.startswith("<text>:1:16: add_elements[0]: new elements of 'one'")
    left_out = add(workflow, entry % ", propagate_to: [two, 2]")
    assert [t.name for t in left_out.tasks[4:]] == ["one", "two", "three"]
    only = add(workflow, entry % ", propagate_to: []")
    assert [t.name for t in only.tasks[4:]] == ["one"]
    told = problems(workflow, entry % ", propagate_to: [three]")
    assert "'three' of `propagate_to` takes no values of tasks that get elements" in told
    assert "no task 'twi'" in problems(workflow, entry % ", propagate_to: [twi]")
    assert "'one' is not behind 'one'" in problems(
        workflow, entry % ", propagate_to: [one]"
    )
    assert "no task 'on'" in problems(workflow, "add_elements: [{task: on}]")
    assert "unknown key 'input'" in problems(
        workflow, "add_elements: [{task: one, input: {x: 1}}]"
    )
    assert "the template adds nothing" in problems(workflow, "name: nothing")
    paired = first([1, 2, 3]).replace(
        "[10, 20], nesting_order: 1", "[1, 2, 3], nesting_order: 0"
    )
    told = problems(load_template(paired), entry % "")
    assert "which pairs the elements that it takes with 'k'" in told
    chosen = first([1, 2, 3]).replace(
        "nesting_order: {inputs.z: 0}",
        "input_sources: {z: [{source_type: task, task_ref: two, "
        "where: {path: inputs.k, condition: {value.equal_to: 10}}}]}",
    )
    told = problems(load_template(chosen), entry % "")
    assert "which takes chosen elements, or a part of their values, as 'z'" in told
    apart = first([1, 2, 3]).replace(
        "    nesting_order: {inputs.z: 0}\n    sequences:",
        "    element_sets: [{inputs: {z: 1, x: 1}}, {inputs: {x: 0}, input_sources: "
        "{z: [task.two]}}]\n    #",
    )
    assert [t.num_elements for t in load_template(apart).tasks] == [3, 6, 7]
    sets = add(load_template(apart), entry % "")  # one element set of two takes them
    assert elements(sets, "three")[7:] == [(((7,), 7, k), 0, 0) for k in (10, 20)]
    old = load_template(first([1, 2, 3]))
    tasks = [
        replace(t, offers=t.offers and replace(t.offers, chosen=None)) for t in old.tasks
    ]
    told = problems(replace(old, tasks=tuple(tasks)), entry % "")
    assert "'two', which was made by a version of hpcflow that did not keep how" in told
    with pytest.raises(TemplateError) as caught:
        load_template(first([1]) + entry % "")
    assert "add_elements: this adds to a workflow, which must be named" in str(caught.value)
    assert len(caught.value.problems) == 1
