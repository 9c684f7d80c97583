r"""The events that a job item records, and how each becomes one line of bytes.

A line is `SEQ CRC JSON\n`: the record's number within its segment (from 0,
gapless), the CRC-32 of `SEQ JSON` as eight hexadecimal digits, and a compact
JSON object without line breaks. A line is at most `MAX_LINE` bytes, so that one
`write` (and bash's `printf`) appends it whole. Larger values are objects that
the record names.

Times are integers: microseconds since 1970-01-01 UTC. Sizes are bytes, CPU
times seconds.

The kinds ("t") and their fields:

========== ==============================================================
header     attempt, kind ("run" | "tombstone"), cuts {attempt: bytes},
           host, boot, pid, at, and what the scheduler calls the job
start      run, at
end        run, start, at, ok, exit, mem, user, sys, out {name: encoded
           value}, log [slot, first byte, end], why (when not ok)
skip       run, at, why: final, the run will not be executed
defer      run, at, why: not final, another submission may execute it
beat       at: the heartbeat of an item with nothing else to say
signal     at, signal: the item was told to stop
close      at, why: nothing more will be appended
========== ==============================================================

Standard library only, Python 3.9 syntax: this runs on compute nodes.
"""

from __future__ import annotations

import json
import zlib
from enum import IntEnum
from typing import Any, Dict, List, NamedTuple, Tuple

MAX_LINE = 4000

Record = Dict[str, Any]


class RunState(IntEnum):
    """States of a run; the numbers are stored in the base's columns."""

    PENDING = 0  # made, not in any submission
    SUBMITTED = 1  # in a submission's job, not started
    RUNNING = 2
    SUCCEEDED = 3
    FAILED = 4
    SKIPPED = 5  # final: a rule, or something it depends on failed
    DEFERRED = 6  # the item left it undone (time, or upstream undecided)
    LOST = 7  # was running, or due, in an item that is gone
    CANCELLED = 8
    ABORTED = 9


class Parsed(NamedTuple):
    """What a segment's bytes hold.

    records: the trusted records, in order.
    ends: for each record, the byte after its line.
    valid_bytes: the end of the last trusted record.
    torn: whether anything after a trusted record was not trusted.
    """

    records: List[Record]
    ends: List[int]
    valid_bytes: int
    torn: bool


def encode_record(seq: int, record: Record) -> bytes:
    """One record as its line.

    Raises:
        ValueError: the line would be longer than `MAX_LINE` bytes.
    """
    body = json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()
    head = b"%d " % seq
    line = b"%s%08x %s\n" % (head, zlib.crc32(head + body), body)
    if len(line) > MAX_LINE:
        raise ValueError(f"record of {len(line)} bytes: a line holds at most {MAX_LINE}")
    return line


def parse_records(data: bytes, first_seq: int = 0) -> Parsed:
    """Read a segment's bytes: trust every whole line, stop at a gap.

    A line that fails its checksum (the rest of a short write, to which the
    writer added a line break before it tried again) is passed over, and so is the
    last record written twice (NFS may write a line and still report an error, so
    that the writer tries again). Any other record whose number is not the next
    one ends the trusted part.
    """
    records: List[Record] = []
    ends: List[int] = []
    position, expected, valid, torn = 0, first_seq, 0, False
    last = b""
    while True:
        end = data.find(b"\n", position)
        if end < 0:
            torn = torn or position < len(data)
            break
        line = data[position:end]
        parsed = _parse_line(line)
        position = end + 1
        if parsed is None:
            torn = True
            continue
        seq, record = parsed
        if seq == expected - 1 and line == last:
            continue
        if seq != expected:
            torn = True
            break
        records.append(record)
        ends.append(position)
        last = line
        expected, valid = expected + 1, position
    return Parsed(records, ends, valid, torn)


def _parse_line(line: bytes) -> Tuple[int, Record] | None:
    try:
        head, crc, body = line.split(b" ", 2)
        if int(crc, 16) != zlib.crc32(head + b" " + body):
            return None
        record = json.loads(body)
        return (int(head), record) if isinstance(record, dict) else None
    except ValueError:
        return None
