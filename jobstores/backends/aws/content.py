"""Content: what of it is kept in an item, and what in blobs that the item points to.

Blobs are objects of another port (the bucket's). One is written before an item points to
it and never changed; it is removed when no item points to it any more. What a process
killed in between leaves is seen by nobody, until `aws.sweep` removes it.

Standard library only, Python 3.9: this runs on compute nodes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable, Optional, Tuple

from jobstores.backends.aws.items import MAX_PARTS, MAX_TAIL, Checker, Item, Part, new_name
from jobstores.errors import CorruptError, JobStoreError

if TYPE_CHECKING:
    from jobstores.port import ObjectPort


class Contents:
    """Reads and writes contents.

    blobs: where large content goes, and all of it where there is a secret.
    secret: what the blobs are encrypted with; then items hold nothing of the content.
    """

    def __init__(self, blobs: ObjectPort, secret: Optional[bytes] = None) -> None:
        self.blobs = blobs
        self.is_secret = secret is not None
        self.checker = Checker(secret)
        self.max_tail = 0 if secret is not None else MAX_TAIL
        self._last = ("", b"")  # the blob that was written last, for who appends to it

    def store(self, data: bytes) -> Tuple[Tuple[Part, ...], bytes]:
        """The parts and the tail of new content."""
        if len(data) <= self.max_tail:
            return (), data
        return (self.upload(data),), b""

    def upload(self, data: bytes) -> Part:
        """A new blob."""
        name = new_name()
        self.blobs.put(blob_key(name), data)
        if len(data) <= MAX_TAIL:
            self._last = (name, data)
        return Part(name, len(data), self.checker.of(name, data))

    def extend(self, item: Item, data: bytes) -> Tuple[Tuple[Part, ...], bytes]:
        """The parts and the tail of the content once some bytes follow it.

        The last bytes of a secret content are rewritten with what follows them, so that
        there are no more parts than there are with a tail.
        """
        parts, tail = item.parts, item.tail + data
        if len(tail) <= self.max_tail:
            return parts, tail
        if self.is_secret and parts and parts[-1].size + len(tail) <= MAX_TAIL:
            tail, parts = self._whole(parts[-1]) + tail, parts[:-1]
        if len(parts) == MAX_PARTS:
            tail, parts = b"".join(map(self._whole, parts)) + tail, ()
        return (*parts, self.upload(tail)), b""

    def read(self, item: Item, start: int, stop: Optional[int], place: str) -> bytes:
        """The bytes in [start, stop) of an item's content; whole parts are verified.

        Raises:
            NotFoundError: a part has gone: the item was replaced.
            CorruptError: a part fails its checksum.
        """
        end = item.size if stop is None else min(stop, item.size)
        pieces, at = [], 0
        for part in item.parts:
            low, high = max(start - at, 0), min(end - at, part.size)
            if low < high:
                pieces.append(self._piece(part, low, high, place))
            at += part.size
        pieces.append(item.tail[max(start - at, 0) : max(end - at, 0)])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def remove(self, parts: Iterable[Part]) -> None:
        """Remove blobs that no item points to now; what can't be is left to the sweep."""
        for part in parts:
            try:
                self.blobs.delete(blob_key(part.name))
            except JobStoreError:
                return  # the write itself is done; they are in nobody's way

    def _whole(self, part: Part) -> bytes:
        name, data = self._last
        if name == part.name:
            return data
        return self._piece(part, 0, part.size, self.blobs.locator)

    def _piece(self, part: Part, low: int, high: int, place: str) -> bytes:
        key = blob_key(part.name)
        if (low, high) != (0, part.size):
            return self.blobs.get(key, low, high)
        data = self.blobs.get(key)
        if len(data) != part.size or self.checker.of(part.name, data) != part.check:
            raise CorruptError(
                f"{place}: its part {key} in {self.blobs.locator} is not what its"
                f" checksum says ({len(data)} bytes, and {part.size} were written)"
            )
        return data


def blob_key(name: str) -> str:
    """The key of a blob."""
    return f"{name[:2]}/{name}"
