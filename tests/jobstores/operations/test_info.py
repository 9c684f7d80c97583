"""What a store consists of is counted."""

from __future__ import annotations

import pytest

from jobstores.backends.memory import MemoryPort
from jobstores.errors import NotFoundError
from jobstores.operations.info import info
from jobstores.operations.rechunk import rechunk
from tests.jobstores.operations.places import KINDS, fill, place, zipped


@pytest.mark.parametrize("kind", KINDS)
def test_every_object_and_byte_is_counted_once(kind, tmp_path):
    port = place(kind, tmp_path)
    store = fill(port)
    found = info(port)
    sizes = [len(port.read_segment(key)) for key in port.walk("")]
    assert (found.total.objects, found.total.bytes) == (len(sizes), sum(sizes))
    assert found.parts["packs"].objects == 1
    assert found.parts["documents"].objects == 1
    assert found.parts["values"].objects == 2
    assert found.id == store.id
    assert found.generation == store.base().number
    assert found.ranges == {"sim": 100, "post": 10}
    assert found.runs == {0: 104, 3: 5, 4: 1}
    assert (found.jobs, found.packed) == (3, 1)
    assert found.bytes_per_run == sum(sizes) / 110


def test_the_chunks_of_tables_are_counted():
    port = MemoryPort()
    store = fill(port)
    rechunk(store, "inputs/0/0/index", chunk_rows=10)
    table = info(port).tables["inputs/0/0/index"]
    assert (table.rows, table.columns, table.chunks) == (50, 1, 5)
    assert table.formats == ("zarr",)
    assert info(port).tables["runs"].chunks == 16


def test_a_zip_file_is_counted_as_well(tmp_path):
    port = MemoryPort()
    fill(port)
    archive = zipped(port, tmp_path)
    assert info(archive).total == info(port).total
    archive.close()


def test_what_is_no_store_is_said_to_be_none():
    with pytest.raises(NotFoundError, match="not a job store"):
        info(MemoryPort())
