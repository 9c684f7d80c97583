"""One object, or segment, from a port to another, and what its bytes add up to."""

from __future__ import annotations

import threading
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from jobstores.errors import ConflictError, CorruptError, NotFoundError
from jobstores.operations.layout import is_segment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobstores.port import ObjectPort

SMALL = 1 << 20
"""Bytes of an object that is read by one call, without asking for its size."""
PIECE = 1 << 24
"""Bytes of a large object that are in memory at a time."""


class Sum(NamedTuple):
    """Size in bytes and CRC-32."""

    size: int
    crc32: int


class Room:
    """Bytes of large objects that may be in memory at a time, of all threads together."""

    def __init__(self, size: int = 4 * PIECE) -> None:
        self._size = self._left = size
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, size: int) -> Iterator[None]:
        """Wait until so many bytes have room (all there is, at most), and take it."""
        size = min(size, self._size)
        with self._changed:
            self._changed.wait_for(lambda: self._left >= size)
            self._left -= size
        try:
            yield
        finally:
            with self._changed:
                self._left += size
                self._changed.notify_all()


_room = Room()


def sum_of(data: bytes) -> Sum:
    """The size and checksum of bytes."""
    return Sum(len(data), zlib.crc32(data))


def transfer(
    source: ObjectPort, key: str, target: ObjectPort, *, grows: bool = False
) -> Sum:
    """Copy what a key names; what it replaces, if anything, is replaced whole.

    Of a segment that grows what was there when it was read is copied. The copy is
    durable after the target's `sync_tree`.

    grows: it is an object that a run may be writing as a file: the same holds for it.

    Raises:
        NotFoundError: it is not there any more.
        ConflictError: a large object was replaced while it was copied.
    """
    data = source.read_segment(key) if is_segment(key) else source.get(key, 0, SMALL)
    if is_segment(key) or len(data) < SMALL:
        target.put(key, data, durable=False)
        return sum_of(data)
    found = source.stat(key)
    if found is None:
        raise NotFoundError(f"{source.locator}: {key} went away while it was copied")
    if found.size <= PIECE:
        with _room.taken(found.size):
            data = source.get(key)
            target.put(key, data, durable=False)
            return sum_of(data)
    size = crc32 = 0
    with _room.taken(PIECE), target.open_write(key) as file:
        for piece in _pieces(source, key, found.size):
            file.write(piece)
            size, crc32 = size + len(piece), zlib.crc32(piece, crc32)
        after = source.stat(key)
        is_same = after is not None and after.tag == found.tag
        if not grows and (size != found.size or not is_same):
            raise ConflictError(f"{source.locator}: {key} was changed while it was copied")
    return Sum(size, crc32)


def stored_sum(port: ObjectPort, key: str) -> Sum | None:
    """The size and checksum of what a key names, by reading it; None: it is not there."""
    try:
        data = port.read_segment(key) if is_segment(key) else port.get(key, 0, SMALL)
        if is_segment(key) or len(data) < SMALL:
            return sum_of(data)
        found = port.stat(key)
        if found is None:
            return None
        size = crc32 = 0
        with _room.taken(min(found.size, PIECE)):
            for piece in _pieces(port, key, found.size):
                size, crc32 = size + len(piece), zlib.crc32(piece, crc32)
    except NotFoundError:
        return None
    return Sum(size, crc32)


def check_copy(target: ObjectPort, key: str, expected: Sum) -> None:
    """Read a copy back.

    Raises:
        CorruptError: it is not what was written.
    """
    found = stored_sum(target, key)
    if found != expected:
        there = "nothing is" if found is None else f"{found.size} bytes are"
        raise CorruptError(
            f"{target.locator}: the copy of {key} fails its checksum: {expected.size} "
            f"bytes were written, {there} there. Nothing counts yet: copy again"
        )


def _pieces(port: ObjectPort, key: str, size: int) -> Iterator[bytes]:
    if size <= PIECE:
        yield port.get(key)
        return
    for start in range(0, size, PIECE):
        yield port.get(key, start, min(start + PIECE, size))
