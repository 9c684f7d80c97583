"""Labelled inputs, from a template to commands and scripts."""

from __future__ import annotations

import pytest

TEMPLATE = """
name: labels
tasks:
  - schema: work
    inputs: {'p[b]': [7, 8]}
    sequences:
      - {path: 'inputs.p[a]', values: [1, 2.5]}
template_components:
  task_schemas:
    - objective: work
      inputs:
        - {parameter: p, labels: {a: {}, b: {}, c: {default_value: last}}}
      outputs: [{parameter: seen}, {parameter: text}]
      actions:
        - script: work.py
          script_data_in: DATA
        - commands:
            - command: >-
                printf '%s|' <<parameter:p[a]>> <<sum(parameter:p[b])>> <<parameter:p[c]>>
              stdout: <<parameter:text>>
"""

SCRIPTS = {
    "direct": "def work(p):\n    return {'seen': p}\n",
    "json": (
        "import json\n\n\ndef work(_input_files):\n"
        "    data = json.load(open(_input_files['json']))\n"
        "    return {'seen': {label: data[f'p[{label}]'] for label in 'abc'}}\n"
    ),
}


@pytest.mark.parametrize("data", SCRIPTS)
def test_labels_reach_scripts_and_commands(cli, data):
    (cli.folder / "work.py").write_text(SCRIPTS[data])
    cli("go", cli.template(TEMPLATE.replace("DATA", data)), "--path", "wk", "--wait")
    assert cli.column("wk", "work", "seen") == [
        {"a": 1, "b": [7, 8], "c": "last"},
        {"a": 2.5, "b": [7, 8], "c": "last"},
    ]
    assert cli.column("wk", "work", "text") == ["1|15|last|", "2.5|15|last|"]
