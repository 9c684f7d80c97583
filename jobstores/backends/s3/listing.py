"""Listing and removing many objects of a bucket.

Standard library only, Python 3.9: this runs on compute nodes.
"""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape, unescape
from typing import Iterator, List, NamedTuple
from urllib.parse import unquote

from jobstores.backends.s3.client import S3Client, element, error_code
from jobstores.errors import UnavailableError

_ENTRY = re.compile(rb"<(Contents|CommonPrefixes|Upload)>(.*?)</\1>", re.DOTALL)
_BATCH = 1000  # what one DeleteObjects takes, and one page lists


class Listed(NamedTuple):
    """A key of a listing, or with `size` -1 what several have in common up to a slash."""

    name: str
    size: int


def listing(client: S3Client, prefix: str, delimiter: str = "") -> Iterator[Listed]:
    """All keys that begin with some text; a request for each 1,000."""
    query = [("list-type", "2"), ("encoding-type", "url"), ("prefix", prefix)]
    if delimiter:
        query.append(("delimiter", delimiter))
    token = ""
    while True:
        page = [*query, ("continuation-token", token)] if token else query
        answer = client.request("GET", "", page)
        if answer.status != 200:
            raise UnavailableError(
                f"s3://{client.bucket}/{prefix}: listing gives {answer.status}"
                f" {error_code(answer)}"
            )
        for kind, entry in _ENTRY.findall(answer.body):
            if kind == b"Contents":
                yield Listed(
                    unquote(element(entry, "Key")), int(element(entry, "Size") or 0)
                )
            else:
                yield Listed(unquote(element(entry, "Prefix")), -1)
        token = element(answer.body, "NextContinuationToken")
        if not token or element(answer.body, "IsTruncated") != "true":
            return


def remove_all(client: S3Client, prefix: str) -> None:
    """Remove every object whose key begins with some text."""
    batch: List[str] = []
    for entry in listing(client, prefix):
        batch.append(entry.name)
        if len(batch) == _BATCH:
            remove(client, batch)
            batch = []
    if batch:
        remove(client, batch)


def remove(client: S3Client, keys: List[str]) -> None:
    """Remove objects, at most 1,000, in one request where the server takes that."""
    if len(keys) > 1:
        items = "".join(f"<Object><Key>{escape(key)}</Key></Object>" for key in keys)
        body = f"<Delete><Quiet>true</Quiet>{items}</Delete>".encode()
        md5 = base64.b64encode(hashlib.md5(body).digest()).decode()  # noqa: S324
        headers = {"Content-MD5": md5, "Content-Type": "application/xml"}
        try:
            answer = client.request("POST", "", [("delete", "")], headers, body)
        except UnavailableError:
            answer = None  # some servers, and some permissions, know single deletes alone
        if answer is not None and answer.status == 200:
            keys = [
                unescape(key.decode())
                for key in re.findall(
                    rb"<Error>.*?<Key>([^<]*)</Key>", answer.body, re.DOTALL
                )
            ]
    for key in keys:
        answer = client.request("DELETE", key)
        if answer.status not in (200, 204, 404):
            raise UnavailableError(
                f"s3://{client.bucket}/{key}: can't be removed: {answer.status}"
                f" {error_code(answer)}"
            )


def abort_uploads(client: S3Client, prefix: str) -> None:
    """End all unfinished uploads of keys that begin with some text; their parts go."""
    answer = client.request("GET", "", [("uploads", ""), ("prefix", prefix)])
    if answer.status != 200:
        return
    for kind, entry in _ENTRY.findall(answer.body):
        if kind == b"Upload":
            upload = element(entry, "UploadId")
            client.request("DELETE", element(entry, "Key"), [("uploadId", upload)])
