"""Amazon S3 and SimpleDB: names, versions and small contents in a domain, the rest in S3.

Locator `aws:REGION:NAME`: the domain is NAME--jobs, the bucket NAME--files. Each key is
one item of the domain (`items`), and what is too large for it a blob in the bucket
(`content`). Every change is one conditional update of one item, made after its blobs
were written: that is what is atomic, and what of several writers one wins.

The first write makes domain and bucket, as `initialize` does; `destroy` removes both with
all that they hold. Reads are consistent always. A key below a key is not noticed.

Standard library only, Python 3.9: this runs on compute nodes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO, Iterator, List, Mapping, Optional, Tuple, cast

from jobstores.backends.aws.bucket import Bucket
from jobstores.backends.aws.content import Contents
from jobstores.backends.aws.domain import Domain
from jobstores.backends.aws.objects import Items
from jobstores.backends.aws.segments import AwsSegment
from jobstores.backends.aws.simpledb import SimpleDb
from jobstores.backends.aws.upload import Upload
from jobstores.backends.s3.client import S3Client
from jobstores.backends.s3.port import S3Port
from jobstores.backends.s3.settings import load_settings
from jobstores.errors import (
    AlreadyExistsError,
    ConflictError,
    CorruptError,
    NotFoundError,
    UnsupportedError,
)
from jobstores.keys import check_key, check_prefix, is_part, join
from jobstores.port import ObjectPort, ObjectStat

if TYPE_CHECKING:
    from jobstores.backends.aws.items import Part

MAX_NAME = 56  # with "--files" it is a bucket's name, of at most 63
_NAME = re.compile(r"[a-z0-9][a-z0-9-]+[a-z0-9]")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")


def open_aws(locator: str, environment: Optional[Mapping[str, str]] = None) -> AwsPort:
    """The port that `aws:REGION:NAME` names; nothing is asked of a service yet.

    environment: where the settings are looked for, in place of this process's.

    Raises:
        UnsupportedError: the locator is not of that form.
        UnavailableError: a setting can't be used.
    """
    region, name = parse_aws(locator)
    files = load_settings(environment)._replace(region=region)
    jobs = load_settings(environment, service="simpledb")._replace(region=region)
    client = S3Client(f"{name}--files", files)
    return AwsPort(
        SimpleDb(jobs),
        f"{name}--jobs",
        S3Port(client, ""),
        locator=locator,
        secret=files.sse_key,
        bucket=Bucket(client),
    )


def parse_aws(locator: str) -> Tuple[str, str]:
    """A locator's region and name.

    Raises:
        UnsupportedError: it is not of the form `aws:REGION:NAME`; the message says why.
    """
    scheme, _, rest = locator.partition(":")
    region, _, name = rest.partition(":")
    why = ""
    if scheme != "aws" or not name:
        why = "aws:REGION:NAME was expected, such as aws:us-east-1:my-study"
    elif not _REGION.fullmatch(region):
        why = f"{region!r} is no region: one such as us-east-1 was expected"
    elif not 3 <= len(name) <= MAX_NAME:
        why = f"the name has {len(name)} characters: 3 to {MAX_NAME} are allowed"
    elif not _NAME.fullmatch(name):
        why = (
            f"the name {name!r} may have small letters, digits and '-', and neither begin"
            " nor end with '-'"
        )
    elif "--" in name:
        why = f"the name {name!r} contains '--', which sets the ends of names apart"
    if why:
        raise UnsupportedError(f"{locator}: {why}")
    return region, name


class AwsPort:
    """An `ObjectPort` over a domain of items and a port of blobs.

    blobs: where content goes that is too large for an item.
    secret: what `blobs` encrypts with, or None. With it the domain holds names, versions
        and sizes, and nothing of any content.
    bucket: what makes and removes the place of the blobs; None: it is there always.
    """

    column_format = "zarr"
    read_only = False
    parallel = 8

    def __init__(
        self,
        simpledb: SimpleDb,
        domain: str,
        blobs: ObjectPort,
        *,
        locator: str,
        secret: Optional[bytes] = None,
        bucket: Optional[Bucket] = None,
    ) -> None:
        self.locator = locator
        self.domain = Domain(
            simpledb, domain, secret, prepare=bucket.create if bucket else None
        )
        self.contents = Contents(blobs, secret)
        self.items = Items(self.domain, self.contents, locator)
        self._bucket = bucket

    def initialize(self) -> None:
        """Make domain and bucket, and mark the domain; a store that is there stays.

        Raises:
            UnsupportedError: the domain is something else's, or of another key.
        """
        self.domain.make()

    def destroy(self) -> None:
        """Remove the store with all that it holds; none there is no error."""
        self.domain.destroy()
        if self._bucket is None or self._bucket.is_there():
            self.contents.blobs.delete_tree("")
        if self._bucket is not None:
            self._bucket.remove()

    def get(self, key: str, start: int = 0, stop: Optional[int] = None) -> bytes:
        """The object's bytes, or of its bytes those in [start, stop)."""
        return self._read(key, start, stop)[0]

    def get_tagged(self, key: str) -> Tuple[bytes, str]:
        """An object's bytes and the tag they go with; one request to SimpleDB.

        Raises:
            NotFoundError: there is no such object.
        """
        return self._read(key, 0, None)

    def _read(self, key: str, start: int, stop: Optional[int]) -> Tuple[bytes, str]:
        version = None
        while True:
            item = self.items.get(key)
            if item is None:
                raise NotFoundError(f"{self.locator}: there is no {key}")
            place = self.items.place(key)
            try:
                return self.contents.read(item, start, stop, place), item.version
            except NotFoundError as error:  # replaced since, or damaged
                if item.version == version:
                    raise CorruptError(f"{place}: a part is lost: {error}") from error
                version = item.version

    def put(
        self,
        key: str,
        data: bytes,
        *,
        create: bool = False,
        if_match: Optional[str] = None,
        durable: bool = True,  # noqa: ARG002
    ) -> None:
        """Write an object: plain (replacing), create-only, or compare-and-swap."""
        if create and if_match is not None:
            raise ValueError("create and if_match exclude each other")
        if create or if_match is not None:
            self.put_tagged(key, data, create=create, if_match=if_match)
            return
        check_key(key)
        self.domain.for_writing()
        self.items.set(key, *self.contents.store(data))

    def put_tagged(
        self, key: str, data: bytes, *, create: bool = False, if_match: Optional[str] = None
    ) -> str:
        """As `put`; the new object's tag."""
        if create == (if_match is not None):
            raise ValueError("either create or if_match is needed")
        check_key(key)
        if if_match is None:
            self.domain.for_writing()
        parts, tail = self.contents.store(data)
        try:
            if if_match is None:
                return self.items.create(key, parts, tail).version
            return self.items.swap(key, parts, tail, if_match)
        except (AlreadyExistsError, ConflictError):
            self.contents.remove(parts)
            raise

    @property
    def public_port(self) -> ObjectPort:
        """Where copies lie that others read by a URL: the bucket, in the port of blobs."""
        return self.contents.blobs

    def open_write(self, key: str) -> BinaryIO:
        """A file to write a large object to; it appears, whole, when closed."""
        check_key(key)
        self.domain.for_writing()
        return cast("BinaryIO", Upload(self, key))

    def stat(self, key: str) -> Optional[ObjectStat]:
        """Size, time and tag, or None where there is no such object."""
        head = self.items.head(key)
        return None if head is None else ObjectStat(head.size, head.mtime, head.version)

    def list(self, prefix: str) -> List[str]:
        """Names directly below a prefix, sorted; deeper levels with a slash."""
        above = join(check_prefix(prefix), "")
        if not self.domain.ready():
            return []
        names = set()
        for key in self.domain.names(above[:-1], level=True):
            name, slash, _ = key[len(above) :].partition("/")
            if is_part(name):
                names.add(name + slash)
        return sorted(names)

    def delete(self, key: str) -> None:
        """Remove an object or a segment; nothing there is no error."""
        self.items.remove(key)

    def delete_tree(self, prefix: str) -> None:
        """Remove everything below a prefix.

        Not one step: nobody else may be writing there.
        """
        prefix = check_prefix(prefix)
        if not self.domain.ready():
            return
        names, parts = self.items.below(prefix)
        self.domain.remove(names)
        self.contents.remove(parts)

    def sync_tree(self, prefix: str) -> None:
        """Nothing: what was put is durable."""
        check_prefix(prefix)

    def create_segment(self, key: str) -> AwsSegment:
        """Claim a segment's name, create-only, and open it for appending."""
        check_key(key)
        self.domain.for_writing()
        return AwsSegment(self.items, key, self.items.create(key, (), b""))

    def append_segment(self, key: str) -> AwsSegment:
        """Open a segment for appending, creating it where there is none."""
        check_key(key)
        self.domain.for_writing()
        while True:
            item = self.items.get(key)
            if item is not None:
                return AwsSegment(self.items, key, item)
            try:
                return AwsSegment(self.items, key, self.items.create(key, (), b""))
            except AlreadyExistsError:
                pass  # somebody else was quicker

    def read_segment(self, key: str, start: int = 0) -> bytes:
        """What the segment holds now, from byte `start` on."""
        return self.get(key, start)

    def path(self, key: str) -> Optional[str]:
        """None: there are no files."""
        check_key(key)
        return None

    def walk(self, prefix: str) -> Iterator[str]:
        """Every key below a prefix, sorted."""
        prefix = check_prefix(prefix)
        if self.domain.ready():
            yield from self.domain.names(prefix)

    def publish(self, key: str, parts: Tuple[Part, ...], tail: bytes) -> None:
        """Let new content, whose blobs are written, be the object in place of any."""
        self.items.set(key, parts, tail)
