"""Log entries: written by anyone, each given to a reader once, whatever the clocks say.

An entry is an object with a name of its own, `logs/new/WRITER.NUMBER`, so entries of
one writer keep their order. A reader takes what is there, passes it on, packs it into
the next `logs/read/N` (created only, so that of two readers one is told), and then
removes the originals. Killed before the pack, an entry is read again; killed after it,
the next reader finds its name in the newest pack, and removes it unread.
"""

from __future__ import annotations

import io
import itertools
import json
from typing import IO, TYPE_CHECKING

from jobstores.errors import AlreadyExistsError, ConflictError, NotFoundError
from jobstores.job_face import frames, names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jobstores.port import ObjectPort

_PACK_BYTES = 4 << 20


class Logs:
    """The log entries of one store."""

    def __init__(self, port: ObjectPort) -> None:
        self._port = port
        self._writer = names.fresh()
        self._numbers = itertools.count()

    def write(self, message: bytes) -> None:
        """Store an entry."""
        key = f"{names.NEW_LOGS}/{self._writer}.{next(self._numbers):08d}"
        self._port.put(key, frames.encode(message))

    def read(self, callback: Callable[[IO[bytes]], object], *, read_all: bool) -> int:
        """Pass unread entries on, or all; then these are read. How many were passed on.

        An entry whose callback failed, and those after it, stay unread.

        Raises:
            ConflictError: another process read the logs at the same time, and some
                entries were passed on by both.
        """
        count = 0
        packs = self._packs()
        if read_all:
            for number in packs:
                for message in self._unpack(number).values():
                    callback(io.BytesIO(message))
                    count += 1
        return count + self._read_new(callback, packs)

    def _read_new(self, callback: Callable[[IO[bytes]], object], packs: list[int]) -> int:
        unread = sorted(self._port.list(names.NEW_LOGS))
        if not unread:
            return 0
        last = packs[-1] if packs else 0
        seen = self._unpack(last) if last else {}
        count, taken, size = 0, dict[str, bytes](), 0
        try:
            for name in unread:
                message = None if name in seen else self._entry(name)
                if message is None:
                    self._port.delete(f"{names.NEW_LOGS}/{name}")
                    continue
                if taken and size + len(message) > _PACK_BYTES:
                    last = self._pack(last + 1, taken)
                    taken, size = {}, 0
                callback(io.BytesIO(message))
                taken[name] = message
                size += len(message)
                count += 1
        finally:
            if taken:
                self._pack(last + 1, taken)
        return count

    def _packs(self) -> list[int]:
        """The numbers of the packs, rising."""
        return sorted(int(name) for name in self._port.list(names.READ_LOGS))

    def _entry(self, name: str) -> bytes | None:
        """An entry's message, or None: another reader has removed it."""
        key = f"{names.NEW_LOGS}/{name}"
        try:
            return frames.decode(self._port.get(key), f"{self._port.locator}: {key}")
        except NotFoundError:
            return None

    def _pack(self, number: int, taken: dict[str, bytes]) -> int:
        """Note that entries are read, and remove them."""
        head = json.dumps({name: len(message) for name, message in taken.items()})
        content = b"".join([head.encode(), b"\n", *taken.values()])
        key = f"{names.READ_LOGS}/{number:08d}"
        try:
            self._port.put(key, frames.encode(content), create=True)
        except AlreadyExistsError:
            raise ConflictError(
                f"{self._port.locator}: another process reads the logs at the same time"
            ) from None
        for name in taken:
            self._port.delete(f"{names.NEW_LOGS}/{name}")
        return number

    def _unpack(self, number: int) -> dict[str, bytes]:
        """The entries of a pack, by name, in the order they were read."""
        key = f"{names.READ_LOGS}/{number:08d}"
        content = frames.decode(self._port.get(key), f"{self._port.locator}: {key}")
        return dict(_split(content))


def _split(content: bytes) -> Iterator[tuple[str, bytes]]:
    head, _, body = content.partition(b"\n")
    at = 0
    for name, size in json.loads(head).items():
        yield name, body[at : at + size]
        at += size
