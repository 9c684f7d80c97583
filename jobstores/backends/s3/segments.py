"""Segments: S3 has no append, so a segment is objects that are rewritten.

The segment's first part is the object of its key. Each append rewrites the last part,
swapping the object that this handle wrote or read before: so a deleted segment stays
deleted, and what another handle appended is noticed and kept. A part of `FULL` bytes or
more is never changed again; the next one is an object with a name that is no key,
`~/NAME.BORN.N` beside the first, where BORN is the stamp of the segment's first write:
parts of a deleted segment are never those of its successor. Most segments are one part:
one request creates them, one appends, one reads. `sync` has nothing to do: what `append`
returned is stored, and any client reads it.

Standard library only, Python 3.9: this runs on compute nodes.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, List, Optional

from jobstores.backends.s3.bodies import FRAME_SIZE, Body, Found, with_tail
from jobstores.backends.s3.listing import listing, remove
from jobstores.errors import AlreadyExistsError, ConflictError, NotFoundError

if TYPE_CHECKING:
    from jobstores.backends.s3.objects import Objects

FULL = 256 << 10


def is_full(found: Found) -> bool:
    """Whether a segment's part can have a next one."""
    return bool(found.born) and found.content >= FULL


def new_body(content: bytes, born: str = "") -> Body:
    """A part as it is sent; with a `born` of "", the first of a new segment."""
    return with_tail(content, born=born, text=False)


def part_name(key: str, born: str, number: int) -> str:
    """The name of a part of a segment from 1 on, or of all its parts with -1."""
    above, slash, name = key.rpartition("/")
    return f"{above}{slash}~/{name}.{born}.{number if number >= 0 else ''}"


def born_of(found: Found) -> str:
    """What a segment is known by, whatever is appended; also an object's, as its first."""
    return found.born or found.stamp or found.etag


def later_content(objects: Objects, key: str, found: Found) -> List[bytes]:
    """What the parts after a full first one hold, in order.

    Raises:
        NotFoundError: the segment was removed meanwhile.
    """
    contents: List[bytes] = []
    full = is_full(found)
    while full:
        try:
            part = objects.read(part_name(key, found.born, len(contents) + 1))
        except NotFoundError:
            _still_there(objects, key, found.born)
            break
        contents.append(part.data)
        full = is_full(part.found)
    return contents


def later_size(objects: Objects, key: str, found: Found) -> int:
    """How many bytes the parts after a full first one hold."""
    if not is_full(found):
        return 0
    prefix = objects.prefix + part_name(key, found.born, -1)
    return sum(entry.size - FRAME_SIZE for entry in listing(objects.client, prefix))


def remove_later(objects: Objects, key: str, found: Found) -> None:
    """Remove the parts after a first one, which is gone already."""
    if is_full(found):
        prefix = objects.prefix + part_name(key, found.born, -1)
        names = [entry.name for entry in listing(objects.client, prefix)]
        for start in range(0, len(names), 1000):
            remove(objects.client, names[start : start + 1000])


def _still_there(objects: Objects, key: str, born: str) -> None:
    found = objects.look(key)
    if found is None or born_of(found) != born:
        raise NotFoundError(f"{objects.where(key)}: it was removed while it was read")


class Segment:
    """An open segment; once it was deleted, what is appended is lost, as in a file.

    An append that failed may have been done: the next one looks.
    """

    def __init__(
        self, objects: Objects, key: str, born: str, content: Optional[bytes], etag: str
    ) -> None:
        self._objects = objects
        self._key = key
        self._born = born
        self._part = 0
        self._content = content  # of the last part that is known; None: to be read
        self._etag = etag  # of that part; "" where it is not there yet
        self._gone = False
        self._lock = threading.Lock()

    def append(self, data: bytes) -> None:
        """Append `data` whole, in order after all earlier appends."""
        with self._lock:
            while data and not self._gone:
                if self._content is None:
                    self._read()
                elif len(self._content) >= FULL:
                    self._begin_part()
                elif self._write(self._content + data):
                    return

    def sync(self) -> None:
        """Nothing: what was appended is stored."""

    def close(self) -> None:
        """Nothing to close."""

    def _name(self) -> str:
        return part_name(self._key, self._born, self._part) if self._part else self._key

    def _write(self, content: bytes) -> bool:
        """Put the last part; False where another put or removed it first."""
        body, etag = new_body(content, self._born), self._etag
        self._content = None
        try:
            if etag:
                self._etag = self._objects.swap(self._name(), body, etag)
            else:
                self._etag = self._objects.create(self._name(), body)
        except (ConflictError, AlreadyExistsError):
            return False
        if self._etag:  # else it was done, and another handle has appended since
            self._content = content
        return True

    def _read(self) -> None:
        """Learn what the last part holds that this handle knows of."""
        try:
            part = self._objects.read(self._name())
        except NotFoundError:
            if self._part == 0 or self._etag or self._first_is_gone():
                self._gone = True
            else:
                self._content, self._etag = b"", ""
            return
        if born_of(part.found) != self._born:
            self._gone = True
        self._content, self._etag = part.data, part.found.etag

    def _begin_part(self) -> None:
        if self._first_is_gone():
            self._gone = True
            return
        self._part += 1
        self._content, self._etag = None, ""

    def _first_is_gone(self) -> bool:
        found = self._objects.look(self._key)
        return found is None or born_of(found) != self._born
