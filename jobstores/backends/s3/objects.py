"""Objects of a bucket: looking, reading, and the four ways of writing.

A conditional put whose answer is lost, or is a conflict or a server's fault, is unknown:
it may have been done, by this try or by one before it. Each write has a stamp; what is
there is looked at, and decides. Who finds the own stamp, or an object that names it as
what it replaced, has won.

Standard library only, Python 3.9: this runs on compute nodes.
"""

from __future__ import annotations

from typing import Callable, Dict, Mapping, NamedTuple, Optional, Tuple

from jobstores.backends.s3.bodies import (
    Body,
    Found,
    check_body,
    found_of,
    parse_tag,
)
from jobstores.backends.s3.client import (
    S3Client,
    error_code,
    is_transient,
    transient_error,
)
from jobstores.backends.s3.http import Answer, LostAnswerError
from jobstores.errors import (
    AlreadyExistsError,
    ConflictError,
    JobStoreError,
    NotFoundError,
    TransientError,
    UnavailableError,
    UnsupportedError,
)


class Part(NamedTuple):
    """Some of an object's content, and the object."""

    data: bytes
    found: Found


class Objects:
    """The objects below a prefix of a bucket, by their names there.

    locator: what error messages call the place.
    prefix: "" or ends in a slash.
    """

    def __init__(self, client: S3Client, locator: str, prefix: str) -> None:
        self.client = client
        self.locator = locator
        self.prefix = prefix
        self._quoted = False  # some servers compare If-Match as text, without quotes

    def where(self, name: str) -> str:
        """What error messages call an object."""
        return f"{self.locator}: {name}"

    def look(self, name: str) -> Optional[Found]:
        """What is known of an object without reading it; None where there is none."""
        answer = self.client.request(
            "HEAD", self.prefix + name, headers=self.client.sse_headers()
        )
        if answer.status == 404:
            return None
        self._expect(answer, name, 200)
        return found_of(answer.headers)

    def read(self, name: str, start: int = 0, stop: Optional[int] = None) -> Part:
        """The content in [start, stop), as slices do; checked where it is all of it.

        Raises:
            NotFoundError: there is no such object.
            CorruptError: what came is not what was written.
        """
        if stop is not None and stop <= start:
            return Part(b"", self._there(name))
        headers = self.client.sse_headers()
        if start or stop is not None:
            headers["Range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
        for number in self.client.settings.retry.tries():
            answer = self.client.request("GET", self.prefix + name, headers=headers)
            if answer.status == 404:
                raise NotFoundError(f"{self.locator}: there is no {name}")
            if answer.status == 416:
                return Part(b"", self._there(name))
            self._expect(answer, name, 200, 206)
            found = found_of(answer.headers)
            first = start if answer.status == 206 else 0
            end = (
                found.size
                if answer.status == 200 or stop is None
                else min(stop, found.size)
            )
            if len(answer.body) == end - first:
                break
            failure = TransientError(
                f"{self.where(name)}: {len(answer.body)} of {end - first} bytes came, at"
                f" {number} tries"
            )
        else:
            try:
                raise failure
            finally:
                del failure  # else it and this frame keep each other, and connections open
        if len(answer.body) == found.size:
            check_body(self.where(name), found, answer.body)
        data = answer.body[: max(0, found.content - first)]
        return Part(data if first else data[start:stop], found)

    def write(self, name: str, body: Body) -> str:
        """Write, whatever is there; the ETag."""
        answer = self.client.request(
            "PUT", self.prefix + name, (), self._headers(body), body.data
        )
        self._expect(answer, name, 200)
        return self._etag(answer, name)

    def create(self, name: str, body: Body) -> str:
        """Write where nothing is; the ETag.

        Raises:
            AlreadyExistsError: something is there, and it is not this write.
        """

        def decide(found: Optional[Found], refused: bool) -> None:
            if found is not None or refused:
                raise AlreadyExistsError(f"{self.where(name)}: there is one already")

        return self._settle(name, body, lambda: {"If-None-Match": "*"}, decide)

    def swap(self, name: str, body: Body, etag: str) -> str:
        """Write where the object with that ETag is; the new ETag.

        Raises:
            ConflictError: it is not there any more.
        """
        refusals = [0]
        sent_quoted = [False]

        def decide(found: Optional[Found], refused: bool) -> None:
            if found is None or found.etag != etag:
                raise self._changed(name)
            if refused:
                refusals[0] += 1
                self._quoted = not sent_quoted[0]  # other threads may have learnt it, too
                if refusals[0] > 3:
                    raise UnsupportedError(
                        f"{self.where(name)}: the server refuses If-Match with the"
                        f" object's own ETag {etag}: it can't keep a job store"
                    )

        def condition() -> Dict[str, str]:
            sent_quoted[0] = self._quoted
            return {"If-Match": f'"{etag}"' if sent_quoted[0] else etag}

        return self._settle(name, body, condition, decide)

    def swap_by_tag(self, name: str, make: Callable[[str], Body], text: str) -> str:
        """As `swap`, by the tag that a `stat` gave; `make` is given the stamp it names.

        Raises:
            ConflictError: the object with that tag is not there any more.
        """
        tag = parse_tag(text)
        if tag is None:
            raise self._changed(name)
        if not tag.unique:
            found = self.look(name)
            if found is None or found.tag != text:
                raise self._changed(name)
        return self.swap(name, make(tag.stamp), tag.etag)

    def remove(self, name: str) -> None:
        """Remove an object; nothing there is no error."""
        answer = self.client.request("DELETE", self.prefix + name)
        self._expect(answer, name, 200, 204, 404)

    def _settle(
        self,
        name: str,
        body: Body,
        condition: Callable[[], Mapping[str, str]],
        decide: Callable[[Optional[Found], bool], None],
    ) -> str:
        """Put under a condition until it is known whether this write was done.

        decide: by what is there, and whether the condition was refused, raises the
            error that ends it, or returns for another try.
        """
        for number in self.client.settings.retry.tries():
            answer, failure = self._try(name, body, condition(), number)
            if answer is not None and answer.status == 200:
                return self._etag(answer, name)
            found = self.look(name)
            if found and body.stamp in (found.stamp, found.previous, found.born):
                return found.etag if found.stamp == body.stamp else ""
            refused = answer is not None and answer.status in (404, 412)
            decide(found, refused)
        try:
            raise failure
        finally:
            del failure  # else it and this frame keep each other, and connections open

    def _try(
        self, name: str, body: Body, condition: Mapping[str, str], number: int
    ) -> Tuple[Optional[Answer], JobStoreError]:
        headers = {**self._headers(body), **condition}
        try:
            answer = self.client.once("PUT", self.prefix + name, (), headers, body.data)
        except LostAnswerError as error:
            return None, error.as_job_store_error(number)
        if answer.status != 200 and not is_transient(answer):
            if error_code(answer) == "NotImplemented" or answer.status == 501:
                raise UnsupportedError(
                    f"{self.where(name)}: the server refuses conditional writes"
                    f" ({answer.status} {error_code(answer)}): it can't keep a job store"
                )
            self._expect(answer, name, 200, 404, 409, 412)
        return answer, transient_error(self.where(name), answer, number)

    def _changed(self, name: str) -> ConflictError:
        return ConflictError(f"{self.where(name)}: changed since it was read")

    def _headers(self, body: Body) -> Dict[str, str]:
        return {**body.headers, **self.client.sse_headers()}

    def _etag(self, answer: Answer, name: str) -> str:
        etag = answer.headers.get("etag", "").strip('"')
        if etag:
            return etag
        found = self.look(name)
        return found.etag if found else ""

    def _there(self, name: str) -> Found:
        found = self.look(name)
        if found is None:
            raise NotFoundError(f"{self.locator}: there is no {name}")
        return found

    def _expect(self, answer: Answer, name: str, *statuses: int) -> None:
        if answer.status not in statuses:
            raise UnavailableError(
                f"{self.where(name)}: the server answered {answer.status}"
                f" {error_code(answer)}, which is not understood"
            )
