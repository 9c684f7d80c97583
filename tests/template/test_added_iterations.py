"""What of a loop's iterations can be added, and what is told of what can't."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hpcflow.model.loops import turns_of
from hpcflow.model.workflow import FromTask, FromValues, Workflow
from hpcflow.template import added_iterations
from hpcflow.template.load import Options, TemplateError, load_template

COMPONENTS = """
template_components:
  task_schemas:
    - objective: one
      inputs: [{parameter: x}, {parameter: k}]
      outputs: [{parameter: y}]
      actions:
        - {commands: [{command: echo <<parameter:x>> <<parameter:k>>,
           stdout: <<parameter:y>>}]}
    - objective: two
      inputs: [{parameter: y}]
      outputs: [{parameter: x}]
      actions:
        - {RULES commands: [{command: echo <<parameter:y>>, stdout: <<parameter:x>>}]}
    - objective: three
      inputs: [{parameter: x}]
      outputs: [{parameter: z}]
      actions: [{commands: [{command: echo <<parameter:x>>, stdout: <<parameter:z>>}]}]
"""
READ = """
    - objective: read
      inputs: [{parameter: x}, {parameter: k}]
      outputs: [{parameter: y}]
      actions:
        - script: <<script:read.py>>
          script_exe: python_script
          script_data_in: {x: {format: json, all_iterations: true}, k: json}
          script_data_out: json
          environments: [{scope: {type: any}, environment: python_env}]
"""
FIRST = """
tasks:
  - {schema: one, inputs: {x: 0}, sequences: [{path: inputs.k, values: [1, 2]}]}
  - schema: two
  - schema: three
loops:
  - name: a
    tasks: [0, 1]
    num_iterations: 3
    termination: {path: outputs.x, condition: {value.equal_to: 1}}
"""


def first(text: str = FIRST, rules: str = "") -> Workflow:
    return load_template(text + COMPONENTS.replace("RULES", rules))


def add(workflow: Workflow, text: str) -> Workflow:
    return load_template(text + "\n", options=Options(onto=workflow))


def problems(workflow: Workflow, text: str) -> str:
    with pytest.raises(TemplateError) as caught:
        add(workflow, text)
    return str(caught.value)


MORE = "add_iterations: [{loop: a, num_iterations: 4, keep: [three]}]"


def test_the_new_turns_are_blocks_and_a_loop_over_them() -> None:
    workflow = first()
    grown = add(add(workflow, MORE), MORE + "\ntasks: [{schema: three}]")
    assert grown.tasks[:3] == workflow.tasks
    assert [(t.name, t.continues) for t in grown.tasks[3:]] == [
        ("one", 0), ("two", 1), ("one", 0), ("two", 1), ("three_2", None),
    ]  # fmt: skip
    assert [t.first_iteration for t in grown.tasks] == [0, 0, 0, 3, 3, 7, 7, 0]
    assert [t.max_iterations for t in grown.tasks] == [3, 3, 1, 4, 4, 4, 4, 1]
    ends = [t.run_base + t.num_runs for t in grown.tasks]
    assert [t.run_base for t in grown.tasks] == [0, *ends[:-1]]
    third = grown.loops[2]
    assert (third.name, third.first, third.last, third.first_turn) == ("a", 5, 6, 7)
    assert third.termination is not None
    assert (third.termination.task, third.feedback[0].producer) == (6, 6)
    assert turns_of(grown.loops, 5, 1) == {"a": 8}
    x = grown.tasks[5].inputs["x"]  # of the turns before, in the block before
    assert isinstance(x, FromTask)
    assert (x.task, x.output, x.elements.tolist()) == (4, "x", [0, 1])
    assert isinstance(grown.tasks[5].inputs["k"], FromValues)
    y = grown.tasks[6].inputs["y"]
    assert isinstance(y, FromTask)
    assert y.task == 5
    last = grown.tasks[7].inputs["x"]  # what is added takes the last turns' values
    assert isinstance(last, FromTask)
    assert (last.task, last.elements.tolist()) == (6, [0, 1])
    # Elements that are added then have all turns that there are, in one block.
    wide = add(grown, "add_elements: [{task: one, inputs: {x: 0, k: 5}}]")
    assert [t.max_iterations for t in wide.tasks[8:]] == [11, 11, 1, 1]
    assert (wide.loops[3].iterations, wide.loops[3].first_turn) == (11, 0)
    again = add(wide, MORE.replace("[three]", "[three, three_2]"))
    new = [(t.first_element, t.first_iteration, t.num_elements) for t in again.tasks[12:]]
    assert new == [(0, 11, 2), (0, 11, 2), (2, 11, 1), (2, 11, 1)]
    behind = add(again, "tasks: [{schema: three}]").tasks[-1].inputs["x"]
    assert [part.task for part in behind.parts] == [13, 15]
    assert np.array_equal(behind.row, [0, 1, 0])


def test_iterations_that_can_not_be_added_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    workflow = first()
    told = problems(workflow, MORE.replace(", keep: [three]", ""))
    assert told.startswith("<text>:1:18: add_iterations[0]: 'three' took values of")
    assert "`keep: [three]`" in told
    told = problems(workflow, MORE.replace("[three]", "[three, on]"))
    assert "add_iterations[0].keep[1]: 'on' is no task that takes values" in told
    told = problems(workflow, MORE.replace("loop: a", "loop: b"))
    assert "the workflow has no loop 'b' (expected one of 'a')" in told
    assert "expected a whole number of at least 1" in problems(
        workflow, MORE.replace("4", "0")
    )
    assert "up to 10000002 iterations" in problems(workflow, MORE.replace("4", "9999999"))
    monkeypatch.setattr(added_iterations, "MAX_BLOCKS", 2)
    assert "been added to 2 times, which is the most" in problems(add(workflow, MORE), MORE)
    monkeypatch.undo()
    assert "expected a workflow with a loop" in problems(
        first(FIRST.partition("loops:")[0]), MORE
    )
    inner = "  - {name: b, tasks: [1], num_iterations: 2, non_iterable_parameters: [y]}\n"
    nested = FIRST + inner
    for name in "ab":
        told = problems(first(nested), MORE.replace("loop: a", f"loop: {name}"))
        assert f"the loop '{name}' shares tasks with the loop" in told
    ruled = first(rules="rules: [{path: inputs.y, condition: {value.not_equal_to: 3}}],")
    told = problems(ruled, MORE)
    assert "can't get more iterations: rules may keep 'two' from making 'x'" in told
    ends = workflow.loops[0].termination
    assert ends is not None
    some = replace(workflow.loops[0].feedback[0], elements=np.array([0, -1]))
    partly = replace(workflow.loops[0], feedback=(some,))
    told = problems(replace(workflow, loops=(partly,)), MORE)
    assert "can't get more iterations: it changes 'x' of some elements only" in told
    taken = replace(workflow.loops[0], termination=replace(ends, root="inputs"))
    told = problems(replace(workflow, loops=(taken,)), MORE)
    assert "the loop 'a' is ended by inputs of a task" in told


def test_a_script_that_takes_all_iterations_can_not_go_on(tmp_path) -> None:
    script = "def read(_input_files, _output_files):\n    pass\n"
    (tmp_path / "read.py").write_text(script)
    text = FIRST.replace("schema: one", "schema: read")
    file = tmp_path / "first.yaml"
    file.write_text(text + COMPONENTS.replace("RULES", "") + READ)
    told = problems(load_template(file), MORE)
    assert "a script of 'read' takes all iterations of 'x'" in told
