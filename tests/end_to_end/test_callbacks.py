"""Callbacks from the commands and scripts of real runs."""

from __future__ import annotations

TEMPLATE = """
name: callbacks
tasks:
  - schema: work
    sequences:
      - {path: inputs.x, values: [1, 2, 3]}
    resources:
      any: {elements_per_job: 3}
  - schema: after
template_components:
  task_schemas:
    - objective: work
      inputs: [{parameter: x}]
      outputs: [{parameter: half}, {parameter: total}]
      actions:
        - commands:
            - command: |
                if [ <<parameter:x>> = 2 ]; then
                  CALL skip --why "2 is even"
                  exit 0
                fi
                CALL set total --json "{\\"of\\": <<parameter:x>>}"
                echo <<parameter:x>>.5
              stdout: <<float(parameter:half)>>
    - objective: after
      inputs: [{parameter: total}, {parameter: half}]
      outputs: [{parameter: seen}]
      actions:
        - commands:
            - command: echo <<parameter:total.of>> <<parameter:half>>
              stdout: <<parameter:seen>>
"""


def assert_what_was_said_counts(cli, call):
    template = cli.template(TEMPLATE.replace("CALL", call))
    cli("go", template, "--path", "wk", "--wait")
    assert cli.column("wk", "work", "total") == [{"of": 1}, None, {"of": 3}]
    assert cli.column("wk", "work", "half") == [1.5, None, 3.5]
    assert cli.column("wk", "after", "seen") == ["1 1.5", None, "3 3.5"]
    assert cli.states("wk") == {
        "work": {"succeeded": 2, "skipped": 1},
        "after": {"succeeded": 2, "skipped": 1},
    }


def test_commands_call_back_without_hpcflow_on_the_path(cli):
    assert_what_was_said_counts(cli, '"$HPCFLOW_CALLBACK"')


def test_commands_call_back_by_hpcflow_itself(cli):
    assert_what_was_said_counts(cli, "hpcflow callback")
