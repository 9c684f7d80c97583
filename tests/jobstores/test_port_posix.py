"""A directory as a store passes the conformance suite, and keeps its own promises."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import shutil
import subprocess
import sys
import tempfile

import pytest
from hypothesis import settings

from jobstores.backends import files, swap
from jobstores.backends.posix import PosixPort, ShortWriteError
from jobstores.errors import (
    AlreadyExistsError,
    InvalidKeyError,
    NotFoundError,
    TransientError,
    UnavailableError,
    UnsupportedError,
)
from jobstores.testing import PortConformance, port_machine
from tests.jobstores.raw_files import RawFiles
from tests.jobstores.store_doubles import EFFORT, imported_by


class TestPosixPort(RawFiles, PortConformance):
    @pytest.fixture
    def port(self, tmp_path):
        return PosixPort(str(tmp_path / "store"))

    @pytest.fixture
    def second(self, tmp_path):
        return PosixPort(str(tmp_path / "store"))

    def raw_leftover(self, port, key):
        super().raw_leftover(port, key)
        found = port.stat(key)
        if found is not None:
            os.symlink("~t.gone", f"{os.path.dirname(port.path(key))}/~c.{found.tag}.0")


def _clients():
    root = tempfile.mkdtemp(prefix="port-")
    return PosixPort(root + "/s"), PosixPort(root + "/s"), lambda: shutil.rmtree(root)


TestPosixMachine = port_machine(_clients).TestCase
TestPosixMachine.settings = settings(TestPosixMachine.settings, max_examples=40 * EFFORT)


@pytest.fixture
def port(tmp_path):
    return PosixPort(str(tmp_path / "store"))


@pytest.fixture
def os_calls(monkeypatch):
    """The system calls of the backend that take a path, in order."""
    calls = []

    def record(name):
        inner = getattr(os, name)

        def call(*args, **kwargs):
            calls.append(name)
            return inner(*args, **kwargs)

        monkeypatch.setattr(os, name, call)

    for name in (
        "open", "mkdir", "link", "symlink", "readlink", "rename", "unlink", "rmdir", "stat",
        "lstat", "scandir", "replace",
    ):  # fmt: skip
        record(name)
    return calls


def test_reading_an_object_or_a_segment_takes_one_path(port, os_calls):
    port.put("a/b", b"x")
    os_calls.clear()
    port.get("a/b")
    port.read_segment("a/b")
    assert os_calls == ["open", "open"]


def test_appending_takes_no_path(port, os_calls):
    port.put("s/0", b"")
    os_calls.clear()
    handle = port.create_segment("s/1")
    assert os_calls == ["open"]
    os_calls.clear()
    handle.append(b"x")
    assert os_calls == []
    handle.sync()
    assert os_calls == ["open"]  # the directory, once
    os_calls.clear()
    handle.append(b"y")
    handle.sync()
    handle.close()
    assert os_calls == []


def test_creating_an_object_takes_four_paths(port, os_calls):
    port.put("a/b", b"x")
    os_calls.clear()
    port.put("a/c", b"x", create=True)
    assert os_calls == ["open", "link", "unlink", "open"]


def test_no_temporary_file_stays(port, tmp_path):
    port.put("a/b", b"1")
    port.put("a/b", b"2")
    port.put("a/b", b"3", if_match=port.stat("a/b").tag)
    with port.open_write("a/b") as file:
        file.write(b"4")
    with pytest.raises(AlreadyExistsError):
        port.put("a/b", b"5", create=True)
    port.put("a/c", b"6", create=True)
    port.delete("a/c")
    found = [name for _, _, names in os.walk(tmp_path) for name in names]
    assert found == ["b"]
    port.delete("a/b")
    port.delete_tree("a")
    assert os.listdir(tmp_path / "store") == []
    port.delete_tree("")
    assert os.listdir(tmp_path) == []


def test_a_link_whose_answer_was_lost_is_found_out(port, monkeypatch):
    link = os.link

    def lost(*args):
        link(*args)
        raise FileExistsError(errno.EEXIST, "made by the first try")

    monkeypatch.setattr(os, "link", lost)
    port.put("a", b"mine", create=True)
    assert port.get("a") == b"mine"


def test_a_rename_whose_answer_was_lost_is_found_out(port, monkeypatch):
    port.put("a", b"1")
    rename = os.rename

    def lost(*args):
        rename(*args)
        raise FileNotFoundError(errno.ENOENT, "moved by the first try")

    monkeypatch.setattr(os, "rename", lost)
    port.put("a", b"2", if_match=port.stat("a").tag)
    assert port.get("a") == b"2"
    port.delete("a")
    assert list(port.walk("")) == []


def test_a_ballot_whose_answer_was_lost_is_found_out(port, monkeypatch):
    port.put("a", b"1")
    symlink = os.symlink

    def lost(*args):
        symlink(*args)
        raise FileExistsError(errno.EEXIST, "made by the first try")

    monkeypatch.setattr(os, "symlink", lost)
    port.put("a", b"2", if_match=port.stat("a").tag)
    assert port.get("a") == b"2"


def test_a_file_system_without_hard_links_is_refused(port, monkeypatch):
    def refuse(*args):
        raise PermissionError(errno.EPERM, "no")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(UnsupportedError, match="hard links"):
        port.put("a", b"")
    assert os.listdir(port.path("x")[:-2]) == []


def test_a_stale_handle_is_a_fresh_open(port, monkeypatch):
    port.put("a", b"1")
    pread, left = os.pread, [2]

    def stale(*args):
        if left[0]:
            left[0] -= 1
            raise OSError(errno.ESTALE, "stale")
        return pread(*args)

    monkeypatch.setattr(os, "pread", stale)
    assert port.get("a") == b"1"
    left[0] = 99
    with pytest.raises(TransientError, match="ESTALE"):
        port.get("a")


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, UnavailableError),
        (errno.EDQUOT, UnavailableError),
        (errno.EROFS, UnavailableError),
        (errno.EIO, UnavailableError),
        (errno.EACCES, UnavailableError),
        (errno.EXDEV, UnavailableError),
        (errno.EMFILE, TransientError),
        (errno.ENAMETOOLONG, InvalidKeyError),
    ],
)
def test_errors_of_the_system_become_ours(port, monkeypatch, number, expected):
    port.put("a", b"old")

    def fail(*args, **kwargs):
        raise OSError(number, "x")

    handle = port.create_segment("s")
    monkeypatch.setattr(os, "write", fail)
    monkeypatch.setattr(os, "fsync", fail)
    monkeypatch.setattr(os, "pread", fail)
    monkeypatch.setattr(os, "scandir", fail)
    name = f"{errno.errorcode[number]}"
    for call, where in (
        (lambda: port.put("a", b"new"), "/store/a"),
        (lambda: port.put("new", b"new", create=True), "/store/new"),
        (lambda: port.get("a"), "/store/a"),
        (lambda: handle.append(b"x"), "/store/s"),
        (lambda: port.list(""), "/store"),
        (lambda: port.sync_tree(""), "/store"),
    ):
        with pytest.raises(expected, match=name) as caught:
            call()
        assert where in str(caught.value)
        assert os.strerror(number) in str(caught.value)
    monkeypatch.undo()
    assert port.get("a") == b"old"
    assert sorted(port.walk("")) == ["a", "s"]
    assert sorted(os.listdir(port.path("a")[:-2])) == ["a", "s"]


def test_a_short_append_tells_how_much_is_there(port, monkeypatch):
    handle = port.create_segment("s")
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:3]))
    with pytest.raises(ShortWriteError, match="3 of 6") as caught:
        handle.append(b"abcdef")
    assert caught.value.written == 3
    assert port.read_segment("s") == b"abc"


def test_a_full_disk_leaves_the_old_object(tmp_path):
    """A file size limit stands for the full disk: writes come back short, then fail."""
    code = f"""
import resource, signal
from jobstores.backends.posix import PosixPort
from jobstores.errors import UnavailableError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
port = PosixPort({str(tmp_path)!r})
port.put("a", b"old")
handle = port.create_segment("s")
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
for call in (lambda: port.put("a", b"x" * 5000), lambda: handle.append(b"y" * 5000)):
    try:
        call()
    except UnavailableError as error:
        print(error)
try:
    with port.open_write("b") as file:
        file.write(b"z" * 5000)
except UnavailableError as error:
    print(error)
"""
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert out.stderr == ""
    assert len(out.stdout.splitlines()) == 3, out.stdout
    assert "1000 of 5000" in out.stdout
    port = PosixPort(str(tmp_path))
    assert port.get("a") == b"old"
    assert sorted(os.listdir(tmp_path)) == ["a", "s"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 1000


def test_a_stranger_dead_in_a_delete_is_revoked(port, monkeypatch):
    """Its ballot stands, but what it would move can't be moved any more."""
    monkeypatch.setattr(swap, "_PATIENCE_S", 0.01)
    port.put("a", b"1")
    name = port.path("a")
    tag = port.stat("a").tag
    os.symlink("~d.dead", f"{os.path.dirname(name)}/~c.{tag}.0")
    port.put("a", b"2", if_match=tag)
    assert port.get("a") == b"2"
    with pytest.raises(IsADirectoryError):
        os.rename(name, f"{os.path.dirname(name)}/~d.dead")


def test_a_stranger_dead_in_a_swap_is_helped(port):
    """Its ballot was cast, so its payload is the object that follows."""
    port.put("a", b"1")
    name = port.path("a")
    tag = port.stat("a").tag
    payload = files.hidden_beside(name, "t")
    with open(payload, "wb") as file:
        file.write(b"2")
    os.symlink(os.path.basename(payload), f"{os.path.dirname(name)}/~c.{tag}.0")
    port.put("a", b"3")
    assert port.get("a") == b"3"
    assert not os.path.exists(payload)


def test_a_root_that_is_a_file(tmp_path):
    (tmp_path / "f").write_bytes(b"")
    port = PosixPort(str(tmp_path / "f"))
    assert port.list("") == []
    with pytest.raises(NotFoundError):
        port.get("a")
    with pytest.raises(InvalidKeyError):
        port.put("a", b"")


class _InterruptedOs:
    """Stands in for `os`: the n-th call with a path ends by Ctrl-C, done or not."""

    def __init__(self, number, done):
        self.left, self.done = number, done

    def __getattr__(self, name):
        function = getattr(os, name)
        if name not in ("open", "link", "symlink", "readlink", "rename", "unlink"):
            return function

        def call(*args, **kwargs):
            self.left -= 1
            if self.left:
                return function(*args, **kwargs)
            if self.done and name != "open":
                function(*args, **kwargs)
            raise KeyboardInterrupt

        return call


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("kind", ["put", "create", "swap", "delete"])
def test_an_interrupt_at_any_call_blocks_nobody(tmp_path, monkeypatch, kind, done):
    """It may have happened or not; what comes after works, and at once."""
    calls = {
        "put": lambda port, tag: port.put("a", b"new"),
        "create": lambda port, tag: port.put("b", b"new", create=True),
        "swap": lambda port, tag: port.put("a", b"new", if_match=tag),
        "delete": lambda port, tag: port.delete("a"),
    }
    monkeypatch.setattr(swap, "_PATIENCE_S", 0.01)
    for number in range(1, 30):
        port = PosixPort(str(tmp_path / str(number)))
        port.put("a", b"old")
        tag = port.stat("a").tag
        with monkeypatch.context() as patch:
            interrupted = _InterruptedOs(number, done)
            for module in (files, swap):
                patch.setattr(module, "os", interrupted)
            with contextlib.suppress(KeyboardInterrupt):
                calls[kind](port, tag)
        if interrupted.left > 0:
            break
        found = {key: port.get(key) for key in port.walk("")}
        allowed = {
            "create": ({"a": b"old"}, {"a": b"old", "b": b"new"}),
            "delete": ({"a": b"old"}, {}),
        }.get(kind, ({"a": b"old"}, {"a": b"new"}))
        assert found in allowed, number
        if "a" in found:
            port.put("a", b"swapped", if_match=port.stat("a").tag)
            port.put("a", b"put")
            port.delete("a")
        port.put("a", b"created", create=True)
        assert port.get("a") == b"created"
    else:
        pytest.fail("never done")
    assert number > 3


def test_what_users_leave_below_a_store_confuses_nobody(port, tmp_path):
    """Odd names, links, loops, pipes, sockets and very long paths."""
    port.put("a/b", b"1")
    level = tmp_path / "store" / "a"
    (level / "with space").write_bytes(b"")
    (level / ".nfs00000000012ab34c00000001").write_bytes(b"")
    (level / ".nfs").write_bytes(b"")
    (level / "ünïcode").mkdir()
    (level / "loop").symlink_to("..")
    (level / "nowhere").symlink_to("absent")
    (level / "linked").symlink_to("b")
    os.mkfifo(level / "pipe")
    deep = level
    for _ in range(5):
        deep /= "x" * 200
    deep.mkdir(parents=True)
    (deep / "file").write_bytes(b"")
    assert port.list("a") == [".nfs", "b", "linked", "x" * 200 + "/"]
    assert sorted(port.walk("")) == ["a/.nfs", "a/b", "a/linked"]
    assert port.get("a/linked") == b"1"
    port.sync_tree("")
    port.delete_tree("a")
    assert os.listdir(tmp_path / "store") == []


def test_a_segment_whose_folder_became_an_object_is_synced_all_the_same(port):
    handle = port.append_segment("a/b/d")
    port.delete_tree("")
    port.put("a", b"1")
    handle.append(b"x")
    handle.sync()
    handle.close()
    assert port.get("a") == b"1"


def test_a_store_behind_a_symbolic_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    port = PosixPort(str(tmp_path / "link"))
    port.put("a/b", b"1")
    assert PosixPort(str(tmp_path / "real")).get("a/b") == b"1"
    with pytest.raises(UnavailableError, match="symbolic link"):
        port.delete_tree("")


def test_it_needs_the_standard_library_alone():
    """Both the import and every call, also on the oldest Python of a compute node."""
    code = """
import sys, tempfile
from jobstores.backends.posix import PosixPort
port = PosixPort(tempfile.mkdtemp())
port.put("a", b"1"); port.put("a", b"2"); port.put("a", b"3", if_match=port.stat("a").tag)
with port.open_write("b") as file: file.write(b"x")
handle = port.create_segment("s"); handle.append(b"x"); handle.sync(); handle.close()
assert port.list("") == ["a", "b", "s"] and port.get("a") == b"3"
port.delete("a"); port.delete_tree("")
assert len(sys.modules) < 110
"""
    assert not imported_by(code)
