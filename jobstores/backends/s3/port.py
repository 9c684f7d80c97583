"""A prefix of a bucket as a store: locator `s3://BUCKET/PREFIX`.

Objects are objects of the bucket, `PREFIX/KEY`; see `bodies` for their form,
`objects` for what makes conditional writes sure, `segments` for segments. What
`put` returned is stored and seen by every client, so `durable` and `sync_tree` have
nothing to do. Times are the server's, in whole seconds. That a key lies below a key is
not noticed. Names with a part `~` are this backend's own.

Standard library only, Python 3.9: this runs on compute nodes.
"""

from __future__ import annotations

import re
from typing import BinaryIO, Iterator, List, Mapping, Optional, Tuple, cast

from jobstores.backends.s3.bodies import Body, new_stamp, plain_headers, with_tail
from jobstores.backends.s3.client import S3Client
from jobstores.backends.s3.listing import abort_uploads, listing, remove_all
from jobstores.backends.s3.objects import Objects
from jobstores.backends.s3.segments import (
    Segment,
    born_of,
    is_full,
    later_content,
    later_size,
    new_body,
    remove_later,
)
from jobstores.backends.s3.settings import Settings, load_settings
from jobstores.backends.s3.upload import Upload
from jobstores.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidKeyError,
    UnsupportedError,
)
from jobstores.keys import MARKER, check_key, check_prefix, is_part, join
from jobstores.port import ObjectStat

PARALLEL = 16
_LOCATOR = re.compile(r"s3://([^/]+)/?(.*?)/?")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_LONGEST = 1024 - len(
    "~/.0123456789abcdef0123456789abcdef.9999"
)  # S3's limit, less a part's
_LARGE = 64 << 20


def open_s3(locator: str, environment: Optional[Mapping[str, str]] = None) -> S3Port:
    """The port that `s3://BUCKET/PREFIX` names; nothing is asked of the server yet.

    environment: where the settings are looked for, in place of this process's.

    Raises:
        UnsupportedError: the locator is not of that form.
        UnavailableError: a setting can't be used.
    """
    bucket, prefix = parse_s3(locator)
    return S3Port(S3Client(bucket, load_settings(environment)), prefix)


def parse_s3(locator: str) -> Tuple[str, str]:
    """A locator's bucket, and its prefix without slashes around.

    Raises:
        UnsupportedError: it is not of the form `s3://BUCKET/PREFIX`.
    """
    match = _LOCATOR.fullmatch(locator)
    if match is None or not _BUCKET.fullmatch(match.group(1)):
        raise UnsupportedError(
            f"{locator}: s3://BUCKET/PREFIX was expected, a bucket's name being of small"
            " letters, digits, '-' and '.'"
        )
    try:
        return match.group(1), check_prefix(match.group(2))
    except InvalidKeyError as error:
        raise UnsupportedError(f"{locator}: {error}") from error


class S3Port:
    """An `ObjectPort` over a prefix of a bucket; for any number of threads.

    parallel: how many calls at once it pays to make (see `backends.many`).
    """

    column_format = "zarr"
    read_only = False
    parallel = PARALLEL

    def __init__(self, client: S3Client, prefix: str) -> None:
        self.client = client
        self.locator = f"s3://{client.bucket}/{prefix}".rstrip("/")
        self._prefix = prefix
        self._objects = Objects(client, self.locator, join(prefix, "") if prefix else "")

    @property
    def settings(self) -> Settings:
        """The settings of the client."""
        return self.client.settings

    # --- reading ------------------------

    def get(self, key: str, start: int = 0, stop: Optional[int] = None) -> bytes:
        """The object's bytes, or of its bytes those in [start, stop)."""
        part = self._objects.read(self._check(key), start, stop)
        first = part.found.content
        if not is_full(part.found) or (stop is not None and stop <= max(first, start)):
            return part.data
        later = b"".join(later_content(self._objects, key, part.found))
        end = None if stop is None else stop - first
        return part.data + later[max(0, start - first) : end]

    def get_tagged(self, key: str) -> Tuple[bytes, str]:
        """An object's bytes and the tag they go with; one request. No segments.

        Raises:
            NotFoundError: there is no such object.
        """
        part = self._objects.read(self._check(key))
        return part.data, part.found.tag

    def stat(self, key: str) -> Optional[ObjectStat]:
        """Size, time and tag, or None where there is no such object."""
        found = self._objects.look(self._check(key))
        if found is None:
            return None
        size = found.content + later_size(self._objects, key, found)
        return ObjectStat(size, found.mtime, found.tag)

    def list(self, prefix: str) -> List[str]:
        """Names directly below a prefix, sorted; deeper levels with a slash."""
        above = self._above(prefix)
        found = [entry.name[len(above) :] for entry in listing(self.client, above, "/")]
        return sorted(name for name in found if is_part(name[:-1] + name[-1:].strip("/")))

    def walk(self, prefix: str) -> Iterator[str]:
        """Every key below a prefix, in the order of the bytes of their names."""
        return self._walk(self._above(prefix))

    def _walk(self, above: str) -> Iterator[str]:
        for entry in listing(self.client, above):
            key = entry.name[len(self._objects.prefix) :]
            if all(map(is_part, key.split("/"))):
                yield key

    def read_segment(self, key: str, start: int = 0) -> bytes:
        """What the segment holds now, from byte `start` on."""
        return self.get(key, start)

    def path(self, key: str) -> Optional[str]:
        """None: there are no files."""
        check_key(key)
        return None

    def public_url(self, key: str, expires_s: int) -> str:
        """A URL by which anybody can read the object until it expires (at most 7 days).

        An object that `put` wrote is written anew first, so that its bytes alone are
        what the URL gives: its tag changes.

        Raises:
            NotFoundError: there is no such object.
            UnsupportedError: the store is encrypted with a key of the user's own.
            ValueError: `expires_s` is not between 1 s and 7 days.
        """
        self._check(key)
        if self.settings.sse_key is not None:
            raise UnsupportedError(
                f"{self.locator}: no URL can give what is encrypted with a key of your own"
            )
        while True:
            part = self._objects.read(key)
            if part.found.content == part.found.size and not is_full(part.found):
                return self.client.presign(self._objects.prefix + key, expires_s)
            data, stamp = self.get(key), new_stamp()
            body = Body(data, plain_headers(stamp, data), stamp)
            try:
                self._objects.swap(key, body, part.found.etag)
            except ConflictError:
                continue

    # --- writing ------------------------

    def put(
        self,
        key: str,
        data: bytes,
        *,
        create: bool = False,
        if_match: Optional[str] = None,
        durable: bool = True,  # noqa: ARG002 - all that is put is durable
    ) -> None:
        """Write an object: plain (replacing), create-only, or compare-and-swap."""
        if create and if_match is not None:
            raise ValueError("create and if_match exclude each other")
        self._check(key)
        data = bytes(data)
        if if_match is not None:
            self._objects.swap_by_tag(
                key, lambda stamp: with_tail(data, previous=stamp), if_match
            )
        elif create:
            if key == MARKER:
                self.probe()
            self._objects.create(key, with_tail(data))
        elif len(data) > _LARGE:
            with self.open_write(key) as file:
                file.write(data)
        else:
            self._objects.write(key, with_tail(data))

    def put_tagged(
        self, key: str, data: bytes, *, create: bool = False, if_match: Optional[str] = None
    ) -> Optional[str]:
        """As `put`; the new object's tag, or None where no answer told it."""
        if create == (if_match is not None):
            raise ValueError("either create or if_match is needed")
        made: List[Body] = []

        def make(previous: str) -> Body:
            made.append(with_tail(bytes(data), previous=previous))
            return made[-1]

        if if_match is not None:
            etag = self._objects.swap_by_tag(self._check(key), make, if_match)
        else:
            etag = self._objects.create(self._check(key), make(""))
        return f"{etag}.{made[-1].stamp}.u" if etag else None

    def open_write(self, key: str) -> BinaryIO:
        """A file to write a large object to; it appears, whole, when closed."""
        return cast("BinaryIO", Upload(self._objects, self._check(key)))

    def delete(self, key: str) -> None:
        """Remove an object or a segment; nothing there is no error."""
        found = self._objects.look(self._check(key))
        if found is not None:
            self._objects.remove(key)
            remove_later(self._objects, key, found)

    def delete_tree(self, prefix: str) -> None:
        """Remove everything below a prefix; of the whole store, unfinished uploads too."""
        above = self._above(prefix)
        remove_all(self.client, above)
        if not check_prefix(prefix):
            abort_uploads(self.client, above)

    def sync_tree(self, prefix: str) -> None:
        """Nothing: what is put is durable."""
        check_prefix(prefix)

    def create_segment(self, key: str) -> Segment:
        """Claim a segment's name, create-only, and open it for appending."""
        body = new_body(b"")
        etag = self._objects.create(self._check(key), body)
        return Segment(self._objects, key, body.stamp, b"" if etag else None, etag)

    def append_segment(self, key: str) -> Segment:
        """Open a segment for appending, creating it where there is none."""
        while True:
            found = self._objects.look(self._check(key))
            if found is not None:
                return Segment(self._objects, key, born_of(found), None, found.etag)
            try:
                return self.create_segment(key)
            except AlreadyExistsError:
                continue

    def probe(self) -> None:
        """Find out whether the server keeps what conditional writes promise; 5 requests.

        Done by itself before a store's marker is created.

        Raises:
            UnsupportedError: it ignores or refuses them: no store can be kept there.
        """
        name = f"~/probe.{new_stamp()}"
        try:
            etag = self._objects.create(name, with_tail(b"probe"))
            for condition in ("If-None-Match", "If-Match"):
                if self._is_ignored(name, condition):
                    raise UnsupportedError(
                        f"{self.locator}: the server ignores {condition}: it can't keep a"
                        " job store, as writers would overwrite each other unnoticed"
                    )
            self._objects.swap(name, with_tail(b"probe"), etag)
        finally:
            self._objects.remove(name)

    def _is_ignored(self, name: str, condition: str) -> bool:
        body = with_tail(b"probe")
        try:
            if condition == "If-Match":
                self._objects.swap(name, body, "0" * 32)
            else:
                self._objects.create(name, body)
        except (AlreadyExistsError, ConflictError):
            return False
        return True

    # --- names --------------------------

    def _check(self, key: str) -> str:
        check_key(key)
        if len(self._objects.prefix) + len(key) > _LONGEST:
            raise InvalidKeyError(
                f"{self.locator}: the key {key[:60]!r}... has {len(key)} characters, too"
                " many below this prefix: S3's names end at 1024"
            )
        return key

    def _above(self, prefix: str) -> str:
        below = check_prefix(prefix)
        return self._objects.prefix + (f"{below}/" if below else "")
