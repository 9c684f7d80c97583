"""A directory of text: the conformance suite, and a store that `less` can read."""

from __future__ import annotations

import json
import os

import pytest

from jobstores import generations
from jobstores.attempts import Item
from jobstores.backends.file import FilePort
from jobstores.backends.posix import PosixPort
from jobstores.backends.zip import unzip, write_zip
from jobstores.errors import UnsupportedError
from jobstores.open import open_port
from jobstores.testing import PortConformance
from jobstores.workflow_store import WorkflowStore
from tests.jobstores.raw_files import RawFiles
from tests.jobstores.store_doubles import imported_by
from tests.jobstores.store_scenes import end, fold, new_store, outputs, play, rows


class TestFilePort(RawFiles, PortConformance):
    @pytest.fixture
    def port(self, tmp_path):
        return FilePort(str(tmp_path / "store"))

    @pytest.fixture
    def second(self, tmp_path):
        return FilePort(str(tmp_path / "store"))


@pytest.fixture
def store(tmp_path):
    """A store with a folded job."""
    store = new_store(
        open_port(f"file:{tmp_path}/w"), documents={"d": b"{}"}, jobs={(0, 0): 1}
    )
    ends = [end(run, out={"y": [run, "ü"]}) for run in range(3)]
    play(store.port, Item(0, 0, 0), *ends, end(3, ok=False, why="exit 1"))
    fold(store)
    return store


def test_every_file_of_a_store_but_packs_is_lines_of_text(store):
    suffixes = set()
    for key in store.port.walk(""):
        suffix = os.path.splitext(key)[1]
        suffixes.add(suffix)
        if suffix == ".pack":
            continue
        text = store.port.get(key).decode()
        assert not set(text) & set(map(chr, range(32))) - {"\n"}
        if suffix in (".json", ".ndjson", ".commit"):
            for line in text.splitlines():
                json.loads(line)
    assert {".json", ".ndjson", ".commit", ".pack"} <= suffixes
    assert not any(key.endswith("zarr.json") for key in store.port.walk(""))


def test_it_reads_as_it_was_written(store, tmp_path):
    again = WorkflowStore(open_port(f"{tmp_path}/w"))
    assert isinstance(again.port, FilePort)
    assert rows(again, "state", "why")[3] == [4, "exit 1"]
    assert outputs(again, "outputs/sim/y") == {run: [run, "ü"] for run in range(3)}
    assert again.base().tables["runs"]["state"].format == "ndjson"


def test_its_marker_says_what_it_is(store, tmp_path):
    marker = json.loads(store.port.get("store.json"))
    assert marker["columns"] == "ndjson"
    assert generations.marked_columns(store.port) == "ndjson"
    zarr = new_store(PosixPort(str(tmp_path / "z"))).port
    assert "columns" not in json.loads(zarr.get("store.json"))
    assert generations.marked_columns(zarr) == "zarr"
    assert generations.marked_columns(PosixPort(str(tmp_path / "none"))) is None


def test_a_copied_marker_says_what_the_copy_is(store, tmp_path):
    target = PosixPort(str(tmp_path / "z"))
    generations.copy_marker(store.port, target)
    assert generations.marked_columns(target) == "zarr"
    assert generations.check_marker(target) == store.id
    third = FilePort(str(tmp_path / "f"))
    generations.copy_marker(target, third)
    assert third.get("store.json") == store.port.get("store.json")


def test_a_store_whose_columns_are_of_an_unknown_format_is_not_opened(store, tmp_path):
    path = store.port.path("store.json")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace("ndjson", "parquet"))
    with pytest.raises(UnsupportedError, match=r"'parquet'.*newer version"):
        WorkflowStore(open_port(f"{tmp_path}/w"))


def test_a_zip_file_of_it_is_read_and_unzipped_to_the_same_kind(store, tmp_path):
    write_zip(store.port, str(tmp_path / "w.zip"))
    archived = WorkflowStore(open_port(str(tmp_path / "w.zip")))
    assert outputs(archived, "outputs/sim/y") == outputs(store, "outputs/sim/y")
    archived.port.close()
    unzip(str(tmp_path / "w.zip"), PosixPort(str(tmp_path / "again")))
    assert isinstance(open_port(str(tmp_path / "again")), FilePort)


def test_columns_of_both_formats_can_be_in_it(store, tmp_path):
    """As after a copy, or where an older program wrote it."""
    other = WorkflowStore(PosixPort(f"{tmp_path}/w"))
    play(store.port, Item(1, 0, 0), end(3, out={"y": 5}))
    fold(other)
    formats = {ref.format for ref in store.base().tables["outputs/sim/y"].values()}
    assert formats == {"zarr"}
    assert outputs(store, "outputs/sim/y")[3] == 5
    assert rows(store, "state")[3] == 3


def test_the_base_and_the_view_are_read_without_numpy_or_zarr(store, tmp_path):
    code = """
from jobstores.open import open_port
from jobstores.workflow_store import WorkflowStore
view = WorkflowStore(open_port(sys.argv[2])).view()
assert view.base.summary["sim"] == {0: 96, 3: 3, 4: 1}, view.base.summary
"""
    assert not imported_by(code, f"{tmp_path}/w")
