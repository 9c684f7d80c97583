"""Large objects: files whose content goes to the bucket in parts.

Small ones are one put. A larger one is a multipart upload: invisible until it is
completed, which no condition can be put on, and aborted when its writer gives up. A
killed writer's parts stay, unseen, until the store is deleted or the bucket's own rule
(AbortIncompleteMultipartUpload) removes them.

Standard library only, Python 3.9: this runs on compute nodes.
"""

from __future__ import annotations

import io
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Dict, List

from jobstores.backends.s3.bodies import (
    META,
    PART_SIZE,
    Body,
    new_stamp,
    part_size,
    plain_headers,
)
from jobstores.backends.s3.client import element, error_code, is_transient, transient_error
from jobstores.errors import JobStoreError, TransientError, UnavailableError

if TYPE_CHECKING:
    from jobstores.backends.s3.objects import Objects


class Upload(io.BufferedIOBase):
    """A file being written; `close` publishes it, an exception discards it."""

    def __init__(self, objects: Objects, name: str, first_part: int = PART_SIZE) -> None:
        super().__init__()
        self._objects = objects
        self._name = name
        self._first = first_part
        self._stamp = new_stamp()
        self._pending: List[bytes] = []
        self._waiting = 0
        self._sent = 0
        self._upload = ""
        self._etags: List[str] = []
        self._ended = False

    def writable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Bytes written so far."""
        return self._sent + self._waiting

    def write(self, data: Any) -> int:
        """Add bytes; whole parts go to the bucket at once."""
        if self.closed:
            raise ValueError("write to a closed file")
        chunk = bytes(data)
        self._pending.append(chunk)
        self._waiting += len(chunk)
        size = part_size(len(self._etags) + 1, self._first)
        if self._waiting > size:
            self._send_parts()
        return len(chunk)

    def close(self) -> None:
        """Publish the object. Doing it twice is no error."""
        if self.closed:
            return
        try:
            if not self._ended:
                self._publish()
        except BaseException:
            self._discard()
            raise
        finally:
            self._ended = True
            super().close()

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._discard()
            super().close()

    def __del__(self) -> None:
        if not getattr(self, "_ended", True):
            self._discard()
        super().close()

    def _send_parts(self, last: bool = False) -> None:
        """Send what is whole; with `last` the rest too."""
        if not self._upload:
            self._begin()
        data = memoryview(b"".join(self._pending))
        while data:
            size = part_size(len(self._etags) + 1, self._first)
            if len(data) <= size and not last:
                break
            self._send_part(bytes(data[:size]))
            data = data[size:]
        self._pending, self._waiting = [bytes(data)], len(data)

    def _begin(self) -> None:
        headers = plain_headers(self._stamp)
        headers[META + "part"] = str(self._first)
        answer = self._request("POST", [("uploads", "")], headers)
        self._upload = element(answer.body, "UploadId")
        if not self._upload:
            raise UnavailableError(f"{self._where()}: the server began no upload")

    def _send_part(self, data: bytes) -> None:
        number = len(self._etags) + 1
        query = [("partNumber", str(number)), ("uploadId", self._upload)]
        answer = self._request("PUT", query, {}, data)
        self._etags.append(answer.headers.get("etag", ""))
        self._sent += len(data)

    def _publish(self) -> None:
        if not self._upload:
            data = b"".join(self._pending)
            body = Body(data, plain_headers(self._stamp, data), self._stamp)
            self._objects.write(self._name, body)
            return
        self._send_parts(last=True)
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
            for number, etag in enumerate(self._etags, 1)
        )
        self._complete(f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>")

    def _complete(self, document: str) -> None:
        """Publish. A lost answer, or an error after 200, is settled by looking."""
        client = self._objects.client
        failure: JobStoreError = TransientError(f"{self._where()}: the upload can't end")
        for number in client.settings.retry.tries():
            answer = client.request(
                "POST",
                self._key(),
                [("uploadId", self._upload)],
                client.sse_headers(),
                document.encode(),
            )
            failed = answer.status != 200 or b"<Error>" in answer.body[:4096]
            if not failed:
                return
            found = self._objects.look(self._name)
            if found is not None and found.stamp == self._stamp:
                return
            failure = transient_error(self._where(), answer, number)
            if answer.status != 200 and not is_transient(answer):
                break
        try:
            raise failure
        finally:
            del failure  # else it and this frame keep each other, and connections open

    def _discard(self) -> None:
        self._ended = True
        self._pending = []
        if self._upload:
            with suppress(JobStoreError):
                client = self._objects.client
                client.request("DELETE", self._key(), [("uploadId", self._upload)])
            self._upload = ""

    def _request(
        self, method: str, query: Any, headers: Dict[str, str], body: bytes = b""
    ) -> Any:
        client = self._objects.client
        headers = {**headers, **client.sse_headers()}
        answer = client.request(method, self._key(), query, headers, body)
        if answer.status != 200:
            raise UnavailableError(
                f"{self._where()}: the upload was refused:"
                f" {answer.status} {error_code(answer)}"
            )
        return answer

    def _key(self) -> str:
        return self._objects.prefix + self._name

    def _where(self) -> str:
        return self._objects.where(self._name)
