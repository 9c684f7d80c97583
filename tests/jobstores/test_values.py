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
import sys
import types
import zoneinfo
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobstores import values
from jobstores.errors import CorruptError, UnstorableError, UnsupportedError
from jobstores.object_values import Dilled
from tests.jobstores import value_scenes
from tests.jobstores.store_doubles import EFFORT, imported_by
from tests.jobstores.value_scenes import (
    VALUES,
    Access,
    BigBox,
    Box,
    Colour,
    Level,
    Word,
    same,
)

HERE = value_scenes.__name__


def back(value):
    """Through text, as it is stored, and through bytes."""
    text = values.dumps(value)
    assert "\n" not in text
    assert same(values.loads(text.encode()), values.loads(text))
    return values.decode(json.loads(json.dumps(values.encode(value))))


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
        np.ma.masked_array(np.asfortranarray(np.eye(2)), mask=[[1, 0], [0, 0]]),
        np.ma.masked_array(5.0, mask=True), np.zeros((2, 0), order="F"),
        np.zeros(3, dtype=[("a", "i4"), ("b", "f8"), ("c", "U2")])[["c", "a"]],
        np.ones(1, np.dtype({"names": ["x", "y"], "formats": [("i2", (2,)), ">f4"],
                             "offsets": [4, 0], "itemsize": 12})),
        np.ones(2, np.dtype({"names": ["lo", "all"], "formats": ["u1", "<u4"],
                             "offsets": [0, 0], "titles": ["low", None]})),
        np.datetime64("2026-01", "M"), np.timedelta64(3, "h"),
        np.array(["2026-01-01T00"], dtype=">M8[25s]"), np.float16(0.1), np.complex128(1j),
        np.array(5)[()], np.void(b"abc"), np.array([1j, 2], dtype=">c8"),
        dt.time(1, tzinfo=dt.timezone(dt.timedelta(seconds=-1))), 2**4096, -(2**4096),
        dt.datetime(2026, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=5.5), "IST")),
        Colour.RED, Colour.AZURE, Box.Shade.DARK, Level.LOW, Word.YES, Access.BOTH,
        Access(0), re.ASCII | re.IGNORECASE, Box(1), BigBox([Box(None), (1,)]), Box.Small(),
        {Box.Small(): Colour.RED}, {Colour.RED, Level.LOW},
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_this_value_comes_back(value):
    for nested in (value, [value], {"a": value}, {"$a": (value,)}):
        assert same(back(nested), nested)


def test_a_fill_value_that_the_items_can_not_hold_is_kept():
    """NumPy's own default, 999999, is one to arrays of int8."""
    array = np.ma.masked_array([1, 2], mask=[0, 1], dtype="i1")
    assert array.fill_value == back(array).fill_value == 999999
    assert same(back(array), array)


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
        (
            np.array([[1, 2], [3, 4]], "u1", order="F"),
            '{"$ndarray":{"dtype":"|u1","shape":[2,2],"data":"AQIDBA==","order":"F"}}',
        ),
        (Colour.RED, f'{{"$enum":["{HERE}:Colour","RED"]}}'),
        (re.ASCII | re.IGNORECASE, '{"$enum":["re:RegexFlag",null,258]}'),
        (Box((1,)), f'{{"$instance":["{HERE}:Box",{{"inside":{{"$tuple":[1]}}}}]}}'),
        (Dilled.of_bytes(b"\0"), '{"$dill":"AA=="}'),
    ],
)
def test_the_stored_form_stays(value, text):
    """What is in stores already must be read for ever."""
    assert values.dumps(value) == text
    assert same(values.loads(text), value)


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
        ({1: 2, ("k", Text()): 1}, "outputs (key 1)", "Text"),
        ([{frozenset([Text()])}], "outputs[0] (an element of the set)", "Text"),
        ([Box({"a": Foo()})], "outputs[0] (what {here}.Box stores).inside.a", "Foo"),
        ([Colour], "outputs[0]", "EnumType"),
        ([Box], "outputs[0]", "type"),
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
    position = position.replace("{here}", HERE)
    assert message.startswith(f"{position}: cannot store an object of type ")
    assert message.endswith(type_name)


def local_enum():
    return enum.Enum("Local", "A").A


class OneWay:
    def __to_store__(self):
        return 1


class Failing(OneWay):
    __from_store__ = OneWay

    def __to_store__(self):
        raise ValueError("no")


class Shadowed(Failing):
    pass


shadowed, Shadowed = Shadowed(), None  # another process would find something else


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (local_enum(), r"Local: other processes can't import its class"),
        (shadowed, r"Shadowed: other processes can't import its class"),
        (OneWay(), r"OneWay: it has __to_store__, but no __from_store__"),
        (Failing(), r"Failing: its __to_store__ fails: ValueError\('no'\)"),
    ],
)
def test_an_object_that_would_not_come_back_is_refused_when_it_is_set(value, why):
    with pytest.raises(UnstorableError, match=rf"^out\[0\]: cannot store .*{why}"):
        values.encode([value], "out")


def test_objects_of_a_script_are_refused(monkeypatch):
    """Where it is read it is another script, or none, that has the name `__main__`."""
    monkeypatch.setattr(Colour, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], "Colour", Colour, raising=False)
    with pytest.raises(UnstorableError, match="top level of a module"):
        values.encode(Colour.RED)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"$enum": ["no.such:X", "A"]}', r"class X of the module no\.such,.*PYTHONPATH"),
        ('{"$instance": ["re:NoSuch", 1]}', "class NoSuch of the module re.*can't be imp"),
        (
            '{"$enum": ["re:RegexFlag", "NEW"]}',
            "'NEW' of the enumeration re:RegexFlag.*has",
        ),
        ('{"$instance": ["re:Scanner", 1]}', "class re:Scanner, which does not say how"),
        (
            f'{{"$instance": ["{HERE}:Box", 1]}}',
            "Box, whose __from_store__ fails: Type",
        ),
        ('[{"$dict": [[1, {"$enum": ["", "A"]}]]}]', "can't be imported here"),
    ],
)
def test_what_needs_a_class_that_is_not_there_says_so(text, message):
    with pytest.raises(UnsupportedError, match=message):
        values.loads(text)


def test_nothing_is_unpickled_but_where_a_user_says_so():
    def local(x):
        return x + 1

    stored = Dilled(local)
    text = values.dumps({"f": stored})
    found = values.loads(text)["f"]
    assert (found, hash(found)) == (stored, hash(stored))
    assert found.load()(1) == 2
    assert found != Dilled.of_bytes(b"x")
    assert not imported_by(f"from jobstores import values\nvalues.loads({text!r})")


def test_what_can_not_be_pickled_is_refused_at_once():
    with pytest.raises(UnstorableError, match="cannot pickle an object of type generator"):
        Dilled(value for value in [1])
    with pytest.raises(CorruptError, match="can't be loaded"):
        Dilled.of_bytes(b"nonsense").load()


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
        '{"$enum": []}', '{"$enum": 1}', '{"$enum": ["re:Scanner", "A"]}',
        '{"$enum": ["re:match", "A"]}', '{"$enum": ["re:RegexFlag", null, "x"]}',
        '{"$instance": ["re:Scanner"]}', '{"$instance": [1, 2]}', '{"$dill": "?"}',
        '{"$scalar": {"dtype": "str", "data": 5}}',
        '{"$scalar": {"dtype": {}, "data": ""}}',
        '{"$ndarray": {"dtype": {"names": ["a"]}, "shape": [], "data": ""}}',
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
    with contextlib.suppress(CorruptError, UnsupportedError):
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
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    module = types.ModuleType("lattices")
    sys.modules[module.__name__] = module
    try:
        exec(compile(code, str(page), "exec"), vars(module))
        lattice = module.Lattice(3.5, (4, 4, 8))
        stored = values.dumps(lattice)
        assert stored in text
        assert values.loads(stored) == lattice
    finally:
        del sys.modules[module.__name__]
