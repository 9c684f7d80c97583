"""What the POSIX backend does to single files, and the errors it makes of theirs.

Standard library only, Python 3.9: this runs on compute nodes.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Callable, List, NoReturn, Optional, TypeVar

from jobstores.errors import (
    AlreadyExistsError,
    InvalidKeyError,
    JobStoreError,
    NotFoundError,
    TransientError,
    UnavailableError,
    UnsupportedError,
)
from jobstores.keys import is_part

T = TypeVar("T")

BY_ERRNO = {
    errno.ENOENT: NotFoundError,
    errno.ENOTDIR: NotFoundError,
    errno.EISDIR: NotFoundError,
    errno.EEXIST: AlreadyExistsError,
    errno.ENAMETOOLONG: InvalidKeyError,
    errno.ENOSPC: UnavailableError,
    errno.EDQUOT: UnavailableError,
    errno.EFBIG: UnavailableError,
    errno.EROFS: UnavailableError,
    errno.EIO: UnavailableError,
    errno.EACCES: UnavailableError,
    errno.EPERM: UnavailableError,
    errno.EOPNOTSUPP: UnsupportedError,
    errno.ENOSYS: UnsupportedError,
    errno.ESTALE: TransientError,
    errno.ETIMEDOUT: TransientError,
    errno.EAGAIN: TransientError,
    errno.EBUSY: TransientError,
    errno.ENOTEMPTY: TransientError,
    errno.EMFILE: TransientError,
    errno.ENFILE: TransientError,
    errno.ENOMEM: TransientError,
}
"""The one table of what an operating system's error becomes; others: unavailable."""

ABSENT = (FileNotFoundError, NotADirectoryError)
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
_ESTALE_TRIES = 3
_NFS_NAME = 28  # characters of ".nfs", a file number and a counter


def translated(error: OSError, path: str) -> JobStoreError:
    """Our error for the operating system's, with its text and the path."""
    number = error.errno
    if number is None:
        return UnavailableError(f"{path}: {error}")
    kind = BY_ERRNO.get(number, UnavailableError)
    return kind(f"{path}: {os.strerror(number)} ({errno.errorcode.get(number, '?')})")


def fail(error: OSError, path: str) -> NoReturn:
    """Raise our error for the operating system's."""
    raise translated(error, path) from error


def nested(path: str) -> InvalidKeyError:
    """The error for a key below a key."""
    return InvalidKeyError(f"{path}: a key can't have keys below it")


def fresh(call: Callable[[], T]) -> T:
    """The call's answer, asked again where a handle had gone stale (NFS)."""
    for _ in range(_ESTALE_TRIES):
        try:
            return call()
        except OSError as error:
            if error.errno != errno.ESTALE:
                raise
    return call()


def hidden_beside(path: str, letter: str) -> str:
    """A new name in the same directory that no listing shows."""
    return f"{os.path.dirname(path)}/~{letter}.{os.urandom(8).hex()}"


def status(path: str) -> Optional[os.stat_result]:
    """A file's status, or None. Opening it makes an NFS client ask the server."""

    def look() -> os.stat_result:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.fstat(fd)
        finally:
            os.close(fd)

    try:
        return fresh(look)
    except ABSENT:
        return None


def tag_of(found: os.stat_result) -> str:
    """The tag of an object's status: no other object has had it, or will."""
    return f"{found.st_ino:x}.{found.st_mtime_ns:x}"


def tag_at(path: str) -> Optional[str]:
    """The tag of the object there, or None. Empty directories there are removed."""
    found = status(path)
    if found is None:
        return None
    if not stat.S_ISDIR(found.st_mode):
        return tag_of(found)
    make_way(path)
    return None


def make_way(path: str) -> None:
    """Remove a directory that holds nothing but directories.

    Raises:
        InvalidKeyError: there are files below it, so it can't be a key.
    """
    for folder, _, _ in os.walk(path, topdown=False):
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise nested(path) from error


def read(path: str, start: int, stop: Optional[int]) -> bytes:
    """The bytes in [start, stop) that the file has now; `stop` None: all."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        end = os.fstat(fd).st_size
        if stop is not None:
            end = min(end, stop)
        pieces = []
        while start < end:
            piece = os.pread(fd, end - start, start)
            if not piece:
                break
            pieces.append(piece)
            start += len(piece)
        if not pieces:
            os.read(fd, 1)  # a directory says that it is one
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
    finally:
        os.close(fd)


def write(fd: int, data: bytes) -> None:
    """Write all of the data."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def stamp(fd: int) -> None:
    """Make the modification time unique below the second, the server's above.

    Inode numbers are reused within one tick of the clock; with this, tags are not.
    """
    found = os.fstat(fd)
    second = found.st_mtime_ns // 1_000_000_000
    below = int.from_bytes(os.urandom(8), "big") % 1_000_000_000
    os.utime(fd, ns=(found.st_atime_ns, second * 1_000_000_000 + below))


def _is_unlinked(name: str) -> bool:
    """Whether an NFS client gave the name to a file that was removed while open."""
    return name.startswith(".nfs") and len(name) == _NFS_NAME


def names(directory: str) -> List[str]:
    """The parts of keys in a directory, directories with a trailing slash.

    Users' runs leave all sorts of things below a store: symbolic links to
    directories, which could be loops, sockets and pipes are not listed.
    """
    found = []
    with os.scandir(directory) as entries:
        for entry in entries:
            if not is_part(entry.name) or _is_unlinked(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                found.append(entry.name + "/")
            elif entry.is_file():
                found.append(entry.name)
    return found


def sync(path: str) -> None:
    """Sync a file or directory; nothing there, or nothing to sync, is no error."""
    try:
        fd = os.open(
            path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
        )  # a pipe may be there
    except ABSENT:
        return
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise
    finally:
        os.close(fd)


def unlink(path: str) -> None:
    """Remove what should not stay; where that fails it is a hidden leftover."""
    try:  # noqa: SIM105 (contextlib would be one more import on a compute node)
        os.unlink(path)
    except OSError:
        pass


def link(payload: str, name: str) -> bool:
    """Give the payload the name as its only one; False where the name is taken.

    After any error two links say that it succeeded: the answer was lost.
    """
    try:
        os.link(payload, name)
    except OSError as error:
        found = status(payload)
        if found is None or found.st_nlink != 2:
            if error.errno == errno.EEXIST:
                return False
            if error.errno in _NO_LINKS:
                raise UnsupportedError(
                    f"{name}: this file system has no hard links, which create-only"
                    f" writes need ({os.strerror(error.errno)}); choose another one"
                ) from error
            raise
    unlink(payload)
    return True
