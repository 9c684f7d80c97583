"""The port: what a storage backend supplies. Everything else is built on it.

Names are keys: slash-separated parts of `[A-Za-z0-9._-]`, no part empty, `.`
or `..` (see `jobstores.keys`). A key names either an object or a segment, and
no key is a prefix, as a path, of another.

Guarantees that every backend gives, and `jobstores.testing` checks:

* **Atomic**: an object is absent or complete, never half there, whatever dies.
* **Create-only** (`put(..., create=True)`): of any number of callers, on any
  hosts, one succeeds; the others get `AlreadyExistsError`. A backend whose
  answer was lost finds out whether the object is its own before it raises.
* **Compare-and-swap** (`put(..., if_match=tag)`): succeeds only if the object
  is still the one whose `stat` gave that tag; else `ConflictError`.
* **Durable**: when `put` returns the object survives a power cut. `append`
  alone does not promise that; `append` then `sync` does.
* **Fresh**: `get`, `stat`, `read_segment` and `list` ask the storage, not a
  cache of this process. A file system may still show a new name late (NFS: up
  to 60 s); protocols above allow for it.
* **Idempotent delete**: deleting what is not there is no error.
* After any other error (`TransientError`, `UnavailableError`) a write may or
  may not have happened, but never half.

A port may have more, which callers ask for by `getattr`:

* `parallel: int`: how many calls at once it pays to make, from threads; absent: one.
  `jobstores.backends.many` reads and writes many objects by it. (Every port can be
  called from threads: that of a disk is, while it is copied to S3.)
* `get_tagged(key) -> (bytes, tag)` and `put_tagged(key, data, *, create, if_match) ->
  tag`: as `get` and a conditional `put`, with the tag that their answers tell anyway;
  they spare a `stat` (see `jobstores.job_face.tagged`).
* `public_url(key, expires_s) -> str`: a URL by which anybody who has it can read the
  object, for so many seconds where the storage lets it end (`file:` URLs don't).
  It may write the object anew, which changes its tag.
* `refresh() -> None`: fetches what was recorded elsewhere, before it is read as a whole:
  a port whose segments are fetched is as fresh as its last call.
* `destroy() -> None`: removes a store with what was made for it, such as a bucket.
* `probe() -> None`: raises `UnsupportedError` where the server does not keep what is
  promised above. A port that has it calls it by itself before it creates the store's
  marker, `store.json`.
"""

from __future__ import annotations

from typing import BinaryIO, Iterator, List, Optional, Protocol


class ObjectStat:
    """Size in bytes, modification time (server's clock, Unix seconds) and tag.

    The tag changes whenever the content is replaced, even by equal content.
    """

    __slots__ = ("mtime", "size", "tag")

    def __init__(self, size: int, mtime: float, tag: str) -> None:
        self.size = size
        self.mtime = mtime
        self.tag = tag


class SegmentHandle(Protocol):
    """An open segment that this process alone appends to."""

    def append(self, data: bytes) -> None:
        """Append `data` whole, in order after all earlier appends.

        Raises:
            UnavailableError: the storage is full, read-only or gone. A part of
                `data` may be there; readers tell by the record's checksum.
        """

    def sync(self) -> None:
        """Return once all that was appended survives a power cut."""

    def close(self) -> None:
        """Close without syncing."""


class ObjectPort(Protocol):
    """The primitives. All methods raise `InvalidKeyError` for a bad key."""

    locator: str  # the text that `jobstores.open` understands, such as "zarr:/a/b"
    read_only: bool
    column_format: str  # how new columns are laid out: "zarr", or "ndjson"

    def get(self, key: str, start: int = 0, stop: Optional[int] = None) -> bytes:
        """The object's bytes, or of its bytes those in [start, stop).

        Raises:
            NotFoundError: there is no such object.
        """

    def put(
        self,
        key: str,
        data: bytes,
        *,
        create: bool = False,
        if_match: Optional[str] = None,
        durable: bool = True,
    ) -> None:
        """Write an object: plain (replacing), create-only, or compare-and-swap.

        `durable=False` leaves the sync to a later `sync_tree` of a parent:
        for many objects that one commit publishes.
        """

    def open_write(self, key: str) -> BinaryIO:
        """A file to write a large object to; it appears, whole, when closed.

        Leaving its `with` block by an exception discards it.
        """

    def stat(self, key: str) -> Optional[ObjectStat]:
        """Size, time and tag, or None where there is no such object."""

    def list(self, prefix: str) -> List[str]:
        """Names directly below a prefix; empty for one that is not there.

        Objects and segments are plain names, deeper levels end in a slash. A level
        that `delete` left empty may still be listed.
        """

    def delete(self, key: str) -> None:
        """Remove an object or a segment; nothing there is no error."""

    def delete_tree(self, prefix: str) -> None:
        """Remove everything below a prefix."""

    def sync_tree(self, prefix: str) -> None:
        """Make all objects below a prefix, and their names, durable."""

    def create_segment(self, key: str) -> SegmentHandle:
        """Claim a segment's name, create-only, and open it for appending.

        Raises:
            AlreadyExistsError: the name is taken.
        """

    def append_segment(self, key: str) -> SegmentHandle:
        """Open a segment for appending, creating it where there is none.

        For the few segments whose writers are serialised by other means (the
        lease, a fence, a callback's side segment).
        """

    def read_segment(self, key: str, start: int = 0) -> bytes:
        """What the segment holds now, from byte `start` on.

        Raises:
            NotFoundError: there is no such segment.
        """

    def path(self, key: str) -> Optional[str]:
        """The local path of a key, where the backend keeps objects as files."""

    def walk(self, prefix: str) -> Iterator[str]:
        """Every key below a prefix, in no promised order."""
