"""A copy is the same store in another place, complete or none."""

from __future__ import annotations

import json

import pytest

from jobstores.attempts import Item
from jobstores.backends.memory import MemoryPort
from jobstores.columns import FORMATS
from jobstores.errors import (
    AlreadyExistsError,
    BusyError,
    ConflictError,
    CorruptError,
    NotFoundError,
    UnavailableError,
)
from jobstores.faults import CountingPort, FaultyPort
from jobstores.operations.copy import copy
from jobstores.operations.layout import UNFINISHED
from jobstores.operations.verify import verify
from jobstores.records import encode_record
from jobstores.segments import parse
from tests.jobstores.operations.places import (
    KINDS,
    checksums,
    content,
    fill,
    opened,
    place,
    zipped,
)
from tests.jobstores.store_scenes import end, fold, play, timing


@pytest.mark.parametrize("to", KINDS)
@pytest.mark.parametrize("of", KINDS)
def test_a_copy_holds_what_the_original_does_and_leaves_it_alone(of, to, tmp_path):
    source, target = place(of, tmp_path, "source"), place(to, tmp_path, "target")
    fill(source)
    before, sums = content(source), checksums(source)
    done = []
    report = copy(source, target, timing=timing(), progress=lambda *a: done.append(a))
    assert content(target) == before
    assert checksums(source) == sums
    assert verify(target).findings == ()
    assert report.objects > 20
    assert done[-1][0] == done[-1][1]
    assert [a for a, _ in done] == sorted(a for a, _ in done)


def test_a_copy_of_a_zip_file(tmp_path):
    port = MemoryPort()
    fill(port)
    source, target = zipped(port, tmp_path), MemoryPort()
    copy(source, target)
    assert content(target) == content(port)
    source.close()


@pytest.mark.parametrize("layout", FORMATS)
def test_columns_are_written_anew_where_the_target_lays_them_out_differently(layout):
    source, target = MemoryPort(), MemoryPort()
    number = fill(source).base().number
    target.column_format = layout
    report = copy(source, target, timing=timing())
    assert content(target) == content(source)
    refs = [r for c in opened(target).base().tables.values() for r in c.values()]
    assert {ref.format for ref in refs} == {layout}
    changed = layout != "zarr"
    assert report.transcoded == (len(refs) if changed else 0)
    assert report.base.number == number + changed
    assert verify(target).findings == ()
    back = MemoryPort()
    copy(target, back, timing=timing())
    assert content(back) == content(source)
    assert verify(back).findings == ()


def test_a_copy_can_be_folded_and_swept_as_the_original():
    source, target = MemoryPort(), MemoryPort()
    fill(source)
    copy(source, target, timing=timing())
    results = []
    for port in (source, target):
        store = opened(port)
        fold(store, Item(0, 1, 1), Item(0, 2, 0))
        with store.lease() as lease:
            store.commit(lease, store.base(), info={})
            store.sweep(lease, min_age_s=-10)
        results.append(content(port))
        assert verify(port).clean
    assert results[0] == results[1]


def test_what_is_excluded_is_not_copied():
    source, target = MemoryPort(), MemoryPort()
    fill(source)
    copy(source, target, exclude=lambda key: key.startswith("execute/"), timing=timing())
    assert list(target.walk("execute")) == []
    assert verify(target).findings == ()


def test_a_place_that_is_not_empty_is_refused():
    source, target = MemoryPort(), MemoryPort()
    fill(source)
    target.put("mine.txt", b"1")
    with pytest.raises(AlreadyExistsError, match=r"not empty.*mine\.txt"):
        copy(source, target, resume=True)
    assert list(target.walk("")) == ["mine.txt"]


def test_what_is_no_store_is_not_copied():
    target = MemoryPort()
    with pytest.raises(NotFoundError, match="not a job store"):
        copy(MemoryPort(), target)
    assert list(target.walk("")) == []


def test_an_unfinished_copy_is_no_store_and_is_resumed():
    source, target = MemoryPort(), MemoryPort()
    fill(source)
    failing = FaultyPort(
        target, {30: "fail"}, only=("put",), error=UnavailableError("full")
    )
    with pytest.raises(UnavailableError):
        copy(source, failing, timing=timing())
    with pytest.raises(NotFoundError, match="not a job store"):
        opened(target)
    with pytest.raises(NotFoundError, match=r"being copied to here.*cut short"):
        verify(target)
    with pytest.raises(AlreadyExistsError, match=r"unfinished copy.*resume it"):
        copy(source, target, timing=timing())
    counting = CountingPort(target)
    report = copy(source, counting, resume=True, timing=timing())
    assert report.kept > 10
    assert content(target) == content(source)
    assert verify(target).findings == ()


def test_a_copy_of_another_store_is_not_resumed():
    source, other, target = MemoryPort(), MemoryPort(), MemoryPort()
    fill(source)
    fill(other)
    failing = FaultyPort(target, {9: "fail"}, only=("put",))
    with pytest.raises(Exception, match="on purpose"):
        copy(source, failing, timing=timing())
    with pytest.raises(AlreadyExistsError, match="another store"):
        copy(other, target, resume=True, timing=timing())
    assert json.loads(target.get(UNFINISHED))["id"] == opened(source).id


def test_what_the_source_folded_between_two_calls_is_in_the_copy():
    source, target = MemoryPort(), MemoryPort()
    store = fill(source)
    failing = FaultyPort(target, {40: "fail"}, only=("put",))
    with pytest.raises(Exception, match="on purpose"):
        copy(source, failing, timing=timing())
    fold(store, Item(0, 1, 1), Item(0, 2, 0))
    copy(source, target, resume=True, timing=timing())
    assert content(target) == content(source)
    assert verify(target).findings == ()


def test_while_it_is_copied_nobody_else_changes_the_source():
    source, target = MemoryPort(), MemoryPort()
    store = fill(source)
    seen = []

    def others():
        with pytest.raises(BusyError):
            store.lease()
        seen.append(True)

    copy(source, FaultyPort(target, {20: others}), timing=timing())
    assert seen
    with store.lease():
        pass


def test_an_attempt_that_starts_meanwhile_is_copied_with_the_lower_ones():
    source, target = MemoryPort(), MemoryPort()
    fill(source)
    item = Item(0, 2, 0)
    key = "segments/0/2/0/0.0"

    def retried():
        play(source, item, end(11))

    at = [n for n, (_, k) in enumerate(_calls(source), 1) if k == key][-1] + 1
    copy(FaultyPort(source, {at: retried}), target, timing=timing())
    assert target.read_segment("segments/0/2/0/0.1")
    assert content(target) == content(source)


def test_of_a_lower_attempt_all_is_copied_that_a_higher_one_saw():
    source, target = MemoryPort(), MemoryPort()
    fill(source)
    lower, higher = (f"segments/0/2/0/0.{number}" for number in range(2))
    source.create_segment(higher)  # claimed, and not yet written to

    def go_on():
        known = len(parse(source.read_segment(lower)).records)
        source.append_segment(lower).append(encode_record(known, end(12)))
        cuts = {"0": len(source.read_segment(lower))}
        header = {"t": "header", "attempt": 1, "kind": "run", "at": 1, "cuts": cuts}
        source.append_segment(higher).append(encode_record(0, header))

    calls = [key for method, key in _calls(source) if method == "read_segment"]
    second = [at for at, key in enumerate(calls, 1) if key in (lower, higher)][1]
    going_on = FaultyPort(source, {second: go_on}, only=("read_segment",))
    copy(going_on, target, timing=timing())
    assert verify(target).findings == ()


def _calls(source):
    counting = CountingPort(source)
    copy(counting, MemoryPort(), timing=timing())
    return counting.calls


def test_a_run_that_removes_its_files_meanwhile_does_not_stop_it():
    source, target = MemoryPort(), MemoryPort()
    fill(source)
    key = "execute/0/0/out.txt"
    at = next(n for n, (_, k) in enumerate(_calls(source), 1) if k == key)
    copy(FaultyPort(source, {at: lambda: source.delete(key)}), target, timing=timing())
    assert target.stat(key) is None
    assert verify(target).findings == ()


def test_a_source_that_can_only_be_read_and_changes_is_noticed():
    source, target = MemoryPort(), MemoryPort()
    store = fill(source)
    only_read = FaultyPort(source, {30: lambda: fold(store, Item(0, 2, 0))})
    only_read.read_only = True
    with pytest.raises(ConflictError, match="was changed while it was copied"):
        copy(only_read, target)
    with pytest.raises(NotFoundError):
        opened(target)


def test_a_copy_that_reads_back_differently_does_not_count():
    source, target = MemoryPort(), MemoryPort()
    fill(source)
    key = next(k for k in source.walk("packs"))
    spoiling = FaultyPort(
        target, {1: lambda: target.put(key, b"other")}, only=("sync_tree",)
    )
    with pytest.raises(CorruptError, match=f"{key} fails its checksum"):
        copy(source, spoiling, timing=timing())
    with pytest.raises(NotFoundError):
        opened(target)


def test_large_objects_are_copied_piece_by_piece(monkeypatch):
    monkeypatch.setattr("jobstores.operations.transfer.SMALL", 50)
    monkeypatch.setattr("jobstores.operations.transfer.PIECE", 100)
    source, target = MemoryPort(), MemoryPort()
    fill(source)
    copy(source, target, timing=timing())
    assert content(target) == content(source)
