"""Segments: numbering, short writes, fast parsing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobstores.backends.memory import MemoryPort
from jobstores.errors import NotFoundError, UnavailableError
from jobstores.records import encode_record, parse_records
from jobstores.segments import (
    SegmentWriter,
    append_serialised,
    attempts_in,
    exists,
    fence_key,
    job_prefix,
    parse,
    read_item_segments,
    read_segment,
    segment_key,
)


def test_keys_are_those_of_the_job_directory_page() -> None:
    assert job_prefix(3, 4) == "segments/3/4"
    assert segment_key(3, 4, 2007, 1) == "segments/3/4/2/2007.1"
    assert fence_key(3, 4) == "segments/3/4/fence"


def test_side_segments_are_no_attempts() -> None:
    names = ["10.0", "10.1", "10.0.side.0", "10.10", "7.0", "fence", "x.1", "7.0.side.3"]
    assert attempts_in(names) == {10: [0, 1, 10], 7: [0]}


def test_a_writer_numbers_its_records() -> None:
    port = MemoryPort()
    writer = SegmentWriter(port.create_segment("s/0"))
    for run in range(3):
        writer.append({"t": "start", "run": run})
    writer.sync()
    writer.close()
    parsed = read_segment(port, "s/0")
    assert [record["run"] for record in parsed.records] == [0, 1, 2]
    assert not parsed.torn
    assert read_segment(port, "s/0", parsed.ends[1]).records == parsed.records[:2]


class FailingHandle:
    """Writes only the first bytes of some appends, then fails."""

    def __init__(self, handle: Any, written: dict[int, int]) -> None:
        self._handle = handle
        self._written = written
        self._calls = 0

    def append(self, data: bytes) -> None:
        self._calls += 1
        kept = self._written.get(self._calls)
        self._handle.append(data if kept is None else data[:kept])
        if kept is not None:
            raise UnavailableError("disk full")


@pytest.mark.parametrize("kept", [0, 1, 20, -1])
def test_after_a_short_write_the_next_try_counts(kept: int) -> None:
    port = MemoryPort()
    writer = SegmentWriter(FailingHandle(port.create_segment("s/0"), {2: kept, 3: 3}))
    writer.append({"t": "start", "run": 0})
    for _ in range(2):
        with pytest.raises(UnavailableError):
            writer.append({"t": "start", "run": 1})
    writer.append({"t": "start", "run": 2})
    writer.append({"t": "start", "run": 3})
    parsed = read_segment(port, "s/0")
    assert [record["run"] for record in parsed.records] == [0, 2, 3]


def test_a_record_that_is_too_long_leaves_nothing_behind() -> None:
    port = MemoryPort()
    writer = SegmentWriter(port.create_segment("s/0"))
    with pytest.raises(ValueError, match="at most 4000"):
        writer.append({"t": "end", "out": "x" * 4000})
    writer.append({"t": "start", "run": 0})
    parsed = read_segment(port, "s/0")
    assert (len(parsed.records), parsed.torn) == (1, False)


def test_serialised_writers_continue_each_others_numbers() -> None:
    port = MemoryPort()
    assert not exists(port, "segments/0/0/fence")
    for at in range(2):
        append_serialised(port, "segments/0/0/fence", {"t": "fence", "at": at})
    handle = port.append_segment("segments/0/0/fence")
    handle.append(b"2 torn")
    handle.close()
    append_serialised(port, "segments/0/0/fence", {"t": "fence", "at": 2})
    records = read_segment(port, "segments/0/0/fence").records
    assert [record["at"] for record in records] == [0, 1, 2]
    assert exists(port, "segments/0/0/fence")


def test_items_are_read_from_the_highest_attempt_down() -> None:
    read: list[str] = []

    class Port:
        def read_segment(self, key: str) -> bytes:
            read.append(key[-1])
            return b""

    assert set(read_item_segments(Port(), 0, 0, 5, [0, 1, 2])) == {0, 1, 2}
    assert read == ["2", "1", "0"]


def test_reading_what_is_not_there() -> None:
    with pytest.raises(NotFoundError):
        read_segment(MemoryPort(), "segments/0/0/0/0.0")


lines = st.lists(
    st.one_of(
        st.binary(max_size=12),
        st.tuples(st.integers(0, 4), st.dictionaries(st.text(max_size=3), st.integers())),
    ),
    max_size=6,
)


@given(lines, st.integers(0, 200), st.binary(max_size=1))
def test_fast_parsing_is_parsing(parts: list[Any], at: int, byte: bytes) -> None:
    numbered = iter(range(99))
    data = b"".join(
        part + b"\n" if isinstance(part, bytes) else encode_record(next(numbered), part[1])
        for part in parts
    )
    assert parse(data) == parse_records(data)
    damaged = data[:at] + byte + data[at + 1 :]
    assert parse(damaged) == parse_records(damaged)


@pytest.mark.parametrize("body", [b'{"t":1},{"t":2}', b"[1]", b"1", b'{"t"'])
def test_a_line_whose_checksum_fits_but_is_no_record_is_not_trusted(body: bytes) -> None:
    import zlib

    good = encode_record(0, {"t": "start"})
    data = good + b"1 %08x %s\n" % (zlib.crc32(b"1 " + body), body)
    assert parse(data) == parse_records(data)
    assert len(parse(data).records) == 1
