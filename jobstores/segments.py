"""Segments: the append-only event files, one per attempt of a job's item.

Standard library only, Python 3.9 syntax: this runs on compute nodes.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Dict, Iterable, List, Optional

from jobstores.errors import NotFoundError
from jobstores.records import Parsed, Record, encode_record, parse_records

if TYPE_CHECKING:
    from jobstores.port import ObjectPort, SegmentHandle

ITEMS_PER_DIRECTORY = 1000
ROOT = "segments"


def job_prefix(submission: int, job: int) -> str:
    """The prefix of all segments of a job."""
    return f"{ROOT}/{submission}/{job}"


def directory_prefix(submission: int, job: int, item: int) -> str:
    """The prefix that lists an item's segments, with those of its neighbours."""
    return f"{ROOT}/{submission}/{job}/{item // ITEMS_PER_DIRECTORY}"


def segment_key(submission: int, job: int, item: int, attempt: int) -> str:
    """The key of an attempt's segment."""
    return f"{directory_prefix(submission, job, item)}/{item}.{attempt}"


def fence_key(submission: int, job: int) -> str:
    """The key of a job's fence: while it exists, no attempt may start."""
    return f"{job_prefix(submission, job)}/fence"


def attempts_in(names: List[str]) -> Dict[int, List[int]]:
    """The attempts of each item, rising, by a listing of their directory.

    Side segments (`I.K.side.N`) and anything else are passed over.
    """
    found: Dict[int, List[int]] = {}
    for name in names:
        item, dot, attempt = name.partition(".")
        if dot and item.isdigit() and attempt.isdigit():
            found.setdefault(int(item), []).append(int(attempt))
    for numbers in found.values():
        numbers.sort()
    return found


class SegmentWriter:
    """Appends numbered records to a segment that this process alone writes.

    A record whose `append` failed was not recorded; the caller may append it,
    or another, again: the number is the same, and what the failed write left
    behind is spoiled by a mark and a line break, so that no reader takes the
    old line for whole.
    """

    def __init__(self, handle: SegmentHandle, first_seq: int = 0) -> None:
        self._handle = handle
        self._seq = first_seq
        self._broken = False

    def append(self, record: Record) -> None:
        """Append one record.

        Raises:
            ValueError: it is longer than a line may be; nothing was written.
            UnavailableError: the storage is full, read-only or gone.
        """
        line = encode_record(self._seq, record)
        if self._broken:
            line = b"#\n" + line
        try:
            self._handle.append(line)
        except BaseException:
            self._broken = True
            raise
        self._broken = False
        self._seq += 1

    def sync(self) -> None:
        """Return once all appended records survive a power cut."""
        self._handle.sync()

    def close(self) -> None:
        """Close without syncing."""
        self._handle.close()


def parse(data: bytes) -> Parsed:
    """As `records.parse_records`, but twice as fast where nothing is torn."""
    lines = data.split(b"\n")
    bodies: List[bytes] = []
    ends: List[int] = []
    position = 0
    try:
        if lines.pop():
            return parse_records(data)
        for seq, line in enumerate(lines):
            at = line.index(b" ") + 1
            head, crc, body = line[:at], line[at : at + 8], line[at + 9 :]
            if line[at + 8 : at + 9] != b" " or int(head) != seq:
                return parse_records(data)
            if int(crc, 16) != zlib.crc32(body, zlib.crc32(head)):
                return parse_records(data)
            bodies.append(body)
            position += len(line) + 1
            ends.append(position)
        records = json.loads(b"[%b]" % b",".join(bodies))
    except ValueError:
        return parse_records(data)
    if len(records) != len(bodies) or not all(type(record) is dict for record in records):
        return parse_records(data)
    return Parsed(records, ends, position, False)


def read_segment(port: ObjectPort, key: str, limit: Optional[int] = None) -> Parsed:
    """The trusted records of a segment, or of its first `limit` bytes.

    Raises:
        NotFoundError: there is no such segment.
    """
    data = port.read_segment(key)
    return parse(data if limit is None else data[:limit])


def read_item_segments(
    port: ObjectPort, submission: int, job: int, item: int, attempts: Iterable[int]
) -> Dict[int, bytes]:
    """The bytes of an item's segments, by attempt.

    Read from the highest attempt down: so of each lower one at least the bytes
    are read that a higher one's cuts speak of.

    Raises:
        NotFoundError: one is not there: its job is packed.
    """
    return {
        attempt: port.read_segment(segment_key(submission, job, item, attempt))
        for attempt in sorted(attempts, reverse=True)
    }


def exists(port: ObjectPort, key: str) -> bool:
    """Whether a segment is there."""
    try:
        port.read_segment(key)
    except NotFoundError:
        return False
    return True


def append_serialised(port: ObjectPort, key: str, record: Record) -> None:
    """Append one record, durably, to a segment whose writers take turns."""
    try:
        data = port.read_segment(key)
    except NotFoundError:
        data = b""
    line = encode_record(len(parse(data).records), record)
    handle = port.append_segment(key)
    try:
        handle.append(line if data[-1:] in (b"", b"\n") else b"#\n" + line)
        handle.sync()
    finally:
        handle.close()
