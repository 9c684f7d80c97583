"""How a file's content lies in its object: in blocks, each with its digest.

    head     16 bytes: `hpcfile1`, flags (bit 0: executable), 7 random bytes
    block    up to 1 MiB of content, then 16 bytes of digest; repeated
    end      16 bytes of digest over the head and the content's size

A digest is BLAKE2b, 16 bytes, keyed with the head and the block's number, so that a
block can be neither damaged, moved, cut off nor mixed with another version's without
being noticed before it is handed out. The content's size follows from the object's.
"""

from __future__ import annotations

import secrets
from hashlib import blake2b

from jobstores.errors import CorruptError

MAGIC = b"hpcfile1"
HEAD = 16
DIGEST = 16
BLOCK = 1 << 20
_FULL = BLOCK + DIGEST


def new_head(*, executable: bool) -> bytes:
    """The first bytes of a new version; no other version has the same."""
    return MAGIC + bytes([int(executable)]) + secrets.token_bytes(HEAD - len(MAGIC) - 1)


def is_executable(head: bytes) -> bool:
    """What a head says of the executable bit."""
    return bool(head[len(MAGIC)] & 1)


def seal(head: bytes, number: int, block: bytes | memoryview) -> bytes:
    """The digest of a block."""
    return blake2b(
        block, digest_size=DIGEST, key=head, salt=number.to_bytes(16, "big")
    ).digest()


def end_mark(head: bytes, size: int) -> bytes:
    """The last bytes: nothing is missing, and the head is the true one."""
    text = b"end %d" % size
    return blake2b(text, digest_size=DIGEST, key=head, salt=b"end of a file").digest()


def content_size(object_size: int) -> int:
    """The size of the content of an object of that size; both in bytes."""
    framed = max(object_size - HEAD - DIGEST, 0)
    blocks = -(-framed // _FULL)
    return max(framed - blocks * DIGEST, 0)


def encode(content: bytes, *, executable: bool = False) -> bytes:
    """A small file's object."""
    head = new_head(executable=executable)
    parts = [head]
    for number, start in enumerate(range(0, len(content), BLOCK)):
        block = content[start : start + BLOCK]
        parts += [block, seal(head, number, block)]
    return b"".join([*parts, end_mark(head, len(content))])


def check_head(head: bytes, where: str) -> bytes:
    """The head.

    Raises:
        CorruptError: it is none.
    """
    if len(head) != HEAD or not head.startswith(MAGIC):
        raise damaged(where, "it does not begin as a stored file")
    return head


def damaged(where: str, why: str) -> CorruptError:
    """The error for bytes that are not what was written."""
    return CorruptError(
        f"{where}: {why}: it was damaged after it was written; restore it from a copy,"
        " or run again the job that wrote it"
    )


def decode(data: bytes, where: str) -> bytes:
    """A whole object's content.

    Raises:
        CorruptError: it is not what was written.
    """
    head = check_head(data[:HEAD], where)
    size = content_size(len(data))
    parts, at, number, left = [], HEAD, 0, size
    while left > 0:
        block = data[at : at + min(BLOCK, left)]
        at += len(block)
        if data[at : at + DIGEST] != seal(head, number, block):
            raise damaged(where, f"block {number} fails its checksum")
        at, number, left = at + DIGEST, number + 1, left - len(block)
        parts.append(block)
    if data[at:] != end_mark(head, size):
        raise damaged(where, "its end is missing")
    return b"".join(parts)
