"""Stores that were made once, and that every later version has to read.

`tests/data/kept_stores.py` made them, and says what is in them.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil

import pytest

from jobstores.attempts import Item
from jobstores.backends.memory import MemoryPort
from jobstores.columns import ColumnRef, read_column
from jobstores.errors import ReadOnlyError
from jobstores.open import open_port
from jobstores.packs import read_item
from jobstores.records import RunState
from jobstores.references import is_reference, resolve
from jobstores.values import decode
from jobstores.workflow_store import WorkflowStore
from tests.data import kept_services
from tests.data import kept_stores as kept
from tests.jobstores import aws_stores, s3_scenes
from tests.jobstores.simpledb_fake import serving
from tests.jobstores.store_scenes import end, fold, outputs, play, rows
from tests.jobstores.value_scenes import same

S3 = pytest.param("s3", marks=pytest.mark.s3)


@pytest.fixture(params=["zarr", "file", "zip", "memory", "aws", S3])
def store(request, tmp_path):
    """A copy of each kept store; `memory` is that of `zarr`, put there by its port."""
    kind = request.param
    with contextlib.ExitStack() as stack:
        if kind in ("zarr", "file"):
            shutil.copytree(f"{kept.FOLDER}/{kind}", tmp_path / "w")
            port = open_port(str(tmp_path / "w"))
        elif kind == "zip":
            port = open_port(shutil.copy(f"{kept.FOLDER}/store.zip", tmp_path))
            stack.callback(port.close)
        elif kind == "aws":
            fake = stack.enter_context(serving())
            port = aws_stores.new_port(fake)
            kept_services.load_domain(port, fake, f"{kept.FOLDER}/aws")
        elif kind == "s3":
            port = s3_scenes.port()
            stack.callback(port.delete_tree, "")
            kept_services.load_bucket(port, f"{kept.FOLDER}/s3")
        else:
            port = MemoryPort()
            kept.load(port, f"{kept.FOLDER}/zarr")
        assert port.locator.partition(":")[0] == kind
        yield WorkflowStore(port)


def test_all_tables_of_kept_stores_read_as_written(store):
    base = store.base()
    assert base.number == 3
    given = {name for name in base.tables if name.startswith("inputs/")}
    assert given == kept.TABLES.keys()
    for table, columns in kept.TABLES.items():
        assert base.tables[table].keys() == columns.keys()
        for name, (kind, expected) in columns.items():
            found = store.column(base, table, name)
            assert base.tables[table][name].kind == kind
            found = found.tolist() if hasattr(found, "tolist") else found
            assert len(found) == len(expected)
            for row, (value, wanted) in enumerate(zip(found, expected, strict=True)):
                assert same(value, wanted), f"{table} {name}[{row}]: {value!r}"


def test_columns_of_many_chunks_read_as_written(store):
    layout = "ndjson" if store.port.locator.startswith("file:") else "zarr"
    ref = ColumnRef(f"{kept.CHUNKED_KEY}/x", "int", len(kept.CHUNKED), layout)
    assert read_column(store.port, ref).tolist() == kept.CHUNKED
    chunks = [key for key in store.port.walk(ref.key) if ".json" not in key]
    assert len(chunks) == 3


def test_documents_and_info_of_kept_stores_are_as_written(store):
    base = store.base()
    assert base.info == kept.INFO
    assert base.ranges == kept.RANGES
    assert base.documents.keys() == kept.DOCUMENTS.keys()
    for name, data in kept.DOCUMENTS.items():
        assert store.document(base, name) == data


def test_runs_and_outputs_of_kept_stores_are_as_written(store):
    names = list(kept.ROWS[0])
    for run, values in rows(store, *names).items():
        found = {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in zip(names, values, strict=True)
        }
        assert found == kept.ROWS[run]
    assert outputs(store, "outputs/0/y") == kept.OUTPUTS
    assert store.base().summary == {"0": {0: 7, 3: 1, 4: 1, 5: 1}, "1": {0: 5}}


def test_segments_and_packs_of_kept_stores_are_as_written(store):
    assert list(store.base().packs) == ["0/0"]
    packed = read_item(store.port, Item(0, 0, 0))
    assert packed is not None
    assert {run: record["t"] for run, record in packed.records.items()} == {
        0: "end", 1: "end", 2: "skip",
    }  # fmt: skip
    (item,) = store.view().tail
    decision = store.view().tail[item]
    assert (item, list(decision.records), list(decision.running)) == ((0, 1, 0), [5], [6])


def test_large_values_of_kept_stores_are_as_written(store):
    (decision,) = store.view().tail.values()
    reference = decision.records[5]["out"]["y"]
    assert is_reference(reference)
    assert decode(resolve(store.port, reference)) == kept.LARGE


def test_kept_stores_can_be_gone_on_with(store):
    if store.port.read_only:
        with pytest.raises(ReadOnlyError):
            fold(store)
        return
    play(store.port, Item(0, 1, 0), end(6, out={"y": 7}))
    assert fold(store).packed == ("0/1",)
    assert rows(store, "state")[6] == RunState.SUCCEEDED
    base = store.base()
    assert store.column(base, "outputs/0/y", "run").tolist() == [0, 1, 5, 6]
    ref = store.column_ref(base, "outputs/0/y", "value")
    first, second, large, last = map(json.loads, read_column(store.port, ref, encoded=True))
    assert (first, second, last) == (1.5, None, 7)
    assert decode(resolve(store.port, large)) == kept.LARGE
    assert ref.format == store.port.column_format


def test_kept_stores_can_be_kept_by_git():
    for folder, folders, files in os.walk(kept.FOLDER):
        assert folders or files, f"{folder} is empty"
        assert not [name for name in files if name.startswith("~")]
