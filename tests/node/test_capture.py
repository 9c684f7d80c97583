"""Captured text as values, arrays included, without NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hpcflow.node import arrays
from hpcflow.node.capture import ParseError, parse
from jobstores import values


@pytest.mark.parametrize(
    ("kind", "options", "data", "expected"),
    [
        (
            "str",
            {},
            b" two  spaces * and 'quotes'\n\nline",
            " two  spaces * and 'quotes'\n\nline",
        ),
        ("str", {}, "µ".encode(), "µ"),
        ("int", {}, b" 12 ", 12),
        ("float", {}, b"-1.5e3", -1500.0),
        ("bool", {}, b"True", True),
        ("bool", {}, b"0", False),
        ("list", {}, b"a b  c", ["a", "b", "c"]),
        ("list", {"item_type": "int", "delim": ","}, b"1, 2,3", [1, 2, 3]),
        ("list", {"item_type": "bool"}, b"true false", [True, False]),
        ("list", {"item_type": "int"}, b"", []),
        ("list", {"delim": ","}, b"a,,b", ["a", "", "b"]),
    ],
)
def test_captured_text_becomes_the_declared_type(kind, options, data, expected):
    found = values.decode(parse(kind, options, data))
    assert found == expected
    assert type(found) is type(expected)


def test_numbers_that_json_has_not_are_kept():
    assert math.isnan(values.decode(parse("float", {}, b"nan")))
    assert values.decode(parse("float", {}, b"-inf")) == -math.inf


@pytest.mark.parametrize(
    ("item_type", "data", "expected"),
    [
        ("float", b"1 2.5 nan", np.array([1.0, 2.5, np.nan])),
        ("int", b"1 -2", np.array([1, -2])),
        ("float", b"", np.array([], dtype=float)),
    ],
)
def test_an_array_is_what_numpy_reads_back(item_type, data, expected):
    found = values.decode(parse("array", {"item_type": item_type}, data))
    assert isinstance(found, np.ndarray)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def test_an_array_of_text_is_what_numpy_reads_back():
    found = values.decode(parse("array", {"item_type": "str", "delim": ","}, b"a,bc"))
    assert found.tolist() == ["a", "bc"]


@pytest.mark.parametrize(
    ("kind", "options", "data", "message"),
    [
        ("int", {}, b"5.0", "expected int, found '5.0'"),
        ("int", {}, b"", "expected int, found ''"),
        ("bool", {}, b"maybe", "expected bool, found 'maybe'"),
        ("list", {"item_type": "int"}, b"1 x", "expected list of int, found '1 x'"),
        ("array", {"item_type": "int"}, b"9" * 30, "expected array of int"),
        ("float", {}, b"y" * 1000, r"expected float, found '" + "y" * 200 + r"'\.\.\.$"),
        ("str", {}, b"ab\xffcd", "expected text as UTF-8, found byte 0xff at position 2"),
        ("matrix", {}, b"1", "the type 'matrix' is not known"),
    ],
)
def test_other_text_is_refused_and_shown(kind, options, data, message):
    with pytest.raises(ParseError, match=message):
        parse(kind, options, data)


@pytest.mark.parametrize(
    "value",
    [
        np.arange(6, dtype="i4").reshape(2, 3),
        np.array([[0.5], [np.inf]]),
        np.array([True, False]),
        np.array(["a", "bcd"]),
        np.array(["a", "bcd"], dtype=np.dtypes.StringDType()),
        np.array(3.0, dtype=">f4"),
        np.zeros((2, 0)),
        np.float32(2.5),
        np.str_("x"),
        {"a": [np.array([1]), 2]},
    ],
)
def test_arrays_decode_to_lists_without_numpy(value):
    def lists(part):
        if isinstance(part, dict):
            return {key: lists(item) for key, item in part.items()}
        if isinstance(part, list):
            return [lists(item) for item in part]
        return part.tolist() if isinstance(part, (np.ndarray, np.generic)) else part

    assert arrays.decode(values.encode(value)) == lists(value)


def test_an_array_that_has_no_list_form_says_where_it_can_be_had():
    from jobstores.errors import UnstorableError

    with pytest.raises(UnstorableError, match="`direct` script only"):
        arrays.decode(values.encode(np.zeros(2, dtype=complex)))
