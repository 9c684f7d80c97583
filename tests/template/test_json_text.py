"""JSON input: the same values and positions as YAML."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcflow.template.json_text import JsonSyntaxError, parse_json
from hpcflow.template.nodes import plain
from hpcflow.template.problems import Positions, Problems

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def parse(text):
    problems = Problems(Positions("t.json", text))
    return parse_json(text, problems), [str(p) for p in problems.sorted()]


@given(json_values, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_it_reads_what_json_writes(value, indent, ascii_only):
    node, problems = parse(json.dumps(value, indent=indent, ensure_ascii=ascii_only))
    assert plain(node) == value
    assert problems == []


def test_positions():
    node, _ = parse('{\n\t"a": [1,\n\t\t{"b": "x"}]\n}')
    inner = node.value["a"].value[1]
    assert (node.at, node.keys["a"], inner.at, inner.value["b"].at) == (0, 3, 14, 20)


def test_duplicate_keys():
    assert parse('{"a": 1, "a": 2}')[1] == [
        "t.json:1:10: the key 'a' stands in line 1 already"
    ]


@pytest.mark.parametrize(
    ("text", "at", "message"),
    [
        ("", 0, "expected a value"),
        ('{"a" 1}', 5, "expected `:` after a key"),
        ('{"a": 1 "b": 2}', 8, "expected `,` or `}`"),
        ("[1 2]", 3, "expected `,` or `]`"),
        ("{a: 1}", 1, "expected a key in double quotes"),
        ("[1,]", 3, "expected a value"),
        ("[01]", 2, "expected `,` or `]`"),
        ("[NaN]", 1, "expected a value"),
        ("[1] x", 4, "expected nothing after the document"),
        ('["\\x"]', 2, "invalid \\escape"),
        ('["a', 1, "unterminated string starting at"),
        ("[" * 300, 101, "values are nested more than 100 deep"),
        ("1" * 5000, 0, "the number is too long"),
    ],
)
def test_what_is_no_json(text, at, message):
    with pytest.raises(JsonSyntaxError) as caught:
        parse(text)
    assert caught.value.at == at
    assert message in caught.value.message
