"""A whole store in one zip file: read in place, never unpacked, never changed.

Locator `zip:PATH`. Members are keys, below one common top folder where every member
has it. `write_zip` makes such a file of any store, `unzip` a store of such a file.
Every read is checked against the member's CRC-32.
"""

from __future__ import annotations

import calendar
import os
import shutil
import struct
import threading
import time
import zipfile
import zlib
from typing import (
    TYPE_CHECKING,
    BinaryIO,
    Callable,
    Dict,
    Iterator,
    List,
    NoReturn,
    Optional,
)

from jobstores.backends import files
from jobstores.errors import (
    AlreadyExistsError,
    ConflictError,
    CorruptError,
    NotFoundError,
    ReadOnlyError,
)
from jobstores.keys import check_key, check_prefix, is_part, join
from jobstores.port import ObjectStat

if TYPE_CHECKING:
    from jobstores.port import ObjectPort, SegmentHandle

    Progress = Callable[[int, Optional[int]], None]

_PIECE = 1 << 24  # larger objects are copied piece by piece
_COMPRESSED_CHUNK = "/c/"  # in the keys of Zarr chunks, which are compressed already
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # that a zip file can say
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, struct.error, NotImplementedError)


class ZipPort:
    """A read-only `ObjectPort` over one zip file, which `close` lets go of."""

    column_format = "zarr"
    read_only = True

    def __init__(self, path: str) -> None:
        self._path = os.path.abspath(path)
        self.locator = f"zip:{self._path}"
        self._lock = threading.Lock()
        self._zip = self._open()
        self._tag = files.tag_of(os.fstat(self._file().fileno()))
        self._members = self._index()
        self._levels = _levels(self._members)
        self._last = ("", b"")  # what was read last, whole: packs are read piecewise

    def get(self, key: str, start: int = 0, stop: Optional[int] = None) -> bytes:
        """The object's bytes, or of its bytes those in [start, stop).

        Raises:
            NotFoundError: there is no such object.
            CorruptError: the member fails its checksum.
        """
        member = self._members.get(check_key(key))
        if member is None:
            raise NotFoundError(f"{self.locator}: there is no {key}")
        with self._lock:
            if self._last[0] != key:
                self._last = (key, self._read(member, key))
            return self._last[1][start:stop]

    def stat(self, key: str) -> Optional[ObjectStat]:
        """Size, time and tag, or None where there is no such object."""
        member = self._members.get(check_key(key))
        if member is None:
            return None
        tag = f"{self._tag}.{member.header_offset:x}.{member.CRC:x}"
        return ObjectStat(member.file_size, _unix_time(member), tag)

    def list(self, prefix: str) -> List[str]:
        """Names directly below a prefix, sorted; deeper levels with a slash."""
        return list(self._levels.get(check_prefix(prefix), ()))

    def walk(self, prefix: str) -> Iterator[str]:
        """Every key below a prefix, in no promised order."""
        above = join(check_prefix(prefix), "")
        return (key for key in self._members if key.startswith(above))

    def read_segment(self, key: str, start: int = 0) -> bytes:
        """What the segment holds, from byte `start` on."""
        return self.get(key, start)

    def path(self, key: str) -> Optional[str]:
        """None: the objects are no files of their own."""
        check_key(key)
        return None

    def put(
        self,
        key: str,
        data: bytes,  # noqa: ARG002
        *,
        create: bool = False,  # noqa: ARG002
        if_match: Optional[str] = None,  # noqa: ARG002
        durable: bool = True,  # noqa: ARG002
    ) -> None:
        """Refused, as every change is, by `ReadOnlyError`."""
        self._refuse(check_key(key))

    def open_write(self, key: str) -> BinaryIO:
        """Refused."""
        self._refuse(check_key(key))

    def delete(self, key: str) -> None:
        """Refused."""
        self._refuse(check_key(key))

    def delete_tree(self, prefix: str) -> None:
        """Refused."""
        self._refuse(check_prefix(prefix))

    def sync_tree(self, prefix: str) -> None:
        """Refused: there is nothing that could have been written."""
        self._refuse(check_prefix(prefix))

    def create_segment(self, key: str) -> SegmentHandle:
        """Refused."""
        self._refuse(check_key(key))

    def append_segment(self, key: str) -> SegmentHandle:
        """Refused."""
        self._refuse(check_key(key))

    def close(self) -> None:
        """Let go of the file; reading is over."""
        self._zip.close()

    def copy_to(self, key: str, target: BinaryIO) -> None:
        """Write an object to a file piece by piece; errors as for `get`."""
        try:
            with self._zip.open(self._members[key]) as source:
                shutil.copyfileobj(source, target, _PIECE)
        except _DAMAGE as error:
            raise CorruptError(f"{self.locator}: {key} is damaged: {error}") from error

    def _read(self, member: zipfile.ZipInfo, key: str) -> bytes:
        try:
            return self._zip.read(member)
        except _DAMAGE as error:
            raise CorruptError(f"{self.locator}: {key} is damaged: {error}") from error
        except OSError as error:
            files.fail(error, self._path)

    def _refuse(self, name: str) -> NoReturn:
        raise ReadOnlyError(
            f"{self.locator}: a store in a zip file can't be changed: unzip it first"
            f" (refused for {name or 'the whole store'})"
        )

    def _open(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self._path)
        except zipfile.BadZipFile as error:
            raise CorruptError(f"{self._path}: not a whole zip file: {error}") from error
        except OSError as error:
            files.fail(error, self._path)

    def _file(self) -> BinaryIO:
        file = self._zip.fp
        assert file is not None
        return file  # type: ignore[return-value]

    def _index(self) -> Dict[str, zipfile.ZipInfo]:
        """Members by key; what no key could name is left out."""
        members = {m.filename: m for m in self._zip.infolist() if not m.is_dir()}
        tops = {name.partition("/")[0] for name in members}
        top = tops.pop() if len(tops) == 1 else ""
        if top and all("/" in name for name in members):
            members = {name[len(top) + 1 :]: m for name, m in members.items()}
        return {
            name: member
            for name, member in members.items()
            if all(is_part(part) for part in name.split("/"))
        }


def _silent(done: int, total: Optional[int]) -> None:
    """A progress that nobody watches."""


def write_zip(
    port: ObjectPort,
    path: str,
    *,
    exclude: Callable[[str], bool] = lambda _: False,
    progress: Progress = _silent,
) -> None:
    """Write a whole store, but for the keys to exclude, into one zip file.

    The file appears when it is complete and durable, in the place of any that was
    there. Members are in the order of their keys, below a folder named like the file.
    Nobody should be writing to the store. Interrupted, it leaves no file, and the old one.

    progress: told how many of how many keys are in.

    Raises:
        ConflictError: a large object was replaced while it was copied.
    """
    path = os.path.abspath(path)
    top = os.path.basename(path).removesuffix(".zip") or "store"
    payload = files.hidden_beside(path, "t")
    try:
        with open(payload, "xb") as file:
            with zipfile.ZipFile(file, "w", strict_timestamps=False) as archive:
                keys = sorted(key for key in port.walk("") if not exclude(key))
                for done, key in enumerate(keys):
                    progress(done, len(keys))
                    _add(archive, f"{top}/{key}", port, key)
                progress(len(keys), len(keys))
            file.flush()
            os.fsync(file.fileno())
        os.replace(payload, path)
        files.sync(os.path.dirname(path))
    except OSError as error:
        files.fail(error, path)
    finally:
        files.unlink(payload)


def unzip(path: str, port: ObjectPort, *, progress: Progress = _silent) -> None:
    """Copy what is in a zip file into an empty store.

    What is at the top level comes last, when all else is durable: a copy that was
    cut short has no marker and is no store.

    progress: told how many of how many keys are out.

    Raises:
        AlreadyExistsError: the store is not empty.
        CorruptError: a member fails its checksum, or the file is no zip file.
    """
    source = ZipPort(path)
    try:
        if port.list(""):
            raise AlreadyExistsError(
                f"{port.locator}: it is not empty, so can't be unzipped to"
            )
        keys = sorted(source.walk(""), key=lambda key: ("/" not in key, key))
        for done, key in enumerate(keys):
            progress(done, len(keys))
            if "/" not in key:
                port.sync_tree("")
            _copy(source, key, port)
        port.sync_tree("")
        progress(len(keys), len(keys))
    finally:
        source.close()


def _copy(source: ZipPort, key: str, port: ObjectPort) -> None:
    found = source.stat(key)
    if found is not None and found.size > _PIECE:
        with port.open_write(key) as file:
            source.copy_to(key, file)
    else:
        port.put(key, source.get(key), durable=False)


def _add(archive: zipfile.ZipFile, name: str, port: ObjectPort, key: str) -> None:
    found = port.stat(key)
    if found is None:
        raise ConflictError(f"{port.locator}: {key} went away while it was archived")
    member = zipfile.ZipInfo(name, max(time.gmtime(found.mtime)[:6], _EARLIEST))
    member.create_system = 3  # Unix, wherever this runs: the same store, the same file
    member.external_attr = 0o644 << 16
    member.compress_type = (
        zipfile.ZIP_STORED if _COMPRESSED_CHUNK in key else zipfile.ZIP_DEFLATED
    )
    if found.size <= _PIECE:
        archive.writestr(member, port.get(key))
        return
    with archive.open(member, "w", force_zip64=True) as target:
        for start in range(0, found.size, _PIECE):
            target.write(port.get(key, start, min(start + _PIECE, found.size)))
    after = port.stat(key)
    if after is None or after.tag != found.tag:
        raise ConflictError(f"{port.locator}: {key} was changed while it was archived")


def _unix_time(member: zipfile.ZipInfo) -> float:
    return float(calendar.timegm((*member.date_time, 0, 0, 0)))


def _levels(keys: Dict[str, zipfile.ZipInfo]) -> Dict[str, List[str]]:
    """For each prefix the sorted names directly below it."""
    found: Dict[str, set[str]] = {}
    for key in keys:
        level, _, name = key.rpartition("/")
        found.setdefault(level, set()).add(name)
        while level:
            level, _, name = level.rpartition("/")
            found.setdefault(level, set()).add(name + "/")
    return {level: sorted(names) for level, names in found.items()}
