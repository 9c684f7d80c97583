"""Signatures are those of AWS's published examples, and of botocore for anything."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime
from unittest import mock
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as TheirCredentials
from hypothesis import given
from hypothesis import strategies as st

from jobstores.backends.s3.signing import (
    Credentials,
    Scope,
    encode_path,
    encode_query,
    presigned_query,
    sha256_hex,
    signed_headers,
)

# Amazon S3 API Reference, "Examples: Signature calculations in AWS Signature Version 4".
EXAMPLE = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
HOST = "examplebucket.s3.amazonaws.com"
SCOPE = Scope("us-east-1")
DAY = calendar.timegm((2013, 5, 24, 0, 0, 0))


def signature(method, path, query, headers, body=b"", scope=SCOPE, **changes):
    given = {"credentials": EXAMPLE, "now": DAY, **changes}
    found = signed_headers(
        method,
        encode_path(path),
        query,
        {"Host": HOST, **headers},
        sha256_hex(body),
        given["credentials"],
        scope,
        given["now"],
    )
    return dict(found)["Authorization"].rpartition("Signature=")[2]


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "body", "expected"),
    [
        (
            "GET", "/test.txt", [], {"Range": "bytes=0-9"}, b"",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "PUT", "/test$file.text", [],
            {
                "Date": "Fri, 24 May 2013 00:00:00 GMT",
                "x-amz-storage-class": "REDUCED_REDUNDANCY",
            },
            b"Welcome to Amazon S3.",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            "GET", "/", [("lifecycle", "")], {}, b"",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            "GET", "/", [("max-keys", "2"), ("prefix", "J")], {}, b"",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
    ids=["GET", "PUT", "lifecycle", "list"],
)  # fmt: skip
def test_published_examples(method, path, query, headers, body, expected):
    assert signature(method, path, query, headers, body) == expected


def test_the_published_presigned_url():
    query = presigned_query("GET", HOST, "/test.txt", (), 86400, EXAMPLE, SCOPE, DAY)
    assert query.rpartition("X-Amz-Signature=")[2] == (
        "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


def test_the_published_example_of_another_service():
    """AWS General Reference, "Signature Version 4 test suite": get-vanilla."""
    found = signed_headers(
        "GET",
        "/",
        (),
        {"Host": "example.amazonaws.com"},
        sha256_hex(b""),
        Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        Scope("us-east-1", "service"),
        calendar.timegm((2015, 8, 30, 12, 36, 0)),
    )
    assert dict(found)["Authorization"].endswith(
        "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    )


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=12)
VALUES = st.text(st.sampled_from("abcXYZ019 -_=/;,"), min_size=1, max_size=20)
NAMES = st.text(st.sampled_from("abcxyz-09"), min_size=1, max_size=12)
TOKENS = st.none() | st.text(st.sampled_from("abc+/=09"), min_size=1, max_size=30)
MOMENTS = st.integers(1_000_000_000, 4_000_000_000)


class TheirClock(datetime):
    moment = 0.0

    @classmethod
    def utcnow(cls):
        return cls.fromtimestamp(cls.moment, UTC).replace(tzinfo=None)

    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(cls.moment, tz)


def theirs(auth, request, moment):
    """The request, signed by botocore at that time."""
    clock = type("Clock", (TheirClock,), {"moment": moment})
    now = clock.now(UTC)
    with (
        mock.patch("botocore.auth.get_current_datetime", lambda *_, **__: now),
        mock.patch("botocore.auth.datetime", mock.Mock(datetime=clock), create=True),
    ):
        auth.add_auth(request)
    return request


@given(
    method=st.sampled_from(("GET", "PUT", "POST", "DELETE", "HEAD")),
    path=TEXT,
    query=st.dictionaries(TEXT.filter(bool), TEXT, max_size=4),
    headers=st.dictionaries(NAMES.map("x-amz-meta-{}".format), VALUES, max_size=3),
    body=st.binary(max_size=20),
    token=TOKENS,
    now=MOMENTS,
    service=st.sampled_from(("s3", "sdb")),
)
def test_signatures_are_botocores(method, path, query, headers, body, token, now, service):
    path = encode_path("/" + path) if service == "s3" else "/"
    ours = signed_headers(
        method,
        path,
        query.items(),
        {"Host": HOST, **headers},
        sha256_hex(body),
        Credentials("KEY", "SECRET", token),
        Scope("eu-west-2", service),
        now,
    )
    url = f"https://{HOST}{path}"
    if query:
        url += "?" + encode_query(query.items())
    request = AWSRequest(method, url, dict(headers), body)
    auth = S3SigV4Auth if service == "s3" else SigV4Auth
    signer = auth(TheirCredentials("KEY", "SECRET", token), service, "eu-west-2")
    if service == "s3":
        request.context["payload_signing_enabled"] = True
    signed = theirs(signer, request, now)
    assert dict(ours)["Authorization"] == signed.headers["Authorization"]


@given(
    path=TEXT,
    token=TOKENS,
    now=MOMENTS,
    expires_s=st.integers(1, 604800),
)
def test_presigned_urls_are_botocores(path, token, now, expires_s):
    path = encode_path("/" + path)
    ours = presigned_query(
        "GET", HOST, path, (), expires_s, Credentials("KEY", "SECRET", token), SCOPE, now
    )
    request = AWSRequest("GET", f"https://{HOST}{path}")
    them = TheirCredentials("KEY", "SECRET", token)
    auth = S3SigV4QueryAuth(them, "s3", "us-east-1", expires=expires_s)
    signed = theirs(auth, request, now)
    assert sorted(ours.split("&")) == sorted(urlsplit(signed.url).query.split("&"))


@pytest.mark.parametrize("expires_s", [0, -1, 604801])
def test_urls_live_a_week_at_most(expires_s):
    with pytest.raises(ValueError, match="7 days"):
        presigned_query("GET", HOST, "/a", (), expires_s, EXAMPLE, SCOPE, DAY)


def test_secrets_are_not_printed():
    assert "wJalr" not in repr(EXAMPLE)
