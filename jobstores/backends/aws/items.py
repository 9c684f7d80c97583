"""How an object or a segment lies in a SimpleDB item. Pure: no request is made here.

The item's name is the key. Attributes, each with one value:

======== =============================================================================
`v`      the version: a letter, then random names of this write and of up to seven
         before it, newest first, joined by dots. It is the object's tag. The letter:
         "i", all content is in the item; "p", there are parts
`h`      head: format, birth, size, mtime, count of parts, of chunks, check of the tail
`p000`.. parts: name, size and check of a blob; content is the parts, then the tail
`d000`.. the tail in chunks of 768 bytes, base64 (URL-safe)
======== =============================================================================

What is beyond the counts in the head is left from earlier versions, and is nothing.
An update replaces values in one request, so a reader sees one version or the next.

Standard library only, Python 3.9: this runs on compute nodes.
"""

from __future__ import annotations

import os
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, List, NamedTuple, Optional, Protocol, Tuple

from jobstores.errors import CorruptError, UnsupportedError

if TYPE_CHECKING:
    from jobstores.backends.aws.simpledb_answers import Attributes

FORMAT = "1"
VERSION, HEAD = "v", "h"
CHUNK = 768  # bytes; 1,024 characters in base64
MAX_TAIL = 64 * CHUNK
MAX_PARTS = 128
REMEMBERED = 8  # writes that a version names

Values = List[Tuple[str, str]]


class Part(NamedTuple):
    """A blob that holds a piece of the content: name, size in bytes, checksum."""

    name: str
    size: int
    check: str


class Item(NamedTuple):
    """An object or a segment as its item has it.

    born: names the write that began it; appends keep it, anything else changes it.
    mtime: Unix seconds, by the service's clock.
    tail: what is kept in the item itself.
    """

    version: str
    born: str
    mtime: float
    parts: Tuple[Part, ...]
    tail: bytes

    @property
    def size(self) -> int:
        """Bytes of the whole content."""
        return sum(part.size for part in self.parts) + len(self.tail)


class Head(NamedTuple):
    """What `stat` needs of an item."""

    version: str
    size: int
    mtime: float


class Checker:
    """Checksums: CRC-32, or keyed ones, which say nothing of what was checked.

    secret: what encrypts the content, or None.
    """

    def __init__(self, secret: Optional[bytes] = None) -> None:
        self._secret = secret

    def of(self, name: str, data: bytes) -> str:
        """The checksum of some bytes that go by that name."""
        running = self.begin(name)
        running.update(data)
        return running.text()

    def begin(self, name: str) -> RunningCheck:
        """A checksum of bytes that come one after the other."""
        if self._secret is None:
            return _RunningCrc()
        return _RunningMac(self._secret, name)


class RunningCheck(Protocol):
    """A checksum that is not done yet."""

    def update(self, data: bytes) -> None:
        """Go on with these bytes."""

    def text(self) -> str:
        """The checksum of all of them."""


class _RunningCrc:
    def __init__(self) -> None:
        self._crc = 0

    def update(self, data: bytes) -> None:
        self._crc = zlib.crc32(data, self._crc)

    def text(self) -> str:
        return f"{self._crc:08x}"


class _RunningMac:
    def __init__(self, secret: bytes, name: str) -> None:
        import hmac

        self._mac = hmac.new(secret, f"check {name}\n".encode(), "sha256")

    def update(self, data: bytes) -> None:
        self._mac.update(data)

    def text(self) -> str:
        return self._mac.hexdigest()[:16]


def new_name() -> str:
    """A name that nothing else has: 16 hexadecimal digits."""
    return os.urandom(8).hex()


def next_version(name: str, after: Optional[str], *, has_parts: bool) -> str:
    """The version of the write of that name, which follows another or none."""
    before = history(after)[: REMEMBERED - 1] if after else []
    return ("p" if has_parts else "i") + ".".join([name, *before])


def history(version: str) -> List[str]:
    """The names of the writes that a version remembers, newest first."""
    return version[1:].split(".")


def has_parts(version: str) -> bool:
    """Whether the object of that version has parts."""
    return version[:1] == "p"


def was_done(
    version: str, expected: Optional[str], current: Optional[str]
) -> Optional[bool]:
    """Whether a write whose answer was lost was done; None: that can't be told.

    version: what it would have made; expected: what it had to find, None for nothing.
    current: what is there now.
    """
    if current is None:
        return None
    names = history(current)
    if history(version)[0] in names:
        return True
    if expected is None:
        return False if len(names) < REMEMBERED else None
    return False if history(expected)[0] in names else None


def encode(item: Item, checker: Checker, *, since: Optional[Item] = None) -> Values:
    """The attributes to set: all of them, or those that differ from an earlier item's.

    since: what the item is known to hold now; of the same birth, and not longer.
    """
    chunks = -(-len(item.tail) // CHUNK)
    head = (
        FORMAT,
        item.born,
        str(item.size),
        f"{item.mtime:.3f}",
        str(len(item.parts)),
        str(chunks),
        checker.of(item.born, item.tail),
    )
    values = [(VERSION, item.version), (HEAD, " ".join(head))]
    known = () if since is None else since.parts
    for number, part in enumerate(item.parts):
        if number >= len(known) or known[number] != part:
            values.append((f"p{number:03d}", f"{part.name} {part.size} {part.check}"))
    first = 0
    if since is not None and item.tail.startswith(since.tail):
        first = len(since.tail) // CHUNK
    for number in range(first, chunks):
        piece = item.tail[number * CHUNK : (number + 1) * CHUNK]
        values.append((f"d{number:03d}", urlsafe_b64encode(piece).decode("ascii")))
    return values


def decode_head(attributes: Attributes, place: str) -> Optional[Head]:
    """Version, size and time of an item; None where there is none.

    Raises:
        CorruptError: its head can't be read.
        UnsupportedError: it was written by a newer version.
    """
    if VERSION not in attributes:
        return None
    fields = _head(attributes, place)
    return Head(_one(attributes, VERSION, place), int(fields[2]), float(fields[3]))


def decode(attributes: Attributes, checker: Checker, place: str) -> Optional[Item]:
    """The item, its tail verified; None where there is none.

    Raises:
        CorruptError: attributes are missing, or fail their checksum.
        UnsupportedError: it was written by a newer version.
    """
    if VERSION not in attributes:
        return None
    _, born, size, mtime, parts, chunks, check = _head(attributes, place)
    try:
        item = Item(
            _one(attributes, VERSION, place),
            born,
            float(mtime),
            tuple(_part(attributes, number, place) for number in range(int(parts))),
            b"".join(
                urlsafe_b64decode(_one(attributes, f"d{number:03d}", place))
                for number in range(int(chunks))
            ),
        )
    except ValueError as error:
        raise CorruptError(f"{place}: the item can't be read: {error}") from error
    if item.size != int(size) or checker.of(born, item.tail) != check:
        raise CorruptError(f"{place}: the content is not what its checksum says")
    return item


def _part(attributes: Attributes, number: int, place: str) -> Part:
    name, size, check = _one(attributes, f"p{number:03d}", place).split(" ")
    return Part(name, int(size), check)


def _head(attributes: Attributes, place: str) -> List[str]:
    fields = _one(attributes, HEAD, place).split(" ")
    if fields[0] != FORMAT:
        raise UnsupportedError(
            f"{place}: the item has format {fields[0]!r}, and {FORMAT} is known here:"
            " use a newer version"
        )
    if len(fields) != 7 or not (fields[2] + fields[4] + fields[5]).isdigit():
        raise CorruptError(f"{place}: the item's head can't be read: {fields}")
    return fields


def _one(attributes: Attributes, name: str, place: str) -> str:
    values = attributes.get(name, [])
    if len(values) != 1:
        raise CorruptError(
            f"{place}: one value of the attribute {name} was expected, found {len(values)}"
        )
    return values[0]
