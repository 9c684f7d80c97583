"""YAML 1.2: each kind of scalar, anchors, tags, and what is no YAML."""

import datetime as dt
import math

import pytest

from hpcflow.template.nodes import plain
from hpcflow.template.problems import Positions, Problems
from hpcflow.template.yaml12 import parse_yaml, resolve_scalar


def parse(text):
    problems = Problems(Positions("t.yaml", text))
    node = parse_yaml(text, problems)
    return (None if node is None else plain(node)), [str(p) for p in problems.sorted()]


def value(text):
    found, problems = parse(text)
    assert problems == []
    return found


# What ruamel.yaml 0.19 (YAML 1.2), the parser of hpcflow 0.2, makes of the same text.
SCALARS = {
    "yes": "yes",
    "no": "no",
    "on": "on",
    "off": "off",
    "y": "y",
    "N": "N",
    "true": True,
    "True": True,
    "TRUE": True,
    "tRUE": "tRUE",
    "false": False,
    "False": False,
    "FALSE": False,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "nULL": "nULL",
    "": None,
    "0": 0,
    "12": 12,
    "-7": -7,
    "+7": 7,
    "-0": 0,
    "012": 12,
    "08": 8,
    "0o14": 12,
    "-0o7": -7,
    "0o8": "0o8",
    "0x1F": 31,
    "-0x1F": -31,
    "0xg": "0xg",
    "0x": "0x",
    "0b11": 3,
    "1_000": 1000,
    "1e5": 1e5,
    "1E+5": 1e5,
    "12e03": 12000.0,
    "-2E+05": -2e5,
    "0.1e-3": 0.0001,
    "1.": 1.0,
    ".5": 0.5,
    "+.5": 0.5,
    "0.1_0": 0.1,
    "1e": "1e",
    ".": ".",
    ".e1": ".e1",
    "--1": "--1",
    "1e5_0": "1e5_0",
    "1,000": "1,000",
    "1.5.2": "1.5.2",
    ".inf": math.inf,
    "-.INF": -math.inf,
    "+.inf": math.inf,
    "inf": "inf",
    "nan": "nan",
    "12:30:00": "12:30:00",
    "190:20:30": "190:20:30",
    "00:05:00": "00:05:00",
    "2024-01-01": dt.date(2024, 1, 1),
    "2024-1-1": "2024-1-1",
    "2024-13-01": "2024-13-01",
    "2024-01-01 12:00:00": dt.datetime(2024, 1, 1, 12),
    "2024-01-01T12:00:00.5": dt.datetime(2024, 1, 1, 12, 0, 0, 500000),
    "2024-01-01T12:00:00Z": dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC),
    "2024-01-01T12:00:00-02:30": dt.datetime(
        2024, 1, 1, 12, tzinfo=dt.timezone(-dt.timedelta(hours=2, minutes=30))
    ),
    "text": "text",
    "two words": "two words",
    "<<": "<<",
    "=": "=",
}


@pytest.mark.parametrize(("text", "expected"), SCALARS.items())
def test_plain_scalars(text, expected):
    found = resolve_scalar(text)
    assert (found, type(found)) == (expected, type(expected))
    assert value(f"a: {text}") == {"a": expected}


@pytest.mark.parametrize("text", [".nan", ".NaN", ".NAN"])
def test_not_a_number(text):
    assert math.isnan(resolve_scalar(text))


def test_a_number_that_python_will_not_read_is_text():
    digits = "1" * 5000
    assert resolve_scalar(digits) == digits


@pytest.mark.parametrize("text", ["5", "true", "~", "2024-01-01", "1e5", ""])
def test_quoted_and_block_scalars_are_text(text):
    assert value(f"- '{text}'\n- \"{text}\"") == [text, text]
    assert value(f"a: |-\n  {text}x") == {"a": f"{text}x"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("!!str 5", "5"),
        ("!!int '7'", 7),
        ("!!float 1", 1.0),
        ("!!bool 'true'", True),
        ("!!null ''", None),
        ("! 5", "5"),
        ("!!seq [1]", [1]),
        ("!!map {a: 1}", {"a": 1}),
    ],
)
def test_tags(text, expected):
    assert value(f"a: {text}") == {"a": expected}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: !thing 5", "t.yaml:1:4: the tag !thing is not known"),
        (
            "a: !!python/name:os.system x",
            "t.yaml:1:4: the tag !!python/name:os.system is not known",
        ),
        ("a: !thing {b: 1}", "t.yaml:1:4: the tag !thing is not known"),
        ("a: !!int five", "t.yaml:1:4: 'five' does not fit its tag !!int"),
        ("a: !!bool 1", None),
        ("a: 1\nb: 2\na: 3", "t.yaml:3:1: the key 'a' stands in line 1 already"),
        ("a: {b: 1, b: 2}", "t.yaml:1:11: the key 'b' stands in line 1 already"),
        ("? [1, 2]\n: 3", "t.yaml:1:3: a key must be a plain value, not a list or map"),
        ("a: *b", "t.yaml:1:4: this is not valid YAML: no `&b` stands above `*b`"),
        (
            "a: &b [1, *b]",
            "t.yaml:1:11: this is not valid YAML: `*b` stands inside `&b` itself",
        ),
        (
            "a: 1\n---\nb: 2",
            "t.yaml:2:1: this is not valid YAML: only one document may stand in a template",
        ),
        ("a: \x07", "t.yaml:1:4: the character '\\x07' is not allowed in a template"),
        ("é: \x00", "t.yaml:1:4: the character '\\x00' is not allowed in a template"),
        (
            "a: @b",
            (
                "t.yaml:1:4: this is not valid YAML: text can't begin with '@'; put it in "
                "quotes"
            ),
        ),
        (
            "[" * 200000,
            "t.yaml:1:101: this is not valid YAML: values are nested more than 100 deep",
        ),
        (
            "- " * 200000,
            "t.yaml:1:201: this is not valid YAML: values are nested more than 100 deep",
        ),
    ],
)
def test_what_is_wrong_and_where(text, problem):
    if problem is None:
        problem = "t.yaml:1:4: '1' does not fit its tag !!bool"
    assert parse(text)[1] == [problem]


def test_positions_count_characters():
    text = "é: 1\n🙂: [2, 🙂 x, 3]\r\nlast: 4: 5\r\n"
    assert parse(text)[1][0].startswith("t.yaml:3:8: ")


def test_all_bad_keys_of_a_document_are_told():
    problems = parse("a: 1\na: 2\nb: {c: 1, c: 2}\nd: !x 1")[1]
    assert [p.split(": ")[0] for p in problems] == [
        "t.yaml:2:1",
        "t.yaml:3:11",
        "t.yaml:4:4",
    ]


def test_aliases_stand_for_their_anchors_and_anchors_can_be_used_again():
    assert value("a: &x {b: [1]}\nc: *x\nd: &x 2\ne: *x") == {
        "a": {"b": [1]},
        "c": {"b": [1]},
        "d": 2,
        "e": 2,
    }


def test_a_merge_key_is_an_ordinary_key():
    assert value("a: &x {b: 1}\nc: {<<: *x}") == {"a": {"b": 1}, "c": {"<<": {"b": 1}}}


def test_aliases_that_explode_are_refused():
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    for n in range(1, 12):
        lines.append(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]")
    assert "aliases expand to more than" in parse("\n".join(lines))[1][0]


def test_a_yaml_directive_is_allowed():
    assert value("%YAML 1.2\n---\na: yes") == {"a": "yes"}


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_no_document(text):
    assert parse(text)[1] == []
