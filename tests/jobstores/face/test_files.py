"""Files of parameters: stored or only named, and given back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobstores.errors import AlreadyExistsError, CorruptError, NotFoundError
from jobstores.open import open_port
from tests.jobstores.face.scenes import again

if TYPE_CHECKING:
    from jobstores.workflow_face.facade import PersistentStore


@pytest.mark.method("add_file")
@pytest.mark.parametrize("given", ["contents", "path"])
def test_contents_of_a_file_are_stored_and_given_back(
    store: PersistentStore, tmp_path: Path, given: str
) -> None:
    original = tmp_path / "in.txt"
    original.write_bytes("caf\u00e9\n".encode())
    how: dict[str, Any] = {"contents": "caf\u00e9\n", "filename": "in.txt"}
    how = how if given == "contents" else {"path": str(original)}
    id_ = store.add_file(True, True, {"type": "input_file"}, **how)
    original.unlink()
    (found,) = again(store).get_parameters([id_])
    assert (found.is_set, found.data) == (True, None)
    assert found.source == {"type": "input_file"}
    assert found.file is not None
    assert (found.file["filename"], found.file["is_input"]) == ("in.txt", True)
    assert found.file["store_contents"] is True
    assert again(store).get_file_contents(id_) == "caf\u00e9\n".encode()
    path = found.file["path"]
    assert (path is None) == (open_port(store.path).path("a") is None)
    if path is not None:
        assert Path(path).name == "in.txt"
        assert Path(path).read_bytes() == "caf\u00e9\n".encode()


def test_a_file_can_be_named_without_being_stored(
    store: PersistentStore, tmp_path: Path
) -> None:
    original = tmp_path / "big.bin"
    original.write_bytes(b"123")
    id_ = store.add_file(False, False, {}, path=str(original))
    (found,) = again(store).get_parameters([id_])
    assert found.file == {
        "filename": "big.bin",
        "is_input": False,
        "store_contents": False,
        "path": str(original),
    }
    assert store.get_file_contents(id_) == b"123"
    original.unlink()
    with pytest.raises(NotFoundError, match=r"big.bin can't be read"):
        store.get_file_contents(id_)


@pytest.mark.method("set_file")
def test_a_file_becomes_the_value_of_a_parameter(
    store: PersistentStore, tmp_path: Path
) -> None:
    one, two = store.add_unset_parameters([{}, {}])
    original = tmp_path / "out.txt"
    original.write_text("abc")
    store.set_file(True, False, one, path=str(original), filename="named.txt")
    assert original.exists()
    store.set_file(True, False, two, path=str(original), clean_up=True, save=False)
    assert original.exists()
    store.save()
    assert not original.exists()
    reader = again(store)
    assert [reader.get_file_contents(n) for n in (one, two)] == [b"abc", b"abc"]
    names = [p.file["filename"] for p in reader.get_parameters([one, two]) if p.file]
    assert names == ["named.txt", "out.txt"]
    with pytest.raises(AlreadyExistsError, match=f"parameter {one}"):
        store.set_file(True, False, one, contents="x", filename="x")
    store.set_file(True, False, contents="of nobody", filename="x")
    assert again(store).get_parameter_set_statuses([one, two]) == [True, True]


def test_a_file_that_was_not_committed_stays_where_it_was(
    store: PersistentStore, tmp_path: Path
) -> None:
    id_ = store.add_unset_parameter({})
    original = tmp_path / "out.txt"
    original.write_text("abc")
    with pytest.raises(RuntimeError), store.batch_update():
        store.set_file(True, False, id_, path=str(original), clean_up=True)
        raise RuntimeError
    assert original.read_text() == "abc"
    assert list(open_port(store.path).walk("values")) == []


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"store_contents": True}, "needs `filename`"),
        ({"store_contents": True, "filename": "a"}, "needs `contents`"),
        ({"store_contents": False, "contents": "x", "filename": "a"}, "would be lost"),
        ({"store_contents": False, "path": "a", "clean_up": True}, "clean_up removes"),
    ],
)
def test_what_would_lose_a_file_is_refused(
    store: PersistentStore, how: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        store.set_file(is_input=True, **how)


def test_damaged_contents_are_noticed(store: PersistentStore) -> None:
    id_ = store.add_file(True, True, {}, contents="abc", filename="odd name/\u2713")
    port = open_port(store.path)
    (key,) = port.walk("values")
    port.put(key, b"abd")
    with pytest.raises(CorruptError, match="checksum"):
        store.get_file_contents(id_)
    other = store.add_set_parameter(1, {})
    with pytest.raises(NotFoundError, match="is no file"):
        store.get_file_contents(other)
