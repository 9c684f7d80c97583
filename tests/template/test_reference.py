"""The reference of templates: its examples are right, and it leaves no key out."""

import re
from pathlib import Path

import pytest

from hpcflow.template.generators import GENERATORS
from hpcflow.template.language import TEMPLATE
from hpcflow.template.shape import Either, Items, Later, Map, Record
from tests.template.templates import ADD, load, table

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "template.md").read_text()
FILES = re.findall(
    r"^```\{code-block\} \w+\n:caption: (\S+)\n\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL
)
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SUPPORTED, LATER = PAGE.split("## Not supported yet")


def indented(text, by):
    return "".join(" " * by + line for line in text.splitlines(keepends=True))


def whole(example):
    """A part of a template, by its first line, put into a whole one."""
    first, _, rest = example.partition("\n")
    rest = re.sub(r"^# elements:.*\n", "", rest, flags=re.MULTILINE)
    if first == "# in a task":
        return "tasks:\n  - schema: add\n" + indented(rest, 4) + ADD
    if first == "# in template_components":
        return (
            "tasks: [{schema: s}]\ntemplate_components:\n  task_schemas: [{objective: s}]\n"
            + indented(rest, 2)
        )
    if first == "# in a task schema":
        return (
            "tasks: [{schema: s, inputs: {x: 1}}]\n"
            "template_components:\n  task_schemas:\n    - objective: s\n"
            + indented(rest, 6)
        )
    return example


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_examples(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, content in FILES:
        (tmp_path / name).write_text(content)
    workflow = load(whole(example))
    shown = re.search(r"^# elements: (.*)$", example, re.MULTILINE)
    if shown:
        assert " ".join(map(str, table(workflow.tasks[0]))) == shown[1]


def test_there_are_examples_of_each_part():
    assert len(EXAMPLES) >= 12
    assert sum("# elements:" in example for example in EXAMPLES) >= 7


def keys(shape, seen=None):
    """The keys of the language, with whether they are supported."""
    match shape:
        case Record():
            for name, key in shape.keys.items():
                yield name, not isinstance(key.shape, Later)
                yield from keys(key.shape)
        case Items() | Map():
            yield from keys(shape.item)
        case Either():
            for part in (shape.scalar, shape.items, shape.map):
                yield from keys(part)


@pytest.mark.parametrize("name", sorted({n for n, ok in keys(TEMPLATE) if ok}))
def test_every_supported_key_is_described(name):
    code = [*re.findall(r"`[^`\n]+`", SUPPORTED), *EXAMPLES]
    word = re.compile(rf"(?<![\w-]){re.escape(name.removeprefix('values::'))}(?![\w-])")
    assert any(word.search(piece) for piece in code)


@pytest.mark.parametrize("name", sorted({n for n, ok in keys(TEMPLATE) if not ok}))
def test_every_key_that_is_not_supported_yet_is_listed(name):
    assert f"`{name}`" in LATER


@pytest.mark.parametrize("name", GENERATORS)
def test_the_arguments_of_generators_are_listed(name):
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |")]
    for argument in GENERATORS[name].arguments.keys:
        assert f"`{argument}`" in row
