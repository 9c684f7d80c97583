"""Packs: verbatim, indexed, found with two reads, checked."""

from __future__ import annotations

from typing import Any

import pytest

from jobstores.attempts import Item, decide
from jobstores.backends.memory import MemoryPort
from jobstores.errors import CorruptError
from jobstores.packs import (
    decide_packed,
    pack_key,
    read_item,
    read_pack_item,
    verify_pack,
    write_pack,
)
from jobstores.records import encode_record
from jobstores.references import put_reference, resolve
from jobstores.segments import segment_key
from tests.jobstores.store_doubles import counting

KEY = pack_key(0, 3, "abcd")
HEADER = {"t": "header", "attempt": 0, "kind": "run", "cuts": {}, "at": 1}
DATA = b"".join(
    encode_record(seq, record)
    for seq, record in enumerate(
        [HEADER, {"t": "end", "run": 7, "ok": True, "at": 2}, {"t": "close", "at": 3}]
    )
)


def pack(port: Any, count: int = 5, key: str = KEY) -> dict[int, dict[int, bytes]]:
    items = {0: {0: DATA}, 2: {0: b"", 1: b"1", 10: b"x" * 1000}, 4: {0: DATA}}
    write_pack(
        port,
        key,
        count,
        {
            item: [len(data) for data in attempts.values()]
            for item, attempts in items.items()
        },
        ((i, k, data) for i, attempts in items.items() for k, data in attempts.items()),
    )
    return items


def test_a_pack_gives_back_what_went_in() -> None:
    port = MemoryPort()
    items = pack(port)
    for item in range(7):
        assert read_pack_item(port, KEY, item) == items.get(item, {})
    sizes = {
        item: {attempt: size for attempt, (size, _) in attempts.items()}
        for item, attempts in verify_pack(port, KEY).items()
    }
    assert sizes == {
        0: {0: len(DATA)},
        1: {},
        2: {0: 0, 1: 1, 10: 1000},
        3: {},
        4: {0: len(DATA)},
    }


def test_one_item_is_found_with_two_reads() -> None:
    store = MemoryPort()
    pack(store)
    port, counts = counting(store)
    assert read_pack_item(port, KEY, 4) == {0: DATA}
    assert counts == {"get": 2}


def test_every_damaged_byte_of_a_pack_is_noticed() -> None:
    store = MemoryPort()
    pack(store)
    whole = store.get(KEY)
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1
        store.put(KEY, bytes(damaged))
        try:
            found = verify_pack(store, KEY)
        except CorruptError:
            continue
        store.put("packs/0/3.good.pack", whole)
        assert found != verify_pack(store, "packs/0/3.good.pack"), position


@pytest.mark.parametrize("kept", [0, 10, 16, 40, 60, -1])
def test_a_pack_cut_short_is_damaged(kept: int) -> None:
    store = MemoryPort()
    pack(store)
    store.put(KEY, store.get(KEY)[:kept])
    with pytest.raises(CorruptError, match="damaged"):
        verify_pack(store, KEY)
    with pytest.raises(CorruptError, match="damaged"):
        read_pack_item(store, KEY, 4)


@pytest.mark.parametrize("segments", [[], [(0, 0, b"longer")], [(0, 0, b"s"), (1, 0, b"")]])
def test_a_pack_of_other_sizes_is_not_written(segments: list[Any]) -> None:
    port = MemoryPort()
    with pytest.raises(ValueError, match="packs/0"):
        write_pack(port, KEY, 2, {0: [4]}, segments)
    assert port.list("packs/0") == []


def test_an_item_is_found_in_its_segments_or_in_the_pack() -> None:
    port = MemoryPort()
    pack(port, key=pack_key(0, 33, "other"))
    item = Item(0, 3, 4)
    assert read_item(port, item) is None
    segment = port.create_segment(segment_key(*item, 0))
    segment.append(DATA)
    by_segment = read_item(port, item)
    assert by_segment is not None
    assert by_segment == decide(port, item)
    pack(port)
    port.delete(segment_key(*item, 0))
    assert decide(port, item) is None
    assert read_item(port, item) == by_segment
    assert decide_packed(port, KEY, 1) is None
    assert read_item(port, Item(0, 3, 1)) is None


def test_large_values_are_objects_that_are_checked() -> None:
    port = MemoryPort()
    reference = put_reference(port, "values/0/0/0.0/7.y", {"long": list(range(2000))})
    assert resolve(port, reference) == {"long": list(range(2000))}
    for plain in (1, "x", None, {"$bytes": "x"}, {"a": 1}):
        assert resolve(port, plain) == plain
    port.put("values/0/0/0.0/7.y", b"[]")
    with pytest.raises(CorruptError, match=r"fails its checksum: 2 bytes"):
        resolve(port, reference)
    with pytest.raises(CorruptError, match="not JSON"):
        resolve(
            port, {"$object": "values/0/0/0.0/7.y", "bytes": 0, "crc32": 0} | _empty(port)
        )


def _empty(port: Any) -> dict[str, Any]:
    port.put("values/empty", b"")
    return {"$object": "values/empty"}
