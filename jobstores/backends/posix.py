"""A directory of a file system: each object and each segment is one file.

Locator `zarr:PATH` (and `file:PATH`, see `jobstores.backends.file`). The key is the path
below the store's directory. Files whose names begin with `~` are the backend's own
(payloads being written, ballots); no key can have such a name, no listing shows them,
and those that a killed process leaves do no harm. Objects are published by `link`
(create-only) or replaced by election (`jobstores.backends.swap`). No locks are used, so
that it holds on NFS, Lustre and BeeGFS; what it needs of the file system is that `link`,
`symlink`, `rename` and exclusive creation are atomic, and hard links within one
directory.

Durable means: the file, its directory, and the directories that this process made
are synced. Standard library only, Python 3.9: this runs on compute nodes.
"""

from __future__ import annotations

import io
import os
import stat
from typing import Any, BinaryIO, Callable, Iterator, List, Optional, Set, Tuple, TypeVar

from jobstores.backends import files
from jobstores.errors import (
    AlreadyExistsError,
    ConflictError,
    NotFoundError,
    UnavailableError,
)
from jobstores.keys import MAX_KEY, check_key, check_prefix, is_part, join
from jobstores.port import ObjectStat

T = TypeVar("T")

_fdatasync = getattr(os, "fdatasync", os.fsync)


class ShortWriteError(UnavailableError):
    """An append was not written whole; `written` bytes of it are there."""

    def __init__(self, message: str, written: int) -> None:
        super().__init__(message)
        self.written = written


class PosixSegment:
    """An open segment: each append is one `write`, at the end of the file."""

    def __init__(self, fd: int, path: str, sync_name: Callable[[], None]) -> None:
        self._fd = fd
        self._path = path
        self._sync_name: Optional[Callable[[], None]] = sync_name

    def append(self, data: bytes) -> None:
        """Append `data` whole, in order after all earlier appends."""
        try:
            written = os.write(self._fd, data)
        except OSError as error:
            files.fail(error, self._path)
        if written < len(data):
            raise ShortWriteError(
                f"{self._path}: only {written} of {len(data)} bytes were written;"
                " the storage is full",
                written,
            )

    def sync(self) -> None:
        """Return once all that was appended survives a power cut."""
        try:
            _fdatasync(self._fd)
            if self._sync_name is not None:
                self._sync_name()
                self._sync_name = None
        except OSError as error:
            files.fail(error, self._path)

    def close(self) -> None:
        """Close without syncing; closing again is no error."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            try:
                os.close(fd)
            except OSError as error:
                files.fail(error, self._path)

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)


class _PayloadFile(io.BufferedWriter):
    """A payload being written; `close` publishes it, an exception discards it."""

    def __init__(
        self, fd: int, payload: str, name: str, publish: Callable[[], None]
    ) -> None:
        super().__init__(io.FileIO(fd, "wb"))
        self._payload = payload
        self._name = name
        self._publish = publish

    def write(self, data: Any) -> int:
        """Write, with the store's errors."""
        try:
            return super().write(data)
        except OSError as error:
            files.fail(error, self._name)

    def close(self) -> None:
        """Make the object appear, whole and durable."""
        if self.closed:
            return
        try:
            self.flush()
            files.stamp(self.fileno())
            os.fsync(self.fileno())
            super().close()
            self._publish()
        except OSError as error:
            self.discard()
            files.fail(error, self._name)

    def discard(self) -> None:
        """Forget what was written."""
        try:
            self.raw.close()
            super().close()
        except (OSError, ValueError):
            pass  # what could not be flushed is not wanted either
        files.unlink(self._payload)

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def __del__(self) -> None:
        if not self.closed:
            self.discard()


class PosixPort:
    """An `ObjectPort` over one directory, which the first write makes."""

    scheme = "zarr"
    column_format = "zarr"
    read_only = False

    def __init__(self, root: str) -> None:
        self._root = os.path.abspath(root)
        self.locator = f"{self.scheme}:{self._root}"
        self._unsynced: Set[str] = set()  # directories in which this process made others

    def get(self, key: str, start: int = 0, stop: Optional[int] = None) -> bytes:
        """The object's bytes, or of its bytes those in [start, stop)."""
        return self._read(self._file(key), start, stop)

    def put(
        self,
        key: str,
        data: bytes,
        *,
        create: bool = False,
        if_match: Optional[str] = None,
        durable: bool = True,
    ) -> None:
        """Write an object: plain (replacing), create-only, or compare-and-swap."""
        if create and if_match is not None:
            raise ValueError("create and if_match exclude each other")
        name = self._file(key)
        try:
            payload = self._write_payload(name, data, durable)
            if create:
                _create(payload, name)
            else:
                _replace(payload, name, if_match)
            if durable:
                self._sync_names(os.path.dirname(name))
        except OSError as error:
            files.fail(error, name)

    def open_write(self, key: str) -> BinaryIO:
        """A file to write a large object to; it appears, whole, when closed."""
        name = self._file(key)
        try:
            fd, payload = self._open_payload(name)
        except OSError as error:
            files.fail(error, name)

        def publish() -> None:
            _replace(payload, name, None)
            self._sync_names(os.path.dirname(name))

        return _PayloadFile(fd, payload, name, publish)

    def stat(self, key: str) -> Optional[ObjectStat]:
        """Size, time and tag, or None where there is no such object."""
        name = self._file(key)
        try:
            found = files.status(name)
        except OSError as error:
            files.fail(error, name)
        if found is None or stat.S_ISDIR(found.st_mode):
            return None
        return ObjectStat(found.st_size, found.st_mtime, files.tag_of(found))

    def list(self, prefix: str) -> List[str]:
        """Names directly below a prefix, sorted; deeper levels with a slash.

        A level all of whose keys were deleted one by one is listed still.
        """
        return sorted(_names(self._directory(prefix)))

    def delete(self, key: str) -> None:
        """Remove an object or a segment; nothing there is no error."""
        from jobstores.backends.swap import remove

        name = self._file(key)
        try:
            while True:
                found = files.status(name)
                if found is None or stat.S_ISDIR(found.st_mode):
                    return
                if remove(name, files.tag_of(found)):
                    return
        except OSError as error:
            files.fail(error, name)

    def delete_tree(self, prefix: str) -> None:
        """Remove everything below a prefix, the directory and leftovers included.

        Not one step: nobody else may be writing there.
        """
        import shutil

        directory = self._directory(prefix)
        if os.path.islink(directory):  # only a store's own folder may be one
            raise UnavailableError(f"{directory}: a symbolic link, which is not removed")
        try:
            if os.path.isdir(directory):
                shutil.rmtree(directory)
        except FileNotFoundError:  # somebody else deletes it too
            shutil.rmtree(directory, ignore_errors=True)
        except OSError as error:
            files.fail(error, directory)

    def sync_tree(self, prefix: str) -> None:
        """Make all objects below a prefix, and their names, durable."""
        directory = self._directory(prefix)
        try:
            for folder, _, found in os.walk(directory):
                for file in found:
                    if is_part(file):
                        files.sync(os.path.join(folder, file))
                files.sync(folder)
            self._sync_names(os.path.dirname(directory))
        except OSError as error:
            files.fail(error, directory)

    def create_segment(self, key: str) -> PosixSegment:
        """Claim a segment's name, create-only, and open it for appending."""
        return self._open_segment(key, os.O_EXCL)

    def append_segment(self, key: str) -> PosixSegment:
        """Open a segment for appending, creating it where there is none."""
        return self._open_segment(key, 0)

    def read_segment(self, key: str, start: int = 0) -> bytes:
        """What the segment holds now, from byte `start` on."""
        return self._read(self._file(key), start, None)

    def path(self, key: str) -> Optional[str]:
        """The local path of a key, whether it is there or not."""
        return self._file(key)

    def public_url(self, key: str, expires_s: int) -> str:  # noqa: ARG002 - it never does
        """A `file:` URL of the object.

        Raises:
            NotFoundError: there is no such object.
        """
        from urllib.parse import quote

        if self.stat(key) is None:
            raise NotFoundError(f"{self.locator}: there is no {key}")
        return "file://" + quote(os.path.abspath(self._file(key)))

    def walk(self, prefix: str) -> Iterator[str]:
        """Every key below a prefix, in no promised order."""
        levels = [check_prefix(prefix)]
        while levels:
            level = levels.pop()
            for name in _names(f"{self._root}/{level}"):
                key = join(level, name)
                if len(key) > MAX_KEY:
                    continue  # no key: something of a user's
                if key[-1] == "/":
                    levels.append(key[:-1])
                else:
                    yield key

    def _file(self, key: str) -> str:
        return f"{self._root}/{check_key(key)}"

    def _directory(self, prefix: str) -> str:
        return f"{self._root}/{check_prefix(prefix)}".rstrip("/")

    def _read(self, name: str, start: int, stop: Optional[int]) -> bytes:
        try:
            return files.fresh(lambda: files.read(name, start, stop))
        except OSError as error:
            files.fail(error, name)

    def _open_segment(self, key: str, flags: int) -> PosixSegment:
        name = self._file(key)
        flags |= os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC
        try:
            try:
                fd = self._in_parents(name, lambda: os.open(name, flags, 0o666))
            except (FileExistsError, IsADirectoryError):
                if not os.path.isdir(name):
                    raise
                files.make_way(name)
                fd = self._in_parents(name, lambda: os.open(name, flags, 0o666))
        except OSError as error:
            files.fail(error, name)
        return PosixSegment(fd, name, lambda: self._sync_names(os.path.dirname(name)))

    def _open_payload(self, name: str) -> Tuple[int, str]:
        payload = files.hidden_beside(name, "t")
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
        return self._in_parents(name, lambda: os.open(payload, flags, 0o666)), payload

    def _write_payload(self, name: str, data: bytes, durable: bool) -> str:
        fd, payload = self._open_payload(name)
        try:
            files.write(fd, data)
            files.stamp(fd)
            if durable:
                os.fsync(fd)
        except BaseException:
            files.unlink(payload)
            raise
        finally:
            os.close(fd)
        return payload

    def _in_parents(self, name: str, call: Callable[[], T]) -> T:
        """What the call gives, its directories made where they were missing."""
        directory = os.path.dirname(name)
        for _ in range(10):  # again, where somebody deletes them
            try:
                return files.fresh(call)
            except FileNotFoundError:
                self._make_directory(directory)
            except NotADirectoryError as error:
                raise files.nested(name) from error
        return call()

    def _make_directory(self, directory: str) -> None:
        parent = os.path.dirname(directory)
        try:
            os.mkdir(directory)
        except FileNotFoundError:
            self._make_directory(parent)
            self._make_directory(directory)
        except (FileExistsError, NotADirectoryError) as error:
            if not os.path.isdir(directory):
                raise files.nested(directory) from error
        else:
            self._unsynced.add(parent)

    def _sync_names(self, directory: str) -> None:
        """Make the names in a directory durable, and those of new directories."""
        made = set(self._unsynced)
        for path in made | {directory}:
            files.sync(path)
        self._unsynced -= made


def _names(directory: str) -> List[str]:
    try:
        return files.fresh(lambda: files.names(directory))
    except files.ABSENT:
        return []
    except OSError as error:
        files.fail(error, directory)


def _create(payload: str, name: str) -> None:
    """Give a complete payload its name, where there is none."""
    linked = False
    try:
        while not linked:
            linked = files.link(payload, name)
            if not linked and files.tag_at(name) is not None:
                raise AlreadyExistsError(f"{name}: there is one already")
    finally:
        if not linked:
            files.unlink(payload)


def _replace(payload: str, name: str, if_match: Optional[str]) -> None:
    """Give a complete payload the name, whatever is there or only where it matches."""
    from jobstores.backends.swap import replace, swap

    if if_match is None:
        replace(payload, name)
    elif not swap(payload, name, if_match):
        raise ConflictError(f"{name}: it was changed since it was read")
