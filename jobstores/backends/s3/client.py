"""One bucket over HTTP: addresses, signs, tries again, and turns refusals into errors.

`S3Client.request` is what readers and plain writers use: it tries until there is an
answer that is neither a server's fault nor a lost one. `S3Client.once` tries once: for
conditional writes, whose caller must look at what is there before it tries again.

A request that a server refuses because of who or where we are (credentials, clock,
bucket, region, encryption key) raises an error that says what to set. All else is an
`Answer` for the caller: 2xx, 304, 404 (no such key), 409, 412, 416, 501.

Standard library only, Python 3.9: this runs on compute nodes.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import time
from email.utils import mktime_tz, parsedate_tz
from html import unescape
from typing import Callable, Dict, Iterable, Mapping, NamedTuple, Optional, Tuple

from jobstores.backends.s3.http import (
    TRANSIENT_STATUSES,
    Answer,
    Connections,
    LostAnswerError,
    host_header,
    proxy_for,
)
from jobstores.backends.s3.settings import (
    SSE_KEY_FILE,
    Settings,
    check_encrypted_transport,
)
from jobstores.backends.s3.signing import (
    Credentials,
    Scope,
    encode_path,
    encode_query,
    presigned_query,
    sha256_hex,
    signed_headers,
)
from jobstores.errors import JobStoreError, TransientError, UnavailableError

Query = Iterable[Tuple[str, str]]
_TRANSIENT_CODES = frozenset(
    ("SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable", "Throttling",
     "ThrottlingException", "RequestLimitExceeded", "OperationAborted")
)  # fmt: skip
_MAX_SKEW_S = 600.0
_SSE = "x-amz-server-side-encryption-customer-"


class Asked(NamedTuple):
    """One request as it went out, and its answer's status (0: lost). For counting."""

    method: str
    key: str
    query: str
    status: int


class S3Client:
    """A bucket. For any number of threads.

    Args:
        bucket: its name.
        settings: see `settings.load_settings`.
        on_request: called after each request that was sent, tries included.
        clock: Unix seconds.

    Raises:
        UnavailableError: the settings can't be used; the message says why.
    """

    def __init__(
        self,
        bucket: str,
        settings: Settings,
        *,
        on_request: Optional[Callable[[Asked], None]] = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        check_encrypted_transport(settings)
        self.bucket = bucket
        self.settings = settings
        self.on_request = on_request
        self._clock = clock
        self._skew_s = 0.0
        self._bucket_seen = False
        url, in_host = _address(bucket, settings)
        self._host, base = host_header(url)
        self._base = base if in_host else f"{base}/{bucket}"
        self._connections = Connections(
            url,
            connect_timeout_s=settings.connect_timeout_s,
            read_timeout_s=settings.read_timeout_s,
            proxy=proxy_for(url, os.environ),
            ca_bundle=settings.ca_bundle,
        )
        self.url = url

    def request(
        self,
        method: str,
        key: str = "",
        query: Query = (),
        headers: Optional[Mapping[str, str]] = None,
        body: bytes = b"",
    ) -> Answer:
        """Send until there is an answer; the request must be one that may be repeated.

        key: of an object; "" is the bucket itself.
        query: names and values, not yet encoded.

        Raises:
            TransientError: all tries ended in faults of load or network.
            UnavailableError: nothing is reached, or the server refuses us.
        """
        pairs = tuple(query)
        for number in self.settings.retry.tries():
            try:
                answer = self.once(method, key, pairs, headers, body)
            except LostAnswerError as error:
                failure: JobStoreError = error.as_job_store_error(number)
                continue
            if not is_transient(answer):
                return answer
            failure = transient_error(self._name(key), answer, number)
        try:
            raise failure
        finally:
            del failure  # else it and this frame keep each other, and connections open

    def once(
        self,
        method: str,
        key: str = "",
        query: Query = (),
        headers: Optional[Mapping[str, str]] = None,
        body: bytes = b"",
    ) -> Answer:
        """Send once; again only where the server surely did nothing (clock, credentials).

        Raises:
            LostAnswerError: there was no answer.
            UnavailableError: the server refuses us.
        """
        pairs = tuple(query)
        credentials = self.settings.credentials(False)
        answer = self._send(method, key, pairs, headers or {}, body, credentials)
        if answer.status in (400, 403) and (
            self._learn_the_time(answer) or self._is_expired(answer, credentials)
        ):
            credentials = self.settings.credentials(False)
            answer = self._send(method, key, pairs, headers or {}, body, credentials)
        self._check(answer, method, key)
        return answer

    def presign(self, key: str, expires_s: int) -> str:
        """A URL by which anybody can read an object until it expires.

        Raises:
            ValueError: `expires_s` is not between 1 s and 7 days.
        """
        path = encode_path(f"{self._base}/{key}")
        query = presigned_query(
            "GET", self._host, path, (), expires_s, self.settings.credentials(False),
            Scope(self.settings.region), self._clock() + self._skew_s,
        )  # fmt: skip
        scheme = self.url.partition(":")[0]
        return f"{scheme}://{self._host}{path}?{query}"

    def close(self) -> None:
        """Close idle connections; the client can still be used."""
        self._connections.close()

    def sse_headers(self) -> Dict[str, str]:
        """The headers that carry the encryption key; empty without one."""
        key = self.settings.sse_key
        if key is None:
            return {}
        md5 = hashlib.md5(key).digest()  # noqa: S324 - what S3 asks for
        return {
            _SSE + "algorithm": "AES256",
            _SSE + "key": base64.b64encode(key).decode(),
            _SSE + "key-MD5": base64.b64encode(md5).decode(),
        }

    def _name(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    def _send(
        self,
        method: str,
        key: str,
        query: Tuple[Tuple[str, str], ...],
        headers: Mapping[str, str],
        body: bytes,
        credentials: Credentials,
    ) -> Answer:
        path = encode_path(f"{self._base}/{key}" if key else self._base or "/")
        signed = signed_headers(
            method, path, query, {"Host": self._host, **headers}, sha256_hex(body),
            credentials, Scope(self.settings.region), self._clock() + self._skew_s,
        )  # fmt: skip
        text = encode_query(query)
        target = f"{path}?{text}" if text else path
        status = 0
        try:
            answer = self._connections.exchange(method, target, dict(signed), body)
            status = answer.status
        finally:
            if self.on_request is not None:
                self.on_request(Asked(method, key, text, status))
        return answer

    def _learn_the_time(self, answer: Answer) -> bool:
        """Take the server's time for ours where it says that ours is wrong."""
        there = http_time(answer.headers.get("date", ""))
        if there is None or error_code(answer) not in ("RequestTimeTooSkewed", ""):
            return False
        skew = there - self._clock()
        if abs(skew - self._skew_s) < _MAX_SKEW_S:
            return False
        self._skew_s = skew
        return True

    def _is_expired(self, answer: Answer, used: Credentials) -> bool:
        if error_code(answer) not in ("ExpiredToken", "TokenRefreshRequired"):
            return False
        return self.settings.credentials(True) != used

    def _check(self, answer: Answer, method: str, key: str) -> None:
        """Raise for what no repetition mends."""
        if answer.status < 300:
            self._bucket_seen = True
            return
        if answer.status in (304, 409, 412, 416, 501) or is_transient(answer):
            return
        code = error_code(answer)
        if answer.status == 404 and code != "NoSuchBucket":
            if method == "HEAD" and not self._bucket_seen:
                self._check_bucket(bool(key))
            if key or self._bucket_seen:
                return
        raise UnavailableError(self._refusal(answer, code, method, key))

    def _check_bucket(self, asked_for_a_key: bool) -> None:
        """A HEAD's 404 doesn't say whether it was the key or the bucket."""
        if asked_for_a_key:
            self.request("HEAD")  # raises where there is no bucket
            self._bucket_seen = True

    def _refusal(self, answer: Answer, code: str, method: str, key: str) -> str:
        region = self.settings.region
        has_key = self.settings.sse_key is not None
        where = f"{self._name(key)} ({self.url}, region {region})"
        said = f"{answer.status} {code or ''}".strip()
        message = element(answer.body, "Message")
        said += f": {message}" if message else ""
        actual = answer.headers.get("x-amz-bucket-region") or element(answer.body, "Region")
        if actual and actual != region and answer.status in (301, 307, 400, 403):
            return (
                f"{where}: the bucket is in the region {actual}: set AWS_REGION={actual}"
                f" (the server said {said})"
            )
        if answer.status == 404:
            return (
                f"{where}: there is no bucket {self.bucket!r}: make it first, or check the"
                f" name and the endpoint, AWS_ENDPOINT_URL_S3 (the server said {said})"
            )
        if _is_about_encryption(answer, code, message, method, has_key):
            return _encryption_refusal(where, said, has_key)
        if answer.status in (401, 403):
            return self._denied(where, said, code)
        return f"{where}: {method} was refused: the server said {said}"

    def _denied(self, where: str, said: str, code: str) -> str:
        access_key = self.settings.credentials(False).access_key
        if code == "InvalidAccessKeyId":
            what = (
                f"the access key {access_key} is not known there: check AWS_ACCESS_KEY_ID"
            )
        elif code == "SignatureDoesNotMatch":
            what = (
                f"the secret key of {access_key} is wrong: check AWS_SECRET_ACCESS_KEY, and"
                " AWS_REGION"
            )
        elif code in ("ExpiredToken", "TokenRefreshRequired"):
            what = (
                "the credentials have expired: log in again, or set new AWS_... variables"
            )
        else:
            what = (
                f"the access key {access_key} is not allowed to do this: check"
                " AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the bucket's permissions"
            )
        if self.settings.sse_key is not None and code in ("", "AccessDenied"):
            what += f"; or the encryption key of {SSE_KEY_FILE} is not the object's"
        return f"{where}: {what} (the server said {said})"


def is_transient(answer: Answer) -> bool:
    """Whether the same request may well succeed later."""
    if answer.status in TRANSIENT_STATUSES:
        return True
    return answer.status in (400, 403, 409) and error_code(answer) in _TRANSIENT_CODES


def transient_error(where: str, answer: Answer, tries: int) -> TransientError:
    """What the caller is told when all tries ended so."""
    said = f"{answer.status} {error_code(answer)}".strip()
    return TransientError(
        f"{where}: the server is overloaded or out of order: after {tries} tries it still"
        f" says {said}: try again later"
    )


def error_code(answer: Answer) -> str:
    """The code of an error answer, "" where it has none (such as any HEAD's)."""
    return element(answer.body[:4096], "Code") if answer.status >= 300 else ""


def element(document: bytes, name: str) -> str:
    """The text of the first XML element of that name, "" where there is none."""
    match = re.search(b"<%s>([^<]*)</%s>" % (name.encode(), name.encode()), document)
    return unescape(match.group(1).decode("utf-8", "replace")) if match else ""


def http_time(text: str) -> Optional[float]:
    """Unix seconds of a date as HTTP headers have it, or None."""
    parsed = parsedate_tz(text)
    return float(mktime_tz(parsed)) if parsed is not None else None


def _address(bucket: str, settings: Settings) -> Tuple[str, bool]:
    """The URL that a bucket's requests go to, and whether its host names the bucket."""
    own = not settings.endpoint
    url = settings.endpoint
    if own:
        suffix = (
            "amazonaws.com.cn" if settings.region.startswith("cn-") else "amazonaws.com"
        )
        url = f"https://s3.{settings.region}.{suffix}"
    in_host = settings.addressing == "virtual"
    if settings.addressing == "auto":  # no certificate covers a dot in the bucket's name
        in_host = ".amazonaws.com" in url and "." not in bucket
    scheme, _, rest = url.partition("://")
    return (f"{scheme}://{bucket}.{rest}" if in_host else url), in_host


def _is_about_encryption(
    answer: Answer, code: str, message: str, method: str, has_key: bool
) -> bool:
    """Servers tell of it in many words, and after a HEAD in none."""
    if answer.status not in (400, 403):
        return False
    said = f"{code} {message}".lower()
    vague = method == "HEAD" or code in ("", "InvalidRequest") or has_key
    return "encrypt" in said or "customer" in said or (answer.status == 400 and vague)


def _encryption_refusal(where: str, said: str, has_key: bool) -> str:
    what = (
        f"the encryption key of {SSE_KEY_FILE} is not the one that the object was written"
        " with, or the object is not encrypted"
        if has_key
        else "the object is encrypted with a key of your own: name the key's file in"
        f" {SSE_KEY_FILE}"
    )
    return f"{where}: {what} (the server said {said})"
