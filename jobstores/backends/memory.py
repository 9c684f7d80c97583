"""The reference backend: everything in one process's memory, under one lock.

Locator `memory:NAME`; ports of the same name share what they hold. Nothing here
survives the process, so "durable" is empty.
"""

from __future__ import annotations

import io
import threading
import time
from typing import BinaryIO, Dict, Iterator, List, NamedTuple, Optional

from jobstores.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidKeyError,
    NotFoundError,
)
from jobstores.keys import check_key, check_prefix, join
from jobstores.port import ObjectStat


class Held(NamedTuple):
    """What a key names: its bytes, when and by which write, and since which write."""

    data: bytes
    mtime: float
    version: int
    born: int


class Memory:
    """What ports of one name share: objects and segments by key, and the lock."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.held: Dict[str, Held] = {}
        self.version = 0

    def hold(self, key: str, data: bytes, born: int = 0) -> Held:
        """Set a key's bytes, as a new version; of something new where `born` is 0."""
        self.version += 1
        self.held[key] = Held(data, time.time(), self.version, born or self.version)
        return self.held[key]


_memories: Dict[str, Memory] = {}
_memories_lock = threading.Lock()


class MemoryPort:
    """An `ObjectPort` over a process's memory; without a name nobody shares it."""

    column_format = "zarr"
    read_only = False

    def __init__(self, name: str = "") -> None:
        self.locator = f"memory:{name}"
        with _memories_lock:
            self.memory = _memories.setdefault(name, Memory()) if name else Memory()

    def get(self, key: str, start: int = 0, stop: Optional[int] = None) -> bytes:
        """The object's bytes, or of its bytes those in [start, stop)."""
        with self.memory.lock:
            found = self.memory.held.get(check_key(key))
        if found is None:
            raise NotFoundError(f"{self.locator}: there is no {key}")
        return found.data[start:stop]

    def put(
        self,
        key: str,
        data: bytes,
        *,
        create: bool = False,
        if_match: Optional[str] = None,
        durable: bool = True,  # noqa: ARG002
    ) -> None:
        """Write an object: plain (replacing), create-only, or compare-and-swap."""
        if create and if_match is not None:
            raise ValueError("create and if_match exclude each other")
        with self.memory.lock:
            found = self.memory.held.get(self._writable(key))
            if create and found is not None:
                raise AlreadyExistsError(f"{self.locator}: {key}: there is one already")
            if if_match is not None and (found is None or str(found.version) != if_match):
                raise ConflictError(f"{self.locator}: {key}: changed since it was read")
            self.memory.hold(key, bytes(data))

    def open_write(self, key: str) -> BinaryIO:
        """A file to write a large object to; it appears, whole, when closed."""
        self._writable(key)
        return _MemoryFile(self, key)

    def stat(self, key: str) -> Optional[ObjectStat]:
        """Size, time and tag, or None where there is no such object."""
        with self.memory.lock:
            found = self.memory.held.get(check_key(key))
        if found is None:
            return None
        return ObjectStat(len(found.data), found.mtime, str(found.version))

    def list(self, prefix: str) -> List[str]:
        """Names directly below a prefix, sorted; deeper levels with a slash."""
        above = join(check_prefix(prefix), "")
        names = set()
        for key in self.walk(prefix):
            name, slash, _ = key[len(above) :].partition("/")
            names.add(name + slash)
        return sorted(names)

    def delete(self, key: str) -> None:
        """Remove an object or a segment; nothing there is no error."""
        with self.memory.lock:
            self.memory.held.pop(check_key(key), None)

    def delete_tree(self, prefix: str) -> None:
        """Remove everything below a prefix."""
        with self.memory.lock:
            for key in self.walk(prefix):
                del self.memory.held[key]

    def sync_tree(self, prefix: str) -> None:
        """Nothing: memory is as durable as it gets."""
        check_prefix(prefix)

    def create_segment(self, key: str) -> MemorySegment:
        """Claim a segment's name, create-only, and open it for appending."""
        with self.memory.lock:
            self.put(key, b"", create=True)
            return MemorySegment(self.memory, key, self.memory.held[key].born)

    def append_segment(self, key: str) -> MemorySegment:
        """Open a segment for appending, creating it where there is none."""
        with self.memory.lock:
            found = self.memory.held.get(self._writable(key)) or self.memory.hold(key, b"")
            return MemorySegment(self.memory, key, found.born)

    def read_segment(self, key: str, start: int = 0) -> bytes:
        """What the segment holds now, from byte `start` on."""
        return self.get(key, start)

    def path(self, key: str) -> Optional[str]:
        """None: there are no files."""
        check_key(key)
        return None

    def walk(self, prefix: str) -> Iterator[str]:
        """Every key below a prefix, in no promised order."""
        above = join(check_prefix(prefix), "")
        with self.memory.lock:
            keys = [key for key in self.memory.held if key.startswith(above)]
        return iter(keys)

    def _writable(self, key: str) -> str:
        """The key, once no other is below or above it as a path."""
        check_key(key)
        with self.memory.lock:
            for other in self.memory.held:
                if other.startswith(key + "/") or key.startswith(other + "/"):
                    raise InvalidKeyError(
                        f"{self.locator}: {key}: a key can't have keys below it, and there"
                        f" is {other}"
                    )
        return key


class MemorySegment:
    """An open segment; once it was deleted, what is appended is lost, as in a file."""

    def __init__(self, memory: Memory, key: str, born: int) -> None:
        self._memory = memory
        self._key = key
        self._born = born

    def append(self, data: bytes) -> None:
        """Append `data` whole, in order after all earlier appends."""
        with self._memory.lock:
            found = self._memory.held.get(self._key)
            if found is not None and found.born == self._born:
                self._memory.hold(self._key, found.data + data, self._born)

    def sync(self) -> None:
        """Nothing: memory is as durable as it gets."""

    def close(self) -> None:
        """Nothing to close."""


class _MemoryFile(io.BytesIO):
    """An object being written; `close` publishes it, an exception discards it."""

    def __init__(self, port: MemoryPort, key: str) -> None:
        super().__init__()
        self._port = port
        self._key = key

    def close(self) -> None:
        if self.closed:
            return
        data = self.getvalue()
        super().close()
        self._port.put(self._key, data)

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            super().close()

    def __del__(self) -> None:
        super().close()
