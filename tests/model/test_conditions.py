"""Conditions: what each callable says of which values, and what is no condition."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hpcflow.model.callables import CALLABLES
from hpcflow.model.conditions import (
    ConditionError,
    RuleTest,
    find,
    parse_condition,
    split_path,
)

# condition, argument, values that fulfil it, values that don't
HOLDS = [
    ("value.equal_to", 5, [5, 5.0], [4, "5", None]),
    ("value.equal_to", [1, 2], [[1, 2]], [[2, 1], 1]),
    ("value.not_equal_to", 5, [4, "5"], [5]),
    ("value.less_than", 3, [2, 2.9, -1], [3, "a", None, [1]]),
    ("value.lt", 3, [2], [3]),
    ("value.greater_than", 3, [4], [3, "a"]),
    ("value.less_than_or_equal_to", 3, [3], [4]),
    ("value.greater_than_or_equal_to", 3, [3], [2]),
    ("value.in", [1, "a"], [1, "a"], [2, "b"]),
    ("value.not_in", [1, "a"], [2], [1]),
    ("value.in_range", {"lower": 1, "upper": 3}, [1, 2, 2.5], [0, 3]),
    ("value.not_in_range", [1, 3], [0, 3], [1, 2]),
    ("value.equal_to_approx", 1.0, [1.0 + 1e-9], [1.0 + 1e-7]),
    ("value.equal_to_approx", {"value": 1, "tolerance": 0.5}, [1.4], [1.6]),
    ("value.factor_of", 12, [3, 4], [5, 0]),
    ("value.has_factor", 3, [9, 12], [10]),
    ("value.truthy", None, [1, "a", [0]], [0, "", [], None]),
    ("value.falsy", None, [0, "", None], [1]),
    ("value.null", None, [0, 1, None], []),
    ("value.is_instance", ["int", "str"], [1, "a"], [1.5, []]),
    ("value.keys_contain", "a", [{"a": 1}], [{"b": 1}, ["a"]]),
    ("value.keys_contain_any_of", ["a", "b"], [{"b": 1}], [{"c": 1}]),
    ("value.keys_contain_all_of", ["a", "b"], [{"a": 1, "b": 2}], [{"a": 1}]),
    ("value.keys_contain_N_of", {"N": 1, "keys": ["a", "b"]}, [{"a": 1}], [{}]),
    ("value.keys_contain_at_least_N_of", [1, ["a", "b"]], [{"a": 1}], [{}]),
    ("value.keys_contain_at_most_N_of", [0, ["a"]], [{}], [{"a": 1}]),
    ("value.keys_contain_one_of", ["a", "b"], [{"a": 1}], [{"a": 1, "b": 1}]),
    ("value.keys_contain_at_least_one_of", ["a", "b"], [{"a": 1}], [{}]),
    ("value.keys_contain_at_most_one_of", ["a", "b"], [{}], [{"a": 1, "b": 1}]),
    ("value.keys_equal_to", ["a"], [{"a": 1}], [{"a": 1, "b": 1}]),
    ("value.keys_is_instance", "str", [{"a": 1}], [{1: 1}]),
    ("value.items_contain", {"a": 1}, [{"a": 1, "b": 2}], [{"a": 2}, {}]),
    ("value.allowed_keys", ["a", "b"], [{"a": 1}, {}], [{"c": 1}]),
    ("value.required_keys", ["a"], [{"a": 1, "c": 1}], [{"c": 1}]),
    ("value.forbidden_keys", ["a"], [{"c": 1}], [{"a": 1}]),
    ("value.length.equal_to", 2, [[1, 2], "ab", {"a": 1, "b": 2}], [[1], 2]),
    ("value.len.less_than", 2, [[1]], [[1, 2]]),
    ("value.type.equal_to", "int", [1], [True, 1.0]),
    ("value.type.not_equal_to", "int", [True], [1]),
    ("value.dtype.in", ["list", "map"], [[], {}], [1]),
    ("key.in", ["a", "b"], [{"a": 1}, {}], [{"c": 1}, ["a"]]),
    ("key.length.equal_to", 1, [{"a": 1}], [{"ab": 1}]),
    ("index.less_than", 2, [[1, 2], []], [[1, 2, 3], {"a": 1}]),
]


@pytest.mark.parametrize(
    ("key", "argument", "good", "bad"), HOLDS, ids=[f"{h[0]}: {h[1]}" for h in HOLDS]
)
def test_a_callable_says_of_a_value_whether_it_holds(key, argument, good, bad):
    condition = parse_condition({key: argument})
    assert [value for value in good if not condition.holds(value)] == []
    assert [value for value in bad if condition.holds(value)] == []


def test_every_callable_is_tried():
    short = {"lt": "less_than"}
    tried = {short.get(name, name) for name in (h[0].split(".")[-1] for h in HOLDS)}
    assert set(CALLABLES) - tried == set()


def test_conditions_combine():
    small, odd = {"value.less_than": 5}, {"value.in": [1, 3, 5, 7]}
    values = range(8)
    for word, expected in (
        ("and", [1, 3]),
        ("or", [0, 1, 2, 3, 4, 5, 7]),
        ("xor", [0, 2, 4, 5, 7]),
    ):
        condition = parse_condition({word: [small, odd]})
        assert [v for v in values if condition.holds(v)] == expected
    nested = parse_condition({"and": [small, {"or": [odd, {"value.equal_to": 0}]}]})
    assert [v for v in values if nested.holds(v)] == [0, 1, 3]


def test_all_elements_of_an_array_have_to_fulfil_it():
    np = pytest.importorskip("numpy")
    condition = parse_condition({"value.less_than": 3})
    assert condition.holds(np.array([1, 2]))
    assert not condition.holds(np.array([1, 5]))


WRONG = [
    (5, (), "this is not a condition"),
    ({}, (), "a condition has one key; this one has 0"),
    ({"and": 5}, ("and",), "'and' has no conditions"),
    ({"valu.equal_to": 5}, ("valu.equal_to",), "unknown condition 'valu.equal_to'"),
    ({"value.equals": 5}, ("value.equals",), "unknown callable 'equals' of a condition"),
    ({"value.size.lt": 5}, ("value.size.lt",), "unknown callable 'size.lt' of a condition"),
    ({"value": 5}, ("value",), "unknown callable '' of a condition"),
    ({"index.length.lt": 5}, ("index.length.lt",), "an index is a number"),
    ({"value.in": 5}, ("value.in",), "'in' can't take 5"),
    ({"value.truthy": 5}, ("value.truthy",), "'truthy' can't take 5"),
    ({"value.type.equal_to": "number"}, ("value.type.equal_to",), "can't take 'number'"),
    ({"value.in_range": [1]}, ("value.in_range",), "'in_range' can't take [1]"),
]


@pytest.mark.parametrize(("given", "where", "message"), WRONG, ids=lambda v: str(v))
def test_what_is_no_condition_is_refused_where_it_stands(given, where, message):
    with pytest.raises(ConditionError) as caught:
        parse_condition(given)
    assert [(fault.where, message in fault.message) for fault in caught.value.faults] == [
        (where, True)
    ]


def test_all_faults_are_told_at_once():
    with pytest.raises(ConditionError) as caught:
        parse_condition({"or": [{"value.in": 1}, {"and": [{"value.x": 1}]}]})
    places = [fault.where for fault in caught.value.faults]
    assert places == [("or", 0, "value.in"), ("or", 1, "and", 0, "value.x")]


def test_a_rule_says_why_it_does_not_hold():
    rule = RuleTest({"path": "inputs.a.b", "condition": {"value.less_than": 3}})
    assert rule.holds(found=True, value=2)
    assert rule.why_not(True, 7) == "inputs.a.b is 7; the rule asks for value.less_than: 3"
    exists = RuleTest({"check_exists": "inputs.a"})
    assert exists.holds(found=True, value=None)
    assert exists.why_not(False, None) == "inputs.a is not given"


def test_a_rule_casts_what_is_of_the_type_it_names():
    rule = RuleTest(
        {"path": "inputs.a", "condition": {"value.equal_to": True}, "cast": {"str": "bool"}}
    )
    assert [rule.holds(True, v) for v in ("yes", "True", "no", "other", True)] == [
        True, True, False, False, True,
    ]  # fmt: skip


def test_paths_lead_into_values():
    assert split_path("inputs.p[one].a.0") == ("inputs", "p[one]", ["a", "0"])
    assert split_path("resources.num_cores") == ("resources", "num_cores", [])
    assert find({"a": [1, 2]}, ["a", "1"]) == (True, 2)
    assert find({"a": [1, 2]}, ["a", "5"]) == (False, None)
    assert find({"a": 1}, ["a", "b"]) == (False, None)


def test_the_node_side_can_import_it_without_any_package():
    program = "import hpcflow.model.conditions, sys; print(*sys.modules)"
    found = subprocess.check_output([sys.executable, "-c", program], text=True).split()
    assert {"numpy", "yaml", "click"} & set(found) == set()
