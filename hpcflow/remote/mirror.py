"""A workflow's folder here, with what its jobs record in their folder there.

The base, the submissions and the journals are here alone, and written here alone.
What jobs record (segments) is fetched before it is read, each byte once: segments are
only appended to, so what is here is a prefix of what is there, as a reader on a shared
file system would have seen it. Logs, large values and kept files are fetched when they
are asked for.
"""

from __future__ import annotations

import json
import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO

from hpcflow.errors import RemoteError
from jobstores import generations
from jobstores.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hpcflow.remote.host import RemoteHost
    from jobstores.port import ObjectPort, ObjectStat, SegmentHandle

_SEGMENTS = "segments"
_GROWING = ("logs",)
_WHOLE = ("values", "artifacts")
_FAR = (*_GROWING, *_WHOLE)
_ASKED_THERE = ("aborts",)


class MirrorPort:
    """An `ObjectPort` over a folder here and the one in which its jobs run.

    folder: the port of the folder here. root: its absolute path. far: the folder there.
    """

    def __init__(self, folder: ObjectPort, root: str, host: RemoteHost, far: str) -> None:
        self.folder = folder
        self.locator = folder.locator
        self.read_only = folder.read_only
        self.column_format = folder.column_format
        self.parallel: int = getattr(folder, "parallel", 1)
        self._root = root
        self._host = host
        self._far = far

    # -- fetching ------------------------------------------------------------

    def refresh(self) -> None:
        """Fetch what jobs have recorded since.

        Raises:
            RemoteError: the host can't be reached.
        """
        base = generations.newest(self.folder)
        if base.info.get("submissions"):
            packed = [f"{_SEGMENTS}/{job}" for job in base.packs]
            self._fetch([_SEGMENTS], skip=packed)

    def fetch_all(self) -> None:
        """Fetch all that jobs have left and that is not here."""
        self._fetch(_FAR)

    def _fetch(self, prefixes: list[str] | tuple[str, ...], skip: list[str] = []) -> None:  # noqa: B006 - never changed
        known = {}
        for prefix in prefixes:
            known.update(self._sizes(prefix))
        request = {
            "root": self._far,
            "prefixes": list(prefixes),
            "known": known,
            "skip": skip,
        }
        receiver = _Receiver(self._root, prefixes)
        try:
            self._host.fetch(request, receiver.take)
        finally:
            receiver.close()
        if not receiver.is_complete:
            raise RemoteError(f"{self._host.name}: the answer ended early; try again")

    def _sizes(self, prefix: str) -> dict[str, int]:
        """Bytes that are here, by key."""
        path = os.path.join(self._root, prefix)
        if os.path.isfile(path):
            return {prefix: os.stat(path).st_size}
        found = {}
        for key in self.folder.walk(prefix):
            with suppress(FileNotFoundError):  # swept meanwhile
                found[key] = os.stat(os.path.join(self._root, key)).st_size
        return found

    def _have(self, key: str) -> None:
        """Have an object of the other folder here, if it is there."""
        top = key.partition("/")[0]
        if top in _GROWING or (top in _WHOLE and self.folder.stat(key) is None):
            self._fetch([key])

    # -- the port ------------------------------------------------------------

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """The object's bytes, or of its bytes those in [start, stop)."""
        self._have(key)
        return self.folder.get(key, start, stop)

    def put(
        self,
        key: str,
        data: bytes,
        *,
        create: bool = False,
        if_match: str | None = None,
        durable: bool = True,
    ) -> None:
        """Write an object here; a wish that jobs look for, there too."""
        if key.partition("/")[0] in _ASKED_THERE:
            self._host.put(self._far, key, data)
        self.folder.put(key, data, create=create, if_match=if_match, durable=durable)

    def open_write(self, key: str) -> BinaryIO:
        """A file to write a large object to; it appears, whole, when closed."""
        return self.folder.open_write(key)

    def stat(self, key: str) -> ObjectStat | None:
        """Size, time and tag, or None where there is no such object."""
        self._have(key)
        return self.folder.stat(key)

    def list(self, prefix: str) -> list[str]:
        """Names directly below a prefix; deeper levels end in a slash."""
        found = self.folder.list(prefix)
        if prefix.partition("/")[0] in _FAR:
            return sorted({*found, *self._host.names(self._far, prefix)})
        return found

    def delete(self, key: str) -> None:
        """Remove an object or a segment here; nothing there is no error."""
        self.folder.delete(key)

    def delete_tree(self, prefix: str) -> None:
        """Remove everything below a prefix here."""
        self.folder.delete_tree(prefix)

    def sync_tree(self, prefix: str) -> None:
        """Make all objects below a prefix, and their names, durable."""
        self.folder.sync_tree(prefix)

    def create_segment(self, key: str) -> SegmentHandle:
        """Claim a segment's name, create-only, and open it for appending."""
        if key.partition("/")[0] == _SEGMENTS:
            raise UnsupportedError(
                f"{self.locator}: jobs on {self._host.name} write {key}, not this host"
            )
        return self.folder.create_segment(key)

    def append_segment(self, key: str) -> SegmentHandle:
        """Open a segment for appending, creating it where there is none.

        Of those among the jobs' own it is a fence: jobs have to see it, so it is written
        there, and what they wrote before it is here when that is done.
        """
        if key.partition("/")[0] != _SEGMENTS:
            return self.folder.append_segment(key)
        return _Fence(self, key)

    def remove_there(self, identity: str) -> None:
        """Remove the other folder, which is that of the workflow of this id."""
        self._host.remove(self._far, identity)

    def append_there(self, key: str, data: bytes) -> None:
        """Append to a segment among the jobs' own, durably; have what is beside it here."""
        self._host.append(self._far, key, data.decode())
        self._fetch([key.rpartition("/")[0]])

    def read_segment(self, key: str, start: int = 0) -> bytes:
        """What the segment holds, as of the last `refresh`."""
        return self.folder.read_segment(key, start)

    def path(self, key: str) -> str | None:
        """The path of a key whose object is a file: of what jobs write, there."""
        if key.partition("/")[0] in _FAR:
            return f"{self._far}/{key}"
        return self.folder.path(key)

    def walk(self, prefix: str) -> Iterator[str]:
        """Every key below a prefix, in no promised order; what is there comes here."""
        if not prefix:
            self.fetch_all()
        elif prefix.partition("/")[0] in _FAR:
            self._fetch([prefix])
        yield from self.folder.walk(prefix)


class _Fence:
    """An open segment in the other folder; each append is durable by itself."""

    def __init__(self, port: MirrorPort, key: str) -> None:
        self._port = port
        self._key = key

    def append(self, data: bytes) -> None:
        """Append `data` whole."""
        self._port.append_there(self._key, data)

    def sync(self) -> None:
        """Nothing is left to do."""

    def close(self) -> None:
        """Nothing is open."""


class _Receiver:
    """Writes what `there.fetch` sends: growing files at their place, others whole."""

    def __init__(self, root: str, prefixes: list[str] | tuple[str, ...]) -> None:
        self._root = root
        self._prefixes = tuple(prefixes)
        self._line = bytearray()
        self._left = 0
        self._file: BinaryIO | None = None
        self._beside = ""
        self._path = ""
        self.is_complete = False

    def take(self, block: bytes) -> None:
        """The next bytes."""
        view = memoryview(block)
        while view:
            if self._file is None:
                view = self._take_line(view)
            else:
                part = view[: self._left]
                self._file.write(part)
                self._left -= len(part)
                view = view[len(part) :]
                if not self._left:
                    self._end_file()

    def close(self) -> None:
        """Drop what is half there, where it can't be gone on with."""
        if self._file is not None:
            self._file.close()
            self._file = None
            if self._beside:
                os.unlink(self._beside)

    def _take_line(self, view: memoryview) -> memoryview:
        data = bytes(view)
        line, ended, rest = data.partition(b"\n")
        self._line += line
        if not ended:
            return view[len(data) :]
        header = json.loads(self._line)
        self._line.clear()
        if header.get("end"):
            self.is_complete = True
        else:
            self._begin_file(header)
        return view[len(data) - len(rest) :]

    def _begin_file(self, header: dict[str, Any]) -> None:
        key, start = header["key"], header["start"]
        parts = key.split("/")
        below = any(key == p or key.startswith(f"{p}/") for p in self._prefixes)
        if not below or any(part in ("", ".", "..") or part[0] == "~" for part in parts):
            raise RemoteError(f"the host sent {key!r}, which was not asked for")
        self._path = os.path.join(self._root, key)
        self._left = header["size"]
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        if parts[0] in _WHOLE:
            folder = os.path.dirname(self._path)
            self._beside = os.path.join(folder, f"~{secrets.token_hex(8)}")
            self._file = open(self._beside, "xb")  # noqa: SIM115 - closed in `_end_file`
        else:
            self._beside = ""
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
            self._file = os.fdopen(fd, "wb")
            self._file.seek(start)
        if not self._left:
            self._end_file()

    def _end_file(self) -> None:
        if self._file is None:
            return
        self._file.close()
        self._file = None
        if self._beside:
            os.replace(self._beside, self._path)
            self._beside = ""
