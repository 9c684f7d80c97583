"""A store in one zip file: read in place, written whole, unzipped equal."""

from __future__ import annotations

import os
import shutil
import zipfile

import pytest

from jobstores import columns
from jobstores.backends import zip as zip_backend
from jobstores.backends.memory import MemoryPort
from jobstores.backends.posix import PosixPort
from jobstores.backends.zip import ZipPort, unzip, write_zip
from jobstores.errors import (
    AlreadyExistsError,
    ConflictError,
    CorruptError,
    InvalidKeyError,
    NotFoundError,
    ReadOnlyError,
    UnavailableError,
)
from jobstores.testing import CONTENT, FaultyPort, ReadOnlyConformance


class TestWrittenByUs(ReadOnlyConformance):
    @pytest.fixture
    def stored(self, tmp_path):
        source = MemoryPort()
        for key, data in CONTENT.items():
            source.put(key, data)
        write_zip(source, str(tmp_path / "my store.zip"))
        port = ZipPort(str(tmp_path / "my store.zip"))
        yield port
        port.close()


class TestWrittenByOthers(ReadOnlyConformance):
    """Members at the top, in any order, directories among them."""

    @pytest.fixture
    def stored(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
            archive.mkdir("a")
            for key, data in reversed(CONTENT.items()):
                archive.writestr(key, data)
        port = ZipPort(str(tmp_path / "x.zip"))
        yield port
        port.close()


@pytest.fixture
def source(tmp_path):
    port = PosixPort(str(tmp_path / "source"))
    for key, data in CONTENT.items():
        port.put(key, data)
    columns.write_columns(
        port, "gen/1", {"runs/id": ("int", range(1000)), "runs/state": ("int", [0] * 1000)}
    )
    return port


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "store.zip")


def content(port):
    return {key: port.get(key) for key in port.walk("")}


def test_the_zip_of_an_unzipped_zip_is_the_same(source, path, tmp_path):
    write_zip(source, path)
    copy = PosixPort(str(tmp_path / "copy"))
    unzip(path, copy)
    assert content(copy) == content(source)
    write_zip(copy, path + "2")
    with zipfile.ZipFile(path) as first, zipfile.ZipFile(path + "2") as again:
        assert [m.CRC for m in first.infolist()] == [m.CRC for m in again.infolist()]


def test_an_unzipped_store_can_be_written_to(source, path, tmp_path):
    source.create_segment("s/1").append(b"one")
    write_zip(source, path)
    copy = PosixPort(str(tmp_path / "copy"))
    unzip(path, copy)
    handle = copy.append_segment("s/1")
    handle.append(b"two")
    handle.close()
    assert copy.read_segment("s/1") == b"onetwo"
    copy.put("a/e", b"new", if_match=copy.stat("a/e").tag)


def test_members_are_in_order_chunks_stored_and_the_rest_deflated(source, path):
    write_zip(source, path)
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    names = [member.filename for member in members]
    assert names == sorted(names)
    assert {name.partition("/")[0] for name in names} == {"store"}
    stored = {m.filename for m in members if m.compress_type == zipfile.ZIP_STORED}
    assert stored == {f"store/gen/1/runs/{name}/c/0" for name in ("id", "state")}
    assert all(member.date_time[0] > 2000 for member in members)


def test_the_same_store_gives_the_same_bytes(source, path):
    write_zip(source, path)
    with open(path, "rb") as file:
        first = file.read()
    write_zip(source, path)
    with open(path, "rb") as file:
        assert file.read() == first


def test_columns_are_read_from_the_zip_file(source, path):
    write_zip(source, path)
    port = ZipPort(path)
    assert list(
        columns.read_column(port, columns.ColumnRef("gen/1/runs/id", "int", 1000))
    ) == (list(range(1000)))
    ref = columns.ColumnRef("gen/1/runs/state", "int", 1000)
    assert not columns.read_column(port, ref).any()
    port.close()


def test_keys_can_be_left_out(source, path):
    write_zip(source, path, exclude=lambda key: key.startswith(("gen/", "a/b")))
    port = ZipPort(path)
    assert sorted(port.walk("")) == ["a/e", "ab/f", "top"]
    port.close()


def test_an_empty_store(path):
    write_zip(MemoryPort(), path)
    port = ZipPort(path)
    assert port.list("") == []
    assert list(port.walk("")) == []
    port.close()


def test_what_is_no_key_is_not_seen(path):
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("s/a", "s/with space", "s/~t.12", "s/../x", "s/b//c", "s/b/d"):
            archive.writestr(name, b"1")
    port = ZipPort(path)
    assert sorted(port.walk("")) == ["a", "b/d"]
    assert port.list("") == ["a", "b/"]
    port.close()


def test_a_top_folder_is_left_out_only_where_it_is_everybodys(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("s/a", b"1")
        archive.writestr("t", b"2")
    port = ZipPort(path)
    assert sorted(port.walk("")) == ["s/a", "t"]
    port.close()


def test_large_objects_are_copied_piece_by_piece(source, path, tmp_path, monkeypatch):
    monkeypatch.setattr(zip_backend, "_PIECE", 1000)
    write_zip(source, path)
    port = ZipPort(path)
    assert content(port) == content(source)
    port.close()
    copy = PosixPort(str(tmp_path / "copy"))
    unzip(path, copy)
    assert content(copy) == content(source)


def test_a_large_object_that_changes_meanwhile_is_noticed(source, path, monkeypatch):
    monkeypatch.setattr(zip_backend, "_PIECE", 1000)
    port = FaultyPort(
        source, {7: lambda: source.put("ab/f", bytes(256_000))}, only=("get",)
    )
    with pytest.raises(ConflictError, match="ab/f"):
        write_zip(port, path)
    assert not os.path.exists(path)


def test_an_object_that_goes_meanwhile_is_noticed(source, path):
    port = FaultyPort(source, {3: lambda: source.delete("a/e")}, only=("stat",))
    with pytest.raises(ConflictError, match="a/e"):
        write_zip(port, path)


def test_a_failure_leaves_the_old_file_alone(source, path, tmp_path):
    write_zip(source, path)
    with open(path, "rb") as file:
        old = file.read()
    port = FaultyPort(source, {5: "fail"}, only=("get",), error=UnavailableError("gone"))
    with pytest.raises(UnavailableError):
        write_zip(port, path)
    with open(path, "rb") as file:
        assert file.read() == old
    assert sorted(os.listdir(tmp_path)) == ["source", "store.zip"]


def test_a_place_that_can_not_be_written_to(source, tmp_path):
    with pytest.raises(NotFoundError):
        write_zip(source, str(tmp_path / "no" / "such" / "place.zip"))


@pytest.mark.parametrize("where", ["a/b/c", "gen/1/runs/id/c/0", "ab/f"])
def test_damage_is_noticed_when_read(source, path, where):
    write_zip(source, path)
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(f"store/{where}")
        start = member.header_offset + 30 + len(member.filename)
    with open(path, "r+b") as file:
        file.seek(start + member.compress_size // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 0x10]))
    port = ZipPort(path)
    with pytest.raises(CorruptError, match=where):
        port.get(where)
    with pytest.raises(CorruptError, match=where):
        port.get(where, 0, 1)
    assert port.get("top") == CONTENT["top"]
    port.close()


def test_a_damaged_large_member_is_not_unzipped(source, path, tmp_path, monkeypatch):
    test_damage_is_noticed_when_read(source, path, "ab/f")
    monkeypatch.setattr(zip_backend, "_PIECE", 1000)
    copy = PosixPort(str(tmp_path / "copy"))
    with pytest.raises(CorruptError, match="ab/f"):
        unzip(path, copy)
    assert copy.stat("ab/f") is None
    assert copy.stat("top") is None  # the top level comes last: this is no store


@pytest.mark.parametrize("keep", [0, 10, 300, -30])
def test_half_a_zip_file_is_refused(source, path, keep):
    write_zip(source, path)
    with open(path, "rb") as file:
        data = file.read()
    with open(path, "wb") as file:
        file.write(data[:keep])
    with pytest.raises(CorruptError, match="not a whole zip file"):
        ZipPort(path)


def test_unzip_needs_an_empty_place(source, path):
    write_zip(source, path)
    with pytest.raises(AlreadyExistsError, match="not empty"):
        unzip(path, source)


def test_a_copy_that_was_cut_short_has_no_top_level(source, path, tmp_path):
    write_zip(source, path)
    copy = PosixPort(str(tmp_path / "copy"))
    for number in range(1, len(content(source))):
        with pytest.raises(UnavailableError):
            unzip(path, FaultyPort(copy, {number: "fail"}, only=("put",),
                                   error=UnavailableError("full")))  # fmt: skip
        assert copy.stat("top") is None
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)


def test_what_may_not_be_asked(source, path):
    write_zip(source, path)
    port = ZipPort(path)
    with pytest.raises(InvalidKeyError):
        port.put("a b", b"")
    with pytest.raises(ReadOnlyError, match=r"store\.zip"):
        port.put("a", b"")
    port.close()


def test_progress_is_told_of_every_key(source, path, tmp_path):
    told = []
    write_zip(source, path, progress=lambda *args: told.append(args))
    count = len(content(source))
    assert told == [(done, count) for done in range(count + 1)]
    told.clear()
    unzip(path, PosixPort(str(tmp_path / "copy")), progress=lambda *a: told.append(a))
    assert told == [(done, count) for done in range(count + 1)]


def test_an_interruption_leaves_no_file_and_no_store(source, path, tmp_path):
    def interrupt(done, total):
        if done == total - 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_zip(source, path, progress=interrupt)
    assert os.listdir(tmp_path) == ["source"]
    write_zip(source, path)
    copy = PosixPort(str(tmp_path / "copy"))
    with pytest.raises(KeyboardInterrupt):
        unzip(path, copy, progress=interrupt)
    assert copy.stat("top") is None
