"""Columns are laid out anew in few large objects; the rows stay as they were."""

from __future__ import annotations

import random

import numpy as np
import pytest

from jobstores.attempts import Item
from jobstores.backends.memory import MemoryPort
from jobstores.columns import read_column
from jobstores.errors import BusyError, CorruptError, NotFoundError
from jobstores.faults import CountingPort
from jobstores.generations import IdRange
from jobstores.operations.rechunk import best_chunk_rows, rechunk
from jobstores.operations.verify import verify
from tests.jobstores.operations.places import KINDS, content, fill, opened, place
from tests.jobstores.store_scenes import fold, new_store


def chunks(port, ref) -> list[int]:
    """The sizes of a column's chunks."""
    keys = [k for k in port.walk(ref.key) if not k.endswith(("zarr.json", "column.json"))]
    return [port.stat(key).size for key in keys]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("backup", [True, False])
def test_the_rows_stay_and_the_generation_is_the_next(kind, backup, tmp_path):
    port = place(kind, tmp_path)
    store = fill(port)
    before, number = content(port), store.base().number
    done = []
    report = rechunk(store, backup=backup, progress=lambda *args: done.append(args))
    assert report.base.number == store.base().number == number + 1
    assert content(port) == before
    assert report.columns == sum(map(len, store.base().tables.values()))
    assert report.rows["runs"] == 6
    assert done[-1] == (report.columns, report.columns)
    assert verify(port).findings == ()


def test_a_given_number_of_rows_is_that_of_the_chunks(tmp_path):
    store = fill(MemoryPort())
    report = rechunk(store, "inputs/0/0/index", chunk_rows=7)
    ref = report.base.tables["inputs/0/0/index"]["index"]
    assert len(chunks(store.port, ref)) == 8
    assert read_column(store.port, ref).tolist() == list(range(50))


@pytest.mark.parametrize(
    ("table", "chosen"),
    [
        ("runs", {"runs"}),
        ("parameters", {"outputs/sim/y", *(f"inputs/0/{n}" for n in
                        ("0/values", "0/index", "1/names"))}),
        ("outputs/sim/y", {"outputs/sim/y"}),
    ],
)  # fmt: skip
def test_only_what_was_asked_for_is_written(table, chosen):
    store = fill(MemoryPort())
    before = store.base()
    after = rechunk(store, table).base
    assert {t for t in before.tables if before.tables[t] != after.tables[t]} == chosen


def test_a_table_that_is_none_is_refused_by_name():
    with pytest.raises(NotFoundError, match=r"no table 'outptus'.*outputs/sim/y"):
        rechunk(fill(MemoryPort()), "outptus")


def test_where_nothing_is_folded_the_run_table_has_nothing_to_lay_out():
    store = new_store()
    assert rechunk(store, "runs").columns == 0
    assert store.base().number == 1


def test_many_small_chunks_become_few_of_a_good_size():
    draw = np.random.default_rng(1)
    texts = [f"value {n} {random.Random(n).random()}" for n in range(60_000)]
    port = MemoryPort()
    store = new_store(
        port,
        ranges=[IdRange("a", 0, 400_000, ())],
        tables={"t": {"x": ("float", draw.random(400_000))},
                "u": {"s": ("string", texts)},
                "v": {"n": ("int", np.zeros(400_000, int))}},
    )  # fmt: skip
    rechunk(store, chunk_rows=3_000)
    base = rechunk(store).base
    for table, column in (("t", "x"), ("u", "s")):
        sizes = sorted(chunks(port, base.tables[table][column]))
        assert 200_000 < sizes[0] < sizes[-1] < 1_000_000
    assert len(chunks(port, base.tables["v"]["n"])) == 1


@pytest.mark.parametrize("data", [[], [""], ["x"] * 5, np.zeros(1), np.zeros(0, int)])
def test_chunks_of_little_data_have_at_least_one_row(data):
    assert 1 <= best_chunk_rows(data) <= max(1, len(data))


def test_what_reads_back_differently_does_not_count():
    store = fill(MemoryPort())
    base, keys = store.base(), set(store.port.walk(""))
    other = new_store(tables={"t": {"x": ("int", [0] * 50)}})
    zeros = other.port.get(f"{other.base().tables['t']['x'].key}/c/0")
    spoiling = SpoilingPort(store.port, "/index/index/c/0", zeros)
    with pytest.raises(CorruptError, match="nothing was changed"):
        rechunk(opened(spoiling), "inputs/0/0/index")
    assert store.base() == base
    assert {k for k in store.port.walk("") if not k.startswith("lease/")} <= keys


class SpoilingPort(CountingPort):
    """Writes other bytes than it was given to keys that end so."""

    def __init__(self, inner, end, instead):
        super().__init__(inner)
        self._end = end
        self._instead = instead

    def put(self, key, data, **options):
        super().put(key, self._instead if key.endswith(self._end) else data, **options)


def test_it_waits_for_the_lease():
    store = fill(MemoryPort())
    with store.lease(), pytest.raises(BusyError):
        rechunk(opened(store.port), wait_s=0)


def test_a_fold_goes_on_from_it():
    store = fill(MemoryPort())
    rechunk(store)
    fold(store, Item(0, 2, 0), Item(0, 1, 1))
    assert verify(store.port).findings == ()
    assert store.base().summary["sim"][3] == 8
