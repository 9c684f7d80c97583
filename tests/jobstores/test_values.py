"""Values come back equal, types included, or are refused by name and position."""

from __future__ import annotations

import collections
import contextlib
import datetime as dt
import enum
import json
import math
import pathlib
import re
import zoneinfo
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from jobstores import values
from jobstores.errors import CorruptError, UnstorableError
from tests.jobstores.store_doubles import EFFORT, imported_by


def same(a, b):
    """Equal, of equal types, all the way down; NaN is equal to itself."""
    if type(a) is not type(b):
        return False
    if a is np.ma.masked:
        return b is np.ma.masked
    if isinstance(a, np.ma.MaskedArray):
        return (
            same(a.data, b.data)
            and (a.mask is np.ma.nomask) == (b.mask is np.ma.nomask)
            and same(np.asarray(a.mask), np.asarray(b.mask))
            and same(np.asarray(a.fill_value), np.asarray(b.fill_value))
            and a.hardmask == b.hardmask
        )
    if isinstance(a, (np.ndarray, np.generic)):
        return (
            a.dtype == b.dtype
            and a.shape == b.shape
            and (
                a.tolist() == b.tolist()
                if a.dtype.kind == "T"
                else a.tobytes() == b.tobytes()
            )
        )
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (
            a == b and math.copysign(1, a) == math.copysign(1, b)
        )
    if isinstance(a, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, (set, frozenset)):
        return sorted(map(canonical, a)) == sorted(map(canonical, b))
    if isinstance(a, dict):
        return same(list(a.items()), list(b.items()))
    if isinstance(a, (dt.datetime, dt.time)):
        return a.isoformat() == b.isoformat() and a.fold == b.fold and same_zone(a, b)
    return a == b


def canonical(value):
    """Text that is the same for hashable values that are equal and of equal types."""
    inside = ""
    if isinstance(value, frozenset):
        inside = sorted(map(canonical, value))
    elif isinstance(value, tuple):
        inside = [canonical(item) for item in value]
    return f"{type(value).__name__}{repr(value) if inside == '' else inside}"


def same_zone(a, b):
    return type(a.tzinfo) is type(b.tzinfo) and repr(a.tzinfo) == repr(b.tzinfo)


def back(value):
    """Through text, as it is stored, and through bytes."""
    text = values.dumps(value)
    assert "\n" not in text
    assert same(values.loads(text.encode()), values.loads(text))
    return values.decode(json.loads(json.dumps(values.encode(value))))


_ZONES = st.one_of(
    st.none(),
    st.just(dt.UTC),
    st.builds(
        dt.timezone,
        st.timedeltas(dt.timedelta(hours=-23), dt.timedelta(hours=23)),
    ),
    st.just(dt.timezone(dt.timedelta(hours=1), "CET")),
    st.sampled_from(["Europe/Berlin", "America/New_York"]).map(zoneinfo.ZoneInfo),
)
_MOMENTS = st.one_of(
    st.datetimes(timezones=_ZONES).flatmap(
        lambda moment: st.sampled_from([moment, moment.replace(fold=1)])
    ),
    st.times(timezones=_ZONES),
    st.dates(),
    st.timedeltas(),
)
_PATHS = st.text(st.characters(exclude_characters="\0"), max_size=20).flatmap(
    lambda text: st.sampled_from(
        [pathlib.Path(text), pathlib.PurePosixPath(text), pathlib.PureWindowsPath(text)]
    )
)
_TEXT = st.text(st.characters(), max_size=10)  # lone surrogates too
_HASHABLE = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), _TEXT,
    st.binary(max_size=9), _MOMENTS, _PATHS, st.complex_numbers(allow_nan=False),
)  # fmt: skip
_KEYS = st.recursive(
    _HASHABLE,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple), st.frozensets(inner, max_size=3)
    ),
    max_leaves=4,
)
_DTYPES = st.one_of(
    npst.boolean_dtypes(),
    npst.integer_dtypes(endianness="?"),
    npst.unsigned_integer_dtypes(endianness="?"),
    npst.floating_dtypes(endianness="?"),
    npst.complex_number_dtypes(endianness="?"),
    npst.datetime64_dtypes(endianness="?"),
    npst.timedelta64_dtypes(endianness="?"),
    npst.byte_string_dtypes(endianness="?"),
    npst.unicode_string_dtypes(endianness="?"),
)
_ALL_DTYPES = st.one_of(_DTYPES, npst.array_dtypes(_DTYPES, min_size=1))
_SHAPES = npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
_ARRAYS = npst.arrays(_ALL_DTYPES, _SHAPES)
_SCALARS = npst.arrays(_ALL_DTYPES, ()).map(lambda array: array[()])
_MASKED = npst.arrays(_DTYPES, (3, 2)).flatmap(
    lambda array: st.builds(
        np.ma.MaskedArray,
        st.just(array),
        mask=st.one_of(st.just(np.ma.nomask), npst.arrays(bool, (3, 2))),
        hard_mask=st.booleans(),
    )
)
_LEAVES = st.one_of(
    _KEYS, st.floats(), st.complex_numbers(), st.binary().map(bytearray), _ARRAYS, _SCALARS,
    _MASKED,
)  # fmt: skip
VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(_TEXT, inner, max_size=4),
        st.dictionaries(_KEYS, inner, max_size=4),
        st.sets(_KEYS, max_size=4),
        st.sampled_from(["$int", "$", "$tuple", "$dict", "$x"]).flatmap(
            lambda key: inner.map(lambda value: {key: value})
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=200 * EFFORT, deadline=None)
@given(VALUES)
@example({"$tuple": []})
@example({"": {"$dict": {"$": 1}}})
@example(("\ud800", {"\udc80": b""}))
@example(-0.0)
def test_any_value_comes_back(value):
    assert same(back(value), value)


@pytest.mark.parametrize(
    "value",
    [
        None, True, False, 0, -1, 2**63, -(2**200), 10**5000, 1.5, 1e-320, "",
        "a\0\n\x85\u2028", [], [1, [2, [3]]], {}, {"a": {"b": None}},
        {1: 2, None: 3, (1, 2): 4, 1.5: 5}, (), ((),), set(), {1, "a", None},
        frozenset({frozenset()}), b"", bytes(range(256)), bytearray(b"x"), 1 + 2j,
        complex(float("nan"), float("-inf")), float("inf"), float("-inf"), float("nan"),
        dt.date(1, 1, 1), dt.time(23, 59, 59, 999999), dt.timedelta.min,
        dt.datetime(2026, 10, 25, 2, 30, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"), fold=1),
        dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime.max, pathlib.Path("/a/b"),
        pathlib.PurePosixPath(), pathlib.PureWindowsPath("c:\\x"),
        pathlib.Path("bad\udc80name"), np.float64("nan"), np.int8(-1), np.bool_(True),
        np.str_("a\0"), np.bytes_(b"a\0\0"), np.datetime64("2026-01-01T00:00:00.123"),
        np.timedelta64(5, "ns"), np.datetime64("NaT", "s"), np.longdouble("0.1"),
        np.complex64(1j), np.str_(""), np.bytes_(b""), np.str_("\ud800"), np.array(5),
        np.array([]), np.zeros((0, 3), dtype=">i2"), np.array(["a", "bcd"]),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.arange(10)[::3],
        np.array([(1, 2.5, "x")], dtype=[("a", "<i4"), ("b", ">f8"), ("c", "U3")]),
        np.zeros(2, dtype=[("p", "i4", (2, 2)), ("q", [("r", "u1"), ("s", "M8[us]")])]),
        np.zeros(2, dtype=np.dtype([("a", "i1"), ("b", "f8")], align=True)),
        np.zeros((), dtype=[(("title", "name"), "i4")]), np.array([], dtype="V3"),
        np.array(["", "a\0b", "ünï"], dtype=np.dtypes.StringDType()),
        np.array([b"a", b"b\0c"]), np.array(["NaT", "2026-01-01"], dtype="M8[D]"),
        np.ma.masked_array([1.0, 2.0, 3.0], mask=[0, 1, 0]), np.ma.masked_array([1, 2]),
        np.ma.masked_array([1, 2], mask=[1, 0], fill_value=7, hard_mask=True),
        np.ma.masked,
        np.ma.masked_array([(1, 2.0)], mask=[(True, False)], dtype="i8,f8"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_this_value_comes_back(value):
    for nested in (value, [value], {"a": value}, {"$a": (value,)}):
        assert same(back(nested), nested)


def test_plain_values_stand_for_themselves():
    plain = {"a": [None, True, 1, 1.5, "ü", {"b": []}]}
    assert values.encode(plain) == plain
    assert values.decode(plain) == plain
    assert values.dumps(plain) == '{"a":[null,true,1,1.5,"ü",{"b":[]}]}'


def test_encoding_copies():
    inner = [1]
    encoded = values.encode({"a": inner})
    inner.append(2)
    assert encoded == {"a": [1]}


def test_decoded_arrays_can_be_changed():
    array = back(np.zeros(3))
    array[0] = 1
    assert array.tolist() == [1, 0, 0]


def test_equal_sets_have_equal_text():
    words = [f"w{number}" for number in range(50)]
    backwards = set()
    for word in reversed(words):
        backwards.add(word)
    assert values.dumps(set(words)) == values.dumps(backwards)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (float("nan"), '{"$float":"nan"}'),
        (1j, '{"$complex":[0.0,1.0]}'),
        (b"\0", '{"$bytes":"AA=="}'),
        ((1,), '{"$tuple":[1]}'),
        ({2, 1}, '{"$set":[1,2]}'),
        ({1: "a"}, '{"$dict":[[1,"a"]]}'),
        (dt.date(2026, 1, 2), '{"$date":"2026-01-02"}'),
        (pathlib.Path("/a"), '{"$path":["PosixPath","/a"]}'),
        (np.int64(1), '{"$scalar":{"dtype":"<i8","data":"AQAAAAAAAAA="}}'),
        (np.array([1, 2], "u1"), '{"$ndarray":{"dtype":"|u1","shape":[2],"data":"AQI="}}'),
    ],
)
def test_the_stored_form_stays(value, text):
    """What is in stores already must be read for ever."""
    assert values.dumps(value) == text
    assert same(values.loads(text), value)


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 1


class Text(str):
    __slots__ = ()


class Point(NamedTuple):
    x: int
    y: int


class Array(np.ndarray):
    pass


class Foo:
    pass


class Mine(dt.tzinfo):
    def utcoffset(self, moment):
        return dt.timedelta(0)


@pytest.mark.parametrize(
    ("value", "position", "type_name"),
    [
        (Foo(), "outputs", "Foo"),
        ({"x": [0, 1, 2, {"y": Foo()}]}, "outputs.x[3].y", "Foo"),
        ({"a b": (Foo(),)}, "outputs['a b'][0]", "Foo"),
        ({1: [Foo()]}, "outputs[1][0]", "Foo"),
        ({Foo: 1}, "outputs (key 0)", "type"),
        ({1: 2, ("k", Colour.RED): 1}, "outputs (key 1)", "Colour"),
        ([{frozenset([Level.LOW])}], "outputs[0] (an element of the set)", "Level"),
        ([Colour.RED], "outputs[0]", "Colour"),
        ([Level.LOW], "outputs[0]", "Level"),
        ([Text("a")], "outputs[0]", "Text"),
        ([Point(1, 2)], "outputs[0]", "Point"),
        ([collections.OrderedDict()], "outputs[0]", "collections.OrderedDict"),
        ([Fraction(1)], "outputs[0]", "fractions.Fraction"),
        ([np.arange(2).view(Array)], "outputs[0]", "Array"),
        ([np.rec.array([(1,)], dtype=[("a", int)])], "outputs[0]", "recarray"),
        ([np.dtype("i4")], "outputs[0]", "Int32DType"),
        ([len], "outputs[0]", "builtin_function_or_method"),
        ([memoryview(b"")], "outputs[0]", "memoryview"),
        ([dt.datetime(2026, 1, 1, tzinfo=Mine())], "outputs[0]", "Mine"),
    ],
)
def test_what_can_not_be_stored_is_refused_by_name(value, position, type_name):
    with pytest.raises(UnstorableError) as caught:
        values.encode(value, "outputs")
    message = str(caught.value)
    assert message.startswith(f"{position}: cannot store an object of type ")
    assert message.endswith(type_name)


@pytest.mark.parametrize(
    "value",
    [
        np.array([Foo()], dtype=object),
        np.array([(1, None)], dtype=[("a", int), ("b", object)]),
        np.ma.masked_array([None, 1], mask=[0, 1]),
        np.array([(1, None)], dtype=[("a", int), ("b", object)])[0],
    ],
)
def test_arrays_of_objects_are_refused(value):
    with pytest.raises(
        UnstorableError, match=r"^outputs\.x: cannot store an array of Python obj"
    ):
        values.encode({"x": value}, "outputs")


def test_what_contains_itself_is_refused():
    loop = []
    loop.append(loop)
    with pytest.raises(UnstorableError, match="contains itself"):
        values.encode(loop)
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(UnstorableError, match="nested too deep"):
        values.dumps(deep)
    with pytest.raises(CorruptError):
        values.loads("[" * 100_000 + "]" * 100_000)


@pytest.mark.parametrize(
    "text",
    [
        '{"$new": 1}', '{"$": 1}', '{"$tuple": [], "x": 1}', '{"a": 1, "$b": 2}',
        '{"$tuple": 1}', '{"$set": [[]]}', '{"$dict": [[1]]}', '{"$dict": {}}',
        '{"$float": "1.5"}', '{"$float": 1.5}', '{"$int": 1}', '{"$int": "x"}',
        '{"$complex": [1]}', '{"$complex": ["a", 1]}', '{"$bytes": "A"}',
        '{"$bytes": "?A=="}', '{"$bytes": 1}', '{"$bytes": "AA==\\n"}',
        '{"$date": "yesterday"}', '{"$date": 1}', '{"$datetime": "x"}',
        '{"$datetime": ["2026-01-01", 0, ["zone", "No/Where"]]}',
        '{"$datetime": ["2026-01-01", 0, ["x", [0, 0, 0], null]]}', '{"$time": null}',
        '{"$timedelta": [1]}', '{"$path": "/a"}', '{"$path": ["Foo", "/a"]}',
        '{"$path": ["os", "/a"]}', '{"$ndarray": {}}', '{"$ndarray": null}',
        '{"$ndarray": {"dtype": "<i8", "shape": [2], "data": "AQAAAAAAAAA="}}',
        '{"$ndarray": {"dtype": "<i8", "shape": [-1], "data": "AQAAAAAAAAA="}}',
        '{"$ndarray": {"dtype": "|O", "shape": [1], "data": "AQAAAAAAAAA="}}',
        '{"$ndarray": {"dtype": "nonsense", "shape": [1], "data": "AQ=="}}',
        '{"$ndarray": {"dtype": [["a", "|O"]], "shape": [1], "data": "AQAAAAAAAAA="}}',
        '{"$scalar": {"dtype": "<i8", "data": "AQ=="}}', '{"$masked": 1}', "", "nul",
        "[1",
    ],
)  # fmt: skip
def test_what_is_no_stored_value_is_corrupt(text):
    with pytest.raises(CorruptError):
        values.loads(text)


@settings(max_examples=150 * EFFORT, deadline=None)
@given(st.data())
def test_damage_is_corrupt_or_another_value(data):
    """No other exception comes out of any damaged text."""
    text = values.dumps(data.draw(VALUES))
    at = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, 3))
    damaged = (
        text[:at] + data.draw(st.text('"[]{}$:,10ax', max_size=3)) + text[at + length :]
    )
    with contextlib.suppress(CorruptError):
        values.loads(damaged)


def test_numpy_is_not_imported_for_other_values():
    code = """
from jobstores import values
import datetime, pathlib
value = [{"a": (1, {2}, b"x", 1j, float("nan"))}, {1: 2}]
value += [datetime.datetime.now(), pathlib.Path()]
assert repr(values.loads(values.dumps(value))) == repr(value)
try:
    values.encode(object())
except TypeError:
    pass
"""
    assert not imported_by(code)


def test_the_page_on_values_is_right():
    """Its table has every tag, and its examples are stored values."""
    page = pathlib.Path(__file__).parents[2] / "docs" / "reference" / "values.md"
    text = page.read_text()
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `$")]
    assert set(re.findall(r"\$\w+", " ".join(rows))) == set(values._DECODERS)
    examples = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    assert [values.loads(example) for example in examples] == [
        {"a": (1, math.inf)},
        {"$x": 1},
    ]
