"""A repair gives back what is there twice, and destroys nothing."""

from __future__ import annotations

import os
import zlib
from dataclasses import replace

import pytest

from jobstores import generations
from jobstores.attempts import Item
from jobstores.backends.memory import MemoryPort
from jobstores.errors import BusyError, CorruptError, NotFoundError
from jobstores.operations.rechunk import rechunk
from jobstores.operations.repair import repair
from jobstores.operations.verify import verify
from tests.jobstores.operations.places import (
    KINDS,
    checksums,
    clone,
    content,
    fill,
    opened,
    place,
)
from tests.jobstores.store_scenes import end, fold, play, timing


@pytest.fixture(scope="module")
def made() -> MemoryPort:
    port = MemoryPort()
    fill(port)
    return port


@pytest.fixture
def port(made) -> MemoryPort:
    return clone(made)


def flip(port, key: str, at: int = -20) -> None:
    data = bytearray(port.read_segment(key))
    data[at] ^= 1
    port.put(key, bytes(data))


def manifest(port) -> str:
    return generations.manifest_key(generations.numbers(port)[-1])


def everything(port) -> set[int]:
    """The checksum of every object."""
    return {zlib.crc32(port.read_segment(key)) for key in port.walk("")}


def repaired(port):
    """Repair; nothing that was there is lost, whatever it was."""
    before = {key: port.read_segment(key) for key in port.walk("")}
    report = repair(port, timing=timing())
    after = everything(port)
    lost = {k for k, data in before.items() if zlib.crc32(data) not in after}
    lost = {k for k in lost if not k.startswith(("lease/", "probe/", "unfinished"))}
    grown = {k for k in lost if port.read_segment(k).startswith(before[k])}
    assert lost == grown
    return report


def folded(port):
    """What the store holds once everything that has ended is folded."""
    store = opened(port)
    fold(store, Item(0, 1, 1), Item(0, 2, 0))
    found = content(port)
    for name in [name for name in found if name.startswith("item ")]:
        del found[name]  # whether a job is packed already
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_store_is_left_as_it_is(kind, tmp_path):
    port = place(kind, tmp_path)
    fill(port)
    before = checksums(port)
    report = repair(port)
    assert (report.repaired, report.moved, report.generation) == ([], (), None)
    assert checksums(port) == before


@pytest.mark.parametrize("how", ["flip", "truncate", "empty"])
def test_the_newest_manifest_is_set_aside_and_what_it_folded_is_folded_again(
    made, port, how
):
    key = manifest(port)
    data = port.get(key)
    broken = {"flip": data.replace(b"inputs", b"outputs"), "truncate": data[:99]}
    port.put(key, broken.get(how, b""))
    with pytest.raises(CorruptError):
        content(port)
    (found,) = verify(port).findings
    assert "the store is then as generation 3 was" in found.repair
    report = repaired(port)
    assert report.after.clean
    assert report.moved[0].startswith("gen/000004.")
    assert report.generation == 5
    assert folded(port) == folded(clone(made))


def test_an_older_manifest_is_set_aside(made, port):
    flip(port, "gen/000002.commit")
    report = repaired(port)
    assert report.after.clean
    assert report.moved == ("gen/000002.commit",)
    assert content(port) == content(made)


@pytest.mark.parametrize("data", [None, b"", b"{}", b'{"format": 1, "id": "x"}'])
def test_the_marker_is_written_anew(made, port, data):
    if data is None:
        port.delete("store.json")
    else:
        port.put("store.json", data)
    assert repaired(port).after.findings[:1] == () or data is not None
    assert verify(port).clean
    assert content(port) == content(made)


def test_a_wrong_summary_is_counted_again(made, port):
    base = opened(port).base()
    port.delete(manifest(port))
    generations.commit(port, replace(base, summary={"sim": {3: 100}, "post": {0: 10}}))
    report = repaired(port)
    assert [f.kind for f in report.repaired] == ["summary"]
    assert report.after.clean
    assert content(port) == content(made)


@pytest.mark.parametrize("table", ["inputs/0/0/values", "inputs/0/0/index", "runs"])
@pytest.mark.parametrize("how", ["flip", "remove"])
def test_a_column_that_was_laid_out_anew_is_taken_from_what_it_replaced(
    made, port, table, how
):
    base = rechunk(opened(port)).base
    ref = list(base.tables[table].values())[-1]
    if how == "flip":
        flip(port, f"{ref.key}/c/0", -6)
    else:
        port.delete(f"{ref.key}/c/0")
    assert not verify(port).clean
    report = repaired(port)
    assert report.after.clean
    assert content(port) == content(made)


@pytest.mark.parametrize("what", ["column", "output", "pack", "missing pack"])
def test_what_a_fold_wrote_is_folded_again(port, what):
    play(port, Item(0, 2, 0), end(11))
    fold(opened(port))
    before = content(port)
    base = opened(port).base()
    key = {
        "column": f"{base.tables['runs']['state'].key}/c/0",
        "output": f"{base.tables['outputs/sim/y']['value'].key}/c/0",
    }.get(what, base.packs["0/2"])
    if what == "missing pack":
        port.delete(key)
    else:
        flip(port, key, -6)
    assert not verify(port).clean
    assert repair(port, timing=timing()).after.clean
    assert content(port) == before
    assert repaired(port).after.clean


def test_what_was_folded_is_not_taken_for_what_it_was_not(port):
    """The caller does not say which silent item was known to be gone."""
    fold(opened(port), Item(0, 1, 1))
    base = opened(port).base()
    flip(port, f"{base.tables['runs']['state'].key}/c/0", -6)
    report = repaired(port)
    assert report.generation is None
    assert [f.kind for f in report.after.findings if f.severity == "damage"] == ["column"]
    assert opened(port).base() == base


def test_a_pack_whose_segments_were_swept_is_lost_and_said_to_be(port):
    store = opened(port)
    with store.lease() as lease:
        store.commit(lease, store.base(), info={})
        store.sweep(lease, min_age_s=-10)
    flip(port, store.base().packs["0/0"], -6)
    base = store.base()
    report = repaired(port)
    assert [f.kind for f in report.after.findings if f.severity == "damage"] == ["pack"]
    assert store.base() == base


def test_going_back_never_forgets_a_job_whose_segments_were_swept(port):
    store = opened(port)
    for info in ({"a": 1}, {"a": 2}):
        with store.lease() as lease:
            store.commit(lease, store.base(), info=info)
            store.sweep(lease, min_age_s=-10)
    numbers = generations.numbers(port)
    first = replace(store.base(), packs={}, number=numbers[0])
    port.delete(generations.manifest_key(numbers[0]))
    generations.commit(port, first)
    flip(port, manifest(port))
    report = repaired(port)
    assert report.generation is None
    assert not report.after.clean


def test_a_document_that_is_nowhere_else_is_lost_and_said_to_be(port):
    key = opened(port).base().documents["model"].key
    port.delete(key)
    report = repaired(port)
    assert report.repaired == []
    (found, *_) = report.after.findings
    assert (found.kind, found.key, found.repair) == ("document", key, "")


def test_a_segment_that_differs_from_its_pack_is_set_aside(made, port):
    flip(port, "segments/0/0/0/0.0")
    report = repaired(port)
    assert report.moved == ("segments/0/0/0/0.0",)
    assert report.after.clean
    assert content(port) == content(made)


def test_a_lost_fence_is_put_back(made, port):
    port.delete("segments/0/0/fence")
    assert repaired(port).after.findings == ()
    assert content(port) == content(made)


def test_the_groups_of_other_programs_are_written_anew(made, port):
    ref = opened(port).base().tables["runs"]["id"]
    port.put(ref.key.replace("/id", "/zarr.json"), b"{}")
    port.delete(ref.key.partition("/runs")[0] + "/zarr.json")
    report = repaired(port)
    assert report.after.clean
    assert content(port) == content(made)


def test_leftovers_go(tmp_path):
    port = place("zarr", tmp_path)
    fill(port)
    old, new = (tmp_path / f"store/gen/~t.000000000000000{n}" for n in (1, 2))
    for path in (old, new):
        path.write_text("half")
    os.utime(old, (1, 1))
    port.put("unfinished.json", b"{}")
    port.put("probe/x", b"")
    report = repair(port)
    assert {f.kind for f in report.repaired} == {"unfinished", "probe"}
    assert (old.exists(), new.exists()) == (False, True)


def test_a_store_without_any_whole_manifest_is_not_touched(port):
    for number in generations.numbers(port):
        flip(port, generations.manifest_key(number))
    before = checksums(port)
    report = repair(port, timing=timing())
    assert report.generation is None
    assert report.repaired == []
    assert {k: v for k, v in checksums(port).items() if not k.startswith("damaged/")} == (
        before
    )


def test_it_waits_for_the_lease(port):
    port.delete("segments/0/0/fence")
    with opened(port).lease(), pytest.raises(BusyError):
        repair(port, timing=timing(), wait_s=0)


def test_what_is_no_store_is_refused():
    with pytest.raises(NotFoundError):
        repair(MemoryPort())


def test_jobs_that_record_meanwhile_are_not_disturbed(made, port):
    flip(port, manifest(port))
    play(port, Item(0, 2, 0), end(11))
    repaired(port)
    assert 11 in opened(port).view().tail[Item(0, 2, 0)].records
