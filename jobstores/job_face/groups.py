r"""A group: up to eight jobs in one object, each with its version.

Jobs are many and small, so one object each would cost an inode and a request each.
The object is

    hpcflow-jobs 1 DIGEST LENGTH\n      SHA-256 of all that follows, bytes of HEAD
    HEAD                                JSON
    the descriptions, one after the other

HEAD is `{"batch": B or null, "jobs": {NUMBER: [VERSION, NONCE, FILES, BYTES]}}`. A
group is created once, by one `create_job` or one batch, and then only loses jobs; the
object goes with the last. With a batch B named, the jobs count only while
`jobstore/batches/B` exists.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

from jobstores.errors import CorruptError, UnsupportedError
from jobstores.job_face.names import fresh

SIZE = 8
_MAGIC = b"hpcflow-jobs"
_FORMAT = b"1"


@dataclass(frozen=True, slots=True)
class Entry:
    """A job in its group.

    version: 1 for a new job, one more with each update.
    nonce: of the write that made this version; no other has it.
    files: whether files may lie below the job's prefix, to be deleted with it.
    """

    version: int
    nonce: str
    files: bool
    data: bytes

    @property
    def token(self) -> str:
        """What an update has to show: the version it is made from."""
        return f"{self.version}.{self.nonce}"

    def successor(self, data: bytes) -> Entry:
        """The next version, with other bytes."""
        return replace(self, version=self.version + 1, nonce=fresh(), data=data)


def new_entry(data: bytes, *, files: bool) -> Entry:
    """A job's first version."""
    return Entry(1, fresh(), files, data)


@dataclass(frozen=True, slots=True)
class Group:
    """Jobs by number; with a batch, they count only once that is committed."""

    jobs: dict[str, Entry]
    batch: str | None = None

    def with_job(self, number: str, entry: Entry) -> Group:
        """The group with another version of a job; rewriting it settles the batch."""
        return Group({**self.jobs, number: entry})

    def without_job(self, number: str) -> Group:
        """The group without a job."""
        return Group({key: entry for key, entry in self.jobs.items() if key != number})


def encode(group: Group) -> bytes:
    """A group as the bytes of its object."""
    rows = {
        number: [entry.version, entry.nonce, entry.files, len(entry.data)]
        for number, entry in group.jobs.items()
    }
    head = json.dumps({"batch": group.batch, "jobs": rows}, separators=(",", ":")).encode()
    body = b"".join([head, *(entry.data for entry in group.jobs.values())])
    digest = hashlib.sha256(body).hexdigest().encode()
    return b"%s %s %s %d\n%s" % (_MAGIC, _FORMAT, digest, len(head), body)


def decode(data: bytes, where: str) -> Group:
    """The group that an object's bytes are.

    Raises:
        CorruptError: they are not what was written; the message says where.
        UnsupportedError: a newer version wrote them.
    """
    line, _, body = data.partition(b"\n")
    words = line.split(b" ")
    if words[:1] == [_MAGIC] and len(words) > 1 and words[1] != _FORMAT:
        raise UnsupportedError(
            f"{where}: jobs of format {words[1].decode(errors='replace')}, written by a"
            f" newer version; this one reads format {_FORMAT.decode()}"
        )
    try:
        magic, _, digest, length = words
        if magic != _MAGIC or hashlib.sha256(body).hexdigest().encode() != digest:
            raise ValueError("checksum")  # noqa: TRY301
        head = json.loads(body[: int(length)])
        jobs, at = {}, int(length)
        for number, (version, nonce, files, size) in head["jobs"].items():
            jobs[number] = Entry(version, nonce, files, body[at : at + size])
            at += size
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptError(
            f"{where}: {len(data)} bytes that are no group of jobs ({error}); restore the"
            " object from a copy, or start the workflow again"
        ) from None
    return Group(jobs, head["batch"])
