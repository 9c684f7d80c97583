"""Templates with loops, as text."""

from __future__ import annotations

_SCHEMA = """
    - objective: {name}
      inputs: [{inputs}]
      outputs: [{{parameter: {output}}}]
      actions:
        - commands:
            - command: {command}
              stdout: <<int(parameter:{output})>>
"""


def schema(name: str, inputs: str, output: str, command: str) -> str:
    """A schema of one command, whose text is a YAML scalar. inputs: names, or maps."""
    described = ", ".join(
        item if item.startswith("{") else f"{{parameter: {item}}}"
        for item in inputs.split("; ")
    )
    return _SCHEMA.format(name=name, inputs=described, output=output, command=command)


def template(*schemas: str, tasks: str, loops: str, more: str = "") -> str:
    """A template of these schemas; the other parts are YAML."""
    return (
        "name: looped\n"
        + more
        + "template_components:\n  task_schemas:"
        + "".join(schemas)
        + f"tasks:\n{tasks}\nloops:\n{loops}\n"
    )


HALVE = schema("halve", "x", "y", "echo $(( <<parameter:x>> / 2 ))")
ADD_ONE = schema("add_one", "y", "x", "echo $(( <<parameter:y>> + 1 ))")
SHOW = schema("show", "x", "z", "echo $(( 10 * <<parameter:x>> ))")
COUNT_UP = schema("count_up", "n", "n", "echo $(( <<parameter:n>> + 1 ))")
