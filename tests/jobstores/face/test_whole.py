"""Whole stores: zipped, unzipped, copied, deleted, rechunked; paths beside them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from jobstores.errors import (
    AlreadyExistsError,
    NotFoundError,
    ReadOnlyError,
    UnavailableError,
    UnsupportedError,
)
from jobstores.open import open_port
from jobstores.workflow_face.facade import PersistentStore
from tests.jobstores.face.conftest import make
from tests.jobstores.face.scenes import again, element_with_runs, everything, generation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def fill(store: PersistentStore) -> dict[str, Any]:
    """Put something of everything in; all that can be read then."""
    with store.batch_update():
        runs = element_with_runs(store, 3)
        store.set_EARs_start(runs)
        store.set_EARs_end(runs[:2], [0, 1], [True, False])
        store.add_set_parameters([np.arange(4), "text"], [{"type": "a"}] * 2)
        store.add_file(True, True, {}, contents="abc", filename="a.txt")
        store.add_loop({"name": "l"}, {}, [], 1, [0])
        store.add_submission(0, {"jobscripts": [{}]})
    return everything(store)


CHANGES: list[Callable[[PersistentStore], Any]] = [
    lambda s: s.add_task(0, {}),
    lambda s: s.set_EAR_start(0),
    lambda s: s.add_set_parameter(np.arange(3), {}),
    lambda s: s.set_parameter_value(0, 1, save=False),
    lambda s: s.add_file(True, True, {}, contents="x", filename="x"),
    lambda s: s.rechunk_runs(),
    lambda s: s.batch_update().__enter__(),
    lambda s: s.using_resource("loops", "update").__enter__(),
]


@pytest.mark.method("zip", "unzip", "is_submittable")
def test_a_zip_is_read_as_it_was_refuses_changes_and_unzips_to_an_equal_store(
    store: PersistentStore, tmp_path: Path
) -> None:
    whole = fill(store)
    open_port(store.path).put("execute/0/scratch.txt", b"x")
    assert store.is_submittable is not store.path.startswith("memory:")
    said: list[str] = []
    archive = store.zip(str(tmp_path), log=said.append)
    assert archive == str(tmp_path / "study.zip")
    assert archive in said[0]
    with pytest.raises(AlreadyExistsError, match=r"study.zip is there already"):
        store.zip(str(tmp_path))
    zipped = PersistentStore.open(archive)
    assert everything(zipped) == whole
    assert list(open_port(zipped.path).walk("execute")) == []
    for change in CHANGES:
        with pytest.raises(ReadOnlyError, match="unzip"):
            change(zipped)
    assert zipped.is_submittable is False
    with pytest.raises(UnsupportedError, match="a zip file already"):
        zipped.zip(str(tmp_path / "again.zip"))
    assert everything(PersistentStore.open(zipped.copy())) == whole
    unzipped = PersistentStore.open(zipped.unzip(str(tmp_path / "new")))
    assert everything(unzipped) == whole
    assert unzipped.is_submittable is True
    assert unzipped.add_task(1, {}) == 1
    assert zipped.unzip(str(tmp_path)) == str(tmp_path / "study")
    with pytest.raises(AlreadyExistsError):
        zipped.unzip(str(tmp_path))
    with pytest.raises(UnsupportedError, match="no zip file"):
        store.unzip(str(tmp_path / "other"))
    store.zip(str(tmp_path / "full.zip"), include_execute=True)
    assert list(open_port(str(tmp_path / "full.zip")).walk("execute"))
    store.zip(str(tmp_path / "full.zip"), overwrite=True)
    assert not list(open_port(str(tmp_path / "full.zip")).walk("execute"))


@pytest.mark.method("copy")
def test_a_copy_is_equal_and_leaves_the_original_alone(store: PersistentStore) -> None:
    whole = fill(store)
    before = generation(store)
    copied = PersistentStore.open(store.copy())
    assert copied.path in (f"{store.path}_copy", f"{store.path}-copy")
    assert everything(copied) == whole
    copied.add_task(1, {})
    assert everything(store) == whole
    assert generation(store) == before
    with pytest.raises(AlreadyExistsError):
        store.copy(copied.path)
    store.add_task(1, {}, save=False)
    with pytest.raises(UnsupportedError, match="pending"):
        store.copy(f"{store.path}_other")


@pytest.mark.method("delete", "delete_no_confirm")
@pytest.mark.parametrize(
    ("answer", "gone"), [("y", True), ("yes", True), ("", False), ("no", False)]
)
def test_delete_asks_and_delete_no_confirm_does_not(
    store: PersistentStore, monkeypatch: pytest.MonkeyPatch, answer: str, gone: bool
) -> None:
    fill(store)
    asked: list[str] = []

    def reply(question: str) -> str:
        asked.append(question)
        return answer

    monkeypatch.setattr("builtins.input", reply)
    store.delete()
    assert store.path in asked[0]
    if not gone:
        assert len(again(store).get_tasks()) == 1
        store.delete_no_confirm()
    with pytest.raises(NotFoundError):
        again(store)
    assert list(open_port(store.path).walk("")) == []
    assert len(asked) == 1
    make(store.path)


@pytest.mark.method("rechunk_runs", "rechunk_parameter_base")
@pytest.mark.parametrize("backup", [True, False])
@pytest.mark.parametrize("size", [None, 2])
def test_rechunking_changes_chunks_and_nothing_else(
    store: PersistentStore, backup: bool, size: int | None
) -> None:
    whole = fill(store)

    def keys() -> dict[str, str]:
        base = store._session.store.base()
        return {
            f"{t}/{c}": r.key for t, refs in base.tables.items() for c, r in refs.items()
        }

    before = keys()
    store.rechunk_runs(size, backup=backup)
    changed = {name for name, key in keys().items() if key != before[name]}
    assert {name.split("/")[1] for name in changed} == {"runs", "run_states"}
    before = keys()
    store.rechunk_parameter_base(chunk_size=size, backup=backup, status=False)
    changed = {name for name, key in keys().items() if key != before[name]}
    tables = {"parameters", "parameter_values", "files"}
    assert {name.split("/")[1] for name in changed} == tables
    assert everything(store) == everything(again(store)) == whole
    if size and not store.path.startswith("file:"):
        import zarr

        group = zarr.open_group(store.zarr_store, mode="r")
        assert group["face/runs/iteration"].chunks == (2,)


@pytest.mark.method("zarr_store")
def test_zarr_opens_the_newest_generation(store: PersistentStore) -> None:
    import zarr

    fill(store)
    group = zarr.open_group(store.zarr_store, mode="r")
    assert sorted(group) == ["arrays", "face"]
    assert group["face/run_states/exit"][:].tolist() == [0, 1, -1]
    assert group["arrays/0"][:].tolist() == [0, 1, 2, 3]
    assert group["face/runs/metadata"][:].tolist() == ['{"n":0}', '{"n":1}', '{"n":2}']
    assert "c/0" in " ".join(p for p in zarr_keys(store))
    with pytest.raises(ReadOnlyError):
        store.zarr_store.with_read_only(read_only=False)


def zarr_keys(store: PersistentStore) -> list[str]:
    from zarr.core.sync import sync

    async def keys() -> list[str]:
        return [key async for key in store.zarr_store.list_prefix("face/runs")]

    return sync(keys())


@pytest.mark.method("make_test_store_from_spec", "prepare_test_store_from_spec")
def test_a_store_is_made_of_a_specification(locator: str) -> None:
    spec = [
        {"elements": [{"iterations": [{"EARs": [{}, {"action_idx": 1}]}, {}]}, {}]},
        {"elements": [{"iterations": [{"EARs": [{"metadata": {"a": 1}}]}]}]},
        {},
    ]
    store = PersistentStore.make_test_store_from_spec(spec, path=locator)
    tasks, elements, iterations, runs = PersistentStore.prepare_test_store_from_spec(spec)
    assert [t.element_IDs for t in tasks] == [[0, 1], [2], []]
    assert [i.EAR_IDs for i in iterations] == [{0: [0], 1: [1]}, {}, {0: [2]}]
    assert again(store).get_tasks() == tasks
    assert store.get_elements(range(3)) == elements
    assert store.get_element_iterations(range(3)) == iterations
    assert store.get_EARs(range(3)) == runs
    with pytest.raises(AlreadyExistsError):
        PersistentStore.make_test_store_from_spec([], path=locator)
    PersistentStore.make_test_store_from_spec([], path=locator, overwrite=True)
    assert again(store).get_tasks() == []


def test_a_test_store_is_made_in_a_folder(tmp_path: Path) -> None:
    PersistentStore.make_test_store_from_spec([{}], dir=str(tmp_path))
    assert len(PersistentStore.open(str(tmp_path / "test_store")).get_tasks()) == 1


# --- paths beside a store ------------------------------------


@pytest.mark.method("remove_path")
def test_a_path_is_removed_however_often_it_takes(
    store: PersistentStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobstores.workflow_face import replaced

    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "f").write_text("x")
    for path in (tmp_path / "d", tmp_path / "f", tmp_path / "nothing"):
        store.remove_path(str(path), None)
        assert not path.exists()
    (tmp_path / "held").mkdir()
    refusals = [PermissionError("held"), PermissionError("held")]
    real = replaced.shutil.rmtree

    def rmtree(path: str) -> None:
        if refusals:
            raise refusals.pop()
        real(path)

    slept: list[float] = []
    monkeypatch.setattr(replaced.shutil, "rmtree", rmtree)
    replaced.remove_path(str(tmp_path / "held"), None, slept.append)
    assert slept == [0.05, 0.1]
    assert not (tmp_path / "held").exists()
    (tmp_path / "held").mkdir()
    refusals += [PermissionError("held")] * 99
    with pytest.raises(UnavailableError, match=r"held can't be removed"):
        replaced.remove_path(str(tmp_path / "held"), None, slept.append)


@pytest.mark.method("rename_path")
def test_a_renamed_path_gets_its_name_back_and_replaces_nothing(
    store: PersistentStore, tmp_path: Path
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    store.rename_path(str(old), str(new), None)
    assert (old.exists(), new.exists()) == (False, True)
    with pytest.raises(NotFoundError):
        store.rename_path(str(old), str(tmp_path / "x"), None)
    old.mkdir()
    with pytest.raises(AlreadyExistsError):
        store.rename_path(str(old), str(new), None)


@pytest.mark.method("reinstate_replaced_dir", "remove_replaced_dir")
@pytest.mark.parametrize("scheme", ["zarr", "file"])
def test_a_replaced_workflow_is_reinstated_or_removed(tmp_path: Path, scheme: str) -> None:
    def scene(name: str) -> tuple[PersistentStore, str]:
        path = str(tmp_path / name)
        make(f"{scheme}:{path}", name="old")
        os.rename(path, f"{path}.replaced")
        return make(f"{scheme}:{path}", replaced_wk=f"{path}.replaced"), path

    store, path = scene("a")
    store.reinstate_replaced_dir()
    assert PersistentStore.open(path).get_name() == "old"
    assert sorted(os.listdir(tmp_path)) == ["a"]
    store, path = scene("b")
    store.remove_replaced_dir()
    assert PersistentStore.open(path).get_name() == "study"
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]
    store.remove_replaced_dir()
    store.reinstate_replaced_dir()
    assert PersistentStore.open(path).get_name() == "study"
    store, path = scene("c")
    store.remove_path(f"{path}.replaced", None)
    with pytest.raises(NotFoundError, match="nothing changed"):
        store.reinstate_replaced_dir()
    assert PersistentStore.open(path).get_name() == "study"


def test_without_paths_a_replaced_workflow_is_refused_clearly() -> None:
    store = make("memory:replaced", replaced_wk="/somewhere")
    for method in (store.reinstate_replaced_dir, store.remove_replaced_dir):
        with pytest.raises(UnsupportedError, match="is no directory"):
            method()
