"""Generations: one listing and one object, checked; one commit wins."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from jobstores import generations
from jobstores.backends.memory import MemoryPort
from jobstores.columns import ColumnRef
from jobstores.errors import ConflictError, CorruptError, NotFoundError, UnsupportedError
from jobstores.generations import Base, Consumed, IdRange
from tests.jobstores.store_doubles import HookedPort, counting, imported_by


def first(port: Any, **changes: Any) -> Base:
    nothing = Base(number=0, nonce="", store_id="id", at=0)
    return generations.commit(port, nothing.successor("aa", 1, **changes))


FULL = {
    "info": {"name": "ünï", "numbers": [1, 2.5, None], "nested": {"b": 1, "a": True}},
    "tables": {"outputs/r/y": {"run": ColumnRef("gen/000001.aa/x", "int", 3)}},
    "ranges": (IdRange("r", 10, 5, ("y",)), IdRange("s", 15, 0, ())),
    "summary": {"r": {0: 3, 4: 2}, "s": {}},
    "jobs": {"0/0": 4, "0/1": 1},
    "packs": {"0/1": "packs/0/1.aa.pack"},
    "consumed": {
        "segments/0/0/0/0.0": Consumed(10, 99),
        "segments/0/0/0/1.0": Consumed(11, 98, open=True),
        "segments/0/0/0/2.0": Consumed(12, 97, signalled=True),
    },
}


def test_a_manifest_gives_back_all_it_was_given() -> None:
    port = MemoryPort()
    documents = generations.write_documents(port, "gen/000001.aa", {"a b": b"x", "c": b""})
    written = first(port, documents=documents, **FULL)
    base = generations.newest(port)
    assert base == written
    assert base.lineage == {1: "aa"}
    assert generations.read_document(port, base.documents["a b"]) == b"x"


def test_the_newest_generation_costs_one_listing_and_one_object() -> None:
    store = MemoryPort()
    base = first(store)
    for number in range(2, 12):
        base = generations.commit(store, base.successor(f"n{number}", number))
    port, counts = counting(store)
    assert generations.newest(port).number == 11
    assert counts == {"list": 1, "get": 1}


def test_numbers_go_on_after_six_digits() -> None:
    port = MemoryPort()
    base = first(port)
    for number in (999_998, 999_999):
        generations.commit(port, replace(base, number=number).successor("x", 1))
    assert generations.numbers(port) == [1, 999_999, 1_000_000]
    assert generations.newest(port).number == 1_000_000


def test_one_of_two_commits_wins() -> None:
    port = MemoryPort()
    base = first(port)
    generations.commit(port, base.successor("bb", 2))
    with pytest.raises(ConflictError, match="generation 2 was committed by another"):
        generations.commit(port, base.successor("cc", 2))
    assert generations.newest(port).nonce == "bb"


def test_a_commit_below_the_newest_is_not_in_its_lineage() -> None:
    port = MemoryPort()
    base = first(port)
    second = generations.commit(port, base.successor("bb", 2))
    newest = second
    for number in range(3, 6):
        newest = generations.commit(port, newest.successor(f"n{number}", number))
    assert generations.is_in_lineage(port, second)
    port.delete(generations.manifest_key(2))
    late = generations.commit(port, base.successor("late", 2))
    assert not generations.is_in_lineage(port, late)


def test_lineages_stay_short() -> None:
    base = Base(number=0, nonce="", store_id="id", at=0)
    for number in range(1, 300):
        base = base.successor(str(number), number)
    assert sorted(base.lineage) == list(range(200, 300))


def test_a_generation_swept_between_listing_and_reading_is_no_error() -> None:
    store = MemoryPort()
    base = first(store)

    def before(name: str, key: str) -> None:
        if key == generations.manifest_key(1):
            generations.commit(store, base.successor("bb", 2))
            store.delete(key)

    assert generations.newest(HookedPort(store, before)).number == 2


def manifest(port: Any) -> dict[str, Any]:
    document = json.loads(port.get(generations.manifest_key(1)))
    assert isinstance(document, dict)
    return document


def test_a_newer_format_says_what_is_needed() -> None:
    port = MemoryPort()
    first(port)
    newer = {**manifest(port), "format": 7, "needs": "3.1"}
    port.put(generations.manifest_key(1), json.dumps(newer).encode())
    with pytest.raises(UnsupportedError, match=r"format 7.*up to 1.*hpcflow version 3\.1"):
        generations.newest(port)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-20],
        lambda data: b"",
        lambda data: b"[1]",
        lambda data: b"\xff" + data,
        lambda data: data.replace(b'"at":1', b'"at":2'),
        lambda data: data.replace(b'"format":1', b'"format":0'),
        lambda data: data.replace(b'"format":1,', b""),
    ],
)
def test_a_damaged_manifest_is_corrupt(damage: Any) -> None:
    port = MemoryPort()
    first(port)
    port.put(generations.manifest_key(1), damage(port.get(generations.manifest_key(1))))
    with pytest.raises(CorruptError, match=r"gen/000001.commit"):
        generations.newest(port)


@pytest.mark.parametrize(
    "change",
    [{"number": 2}, {"number": "x"}, {"tables": {"t": {"c": ["../x", "int", 1]}}},
     {"ranges": [["r", 1]]}, {"documents": None}],
)  # fmt: skip
def test_a_manifest_that_makes_no_sense_is_corrupt(change: dict[str, Any]) -> None:
    port = MemoryPort()
    first(port)
    document = {**manifest(port), **change}
    del document["crc32"]
    document["crc32"] = generations._checksum(document)
    port.put(generations.manifest_key(1), json.dumps(document).encode())
    with pytest.raises(CorruptError):
        generations.newest(port)


def test_a_damaged_document_is_corrupt() -> None:
    port = MemoryPort()
    refs = generations.write_documents(port, "gen/000001.aa", {"d": b"x"})
    port.put(refs["d"].key, b"y")
    with pytest.raises(CorruptError, match="fails its checksum"):
        generations.read_document(port, refs["d"])


def test_what_is_no_store_is_said_with_what_is_there() -> None:
    port = MemoryPort()
    with pytest.raises(NotFoundError, match="nothing is there"):
        generations.check_marker(port)
    for number in range(6):
        port.put(f"file{number}.txt", b"")
    with pytest.raises(NotFoundError, match=r"found there: file0.txt, .*file4.txt, \.\.\."):
        generations.check_marker(port)


def test_tables_lie_below_their_names_where_they_can() -> None:
    names = [
        "runs",
        "outputs/r/y",
        "outputs/r/y z",
        "runs/x",
        "documents",
        "a//b",
        "outputs",
    ]
    assert generations.table_paths(names) == {
        "runs": "runs",
        "outputs/r/y": "outputs/r/y",
        "outputs/r/y z": "2-outputs_r_y_z",
        "runs/x": "3-runs_x",
        "documents": "4-documents",
        "a//b": "5-a__b",
        "outputs": "6-outputs",
    }


def test_reading_the_base_imports_neither_numpy_nor_zarr() -> None:
    code = "import jobstores.workflow_store, jobstores.backends.posix"
    assert not imported_by(code)
