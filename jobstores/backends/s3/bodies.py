"""How an object's content lies in a bucket: body, metadata, and the tag made of them.

S3 compares ETags, and the ETag of a plain put is its content's MD5: a swap could not
tell an object from a later one of equal content. So the body of what `put` writes ends
in a tail of random bytes, which readers cut off, and each write has an ETag of its own.
A stamp in the metadata alone would not do: metadata does not change the ETag, and a look
at the stamp before the swap leaves a gap between the two. The tail is of a form that
other programs pass over: blanks and line breaks after text (JSON, YAML), a skippable
frame of the zstd format after all else. Objects that are written through `open_write`
have no tail: they are large, or read by others through a URL. Their tag also names the
stamp, and a swap looks at it first.

Metadata (`x-amz-meta-...`): `stamp`, the write's own id; `tail`, bytes to cut off;
`sha256`, of the body; `previous`, the stamp that a swap replaced; `born`, on segments,
the stamp of the first write; `part`, on multipart uploads, the size of the first parts.
An object without them, which another program wrote, is taken as it is.

Standard library only, Python 3.9: this runs on compute nodes.
"""

from __future__ import annotations

import hashlib
import os
from typing import Dict, Mapping, NamedTuple, Optional

from jobstores.backends.s3.client import http_time
from jobstores.backends.s3.signing import sha256_hex
from jobstores.errors import CorruptError

META = "x-amz-meta-"
FRAME_SIZE = 24
PART_SIZE = 8 << 20  # of the first parts; S3 takes at least 5 MiB
_FRAME = b"\x50\x2a\x4d\x18\x10\x00\x00\x00"  # a skippable zstd frame of 16 bytes
_BLANK = str.maketrans("01", " \n")


class Body(NamedTuple):
    """What is sent: bytes, and the headers that describe them."""

    data: bytes
    headers: Dict[str, str]
    stamp: str


def new_stamp() -> str:
    """The id of a write."""
    return os.urandom(16).hex()


def plain_headers(stamp: str, data: Optional[bytes] = None) -> Dict[str, str]:
    """The metadata of a body without a tail."""
    headers = {META + "stamp": stamp, META + "tail": "0"}
    if data is not None:
        headers[META + "sha256"] = sha256_hex(data)
    return headers


def with_tail(
    content: bytes, *, previous: str = "", born: Optional[str] = None, text: bool = True
) -> Body:
    """A body of its own for each write.

    born: makes it a segment's: "" one that begins with this write.
    text: content that is text gets a tail that is text.
    """
    stamp = new_stamp()
    if text and _is_text(content):
        tail = f"{int(stamp, 16):0128b}".translate(_BLANK).encode()
    else:
        tail = _FRAME + bytes.fromhex(stamp)
    data = content + tail
    headers = plain_headers(stamp, data)
    headers[META + "tail"] = str(len(tail))
    if previous:
        headers[META + "previous"] = previous
    if born is not None:
        headers[META + "born"] = born or stamp
    return Body(data, headers, stamp)


def _is_text(content: bytes) -> bool:
    if b"\0" in content or content.startswith(b"\x28\xb5\x2f\xfd"):
        return False
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return bool(content)


class Found(NamedTuple):
    """An object, by the headers of a GET or HEAD.

    size: of the body. content: of it without the tail.
    """

    etag: str
    stamp: str
    size: int
    content: int
    mtime: float
    previous: str
    born: str
    sha256: str
    part: int

    @property
    def tag(self) -> str:
        """As `port.ObjectStat.tag`; "u" marks an ETag that no other write has."""
        return f"{self.etag}.{self.stamp}.{'u' if self.content < self.size else 'p'}"


class Tag(NamedTuple):
    """A tag's parts."""

    etag: str
    stamp: str
    unique: bool


def parse_tag(text: str) -> Optional[Tag]:
    """A tag's parts; None for a text that is the tag of nothing."""
    etag, dot, rest = text.partition(".")
    stamp, _, kind = rest.partition(".")
    if not dot or not etag or kind not in ("u", "p") or not etag.isascii():
        return None
    if not etag.isprintable() or any(letter in etag for letter in '" ,'):
        return None
    return Tag(etag, stamp, kind == "u")


def found_of(headers: Mapping[str, str]) -> Found:
    """What headers say of an object; of a part of it, Content-Range tells the size."""
    total = headers.get("content-range", "").rpartition("/")[2]
    size = int(total if total.isdigit() else headers.get("content-length", "0"))
    return Found(
        etag=headers.get("etag", "").strip('"'),
        stamp=headers.get(META + "stamp", ""),
        size=size,
        content=max(0, size - _integer(headers, "tail")),
        mtime=http_time(headers.get("last-modified", "")) or 0.0,
        previous=headers.get(META + "previous", ""),
        born=headers.get(META + "born", ""),
        sha256=headers.get(META + "sha256", ""),
        part=0 if _hides_etag(headers) else _integer(headers, "part"),
    )


def _hides_etag(headers: Mapping[str, str]) -> bool:
    """Whether the ETag need not be made of MD5s, the object being encrypted."""
    sse = "x-amz-server-side-encryption"
    return f"{sse}-customer-algorithm" in headers or "kms" in headers.get(sse, "")


def _integer(headers: Mapping[str, str], name: str) -> int:
    text = headers.get(META + name, "")
    return int(text) if text.isdigit() else 0


def check_body(where: str, found: Found, body: bytes) -> None:
    """Compare a whole body with its checksum.

    Raises:
        CorruptError: it is another.
    """
    if len(body) != found.size:
        raise CorruptError(f"{where}: {len(body)} bytes came, {found.size} were announced")
    if found.sha256:
        actual, expected = sha256_hex(body), found.sha256
    elif found.part and found.etag.partition("-")[2].isdigit():
        actual, expected = multipart_etag(body, found.part), found.etag
    else:
        return
    if actual != expected:
        raise CorruptError(
            f"{where} is damaged: its checksum is {actual}, and {expected} was written"
        )


def part_size(number: int, first: int = PART_SIZE) -> int:
    """The size of a part of an upload, by its number from 1: 10,000 parts make 9 TB."""
    return int(first * 2 ** ((number - 1) // 1000))


def multipart_etag(body: bytes, first: int) -> str:
    """The ETag of an upload in such parts: the MD5 of the parts' MD5s, and their number."""
    view, digests, position = memoryview(body), b"", 0
    number = 0
    while position < len(view):
        number += 1
        end = position + part_size(number, first)
        digests += hashlib.md5(view[position:end]).digest()  # noqa: S324 - S3's choice
        position = end
    return f"{hashlib.md5(digests).hexdigest()}-{number}"  # noqa: S324
