"""Every byte of a store that matters is checked, and a whole store has no findings."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobstores import generations
from jobstores.attempts import Item
from jobstores.backends.memory import MemoryPort
from jobstores.columns import read_column
from jobstores.errors import ConflictError, JobStoreError, NotFoundError
from jobstores.faults import FaultyPort
from jobstores.operations.check_items import broken_records
from jobstores.operations.findings import Severity
from jobstores.operations.rechunk import rechunk
from jobstores.operations.verify import verify
from jobstores.segments import SegmentWriter
from tests.jobstores.operations.places import (
    KINDS,
    clone,
    content,
    fill,
    opened,
    place,
    zipped,
)
from tests.jobstores.store_doubles import EFFORT
from tests.jobstores.store_scenes import end, fold, play

DAMAGES = ("flip", "truncate", "remove")

HARMLESS = (
    # key, damage, why it can't be told from what is right, or does no harm
    (r"store\.json", "flip", "the time of creation is for people alone"),
    (r"gen/000004\.commit", "remove", "the generation before is whole, and the newest"),
    (r"gen/00000[123]\.commit", "remove", "older generations may have been swept"),
    (r"segments/0/(1/0/1|2/0/0)\.0", "flip|truncate", "a tail may be torn"),
    (r"segments/0/(1/0/1|2/0/0)\.0", "remove", "an item may not have started"),
    (r"segments/0/0/.*", "truncate|remove", "swept or kept: the pack has it"),
    (r"submissions/0/jobs/.*|logs/.*|execute/.*", ".*", "files that have no checksum"),
    (r"submissions/0/journal", "truncate|remove|flip", "a tail may be torn"),
    (r"lease/.*", ".*", "a lease that is gone, or torn, is free once it is silent"),
)


def is_harmless(key: str, damage: str) -> bool:
    """Whether the damage may go unnoticed though a reader may see a difference."""
    return any(
        re.fullmatch(pattern, key) and re.fullmatch(damages, damage)
        for pattern, damages, _ in HARMLESS
    )


@pytest.fixture(scope="module")
def whole() -> MemoryPort:
    """A store with older generations, one of which was laid out anew."""
    port = MemoryPort()
    store = fill(port)
    assert store.base().number == 4
    return port


@pytest.fixture(scope="module")
def readable(whole):
    return content(whole), older_rows(whole)


def damaged(whole: MemoryPort, key: str, how: str, offset: int) -> MemoryPort:
    port = clone(whole)
    data = port.read_segment(key)
    if how == "remove":
        port.delete(key)
    elif how == "truncate":
        port.put(key, data[: offset % max(1, len(data))])
    else:
        at = offset % len(data)
        bit = 1 << (offset // len(data)) % 8
        port.put(key, data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :])
    return port


def check(whole, readable, key: str, how: str, offset: int) -> bool:
    """Whether it is found; fails where it is not and a reader is told otherwise."""
    port = damaged(whole, key, how, offset)
    try:
        report = verify(port)
    except JobStoreError as error:
        assert key.rpartition("/")[2] in str(error) or how == "remove"
        return True
    if not report.clean:
        return True
    if not is_harmless(key, how):
        found = content(port), older_rows(port)
        assert found == readable, f"{key}: {how} at {offset} is not found"
    return False


def older_rows(port) -> list[list[str]]:
    """The rows of all columns that any generation names."""
    bases = [generations.read(port, number) for number in generations.numbers(port)]
    refs = {r for b in bases for columns in b.tables.values() for r in columns.values()}
    return [list(map(repr, read_column(port, ref, encoded=True))) for ref in sorted(refs)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_store_has_no_findings(kind, tmp_path):
    port = place(kind, tmp_path)
    store = fill(port)
    done = []
    report = verify(port, progress=lambda *args: done.append(args))
    assert report.findings == ()
    assert report.generation == store.base().number
    assert set(report.checked) == {"documents and columns", "segments and packs", "values"}
    assert done[-1][0] == done[-1][1] == sum(report.checked.values())
    archive = zipped(port, tmp_path)
    assert verify(archive).findings == ()
    archive.close()


@pytest.mark.parametrize("how", DAMAGES)
def test_every_object_that_is_damaged_is_found(whole, readable, how):
    found, passed = set(), set()
    for number, key in enumerate(sorted(whole.walk(""))):
        size = len(whole.read_segment(key))
        offset = (number * 7919 + size // 2) % (8 * size)
        (found if check(whole, readable, key, how, offset) else passed).add(key)
    missed = {key for key in passed if not is_harmless(key, how)}
    # such as the level of compression, or a bit that no decoder looks at
    assert {k for k in missed if not re.search(r"/zarr\.json$|/c/0$", k)} == set()
    assert how == "flip" or not missed
    assert len(found) > 60


@given(data=st.data())
@settings(
    max_examples=60 * EFFORT,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_damage_anywhere_is_found_or_does_no_harm(whole, readable, data):
    key = data.draw(st.sampled_from(sorted(whole.walk(""))))
    how = data.draw(st.sampled_from(DAMAGES))
    size = len(whole.read_segment(key))
    check(whole, readable, key, how, data.draw(st.integers(0, 8 * size - 1)))


def test_what_is_listed_as_harmless_is_in_a_store(whole):
    keys = sorted(whole.walk(""))
    for pattern, _, why in HARMLESS:
        assert any(re.fullmatch(pattern, key) for key in keys), why


# --- single cases ----------------------------------------------


def kinds(port) -> dict[str, str]:
    return {f.kind: str(f.severity) for f in verify(port).findings}


def edited(whole, **changes) -> MemoryPort:
    """The store with another newest manifest, which is whole."""
    port = clone(whole)
    base = opened(port).base()
    port.delete(generations.manifest_key(base.number))
    generations.commit(port, replace(base, **changes))
    return port


def test_counts_that_are_not_those_of_the_rows(whole):
    port = edited(whole, summary={"sim": {0: 90, 3: 10}, "post": {0: 10}})
    (found,) = verify(port).findings
    assert (found.kind, found.key) == ("summary", "gen/000004.commit")
    assert found.repair


def test_runs_that_are_in_no_range(whole):
    base = opened(whole).base()
    port = edited(whole, ranges=tuple(r._replace(first=r.first + 1) for r in base.ranges))
    (found, *_) = verify(port).findings
    assert (found.kind, found.row) == ("ids", 0)
    assert "run 0 in row 0" in found.message


def test_columns_of_different_lengths(whole):
    base = opened(whole).base()
    index = base.tables["inputs/0/0/index"]["index"]
    values = dict(base.tables["inputs/0/0/values"], other=index)
    port = edited(whole, tables={**base.tables, "inputs/0/0/values": values})
    assert kinds(port) == {"lengths": "damage"}


def test_folded_segments_are_compared_with_what_was_folded(whole):
    port = clone(whole)
    handle = port.append_segment("segments/0/1/0/0.0")
    handle.append(b"0 0badcafe {")
    assert kinds(port) == {"grown": "note"}
    assert verify(port).clean


def test_the_fence_of_a_packed_job_has_to_be_there(whole):
    port = clone(whole)
    port.delete("segments/0/0/fence")
    assert kinds(port) == {"fence": "damage"}


def test_leftovers_are_no_damage(whole):
    port = clone(whole)
    port.put("gen/000009.abcd/t/x/c/0", b"1")
    port.put("gen/000002.abcd/t/x/c/0", b"1")
    port.put("packs/0/2.abcd.pack", b"1")
    port.put("probe/1", b"")
    port.put("mine.txt", b"")
    port.put("damaged/1/x", b"")
    port.put("unfinished.json", b"{}")
    report = verify(port)
    assert report.clean
    assert {f.kind for f in report.of(Severity.LEFTOVER)} == {
        *("generation", "pack", "probe", "unfinished"),
    }
    assert {f.kind for f in report.of(Severity.NOTE)} == {"foreign", "damaged"}
    texts = {f.key: f.message for f in report.findings}
    assert "cut short, or is under way" in texts["gen/000009.abcd"]
    assert "names them any more" in texts["gen/000002.abcd"]


def test_payloads_that_never_got_their_names_are_counted(tmp_path):
    port = place("zarr", tmp_path)
    fill(port)
    (tmp_path / "store/gen/~t.0123456789abcdef").write_text("half")
    (found,) = verify(port).findings
    assert (found.severity, found.kind) == (Severity.LEFTOVER, "payload")


def test_a_value_that_a_run_recorded_is_followed_from_columns_and_records(whole):
    for key in ("values/0/0/0.0/0.y", "values/0/2/0.0/9.y"):
        port = clone(whole)
        port.put(key, port.get(key)[:-1])
        (found,) = verify(port).findings
        assert (found.kind, found.key) == ("value", key)


def test_an_attempt_below_others_is_missed(whole):
    port = clone(whole)
    play(port, Item(0, 2, 0), end(11))
    port.delete("segments/0/2/0/0.0")
    found = {f.key: f.kind for f in verify(port).findings}
    assert found["segments/0/2/0/0.0"] == "attempt"


def test_what_a_higher_attempt_saw_has_to_be_there(whole):
    port = clone(whole)
    play(port, Item(0, 2, 0), end(11))
    key = "segments/0/2/0/0.0"
    port.put(key, port.read_segment(key)[:200])
    assert "cut" in kinds(port)


def test_a_store_that_changes_meanwhile_is_checked_again(whole):
    port = clone(whole)
    store = opened(port)
    folding = {3: lambda: fold(store, Item(0, 2, 0))}
    report = verify(FaultyPort(port, folding, only=("read_segment",)))
    assert report.findings == ()
    assert report.generation == 5


def test_a_store_that_changes_all_the_time_is_given_up(whole):
    port = clone(whole)
    store = opened(port)

    def change():
        with store.lease() as lease:
            store.commit(lease, store.base(), info={})

    often = FaultyPort(port, dict.fromkeys(range(1, 9), change), only=("walk",))
    with pytest.raises(ConflictError, match="3 times"):
        verify(often)


def test_what_is_no_store_is_said_to_be_none():
    port = MemoryPort()
    port.put("a", b"1")
    with pytest.raises(NotFoundError, match=r"not a job store.*found there: a"):
        verify(port)


def test_a_store_laid_out_anew_is_whole(whole):
    port = clone(whole)
    rechunk(opened(port), chunk_rows=2)
    assert verify(port).findings == ()


class TestFraming:
    def lines(self, count: int = 4) -> list[bytes]:
        port = MemoryPort()
        writer = SegmentWriter(port.create_segment("s"))
        for number in range(count):
            writer.append({"t": "beat", "at": number})
        return port.read_segment("s").splitlines(keepends=True)

    def broken(self, lines: list[bytes]) -> list[int]:
        return [row for row, _ in broken_records(b"".join(lines))]

    def test_whole_lines_and_a_torn_tail_are_right(self):
        lines = self.lines()
        assert self.broken(lines) == []
        assert self.broken([*lines[:-1], lines[-1][:-3]]) == []

    def test_what_its_writer_spoiled_and_wrote_again_is_right(self):
        lines = self.lines()
        assert self.broken([lines[0], lines[1][:9] + b"#\n", *lines[1:]]) == []
        assert self.broken([*lines[:2], b"#\n", *lines[1:]]) == []

    def test_a_line_that_fails_its_checksum_is_damage(self):
        lines = self.lines()
        lines[1] = lines[1].replace(b"1}", b"7}")
        assert self.broken(lines) == [1]

    def test_a_missing_line_is_damage(self):
        lines = self.lines()
        assert self.broken([lines[0], *lines[2:]]) == [1]
