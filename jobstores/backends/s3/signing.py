"""AWS Signature Version 4: requests and presigned URLs, from the standard library alone.

Pure: time and credentials are arguments. It signs for any service; S3's own rules are
that a path is encoded once and not normalised, and that the payload's hash is a header.

Source: AWS General Reference, "Signature Version 4"; Amazon S3 API Reference,
"Authenticating Requests (AWS Signature Version 4)".

Standard library only, Python 3.9: this runs on compute nodes.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Iterable, List, Mapping, NamedTuple, Optional, Tuple
from urllib.parse import quote

UNSIGNED = "UNSIGNED-PAYLOAD"
ALGORITHM = "AWS4-HMAC-SHA256"
MAX_EXPIRES_S = 7 * 24 * 3600

Query = Iterable[Tuple[str, str]]


class Credentials(NamedTuple):
    """What signs requests: key id, secret key, and a session token where there is one."""

    access_key: str
    secret_key: str
    token: Optional[str] = None

    def __repr__(self) -> str:
        return f"Credentials({self.access_key!r}, ...)"


class Scope(NamedTuple):
    """What a signature is valid for."""

    region: str
    service: str = "s3"


def encode_path(path: str) -> str:
    """A path as it is sent and signed: every byte but `A-Za-z0-9-._~/` is escaped."""
    return quote(path, safe="/-_.~")


def encode_query(query: Query) -> str:
    """A query as it is sent and signed: sorted, each name with its `=`."""
    pairs = [(quote(name, safe="-_.~"), quote(text, safe="-_.~")) for name, text in query]
    return "&".join(f"{name}={text}" for name, text in sorted(pairs))


def sha256_hex(data: bytes) -> str:
    """The SHA-256 of some bytes, in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def signed_headers(
    method: str,
    path: str,
    query: Query,
    headers: Mapping[str, str],
    payload_hash: str,
    credentials: Credentials,
    scope: Scope,
    now: float,
) -> List[Tuple[str, str]]:
    """The headers to send, `Authorization` included.

    path: already encoded (`encode_path`).
    headers: all that are to be signed; `Host` must be among them.
    payload_hash: of the body, or `UNSIGNED`.
    now: Unix seconds; what the server takes for the time, within 15 minutes.
    """
    stamp = _stamp(now)
    full = dict(headers)
    full["x-amz-date"] = stamp
    if scope.service == "s3":
        full["x-amz-content-sha256"] = payload_hash
    if credentials.token:
        full["x-amz-security-token"] = credentials.token
    names, canonical = _canonical_headers(full)
    request = "\n".join((method, path, encode_query(query), canonical, names, payload_hash))
    signature = _signature(request, stamp, credentials, scope)
    full["Authorization"] = (
        f"{ALGORITHM} Credential={credentials.access_key}/{_scope(stamp, scope)}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return list(full.items())


def presigned_query(
    method: str,
    host: str,
    path: str,
    query: Query,
    expires_s: int,
    credentials: Credentials,
    scope: Scope,
    now: float,
) -> str:
    """The query of a URL that needs no credentials until it expires.

    Raises:
        ValueError: `expires_s` is not between 1 s and 7 days.
    """
    if not 1 <= expires_s <= MAX_EXPIRES_S:
        raise ValueError(
            f"a presigned URL lives 1 to {MAX_EXPIRES_S} s (7 days), not {expires_s} s"
        )
    stamp = _stamp(now)
    pairs = [
        *query,
        ("X-Amz-Algorithm", ALGORITHM),
        ("X-Amz-Credential", f"{credentials.access_key}/{_scope(stamp, scope)}"),
        ("X-Amz-Date", stamp),
        ("X-Amz-Expires", str(expires_s)),
        ("X-Amz-SignedHeaders", "host"),
    ]
    if credentials.token:
        pairs.append(("X-Amz-Security-Token", credentials.token))
    names, canonical = _canonical_headers({"host": host})
    encoded = encode_query(pairs)
    request = "\n".join((method, path, encoded, canonical, names, UNSIGNED))
    return f"{encoded}&X-Amz-Signature={_signature(request, stamp, credentials, scope)}"


def _stamp(now: float) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))


def _scope(stamp: str, scope: Scope) -> str:
    return f"{stamp[:8]}/{scope.region}/{scope.service}/aws4_request"


def _canonical_headers(headers: Mapping[str, str]) -> Tuple[str, str]:
    """The signed headers' names, and all of them in the form that is signed."""
    plain = sorted((name.lower(), " ".join(text.split())) for name, text in headers.items())
    return (
        ";".join(name for name, _ in plain),
        "".join(f"{name}:{text}\n" for name, text in plain),
    )


def _signature(request: str, stamp: str, credentials: Credentials, scope: Scope) -> str:
    to_sign = "\n".join(
        (ALGORITHM, stamp, _scope(stamp, scope), sha256_hex(request.encode()))
    )
    key = ("AWS4" + credentials.secret_key).encode()
    for part in (stamp[:8], scope.region, scope.service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
