"""Deleting removes a store and nothing else."""

from __future__ import annotations

import os

import pytest

from jobstores.backends.memory import MemoryPort
from jobstores.errors import BusyError, NotFoundError, ReadOnlyError
from jobstores.operations.delete import ForeignFilesError, delete
from jobstores.operations.layout import mark_unfinished
from tests.jobstores.operations.places import (
    KINDS,
    checksums,
    content,
    fill,
    opened,
    place,
    zipped,
)
from tests.jobstores.store_scenes import timing


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left(kind, tmp_path):
    port = place(kind, tmp_path)
    fill(port)
    count = len(list(port.walk("")))
    done = []
    report = delete(port, timing=timing(), progress=lambda *args: done.append(args))
    assert report.keys == count
    assert list(port.walk("")) == []
    assert done[-1] == (count, count)
    assert os.listdir(tmp_path) == []


def test_files_of_any_name_that_runs_left_go_too(tmp_path):
    port = place("zarr", tmp_path)
    fill(port)
    (tmp_path / "store/execute/0/0/a b (1).txt").write_text("x")
    (tmp_path / "store/execute/0/0/link").symlink_to("/nonexistent")
    delete(port, timing=timing())
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["notes.txt", "my notes.txt", "gen/x", "segments/0/y z"])
def test_a_store_with_other_peoples_files_is_refused_and_stays(name, tmp_path):
    port = place("zarr", tmp_path)
    fill(port)
    (tmp_path / "store" / name).write_text("mine")
    before = content(port)
    with pytest.raises(ForeignFilesError, match="Nothing was deleted"):
        delete(port, timing=timing())
    assert content(port) == before
    assert (tmp_path / "store" / name).read_text() == "mine"


def test_a_link_to_a_folder_is_not_followed(tmp_path):
    port = place("zarr", tmp_path)
    fill(port)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/precious").write_text("x")
    (tmp_path / "store/mine").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ForeignFilesError, match="mine"):
        delete(port, timing=timing())
    assert (tmp_path / "elsewhere/precious").exists()


def test_what_is_no_store_is_refused():
    port = MemoryPort()
    port.put("a", b"1")
    with pytest.raises(NotFoundError, match="not a job store"):
        delete(port)
    assert list(port.walk("")) == ["a"]


def test_what_was_half_copied_can_be_deleted():
    port = MemoryPort()
    mark_unfinished(port, "copy", id="x")
    port.put("gen/000001.ab/t/x/c/0", b"1")
    delete(port)
    assert list(port.walk("")) == []


def test_a_zip_file_is_a_file_to_remove(tmp_path):
    port = MemoryPort()
    fill(port)
    archive = zipped(port, tmp_path)
    with pytest.raises(ReadOnlyError, match="remove it"):
        delete(archive)
    archive.close()


def test_another_command_keeps_it_from_being_deleted():
    port = MemoryPort()
    store = fill(port)
    before = checksums(port)
    with store.lease(), pytest.raises(BusyError):
        delete(port, timing=timing(), wait_s=0)
    assert checksums(port) == before
    assert opened(port)
