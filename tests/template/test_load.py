"""Templates from files, texts and JSON; and that nothing in them crashes the check."""

import copy
import json
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hpcflow.errors import InvalidTemplateError
from hpcflow.template.load import (
    Options,
    Problem,
    TemplateError,
    check_template,
    examine,
    load_template,
)
from tests.template.templates import ADD, components, load, schema, table

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(
    [*ROOT.glob("examples/*/template.yaml"), *ROOT.glob("tests/workflows/*/template.yaml")]
)
TEXT = "tasks: [{schema: add, inputs: {a: 1}}]\n" + ADD


@pytest.mark.parametrize("template", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_examples_load_without_a_warning(template):
    assert check_template(template) == []
    workflow = load_template(template)
    assert all(task.num_elements for task in workflow.tasks)


def test_a_file(tmp_path):
    template = tmp_path / "my study.yaml"
    template.write_text("doc: [one, two]\n" + TEXT, encoding="utf-8-sig")
    workflow = load_template(template)
    assert workflow.name == "my study"
    assert workflow.doc == "one\ntwo"
    assert workflow.template_source == "doc: [one, two]\n" + TEXT
    assert workflow.template_path == str(template)
    assert load_template(str(template)).name == "my study"


def test_a_text():
    workflow = load_template("name: study\ndoc: words\n" + TEXT)
    assert (workflow.name, workflow.doc, workflow.template_path) == ("study", "words", "")
    assert load_template(TEXT).name == "workflow"


def test_json(tmp_path):
    document = yaml.safe_load(TEXT)
    for name, indent in (("t.json", "\t"), ("t.yaml", None)):
        (tmp_path / name).write_text(json.dumps(document, indent=indent))
        assert table(load_template(tmp_path / name).tasks[0]) == [(1, 100)]
    assert table(load(json.dumps(document)).tasks[0]) == [(1, 100)]


def test_a_flow_mapping_that_is_not_json_is_yaml():
    text = "{tasks: [{schema: add, inputs: {a: yes}}], " + ADD.strip().replace("\n", " ", 0)
    assert load(
        "{tasks: [{schema: s}], template_components: {task_schemas: [{objective: s}]}}"
    )
    assert "not valid YAML" in str(check_template(text)[0])


def test_variables():
    text = TEXT.replace("a: 1", "a: <<var:a>>")
    assert table(load_template(text, variables={"a": "[1, 2]"}).tasks[0]) == [([1, 2], 100)]
    assert table(load(text, variables={"a": "x"}).tasks[0]) == [("x", 100)]


def test_an_undefined_variable_does_not_hide_other_problems():
    text = TEXT.replace("a: 1", "a: <<var:a>>").replace(
        "schema: add", "schema: add, repeat: 2"
    )
    assert [p.message for p in check_template(text)] == [
        "unknown key 'repeat' of a task",
        "the variable 'a' has no value",
    ]
    as_json = json.dumps(yaml.safe_load(TEXT)).replace('"a": 1', '"a": <<var:a>>')
    assert [p.message for p in check_template(as_json)] == ["the variable 'a' has no value"]


def test_files_of_sequences_lie_beside_the_template(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = tmp_path / "study"
    study.mkdir()
    (study / "names.txt").write_text("x\ny\n")
    (tmp_path / "numbers.txt").write_text("1 2\n3 4\n")
    (study / "t.yaml").write_text(f"""tasks:
  - schema: add
    sequences:
      - path: inputs.a
        values::from_file: {{file_path: names.txt}}
      - path: inputs.b
        values::from_load_txt: {{file_path: numbers.txt, usecols: 1}}
{ADD}""")
    assert table(load_template(study / "t.yaml").tasks[0]) == [("x", 2.0), ("y", 4.0)]


def test_nothing_is_left_behind(tmp_path):
    (tmp_path / "t.yaml").write_text("tasks: [{schema: none}]\n")
    with pytest.raises(TemplateError):
        load_template(tmp_path / "t.yaml")
    assert [path.name for path in tmp_path.iterdir()] == ["t.yaml"]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        (
            "absent.yaml",
            None,
            "absent.yaml: the template can't be read: No such file or directory",
        ),
        ("t.yaml", b"a: \xe9\n", "t.yaml:1:4: the template is not UTF-8 text: byte 0xe9"),
        (
            "t.yaml",
            b"a: 1\nb: \xff\n",
            "t.yaml:2:4: the template is not UTF-8 text: byte 0xff",
        ),
        (
            "t.yaml",
            b"",
            "t.yaml:1:1: the template is empty (expected at least the key 'tasks')",
        ),
        ("t.yaml", b"- a\n", "t.yaml:1:1: found a list (expected a map of a template)"),
        (
            "t.json",
            b"{",
            "t.json:1:2: this is not valid JSON: expected a key in double quotes",
        ),
    ],
)
def test_files_that_are_no_templates(tmp_path, monkeypatch, name, content, problem):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path(name).write_bytes(content)
    assert [str(p) for p in check_template(Path(name))] == [problem]


def test_a_misspelt_file_and_a_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("template.yaml").touch()
    (problem,) = check_template("temlate.yaml")
    assert problem.suggestion == "template.yaml"
    assert "Is a directory" in str(check_template(tmp_path)[0])
    (problem,) = check_template("http://127.0.0.1:1/t.yaml")
    assert "can't be read: the server does not answer" in str(problem)


def test_the_error_holds_all_problems_and_no_warnings():
    text = "nam: x\n" + TEXT.replace("a: 1", "c: 1").replace("schema", "shema", 1)
    with pytest.raises(TemplateError) as caught:
        load_template(text, variables={"unused": "1"})
    assert isinstance(caught.value, InvalidTemplateError)
    assert [p.message for p in caught.value.problems] == [
        "unknown key 'nam' of a template",
        "unknown key 'shema' of a task",
    ]
    assert len(check_template(text, variables={"unused": "1"})) == 3


def test_a_warning_is_marked_as_one():
    problem = Problem("f", 1, 2, "p", "m", severity="warning")
    assert str(problem) == "f:1:2: warning: p: m"


def test_checking_gives_the_workflow_too_so_that_nothing_is_done_twice():
    examined = examine(TEXT)
    assert examined.problems == []
    assert table(examined.workflow.tasks[0]) == [(1, 100)]


def long_template(tasks=799):
    lines = ["tasks:"]
    for number in range(tasks):
        lines += [
            f"  - schema: s{number % 20}",
            "    inputs:",
            "      a: 1",
            "      b: text here",
            "      c: [1, 2, 3]",
            "    sequences:",
            "      - path: inputs.d",
            "        values: [1.5, 2.5, 3.5]",
            "        nesting_order: 1",
            "    resources: {any: {num_cores: 2}}",
        ]
    return "\n".join(lines) + components(
        *(schema(f"s{n}", "a b c d", "y") for n in range(20))
    )


def fastest(function):
    times = []
    for _ in range(3):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


def test_a_template_of_8000_lines_is_checked_in_two_seconds():
    text = long_template()
    assert text.count("\n") > 8000
    assert check_template(text) == []
    assert fastest(lambda: check_template(text)) < 2
    broken = text.replace("num_cores: 2", "num_cores: two").replace(
        "      a: 1", "      aa: 1"
    )
    assert len(check_template(broken)) == 2 * 799
    assert fastest(lambda: check_template(broken)) < 2


def test_a_hundred_thousand_elements_of_two_tasks_expand_in_two_seconds():
    text = """tasks:
  - schema: first
    sequences:
      - path: inputs.a
        values::from_range: {start: 0, stop: 100000}
  - schema: second
""" + components(schema("first", "a", "y"), schema("second", "a y", "z"))
    assert [task.num_elements for task in load(text).tasks] == [100_000, 100_000]
    assert fastest(lambda: load(text)) < 2


# Whatever stands in a template, the answer is a list of problems.

COMMAND = (
    "<<executable:l>> <<parameter:a>> <<parameter:b>> <<parameter:c>> <<parameter:d>> "
    "<<parameter:e>> <<sum(parameter:p[x])>>"
)
WHOLE = {
    "name": "n",
    "doc": ["d"],
    "resources": {
        "any": {"num_cores": 2, "time_limit": "00:10:00"},
        "main": {"memory": "1GiB"},
    },
    "tasks": [
        {
            "schema": "one",
            "inputs": {"a": 1, "p[x]": 2},
            "sequences": [
                {"path": "inputs.b", "values": [1, 2], "nesting_order": 1},
                {
                    "path": "inputs.c",
                    "values::from_range": {"start": 0, "stop": 2, "step": 1},
                },
                {"path": "resources.any.num_cores", "values": [1, 2], "nesting_order": 2},
                {
                    "paths": ["inputs.d", "inputs.e"],
                    "values": [[1], [2]],
                    "nesting_order": 3,
                },
            ],
            "repeats": [{"name": "r", "number": 2, "nesting_order": 0}],
            "groups": [{"name": "g"}],
            "nesting_order": {"inputs.b": 4, "repeats.r": 5},
        },
        {
            "schema": "two",
            "element_sets": [
                {"input_sources": {"y": "task.one.output"}, "repeats": 2},
                {"input_sources": {"y": ["task.0"]}},
            ],
        },
    ],
    "template_components": {
        "parameters": [{"type": "a"}],
        "environments": [
            {
                "name": "env",
                "setup": "x",
                "executables": [
                    {
                        "label": "l",
                        "instances": [
                            {
                                "command": "run <<num_cores>>",
                                "num_cores": {"start": 1, "stop": 9},
                            }
                        ],
                    }
                ],
            }
        ],
        "task_schemas": [
            {
                "objective": "one",
                "inputs": [
                    {"parameter": "a"},
                    {"parameter": "b"},
                    {"parameter": "c", "default_value": 1},
                    {"parameter": "d"},
                    {"parameter": "e"},
                    {"parameter": "p", "labels": {"x": {"default_value": 3}}},
                ],
                "outputs": [{"parameter": "y"}],
                "actions": [
                    {
                        "environments": [{"scope": {"type": "any"}, "environment": "env"}],
                        "commands": [
                            {
                                "command": COMMAND,
                                "stdout": "<<int(parameter:y)>>",
                                "stderr": "err.txt",
                            }
                        ],
                    }
                ],
            },
            {
                "objective": "two",
                "inputs": [{"parameter": "y", "group": "g"}],
                "outputs": [{"parameter": "z"}],
                "actions": [
                    {
                        "environments": {"any": "python_env"},
                        "script": "script.py",
                        "script_data_in": "direct",
                        "script_data_out": "direct",
                        "script_exe": "python_script",
                    }
                ],
            },
        ],
    },
}


def places(value, path=()):
    """All places in a document."""
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


def changed(document, path, value, *, rename):
    """The document with another value, or another key, at a place."""
    if not path:
        return value
    document = copy.deepcopy(document)
    inside = document
    for key in path[:-1]:
        inside = inside[key]
    if rename and isinstance(inside, dict):
        inside[str(value)] = inside.pop(path[-1])
    else:
        inside[path[-1]] = value
    return document


strange = st.sampled_from(
    [
        None, True, False, 0, -1, 1, 2.5, 1e400, float("nan"), "", " ", "x", "a", "y", "1",
        "inputs.a", "inputs.", "resources.any", "resources.any.x", "p[x]", "p[", "p.q",
        "task.0", "task.", "<<parameter:a>>", "<<x", "<<executable:l>> <<parameter:zz>>",
        "<<int(parameter:y)>>", [], [None], [1], ["a", "a"], [[]], [{}], {}, {"a": 1},
        {"any": None}, {1: 2}, {"<<": 1}, 2**70, "2024-01-01",
        [1, "a", None], {"start": 1}, "values", "\ue000",
    ]
)  # fmt: skip
edits = st.lists(
    st.tuples(st.sampled_from(list(places(WHOLE))), strange, st.booleans()),
    min_size=1,
    max_size=4,
)


class OneScript:
    """A Files with a single script."""

    def read(self, name):
        if name == "script.py":
            return "def script(y):\n    return {'z': 1}\n"
        raise FileNotFoundError(name)

    def similar(self, name):
        return ""


def examined(document, monkeypatch):
    monkeypatch.setattr("hpcflow.template.load.FileFinder", lambda directory: OneScript())
    return examine(
        yaml.safe_dump(document, sort_keys=False), options=Options(draw_seed=lambda: 1)
    )


def test_the_whole_document_is_right(monkeypatch):
    found = examined(WHOLE, monkeypatch)
    assert [str(p) for p in found.problems] == []
    assert [task.num_elements for task in found.workflow.tasks] == [16, 3]


@settings(max_examples=100, deadline=None)
@given(edits)
def test_nothing_in_a_template_crashes_the_check(changes):
    document = WHOLE
    for path, value, rename in changes:
        try:
            document = changed(document, path, value, rename=rename)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    with pytest.MonkeyPatch.context() as patch:
        found = examined(document, patch)
    errors = [p for p in found.problems if p.severity == "error"]
    assert (found.workflow is None) == bool(errors)
    assert all(p.line >= 1 and p.column >= 1 for p in errors)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="ab:-[]{},\"'<>|&*!%#\n\t \\?é", max_size=60))
def test_no_text_crashes_the_check(text):
    assert examine("\n" + text).problems
