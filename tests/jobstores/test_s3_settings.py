"""Where the S3 service is and who we are there, by the names that AWS's tools use."""

from __future__ import annotations

import io
import sys

import pytest

from jobstores.backends.s3 import client as s3_client
from jobstores.backends.s3 import http as s3_http
from jobstores.backends.s3.client import S3Client
from jobstores.backends.s3.http import proxy_for
from jobstores.backends.s3.port import open_s3, parse_s3
from jobstores.backends.s3.settings import (
    Settings,
    fixed_credentials,
    load_settings,
    read_sse_key,
)
from jobstores.backends.s3.signing import Credentials
from jobstores.errors import UnavailableError, UnsupportedError
from tests.jobstores.store_doubles import imported_by


@pytest.fixture
def home(tmp_path):
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").write_text(
        "[default]\naws_access_key_id = DEFAULT\naws_secret_access_key = s1\n"
        "[site]\naws_access_key_id = SITE\naws_secret_access_key = s2\n"
        "aws_session_token = tok\n"
    )
    (tmp_path / ".aws/config").write_text(
        "[default]\nregion = eu-west-1\n"
        "[profile site]\nregion = site-1\nendpoint_url = https://s3.site.example\n"
    )
    return {"HOME": str(tmp_path)}


def test_the_environment_goes_before_the_files(home):
    keys = {"AWS_ACCESS_KEY_ID": "ENV", "AWS_SECRET_ACCESS_KEY": "s", **home}
    assert load_settings(keys).credentials(False) == Credentials("ENV", "s")
    found = load_settings({**keys, "AWS_SESSION_TOKEN": "t", "AWS_REGION": "r"})
    assert found.credentials(False).token == "t"
    assert found.region == "r"


def test_profiles_are_read_from_both_files(home):
    assert load_settings(home).credentials(False) == Credentials("DEFAULT", "s1")
    assert load_settings(home).region == "eu-west-1"
    assert load_settings(home).endpoint == ""
    site = load_settings({**home, "AWS_PROFILE": "site"})
    assert site.credentials(False) == Credentials("SITE", "s2", "tok")
    assert (site.region, site.endpoint) == ("site-1", "https://s3.site.example")


def test_renewed_files_are_read_again(home, tmp_path):
    found = load_settings(home)
    assert found.credentials(False).access_key == "DEFAULT"
    file = tmp_path / ".aws/credentials"
    file.write_text(file.read_text().replace("DEFAULT", "RENEWED"))
    assert found.credentials(False).access_key == "DEFAULT"
    assert found.credentials(True).access_key == "RENEWED"


def test_files_may_lie_elsewhere(home, tmp_path):
    (tmp_path / "keys").write_text(
        "[default]\naws_access_key_id = ELSE\naws_secret_access_key = s\n"
    )
    env = {**home, "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "keys")}
    assert load_settings(env).credentials(False).access_key == "ELSE"


def test_what_else_boto3_knows_is_asked_last(tmp_path, monkeypatch):
    """A process that gives credentials, as sites' log-in programs do."""
    script = tmp_path / "login"
    script.write_text(
        "#!/bin/sh\n"
        'echo \'{"Version": 1, "AccessKeyId": "PROC", "SecretAccessKey": "s"}\'\n'
    )
    script.chmod(0o755)
    (tmp_path / "config").write_text(f"[profile p]\ncredential_process = {script}\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_PROFILE", "p")
    assert load_settings().credentials(False).access_key == "PROC"


def test_none_at_all_says_what_to_set(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)  # as on a compute node
    with pytest.raises(UnavailableError, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACC"):
        load_settings({"HOME": str(tmp_path)}).credentials(False)
    with pytest.raises(UnavailableError, match="AWS_SECRET_ACCESS_KEY is not: set both"):
        load_settings({"AWS_ACCESS_KEY_ID": "x"}).credentials(False)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("AWS_ENDPOINT_URL_S3", "localhost:9000", "is no URL"),
        ("HPCFLOW_S3_TRIES", "many", "HPCFLOW_S3_TRIES is 'many': a number above 0"),
        ("HPCFLOW_S3_READ_TIMEOUT_S", "-1", "a number above 0"),
        ("HPCFLOW_S3_ADDRESSING", "dns", "auto, path or virtual"),
        ("HPCFLOW_S3_SSE_KEY_FILE", "/none/there", "can't be read"),
    ],
)
def test_settings_that_make_no_sense_are_named(name, text, message):
    with pytest.raises(UnavailableError, match=message):
        load_settings({name: text})


def test_limits_come_from_the_environment():
    found = load_settings(
        {
            "HPCFLOW_S3_TRIES": "3",
            "HPCFLOW_S3_CONNECT_TIMEOUT_S": "0.5",
            "HPCFLOW_S3_READ_TIMEOUT_S": "7",
        }
    )
    assert (found.retry.limit, found.connect_timeout_s, found.read_timeout_s) == (3, 0.5, 7)


def test_a_key_file_is_the_owners_alone_and_of_32_bytes(tmp_path):
    file = tmp_path / "key"
    file.write_bytes(b"k" * 32)
    file.chmod(0o644)
    with pytest.raises(UnavailableError, match=r"mode 644.*chmod 600"):
        read_sse_key(str(file))
    file.chmod(0o600)
    assert read_sse_key(str(file)) == b"k" * 32
    file.write_bytes(b"short")
    with pytest.raises(UnavailableError, match="has 5 bytes, not 32"):
        read_sse_key(str(file))


def test_a_key_is_not_sent_in_the_clear_but_to_this_machine():
    def settings(endpoint):
        return Settings(fixed_credentials("a", "b"), endpoint=endpoint, sse_key=b"k" * 32)

    for endpoint in ("https://s3.example", "http://127.0.0.1:1", "http://localhost:1", ""):
        S3Client("bucket", settings(endpoint))
    with pytest.raises(UnavailableError, match="in the clear to http://s3"):
        S3Client("bucket", settings("http://s3.example"))


@pytest.mark.parametrize(
    ("bucket", "changes", "url"),
    [
        ("b-1", {}, "https://b-1.s3.us-east-1.amazonaws.com/k%20/x?"),
        ("b.1", {}, "https://s3.us-east-1.amazonaws.com/b.1/k%20/x?"),
        (
            "b-1",
            {"region": "cn-north-1"},
            "https://b-1.s3.cn-north-1.amazonaws.com.cn/k%20/x?",
        ),
        ("b-1", {"endpoint": "https://s3.site:8443"}, "https://s3.site:8443/b-1/k%20/x?"),
        ("b-1", {"endpoint": "https://site/s3"}, "https://site/s3/b-1/k%20/x?"),
        (
            "b-1",
            {"endpoint": "https://s3.site", "addressing": "virtual"},
            "https://b-1.s3.site/k%20/x?",
        ),
    ],
)
def test_the_bucket_is_in_the_path_or_in_the_host(bucket, changes, url):
    client = S3Client(bucket, Settings(fixed_credentials("a", "b"), **changes))
    assert client.presign("k /x", 60).startswith(url)


@pytest.mark.parametrize(
    ("url", "env", "proxy"),
    [
        ("https://s3.example", {"https_proxy": "http://p:1"}, "http://p:1"),
        ("https://s3.example", {"HTTPS_PROXY": "p:1"}, "http://p:1"),
        ("http://s3.example", {"https_proxy": "http://p:1"}, None),
        ("https://s3.example", {"https_proxy": "http://p:1", "no_proxy": ".example"}, None),
        ("https://s3.example", {"https_proxy": "http://p:1", "no_proxy": "x,*"}, None),
        (
            "https://s3.example",
            {"https_proxy": "http://p:1", "no_proxy": "ample"},
            "http://p:1",
        ),
        ("http://127.0.0.1:9", {"http_proxy": "http://p:1"}, None),
    ],
)
def test_proxies_come_from_the_environment(url, env, proxy):
    assert proxy_for(url, env) == proxy


@pytest.mark.parametrize(
    ("locator", "parts"),
    [
        ("s3://my-bucket/a/b", ("my-bucket", "a/b")),
        ("s3://my-bucket/a/", ("my-bucket", "a")),
        ("s3://my-bucket", ("my-bucket", "")),
    ],
)
def test_locators(locator, parts):
    assert parse_s3(locator) == parts
    assert open_s3(locator, {}).locator == locator.rstrip("/")


@pytest.mark.parametrize(
    "locator", ["s3:/b/a", "s3://", "s3://B/a", "s3://b/a", "s3://bkt/a//b"]
)
def test_what_is_no_locator_is_refused(locator):
    with pytest.raises(UnsupportedError):
        parse_s3(locator)


def answered(monkeypatch, *answers):
    """A client whose server answers so."""
    left = [s3_http.Answer(*answer) for answer in answers]

    def exchange(*_):
        return left.pop(0)

    client = S3Client("bkt", Settings(fixed_credentials("KEY", "x"), endpoint="http://h"))
    monkeypatch.setattr(client._connections, "exchange", exchange)
    return client


@pytest.mark.parametrize(
    ("status", "headers", "code", "message"),
    [
        (301, {"x-amz-bucket-region": "eu-1"}, "PermanentRedirect", "set AWS_REGION=eu-1"),
        (400, {}, "AuthorizationHeaderMalformed</Code><Region>eu-2</Region><Code>",
         "in the region eu-2: set AWS_REGION=eu-2"),
        (403, {}, "InvalidAccessKeyId", "KEY is not known there: check AWS_ACCESS_KEY_ID"),
        (403, {}, "SignatureDoesNotMatch", "secret key of KEY is wrong"),
        (403, {}, "AccessDenied", "KEY is not allowed to do this"),
        (403, {}, "ExpiredToken", "credentials have expired: log in again"),
        (404, {}, "NoSuchBucket", "there is no bucket 'bkt': make it first"),
        (405, {}, "MethodNotAllowed", "GET was refused: the server said 405"),
    ],
)  # fmt: skip
def test_refusals_say_what_to_set(monkeypatch, status, headers, code, message):
    body = f"<Error><Code>{code}</Code></Error>".encode()
    client = answered(monkeypatch, *[(status, headers, body)] * 2)
    with pytest.raises(UnavailableError, match=message):
        client.request("GET", "a")


def test_credentials_that_expire_are_renewed_once(monkeypatch):
    found = [Credentials("OLD", "x")]

    def credentials(renew):
        if renew:
            found.append(Credentials("NEW", "x"))
        return found[-1]

    expired = (403, {}, b"<Error><Code>ExpiredToken</Code></Error>")
    client = answered(monkeypatch, expired, (200, {}, b"done"))
    client.settings = client.settings._replace(credentials=credentials)
    assert client.request("GET", "a").body == b"done"
    assert [one.access_key for one in found] == ["OLD", "NEW"]


def test_codes_are_read_from_any_error():
    answer = s3_http.Answer(503, {}, b'<?xml?><Error a="b"><Code>SlowDown</Code></Error>')
    assert s3_client.error_code(answer) == "SlowDown"
    assert s3_client.is_transient(answer)
    assert s3_client.error_code(s3_http.Answer(400, {}, b"<html>")) == ""


NODE_SIDE = """
from jobstores.backends.s3.port import open_s3
port = open_s3("s3://bucket/p", {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
    "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "HPCFLOW_S3_TRIES": "1"})
from jobstores.errors import UnavailableError
try:
    port.append_segment("s").append(b"x")
except UnavailableError:
    pass
for name in ("asyncio", "concurrent", "configparser", "xml", "logging",
             "subprocess", "multiprocessing", "argparse", "unittest", "decimal", "ctypes"):
    assert name not in sys.modules, name
"""


def test_a_compute_node_imports_the_standard_library_alone():
    assert imported_by(NODE_SIDE) == set()


def test_half_an_answers_headers_are_no_answer():
    class Socket:
        def makefile(self, mode):
            return io.BytesIO(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: abc")

    response = s3_http._WholeResponse(Socket())
    with pytest.raises(s3_http.HTTPException, match="ended within its headers"):
        response.begin()
    response.close()
