"""Variables in a template's text, and positions that stay those of the user's file."""

import pytest

from hpcflow.template.load import check_template, load_template
from hpcflow.template.problems import Positions, Problems, render_path
from hpcflow.template.source import substitute


def test_variables_and_defaults():
    text = "a: <<var:x>> <<var:y[default=two words]>> <<var:z[default=]>>!"
    source, problems = substitute(text, {"x": "1", "z": "given"}, "t.yaml")
    assert source.text == "a: 1 two words given!"
    assert source.original == text
    assert problems.sorted() == []


def test_a_default_may_hold_brackets():
    assert substitute("<<var:x[default=[1, 2]]>>", {}, "t")[0].text == "[1, 2]"


def test_the_character_that_stands_for_the_unknown_may_be_used():
    text = (
        "doc: '\ue000'\n"
        "tasks: [{schema: s}]\ntemplate_components: {task_schemas: [{objective: s}]}\n"
    )
    assert load_template(text).doc == "\ue000"
    assert load_template(text.replace("'\ue000'", '"\\ue000"')).doc == "\ue000"


def test_a_value_is_not_read_again():
    assert substitute("<<var:x>>", {"x": "<<var:y>>"}, "t")[0].text == "<<var:y>>"


def test_undefined_and_unused_variables():
    _, problems = substitute("a: <<var:length>>\nb: <<var:z>>", {"lenght": "1"}, "t.yaml")
    assert [str(p) for p in problems.sorted()] == [
        (
            "t.yaml:1:1: warning: the template does not use the variable 'lenght' "
            "(expected one of 'length', 'z'; did you mean 'length'?)"
        ),
        (
            "t.yaml:1:4: the variable 'length' has no value (expected --var length VALUE "
            "or `<<var:length[default=...]>>`; given: 'lenght'; did you mean 'lenght'?)"
        ),
        (
            "t.yaml:2:4: the variable 'z' has no value (expected --var z VALUE or "
            "`<<var:z[default=...]>>`; given: 'lenght')"
        ),
    ]


@pytest.mark.parametrize("value", ["", "x", "a much longer value", "two\nlines"])
def test_positions_after_a_variable_are_those_of_the_file(value):
    text = "name: <<var:n>>\ntasks: <<var:n>> [1]\n  é: x"
    source, _ = substitute(text, {"n": value}, "t.yaml")
    for word, place in {"tasks": (2, 1), "[1]": (2, 18), "é": (3, 3)}.items():
        assert source.positions.locate(source.text.rindex(word)) == place
    if value:
        assert source.positions.locate(source.text.index(value)) == (1, 7)


def test_a_problem_inside_a_replaced_text_is_at_the_variable():
    template = "tasks: []\nresources:\n  any: {num_cores: <<var:n>>, gpus: none}\n"
    problems = check_template(template, variables={"n": "a lot of"})
    assert [(p.line, p.column, p.path) for p in problems] == [
        (1, 8, "tasks"),
        (3, 20, "resources.any.num_cores"),
        (3, 37, "resources.any.gpus"),
    ]


def test_all_kinds_of_line_breaks_count():
    positions = Positions("t", "a\nb\r\nc\rd")
    assert [positions.locate(at) for at in (0, 2, 5, 7)] == [(1, 1), (2, 1), (3, 1), (4, 1)]


def test_a_problem_is_one_line():
    problems = Problems(Positions("t", "x"))
    problems.add(0, ("a", 0, "b c"), "wrong\nhere", expected="this", suggestion="that")
    (problem,) = problems.sorted()
    assert problem.render() == (
        "t:1:1: a[0]['b c']: wrong here (expected this; did you mean 'that'?)"
    )


def test_paths_read_as_users_write_them():
    assert render_path(("tasks", 0, "inputs", "p1[one]")) == "tasks[0].inputs.p1[one]"
    assert render_path(()) == ""
