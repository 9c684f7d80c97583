"""Broken templates, each with the problems that must be found, in its closing comments."""

from pathlib import Path

import pytest

from hpcflow.template.load import TemplateError, check_template, load_template

BROKEN = Path(__file__).parent / "broken"
TEMPLATES = sorted([*BROKEN.glob("*.yaml"), *BROKEN.glob("*.json")])


def expected_problems(template):
    if template.suffix == ".json":
        return template.with_suffix(".expected").read_text().splitlines()
    lines = template.read_text().splitlines()
    return [line.removeprefix("# => ") for line in lines if line.startswith("# => ")]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_all_problems_are_found_where_they_are(template):
    found = [str(problem) for problem in check_template(template)]
    assert found == [f"{template}:{line}" for line in expected_problems(template)]
    assert found


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_none_of_them_can_be_loaded(template):
    with pytest.raises(TemplateError) as caught:
        load_template(template)
    found = [problem for problem in check_template(template) if problem.severity == "error"]
    assert list(caught.value.problems) == found
    assert str(caught.value).count("\n") == len(found) - 1


def test_there_are_many_of_them_and_each_is_short():
    assert len(TEMPLATES) >= 60
    assert all(len(template.read_text().splitlines()) <= 75 for template in TEMPLATES)


def test_five_mistakes_are_five_problems():
    problems = check_template(BROKEN / "five_problems.yaml")
    assert len(problems) == 5
    assert all(problem.suggestion or problem.expected for problem in problems)
