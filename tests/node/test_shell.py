"""Values as the text of bash variables."""

from __future__ import annotations

import subprocess

import pytest

from hpcflow.node import shell
from hpcflow.node.shell import UnusableValueError, variable_bytes
from tests.node.job_directory import variable


def text(value, **fields):
    return variable_bytes(variable("v", "x", **fields), value).decode()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("as it is\n", "as it is\n"),
        (True, "True"),
        (None, "None"),
        (-3, "-3"),
        (0.1, "0.1"),
        (1e-7, "1e-07"),
        ([1, "a", [2.5]], "[1, 'a', [2.5]]"),
        ({"a": 1}, "{'a': 1}"),
    ],
)
def test_a_value_is_the_text_that_python_gives_it(value, expected):
    assert text(value) == expected


def test_a_path_selects_in_maps_and_lists():
    assert text({"a": [{"b": 7}]}, path=["a", "0", "b"]) == "7"
    assert text([[1, 2], [3, 4]], path=[1, 0]) == "3"


def test_a_part_that_is_not_there_is_named():
    with pytest.raises(
        UnusableValueError, match=r"input 'x' has no part 'a\.c': found \{'b'"
    ):
        text({"a": {"b": 1}}, path=["a", "c"])


def test_sum_and_join_work_on_lists():
    assert text([1, 2, 3.5], apply="sum") == "6.5"
    assert text([1, "b"], apply="join") == "1 b"
    assert text([1, 2], apply="join", options={"delim": ","}) == "1,2"


@pytest.mark.parametrize(("apply", "value"), [("sum", 3), ("sum", ["a"]), ("join", "abc")])
def test_sum_and_join_of_anything_else_are_refused(apply, value):
    with pytest.raises(UnusableValueError, match=f"input 'x': {apply} expected a list"):
        text(value, apply=apply)


@pytest.mark.parametrize("value", [0, -5, 12, 1.5, "17", 1e22, 2e-05])
def test_a_plain_number_may_stand_where_bash_computes(value):
    assert text(value, arithmetic=True) == str(value)


@pytest.mark.parametrize(
    "value", ["a[$(id)]", "010", "1 + 1", "", " 1", "0x1", True, "1\n", "٣"]
)
def test_anything_else_may_not_stand_where_bash_computes(value):
    with pytest.raises(UnusableValueError, match="expected a plain number"):
        text(value, arithmetic=True)


def test_a_nul_character_is_refused():
    with pytest.raises(UnusableValueError, match="NUL character"):
        text("a\0b")


def test_variables_too_long_for_the_environment_go_to_files_largest_first():
    limit = shell.VARIABLE_LIMIT_BYTES
    assert shell.too_big({b"a": b"x" * limit}) == []
    assert shell.too_big({b"a": b"x" * (limit + 1), b"b": b""}) == [b"a"]
    many = {b"%d" % n: b"x" * limit for n in range(8)}
    kept = sum(len(many[n]) for n in set(many) - set(shell.too_big(many)))
    assert kept == shell.ALL_VARIABLES_LIMIT_BYTES


def test_the_prelude_reads_any_text_from_a_file(tmp_path):
    value = "  a\\b\n\n$(id) 'q' \"d\" \t\n"
    file = tmp_path / "it's here"
    file.write_bytes(value.encode() + b"\0")
    script = shell.prelude([("v", str(file))]) + 'printf %s "$v"'
    assert subprocess.check_output(["bash", "-c", script], text=True) == value
    assert "\n" not in shell.prelude([("v", str(file))])
