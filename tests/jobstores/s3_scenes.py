"""S3 ports for tests: a bucket made when first needed, a prefix for each test."""

from __future__ import annotations

import dataclasses
import uuid
from functools import cache
from typing import TYPE_CHECKING, Any

from jobstores.backends.s3.bodies import found_of
from jobstores.backends.s3.client import Asked, S3Client
from jobstores.backends.s3.http import Retry
from jobstores.backends.s3.port import S3Port
from jobstores.backends.s3.settings import load_settings

if TYPE_CHECKING:
    from jobstores.backends.s3.settings import Settings

BUCKET = "hpcflow-tests"
NO_PAUSES = Retry(limit=8, sleep=lambda seconds: None)


def settings(**changes: Any) -> Settings:
    """Those of the environment, but for what is given."""
    return load_settings()._replace(**changes)


@cache
def bucket() -> str:
    """The name of a bucket that is there."""
    answer = S3Client(BUCKET, settings()).request("PUT")
    assert answer.status in (200, 409), answer
    return BUCKET


def new_prefix() -> str:
    return f"t/{uuid.uuid4().hex}"


def port(prefix: str | None = None, **changes: Any) -> S3Port:
    """A new client of a prefix, or of a new one."""
    client = S3Client(bucket(), settings(**changes))
    return S3Port(client, new_prefix() if prefix is None else prefix)


def again(first: S3Port, **changes: Any) -> S3Port:
    """Another client of a port's store."""
    client = S3Client(first.client.bucket, first.settings._replace(**changes))
    return S3Port(client, prefix_of(first))


def prefix_of(first: S3Port) -> str:
    return first.locator.removeprefix(f"s3://{first.client.bucket}/")


@dataclasses.dataclass
class Requests:
    """What a port asked of the server since this was made or reset."""

    asked: list[Asked] = dataclasses.field(default_factory=list)

    def __call__(self, asked: Asked) -> None:
        self.asked.append(asked)

    def take(self) -> list[str]:
        """The methods in order; then it begins anew."""
        methods = [one.method for one in self.asked]
        self.asked.clear()
        return methods


def counted(first: S3Port) -> Requests:
    """Count the requests of a port from now on."""
    requests = Requests()
    first.client.on_request = requests
    return requests


def raw_get(first: S3Port, key: str) -> bytes | None:
    """The content in the bucket, its tail cut off."""
    headers = first.client.sse_headers()
    answer = first.client.request("GET", f"{prefix_of(first)}/{key}", headers=headers)
    if answer.status == 404:
        return None
    return answer.body[: found_of(answer.headers).content]


def raw_set(first: S3Port, key: str, data: bytes) -> None:
    """As another program does: without metadata."""
    headers = first.client.sse_headers()
    name = f"{prefix_of(first)}/{key}"
    assert first.client.request("PUT", name, (), headers, data).status == 200


def raw_leftover(first: S3Port, key: str) -> None:
    """An upload that nobody ends."""
    name = f"{prefix_of(first)}/{key}"
    headers = first.client.sse_headers()
    begun = first.client.request("POST", name, [("uploads", "")], headers)
    upload = begun.body.partition(b"<UploadId>")[2].partition(b"<")[0].decode()
    query = [("partNumber", "1"), ("uploadId", upload)]
    assert first.client.request("PUT", name, query, headers, b"half").status == 200
