"""Small templates for tests, and a view of what they expand to as plain lists."""

import itertools

from hpcflow.model.workflow import FromSeveral, FromValues
from hpcflow.template.load import Options, check_template, examine

# name: inputs, output; the one command reads all inputs
_ECHO = """
    - objective: {name}
      inputs: {inputs}
      outputs: [{{parameter: {output}}}]
      actions:
        - commands:
            - command: echo {forms}
              stdout: <<parameter:{output}>>
"""


def schema(name, inputs, output, **more):
    """A schema's text. more: further keys of an input, by its name."""
    described = [f"{{parameter: {item}{more.get(item, '')}}}" for item in inputs.split()]
    forms = " ".join(f"<<parameter:{item}>>" for item in inputs.split())
    return _ECHO.format(
        name=name, inputs=f"[{', '.join(described)}]", output=output, forms=forms
    )


def components(*schemas):
    return "\ntemplate_components:\n  task_schemas:" + "".join(schemas)


ADD = components(schema("add", "a b", "sum", b=", default_value: 100"))


def load(text, **options):
    """The workflow; a problem fails the test with its line."""
    examined = examine(text, options=Options(**options))
    assert [str(problem) for problem in examined.problems] == []
    return examined.workflow


def problems(text, **options):
    """The problems as lines without the file's name."""
    found = check_template(text, options=Options(**options))
    return [str(problem).removeprefix("<text>:") for problem in found]


def content(column):
    """What each element gets: values; "task.output[element]"; lists of these."""
    if isinstance(column, FromValues):
        flat = [column.table[int(row)] for row in column.index]
    elif isinstance(column, FromSeveral):
        parts = [content(part) for part in column.parts]
        flat = [parts[p][r] for p, r in zip(column.part, column.row, strict=True)]
    else:
        flat = [f"{column.task}.{column.output}[{e}]" for e in column.elements]
    if column.offsets is None:
        return flat
    ends = column.offsets.tolist()
    return [flat[a:b] for a, b in itertools.pairwise(ends)]


def table(task):
    """The elements of a task: a tuple of its inputs for each."""
    assert all(len(content(column)) == task.num_elements for column in task.inputs.values())
    return list(zip(*(content(column) for column in task.inputs.values()), strict=True))
