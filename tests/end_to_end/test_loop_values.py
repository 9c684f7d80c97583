"""Which value a turn of a loop takes: rules, parts and labels in loops."""

from __future__ import annotations

import pytest

from tests.end_to_end.combined_templates import (
    A_JOB_EACH,
    WITHIN_A_JOB,
    go,
    rows,
)

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
