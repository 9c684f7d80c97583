"""Columns as lines of JSON: for people to read, and as exact as Zarr arrays."""

from __future__ import annotations

import json
import math
import zlib

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from jobstores.backends.memory import MemoryPort
from jobstores.columns import (
    KINDS,
    ColumnRef,
    open_array,
    read_column,
    write_column,
    write_columns,
)
from jobstores.errors import (
    AlreadyExistsError,
    CorruptError,
    NotFoundError,
    TransientError,
    UnstorableError,
    UnsupportedError,
)
from jobstores.testing import FaultyPort
from tests.jobstores.store_doubles import EFFORT, imported_by

DATA = {
    "int": [0, -1, 2**63 - 1, -(2**63), 7],
    "float": [0.5, -0.0, math.inf, math.nan, 1e300],
    "bool": [True, False, True, True, False],
    "string": ["", "a\0b", "ünïcode", "line\nbreak\u2028\x85\r", "x" * 10_000],
    "json": [None, {"a": (1, 2)}, b"\xff", math.inf, [{"$x": {1}}, "a\nb"]],
}


class JsonPort(MemoryPort):
    column_format = "ndjson"


@pytest.fixture
def port():
    return JsonPort()


def write(port, kind, data=None, **more):
    return write_column(port, "g", "x", DATA[kind] if data is None else data, kind, **more)


def test_a_person_reads_one_row_a_line(port):
    write_columns(
        port,
        "g",
        {
            "i": ("int", [5, -1]),
            "f": ("float", [0.5, -math.inf, math.nan]),
            "b": ("bool", [True, False]),
            "s": ("string", ["ü", 'a "b"\n']),
            "j": ("json", [{"a": [1, None]}, (1,)]),
        },
        chunk_rows=3,
    )
    assert port.get("g/i/000000.ndjson") == b"5\n-1\n"
    floats = b'0.5\n{"$float":"-inf"}\n{"$float":"nan"}\n'
    assert port.get("g/f/000000.ndjson") == floats
    assert port.get("g/b/000000.ndjson") == b"true\nfalse\n"
    assert port.get("g/s/000000.ndjson") == '"ü"\n"a \\"b\\"\\n"\n'.encode()
    assert port.get("g/j/000000.ndjson") == b'{"a":[1,null]}\n{"$tuple":[1]}\n'


def test_rows_are_split_into_objects_whose_names_are_in_order(port):
    ref = write(port, "int", range(25), chunk_rows=2)
    assert port.list("g/x") == [f"{n:06d}.ndjson" for n in range(13)] + ["column.json"]
    lines = b"".join(port.get(f"g/x/{name}") for name in port.list("g/x")[:-1])
    assert [json.loads(line) for line in lines.splitlines()] == list(range(25))
    assert read_column(port, ref).tolist() == list(range(25))


def test_the_stored_form_stays(port):
    """As docs/reference/store-format.md says, for other readers."""
    ref = write(port, "int", [1, 2, 3], chunk_rows=2)
    assert json.loads(port.get("g/x/column.json")) == {
        "format": 1,
        "kind": "int",
        "rows": 3,
        "chunks": [
            {"rows": 2, "crc32": zlib.crc32(b"1\n2\n")},
            {"rows": 1, "crc32": zlib.crc32(b"3\n")},
        ],
    }
    assert ref.to_json() == ["g/x", "int", 3, "ndjson"]


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXT | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=5,
)
_COLUMNS = st.one_of(
    npst.arrays(np.int64, st.integers(0, 9)).map(lambda data: ("int", data)),
    npst.arrays(np.uint64, st.integers(0, 9)).map(
        lambda bits: ("float", bits.view(np.float64))
    ),
    npst.arrays(np.float64, st.integers(0, 9)).map(lambda data: ("float", data)),
    npst.arrays(np.bool_, st.integers(0, 9)).map(lambda data: ("bool", data)),
    st.lists(_TEXT, max_size=9).map(lambda data: ("string", data)),
    st.lists(_JSON, max_size=9).map(lambda data: ("json", data)),
)
NANS = np.array([0x7FF8 << 48, 0xFFF8 << 48, (0x7FF8 << 48) + 5], dtype=np.uint64)


@settings(max_examples=150 * EFFORT, deadline=None)
@given(_COLUMNS, st.integers(1, 4))
@example(("float", NANS.view(np.float64)), 2)
@example(("float", np.array([-0.0, 5e-324, 1e16, 1e22, 123456789.123456789])), 9)
def test_the_answers_are_those_of_zarr_bit_for_bit(column, chunk_rows):
    kind, data = column
    port = MemoryPort()
    answers = []
    for layout in ("zarr", "ndjson"):
        ref = write_column(
            port, layout, "x", data, kind, chunk_rows=chunk_rows, column_format=layout
        )
        assert ref.format == layout
        answers.append([read_column(port, ref), read_column(port, ref, encoded=True)])
    if isinstance(data, np.ndarray):
        (zarr, _), (ours, again) = answers
        assert ours.dtype == zarr.dtype
        assert ours.tobytes() == zarr.tobytes() == again.tobytes() == data.tobytes()
    else:
        assert repr(answers[0]) == repr(answers[1])


def test_both_formats_can_be_in_one_store(port):
    refs = [write_column(port, f"g{n}", "x", [1, 2], "int", column_format=layout)
            for n, layout in enumerate(("zarr", "ndjson", None))]  # fmt: skip
    assert [ref.format for ref in refs] == ["zarr", "ndjson", "ndjson"]
    assert [read_column(port, ref).tolist() for ref in refs] == [[1, 2]] * 3
    assert open_array(port, refs[0])[1] == 2
    with pytest.raises(UnsupportedError, match="lines of JSON"):
        open_array(port, refs[1])


def test_json_text_with_line_breaks_is_refused(port):
    with pytest.raises(UnstorableError, match="line break"):
        write(port, "json", ['{"a":\n1}'], encoded=True)
    assert write(port, "json", ['{"a":1}'], encoded=True).length == 1


@pytest.mark.parametrize("kind", KINDS)
def test_another_length_or_kind_is_damage(port, kind):
    ref = write(port, kind)
    with pytest.raises(CorruptError, match=r"4 rows of .* were expected"):
        read_column(port, ref._replace(length=4))
    for other in set(KINDS) - {kind}:
        with pytest.raises(CorruptError, match=f"5 rows of {other} were expected"):
            read_column(port, ref._replace(kind=other))


@pytest.mark.parametrize("how", ["cut", "flipped", "longer", "empty", "other"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_chunk_is_noticed(port, kind, how):
    ref = write(port, kind, DATA[kind] * 2, chunk_rows=4)
    chunk = port.get("g/x/000001.ndjson")
    middle = len(chunk) // 2
    damaged = {
        "cut": chunk[: chunk.rindex(b"\n", 0, -1) + 1],
        "flipped": chunk[:middle] + bytes([chunk[middle] ^ 1]) + chunk[middle + 1 :],
        "longer": chunk + chunk[: chunk.index(b"\n") + 1],
        "empty": b"",
        "other": port.get("g/x/000000.ndjson"),
    }[how]
    port.put("g/x/000001.ndjson", damaged)
    with pytest.raises(CorruptError, match="g/x is damaged: its chunk 1"):
        read_column(port, ref)


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_chunk_is_noticed(port, kind, number):
    ref = write(port, kind, chunk_rows=2)
    port.delete(f"g/x/00000{number}.ndjson")
    with pytest.raises(CorruptError, match=f"g/x .* its chunk {number} is missing"):
        read_column(port, ref)


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        ("int", b"1.0\n"),
        ("int", b"true\n"),
        ("int", b"9223372036854775808\n"),
        ("float", b"1\n"),
        ("float", b'{"$float":"1"}\n'),
        ("float", b'{"$nan":"zz"}\n'),
        ("float", b'{"$nan":"00"}\n'),
        ("float", b"{}\n"),
        ("bool", b"1\n"),
        ("string", b"null\n"),
        ("string", b'"\n'),
        ("string", b"1 2\n"),
        ("string", b'"\xff"\n'),
        ("json", b"nonsense\n"),
        ("json", b'{"$new":1}\n'),
        ("json", b"\xff\n"),
    ],
)
def test_rows_of_another_writer_that_are_not_of_the_kind_are_damage(port, kind, lines):
    chunks = [{"rows": 1, "crc32": zlib.crc32(lines)}]
    says = {"format": 1, "kind": kind, "rows": 1, "chunks": chunks}
    port.put("g/x/column.json", json.dumps(says).encode())
    port.put("g/x/000000.ndjson", lines)
    with pytest.raises(CorruptError):
        read_column(port, ColumnRef("g/x", kind, 1, "ndjson"))


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"[]", b"{}", b"\xff", b"1",
        b'{"format":1,"kind":"int","rows":2,"chunks":[]}',
        b'{"format":1,"kind":"int","rows":2,"chunks":[{"rows":2}]}',
        b'{"format":1,"kind":"int","rows":2,"chunks":[{"rows":"2","crc32":1}]}',
        b'{"format":0,"kind":"int","rows":2,"chunks":[{"rows":2,"crc32":1}]}',
    ],
)  # fmt: skip
def test_a_damaged_column_json_is_noticed(port, data):
    ref = write(port, "int", [1, 2])
    port.put("g/x/column.json", data)
    with pytest.raises(CorruptError, match="g/x is damaged"):
        read_column(port, ref)


def test_a_column_of_a_newer_format_is_not_read(port):
    ref = write(port, "int", [1])
    port.put("g/x/column.json", b'{"format":2}')
    with pytest.raises(UnsupportedError, match="format 2"):
        read_column(port, ref)


@settings(max_examples=100 * EFFORT, deadline=None)
@given(st.data())
def test_no_damage_to_any_byte_gives_other_data(data):
    port = JsonPort()
    kind = data.draw(st.sampled_from(KINDS))
    ref = write(port, kind, chunk_rows=3)
    good = repr(read_column(port, ref))
    name = data.draw(st.sampled_from(sorted(port.walk("g"))))
    content = port.get(name)
    at = data.draw(st.integers(0, len(content)))
    length = data.draw(st.integers(0, 2))
    port.put(name, content[:at] + data.draw(st.binary(max_size=2)) + content[at + length :])
    try:
        assert repr(read_column(port, ref)) == good
    except (CorruptError, UnsupportedError):
        return


def test_a_column_is_seen_when_it_is_whole(port):
    """Its `column.json` comes last; a writer that died is no obstacle to reading."""
    faulty = FaultyPort(port, {3: "fail"}, only=("put",))
    with pytest.raises(TransientError):
        write(faulty, "int", chunk_rows=3)
    with pytest.raises(NotFoundError, match="no column g/x"):
        read_column(port, ColumnRef("g/x", "int", 5, "ndjson"))


def test_of_two_writers_of_one_column_the_second_is_refused(port):
    late = FaultyPort(port, {1: lambda: port.put("g/x/column.json", b"")}, only=("put",))
    with pytest.raises(AlreadyExistsError, match="g/x"):
        write(late, "int", [1])


def test_reading_text_needs_neither_numpy_nor_zarr():
    code = """
from jobstores.backends.memory import MemoryPort
from jobstores.columns import read_column, write_columns
port = MemoryPort()
data = {"s": ("string", ["a", "b"]), "j": ("json", [1, {"a": (2,)}])}
refs = write_columns(port, "g", data, column_format="ndjson")
assert read_column(port, refs["s"]) == ["a", "b"]
assert read_column(port, refs["j"]) == [1, {"a": (2,)}]
"""
    assert not imported_by(code)
