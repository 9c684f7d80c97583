"""Every key of the language has a test of what its value does, and the page says which."""

from __future__ import annotations

import ast
import re

import pytest

from hpcflow.template.language import TEMPLATE
from hpcflow.template.problems import Positions, Problems
from hpcflow.template.yaml12 import parse_yaml
from tests.language.cases import ALL_CASES, read_case
from tests.language.keys import (
    PAGE,
    key_tests,
    language_keys,
    marked,
    render_page,
    used_keys,
)

KEYS = language_keys()
TESTS = key_tests()


@pytest.mark.parametrize("path", ALL_CASES, ids=lambda path: path.stem)
def test_a_case_has_the_keys_that_it_is_marked_with(path):
    case = read_case(path)
    text = re.sub(r"<<var:\w+(\[default=(.*?)\])?>>", r"\2", case.template)
    root = parse_yaml(text, Problems(Positions("", text)))
    swept = re.findall(r"path: resources\.[\w\[=\]]+?\.([\w.]+)", case.template)
    found = {*used_keys(root, TEMPLATE), *(f"resources.any.{item}" for item in swept)}
    assert sorted(set(case.keys) - found) == []


def test_every_key_has_a_test_of_its_value():
    supported = [key for key, is_supported in KEYS.items() if is_supported]
    assert [key for key in supported if key not in TESTS] == []


def test_tests_are_marked_with_keys_that_there_are():
    assert sorted(set(TESTS) - {key for key, supported in KEYS.items() if supported}) == []


def test_the_page_is_up_to_date():
    assert PAGE.read_text() == render_page(), "run: python -m tests.language.keys"


def test_marks_are_read_from_the_source():
    source = "@pytest.mark.key('a.b', 'c')\n@other\ndef test_x(): pass\n"
    assert list(marked(ast.parse(source))) == [("test_x", "a.b"), ("test_x", "c")]
