"""Packs: all segments of a finished job, verbatim, in one indexed file.

Little-endian: the eight bytes `HPCPACK1`, the number of items N as an unsigned
64-bit integer, N + 1 absolute file offsets of the same kind, the CRC-32 of all
that as an unsigned 32-bit integer; then the items: item I is the bytes from
offset I to offset I + 1, for each of its attempts the attempt's number (32 bits),
the segment's size (64), its CRC-32 (32) and its bytes. So one item is found with
two reads.

A pack is written only of a job whose items are all closed and which is fenced:
what it holds is final, whether or not a manifest names it yet.

Standard library only, Python 3.9 syntax: this runs on compute nodes.
"""

from __future__ import annotations

import struct
import zlib
from typing import (
    TYPE_CHECKING,
    Dict,
    Iterable,
    Iterator,
    Mapping,
    Optional,
    Sequence,
    Tuple,
)

from jobstores.attempts import decide
from jobstores.decisions import Decision, Item, resolve
from jobstores.errors import CorruptError
from jobstores.segments import parse

if TYPE_CHECKING:
    from jobstores.port import ObjectPort

ROOT = "packs"
_MAGIC = b"HPCPACK1"
_COUNT = struct.Struct("<8sQ")
_OFFSET = struct.Struct("<Q")
_CRC = struct.Struct("<I")
_FRAME = struct.Struct("<IQI")
_BLOCK = 4 << 20  # bytes of items that are read together

Sizes = Mapping[int, Sequence[int]]


def pack_key(submission: int, job: int, nonce: str) -> str:
    """The key of a job's pack."""
    return f"{ROOT}/{submission}/{job}.{nonce}.pack"


def write_pack(
    port: ObjectPort,
    key: str,
    count: int,
    sizes: Sizes,
    segments: Iterable[Tuple[int, int, bytes]],
) -> None:
    """Write a pack of `count` items, in one pass.

    sizes: by item, the sizes of its attempts' segments, rising by attempt.
    segments: (item, attempt, bytes), rising by item and attempt, of those sizes.

    Raises:
        ValueError: the segments are not those whose sizes were given.
    """
    head = _COUNT.pack(_MAGIC, count)
    position = len(head) + (count + 1) * _OFFSET.size + _CRC.size
    offsets = [position]
    for item in range(count):
        position += sum(_FRAME.size + size for size in sizes.get(item, ()))
        offsets.append(position)
    head += struct.pack(f"<{count + 1}Q", *offsets)
    with port.open_write(key) as stream:
        stream.write(head + _CRC.pack(zlib.crc32(head)))
        written = offsets[0]
        for item, attempt, data in segments:
            stream.write(_FRAME.pack(attempt, len(data), zlib.crc32(data)))
            stream.write(data)
            written += _FRAME.size + len(data)
            if not offsets[item] < written <= offsets[item + 1]:
                raise ValueError(f"{key}: item {item} is not of the size it was")
        if written != offsets[-1]:
            raise ValueError(f"{key}: an item is missing")


def read_pack_item(port: ObjectPort, key: str, item: int) -> Dict[int, bytes]:
    """The segments of one item, by attempt; empty where it had none.

    Raises:
        NotFoundError: there is no such pack.
        CorruptError: it is damaged.
    """
    start = _COUNT.size + item * _OFFSET.size
    head = port.get(key, 0, start + 2 * _OFFSET.size)
    if len(head) < _COUNT.size or head[: len(_MAGIC)] != _MAGIC:
        raise _damaged(port, key)
    if item >= _COUNT.unpack_from(head)[1]:
        return {}
    if len(head) < start + 2 * _OFFSET.size:
        raise _damaged(port, key)
    first, last = struct.unpack_from("<2Q", head, start)
    block = port.get(key, first, last) if last > first else b""
    if last < first or len(block) != last - first:
        raise _damaged(port, key)
    return dict(_frames(port, key, block))


def verify_pack(port: ObjectPort, key: str) -> Dict[int, Dict[int, Tuple[int, int]]]:
    """Read a pack whole: by item and attempt, the segment's size and CRC-32.

    Raises:
        NotFoundError: there is no such pack.
        CorruptError: it is damaged.
    """
    head = port.get(key, 0, _COUNT.size)
    if len(head) < _COUNT.size or head[: len(_MAGIC)] != _MAGIC:
        raise _damaged(port, key)
    count = _COUNT.unpack(head)[1]
    end = _COUNT.size + (count + 1) * _OFFSET.size
    index = port.get(key, 0, end + _CRC.size)
    if len(index) < end + _CRC.size or index[end:] != _CRC.pack(zlib.crc32(index[:end])):
        raise _damaged(port, key)
    offsets = struct.unpack_from(f"<{count + 1}Q", index, _COUNT.size)
    found = {}
    block, start = b"", end + _CRC.size
    for item, (first, last) in enumerate(zip(offsets, offsets[1:])):  # noqa: RUF007 - Python 3.9
        if last > start + len(block):
            start, block = first, port.get(key, first, max(last, first + _BLOCK))
        data = block[first - start : last - start]
        if not end < first <= last or len(data) != last - first:
            raise _damaged(port, key)
        found[item] = {
            attempt: (len(data), zlib.crc32(data))
            for attempt, data in _frames(port, key, data)
        }
    return found


def _frames(port: ObjectPort, key: str, block: bytes) -> Iterator[Tuple[int, bytes]]:
    position = 0
    while position < len(block):
        if position + _FRAME.size > len(block):
            raise _damaged(port, key)
        attempt, size, crc32 = _FRAME.unpack_from(block, position)
        position += _FRAME.size
        data = block[position : position + size]
        position += size
        if len(data) != size or zlib.crc32(data) != crc32:
            raise _damaged(port, key)
        yield attempt, data


def _damaged(port: ObjectPort, key: str) -> CorruptError:
    return CorruptError(f"{port.locator}: the pack {key} is damaged")


def packs_of(port: ObjectPort, submission: int, job: int) -> Sequence[str]:
    """The keys of a job's packs (a fold that was cut short may leave one more)."""
    prefix = f"{ROOT}/{submission}"
    return [
        f"{prefix}/{name}"
        for name in port.list(prefix)
        if name.startswith(f"{job}.") and name.endswith(".pack")
    ]


def decide_packed(port: ObjectPort, key: str, item: int) -> Optional[Decision]:
    """The decision of one item of a packed job; None where it never started."""
    attempts = read_pack_item(port, key, item)
    return resolve({k: parse(data) for k, data in attempts.items()})


def read_item(port: ObjectPort, item: Item) -> Optional[Decision]:
    """The item's decision by its segments or, when its job is packed, by the pack.

    None: undecided, or never started. Knows nothing but the item: for the node
    side.
    """
    decision = decide(port, item)
    if decision is not None:
        return decision
    for key in packs_of(port, item.submission, item.job):
        decision = decide_packed(port, key, item.item)
        if decision is not None:
            return decision
    return None
