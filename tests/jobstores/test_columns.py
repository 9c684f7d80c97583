"""Columns over a port: plain Zarr v3 arrays that come back as they were."""

from __future__ import annotations

import array
import json
import math
import os

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from jobstores.backends.memory import MemoryPort
from jobstores.backends.posix import PosixPort
from jobstores.column_kinds import DTYPES
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
    InvalidKeyError,
    NotFoundError,
    TransientError,
    UnstorableError,
)
from jobstores.testing import CountingPort, FaultyPort
from jobstores.zarr_adapter import PortStore
from tests.jobstores.store_doubles import EFFORT, imported_by

DATA = {
    "int": [0, -1, 2**63 - 1, -(2**63), 7],
    "float": [0.5, -0.0, math.inf, math.nan, 1e300],
    "bool": [True, False, True, True, False],
    "string": ["", "a\0b", "ünïcode", "line\nbreak", "x" * 10_000],
    "json": [None, {"a": (1, 2)}, b"\xff", math.inf, [{"$x": {1}}]],
}


class JsonPort(MemoryPort):
    column_format = "ndjson"


@pytest.fixture
def port():
    return MemoryPort()


@pytest.fixture(params=[MemoryPort, JsonPort], ids=["zarr", "ndjson"])
def any_port(request):
    """A port of each format."""
    return request.param()


def plain(data):
    return repr(data.tolist() if isinstance(data, np.ndarray) else data)


@pytest.mark.parametrize("chunk_rows", [1, 2, 5, 6, 100_000])
@pytest.mark.parametrize("kind", KINDS)
def test_a_column_comes_back(any_port, kind, chunk_rows):
    ref = write_column(any_port, "gen/1", "runs/x", DATA[kind], kind, chunk_rows=chunk_rows)
    assert ref == ColumnRef("gen/1/runs/x", kind, 5, any_port.column_format)
    assert plain(read_column(any_port, ref)) == repr(DATA[kind])


@pytest.mark.parametrize("chunk_rows", [2, 6])
def test_a_zarr_column_has_chunks_of_the_size_asked_for(port, chunk_rows):
    ref = write_column(port, "g", "x", range(5), "int", chunk_rows=chunk_rows)
    assert open_array(port, ref).chunks == (min(chunk_rows, 5),)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("int", np.int64), ("float", np.float64), ("bool", np.bool_)],
)
def test_numbers_are_read_as_arrays(any_port, kind, expected):
    data = read_column(any_port, write_column(any_port, "g", "x", DATA[kind], kind))
    assert type(data) is np.ndarray
    assert data.dtype == expected
    data[0] = data[1]  # and they can be changed


@pytest.mark.parametrize("kind", KINDS)
def test_no_rows(any_port, kind):
    data = read_column(any_port, write_column(any_port, "g", "x", [], kind))
    assert len(data) == 0
    assert type(data) is (list if kind in ("string", "json") else np.ndarray)
    if type(data) is np.ndarray:
        assert data.dtype == DTYPES[kind]


@settings(max_examples=60 * EFFORT, deadline=None)
@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=9),
    st.integers(1, 4),
)
def test_any_text(texts, chunk_rows):
    port = MemoryPort()
    ref = write_column(port, "g", "x", texts, "string", chunk_rows=chunk_rows)
    assert read_column(port, ref) == texts


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("int", range(5)),
        ("int", array.array("q", range(5))),
        ("int", np.arange(5, dtype=np.int16)),
        ("int", np.arange(5, dtype=np.uint64)),
        ("int", np.arange(10)[::2]),
        ("float", [1, 2, 3]),
        ("float", np.arange(5, dtype=np.float32)),
        ("string", ("a", "b")),
        ("string", np.array(["a", "b"])),
        ("json", iter([1, None])),
    ],
)
def test_what_a_column_can_be_made_of(any_port, kind, data):
    expected = list(data)
    data = iter(expected) if kind == "json" else data
    assert (
        list(read_column(any_port, write_column(any_port, "g", "x", data, kind)))
        == expected
    )


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("int", [1.0]),
        ("int", [2**63]),
        ("int", ["1"]),
        ("int", [None]),
        ("int", [True]),
        ("int", np.array([2**64 - 1], dtype=np.uint64)),
        ("int", [[1, 2]]),
        ("int", [[1], [2, 3]]),
        ("int", 5),
        ("float", ["1"]),
        ("float", [1j]),
        ("float", [2**53 + 1]),
        ("float", np.array([1], dtype=np.longdouble)),
        ("bool", [0, 1]),
        ("string", [1]),
        ("string", ["a", None]),
        ("string", ["\ud800"]),
        ("json", [object()]),
        ("number", [1]),
    ],
)
def test_what_is_not_of_the_kind_is_refused(any_port, kind, data):
    with pytest.raises(UnstorableError, match="x"):
        write_column(any_port, "g", "x", data, kind)


def test_values_are_refused_by_row(any_port):
    with pytest.raises(UnstorableError, match=r"^out\[1\]\.a: cannot store"):
        write_column(any_port, "g", "out", [1, {"a": object()}], "json")
    with pytest.raises(UnstorableError, match=r"^why\[1\]: text"):
        write_column(any_port, "g", "why", ["", 1], "string")


def test_encoded_values_pass_as_text(any_port):
    texts = ['{"$tuple":[1]}', "null", '"a"']
    ref = write_column(any_port, "g", "x", texts, "json", encoded=True)
    assert read_column(any_port, ref, encoded=True) == texts
    assert read_column(any_port, ref) == [(1,), None, "a"]


def test_many_columns_of_one_group(port):
    refs = write_columns(
        port,
        "gen/1",
        {"runs/id": ("int", [1, 2]), "outputs/0/y/value": ("json", [1, None])},
    )
    assert list(refs) == ["runs/id", "outputs/0/y/value"]
    assert read_column(port, refs["outputs/0/y/value"]) == [1, None]
    groups = [key for key in port.walk("") if b'"group"' in port.get(key)]
    assert sorted(groups) == [
        "gen/1/outputs/0/y/zarr.json",
        "gen/1/outputs/0/zarr.json",
        "gen/1/outputs/zarr.json",
        "gen/1/runs/zarr.json",
        "gen/1/zarr.json",
    ]


def test_a_generation_opens_as_a_plain_zarr_group(tmp_path):
    port = PosixPort(str(tmp_path / "store"))
    state = list(range(7)) * 100
    write_columns(
        port,
        "gen/000001.abc",
        {"runs/state": ("int", state), "runs/why": ("string", ["", "x"])},
        chunk_rows=256,
    )
    group = zarr.open_group(tmp_path / "store" / "gen" / "000001.abc", mode="r")
    assert group["runs/state"][:].tolist() == state
    assert group["runs/why"][:].tolist() == ["", "x"]
    assert sorted(name for name, _ in group.members(max_depth=None)) == [
        "runs",
        "runs/state",
        "runs/why",
    ]


@pytest.mark.parametrize(
    ("kind", "data_type", "codecs"),
    [
        ("int", "int64", ["bytes", "zstd"]),
        ("float", "float64", ["bytes", "zstd"]),
        ("bool", "bool", ["bytes", "zstd"]),
        ("string", "string", ["vlen-utf8", "zstd"]),
        ("json", "string", ["vlen-utf8", "zstd"]),
    ],
)
def test_the_stored_form_stays(port, kind, data_type, codecs):
    """As docs/reference/store-format.md says, for other readers."""
    write_column(port, "g", "x", DATA[kind], kind)
    document = json.loads(port.get("g/x/zarr.json"))
    assert document["zarr_format"] == 3
    assert document["data_type"] == data_type
    assert [codec["name"] for codec in document["codecs"]] == codecs
    for codec in document["codecs"]:
        if codec["name"] == "zstd":
            assert codec["configuration"]["checksum"] is True
        if codec["name"] == "bytes" and kind in ("int", "float"):
            assert codec["configuration"]["endian"] == "little"


def test_columns_are_read_when_asked_for(port):
    counting = CountingPort(port)
    ref = write_column(counting, "g", "x", range(1000), "int", chunk_rows=100)
    counting.reset()
    lazy = open_array(counting, ref)
    assert [key for _, key in counting.calls] == ["g/x/zarr.json"]
    counting.reset()
    assert lazy[250] == 250
    assert counting.calls == [("get", "g/x/c/2")]
    with pytest.raises(ValueError, match="read-only"):
        lazy[0] = 1


def test_nothing_is_synced_column_by_column(tmp_path, monkeypatch):
    port = PosixPort(str(tmp_path))
    calls = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: calls.append(fd) or fsync(fd))
    write_columns(port, "g", {"a": ("int", [1]), "b": ("string", ["x"])})
    assert calls == []
    port.sync_tree("g")
    assert len(calls) > 6


def test_a_column_is_written_once(any_port):
    write_column(any_port, "g", "x", [1], "int")
    with pytest.raises(AlreadyExistsError, match="g/x"):
        write_column(any_port, "g", "x", [1], "int")


def test_an_absent_column(any_port):
    with pytest.raises(NotFoundError, match="g/x"):
        read_column(any_port, ColumnRef("g/x", "int", 1))


@pytest.mark.parametrize("kind", KINDS)
def test_another_length_or_type_is_damage(port, kind):
    ref = write_column(port, "g", "x", DATA[kind], kind)
    with pytest.raises(CorruptError, match="rows"):
        read_column(port, ref._replace(length=4))
    for other in {o for o in KINDS if DTYPES[o] != DTYPES[kind]}:
        with pytest.raises(CorruptError, match=f"rows of {DTYPES[other]} were expected"):
            read_column(port, ref._replace(kind=other))


@pytest.mark.parametrize("how", ["cut", "flipped", "empty", "other"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_chunk_is_noticed(port, kind, how):
    """The frames of zstd carry checksums."""
    ref = write_column(port, "g", "x", DATA[kind] * 100, kind)
    chunk = port.get("g/x/c/0")
    middle = len(chunk) // 2
    flipped = chunk[:middle] + bytes([chunk[middle] ^ 4]) + chunk[middle + 1 :]
    damaged = {"cut": chunk[:-2], "flipped": flipped, "empty": b"", "other": b"nonsense"}[
        how
    ]
    port.put("g/x/c/0", damaged)
    with pytest.raises(CorruptError, match="g/x"):
        read_column(port, ref)


@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_chunk_is_noticed(port, kind):
    """Also one of nothing but fill values; to Zarr alone it would be just that."""
    nothing = {"string": "", "json": None}.get(kind, 0)
    data = np.zeros(6, dtype=bool) if kind == "bool" else [nothing] * 6
    ref = write_column(port, "g", "x", data, kind, chunk_rows=2)
    assert port.list("g/x/c") == ["0", "1", "2"]
    port.delete("g/x/c/1")
    with pytest.raises(CorruptError, match=r"g/x.* chunk c/1 is missing"):
        read_column(port, ref)
    with pytest.raises(CorruptError, match="missing"):
        open_array(port, ref)[2:3]
    assert len(open_array(port, ref)[4:]) == 2


def test_a_column_that_is_removed_while_it_is_read_is_absent(any_port):
    ref = write_column(any_port, "g", "x", range(4), "int", chunk_rows=2)
    late = FaultyPort(any_port, {2: lambda: any_port.delete_tree("g")}, only=("get",))
    with pytest.raises(NotFoundError, match=r"g/x.* removed"):
        read_column(late, ref)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b"\xff"])
def test_a_damaged_zarr_json_is_noticed(port, data):
    ref = write_column(port, "g", "x", [1, 2], "int")
    port.put("g/x/zarr.json", data)
    with pytest.raises(CorruptError, match="g/x"):
        read_column(port, ref)


def test_the_ports_errors_pass_through(any_port):
    ref = write_column(any_port, "g", "x", [1], "int")
    with pytest.raises(TransientError):
        read_column(FaultyPort(any_port, {1: "fail"}, only=("get",)), ref)
    with pytest.raises(TransientError):
        read_column(FaultyPort(any_port, {2: "fail"}, only=("get",)), ref)
    for number in (1, 2):
        faulty = FaultyPort(type(any_port)(), {number: "fail"}, only=("put",))
        with pytest.raises(TransientError):
            write_column(faulty, "g", "x", [1], "int")


def test_references_are_json(any_port):
    ref = write_column(any_port, "g", "x", [1], "int")
    data = json.loads(json.dumps(ref.to_json()))
    assert ColumnRef.from_json(data) == ref


def test_a_reference_that_names_no_format_is_to_a_zarr_array(port):
    """As all were before there was another."""
    ref = write_column(port, "g", "x", [1], "int")
    assert ref.to_json() == ["g/x", "int", 1]
    assert ColumnRef.from_json(["g/x", "int", 1]).format == "zarr"


@pytest.mark.parametrize(
    "data",
    [
        [], ["a", "int"], ["a", "number", 1], ["a", "int", -1], ["a", "int", True], 1,
        ["a", "int", 1, "csv"], ["a", "int", 1, "zarr", 1], ["a", "int", 1, []],
    ],
)  # fmt: skip
def test_what_is_no_reference(data):
    with pytest.raises((ValueError, TypeError)):
        ColumnRef.from_json(data)


def test_a_reference_can_not_leave_the_store():
    with pytest.raises(InvalidKeyError):
        ColumnRef.from_json(["../x", "int", 1])


def test_the_import_needs_neither_numpy_nor_zarr():
    assert not imported_by("import jobstores.columns")


# --- the adapter -----------------------------------------------------------------------


def test_zarr_itself_can_use_the_adapter(port):
    """Make, append, resize, attributes, delete, consolidate: as in any store."""
    store = PortStore(port, "z/y")
    group = zarr.create_group(store)
    made = group.create_array("a/b", shape=(5,), chunks=(2,), dtype="int32", fill_value=-1)
    made[:] = [1, 2, 3, 4, 5]
    made.append(np.array([6, 7], dtype="int32"))
    group.attrs["x"] = [1]
    again = zarr.open_group(PortStore(port, "z/y", read_only=True), mode="r")
    assert again["a/b"][:].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert dict(again.attrs) == {"x": [1]}
    assert [name for name, _ in again.members(max_depth=None)] == ["a", "a/b"]
    made.resize((3,))
    assert again.store.prefix == "z/y"
    assert zarr.open_group(store)["a/b"][:].tolist() == [1, 2, 3]
    del group["a"]
    assert sorted(port.walk("")) == ["z/y/zarr.json"]


def test_sharded_arrays_need_parts_of_objects(port):
    made = zarr.create_array(
        PortStore(port), shape=(100,), chunks=(5,), shards=(50,), dtype="float32"
    )
    made[:] = np.arange(100)
    counting = CountingPort(port)
    lazy = zarr.open_array(PortStore(counting), mode="r")
    assert lazy[7] == 7
    assert lazy[:].tolist() == list(range(100))


def test_a_read_only_store_refuses(port):
    store = PortStore(port, read_only=True)
    with pytest.raises(ValueError, match="read-only"):
        zarr.create_group(store)
    assert PortStore(port).with_read_only(True) == store
    assert PortStore(port) != store
    assert len({store, PortStore(port, read_only=True)}) == 1
    assert str(PortStore(port, "a")) == f"{port.locator}/a"
