"""A bucket's prefix as a store passes the conformance suite, and keeps its own promises."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import re
import urllib.error
import urllib.request

import pytest
from hypothesis import settings

from jobstores.backends.many import at_once, map_many
from jobstores.backends.s3.client import http_time
from jobstores.backends.s3.port import open_s3
from jobstores.backends.s3.segments import FULL
from jobstores.conformance.races import race, tag_of
from jobstores.errors import (
    AlreadyExistsError,
    ConflictError,
    CorruptError,
    InvalidKeyError,
    NotFoundError,
    UnavailableError,
    UnsupportedError,
)
from jobstores.testing import PortConformance, port_machine
from tests.jobstores import s3_scenes
from tests.jobstores.s3_scenes import again, counted, prefix_of
from tests.jobstores.store_doubles import EFFORT

pytestmark = pytest.mark.s3


class TestS3Port(PortConformance):
    refuses_nesting = False

    @pytest.fixture
    def port(self):
        made = s3_scenes.port()
        yield made
        made.delete_tree("")

    @pytest.fixture
    def second(self, port):
        return again(port)

    raw_get = staticmethod(s3_scenes.raw_get)
    raw_set = staticmethod(s3_scenes.raw_set)
    raw_leftover = staticmethod(s3_scenes.raw_leftover)


def _clients():
    first = s3_scenes.port()
    return first, again(first), lambda: first.delete_tree("")


TestS3Machine = pytest.mark.s3(port_machine(_clients, refuses_nesting=False).TestCase)
TestS3Machine.settings = settings(TestS3Machine.settings, max_examples=10 * EFFORT)


@pytest.fixture
def port():
    made = s3_scenes.port()
    yield made
    made.delete_tree("")


# --- what it costs -------------------------------------------------------


def test_what_calls_cost_in_requests(port):
    port.put("seen", b"")  # that the bucket is there is asked once
    requests = counted(port)

    def cost(action):
        action()
        return requests.take()

    assert cost(lambda: port.put("a", b"1")) == ["PUT"]
    assert cost(lambda: port.put("b", b"1", create=True)) == ["PUT"]
    assert cost(lambda: port.get("a")) == ["GET"]
    assert cost(lambda: port.get("a", 0, 1)) == ["GET"]
    assert cost(lambda: port.stat("a")) == ["HEAD"]
    tag = tag_of(port, "a")
    requests.take()
    assert cost(lambda: port.put("a", b"2", if_match=tag)) == ["PUT"]
    assert cost(lambda: port.list("")) == ["GET"]
    assert cost(lambda: port.delete("a")) == ["HEAD", "DELETE"]
    assert cost(lambda: port.sync_tree("")) == []
    with pytest.raises(AlreadyExistsError):
        port.put("b", b"2", create=True)
    assert requests.take() == ["PUT", "HEAD"]
    with pytest.raises(ConflictError):
        port.put("b", b"2", if_match=tag)
    assert requests.take() == ["PUT", "HEAD"]


def test_a_segment_costs_a_request_to_create_one_to_append_one_to_read(port):
    requests = counted(port)
    handle = port.create_segment("s/1")
    assert requests.take() == ["PUT"]
    for number in range(10):
        handle.append(b"%d\n" % number)
        handle.sync()
    handle.close()
    assert requests.take() == ["PUT"] * 10
    assert port.read_segment("s/1") == b"".join(b"%d\n" % n for n in range(10))
    assert requests.take() == ["GET"]
    handle = port.append_segment("s/1")
    handle.append(b"more")
    handle.append(b"and more")
    assert requests.take() == ["HEAD", "GET", "PUT", "PUT"]


def test_a_walk_and_a_removal_cost_a_request_for_each_thousand(port):
    map_all(port, 2500)
    requests = counted(port)
    assert sum(1 for _ in port.walk("many")) == 2500
    assert requests.take() == ["GET"] * 3
    assert len(port.list("many")) == 3
    assert requests.take() == ["GET"]
    assert len(port.list("many/1")) == 1000
    assert len(requests.take()) in (1, 2)  # some servers give a last page that is empty
    port.delete_tree("many")
    assert requests.take().count("POST") == 3
    assert list(port.walk("")) == []


def map_all(port, count):
    keys = (f"many/{n // 1000}/{n}" for n in range(count))
    for _ in map_many(at_once(port), lambda key: port.put(key, b"", durable=False), keys):
        pass


def test_many_are_read_in_order_and_what_is_missing_is_told(port):
    keys = [f"a/{n}" for n in range(100)]
    contents = [b"%d" % n for n in range(100)]
    list(map_many(16, lambda n: port.put(keys[n], contents[n]), range(100)))
    assert list(map_many(16, port.get, keys)) == contents
    with pytest.raises(NotFoundError, match="a/none"):
        list(map_many(16, port.get, [*keys, "a/none"]))
    list(map_many(16, port.delete, keys[:50]))
    assert sorted(port.walk("")) == sorted(keys[50:])


# --- segments in parts -----------------------------------------------------


def test_a_long_segment_goes_on_in_parts(port):
    second = again(port)
    handle = port.create_segment("a/s")
    content = b""
    for number in range(40):
        line = b"%05d" % number * 5000 + b"\n"
        handle.append(line)
        content += line
        assert second.read_segment("a/s", len(content) - 6) == content[-6:]
    assert len(content) > 3 * FULL
    for start, stop in ((0, None), (FULL - 5, FULL + 90_000), (2 * FULL, None), (3, 9)):
        assert second.get("a/s", start, stop) == content[start:stop]
    assert second.stat("a/s").size == len(content)
    assert second.list("a") == ["s"]
    assert list(second.walk("")) == ["a/s"]
    other = second.append_segment("a/s")
    other.append(b"other\n")
    handle.append(b"first\n")
    assert port.read_segment("a/s") == content + b"other\nfirst\n"
    requests = counted(port)
    handle.append(b"again\n")
    assert requests.take() == ["PUT"]
    second.delete("a/s")
    handle.append(b"lost")
    other.append(b"lost")
    assert list(port.walk("")) == []
    rest = port.client.request("GET", "", [("list-type", "2"), ("prefix", prefix_of(port))])
    assert b"<Key>" not in rest.body
    port.create_segment("a/s")
    assert port.read_segment("a/s") == b""


def test_many_appenders_lose_nothing(port):
    clients = (port, again(port))
    port.create_segment("s").append(b"x" * (FULL - 200))

    def append(number):
        handle = clients[number % 2].append_segment("s")
        for line in range(10):
            handle.append(b"<%d.%d>" % (number, line))

    race(6, append)
    content = port.read_segment("s")[FULL - 200 :]
    found = re.findall(rb"<(\d+)\.(\d+)>", content)
    assert len(found) == 60
    for number in range(6):
        lines = [int(line) for who, line in found if int(who) == number]
        assert lines == list(range(10))


# --- races across processes ------------------------------------------------


def _count(prefix, times):
    port = s3_scenes.port(prefix)
    for _ in range(times):
        while True:
            tag = tag_of(port, "n")
            try:
                port.put("n", b"%d" % (int(port.get("n")) + 1), if_match=tag)
            except ConflictError:
                continue
            break


def _claim(prefix, number):
    port = s3_scenes.port(prefix)
    won = []
    for name in range(20):
        try:
            port.put(f"claims/{name}", b"%d" % number, create=True)
        except AlreadyExistsError:
            continue
        won.append(name)
    return won


@pytest.fixture
def processes():
    with multiprocessing.get_context("spawn").Pool(8) as pool:
        yield pool


def test_eight_processes_count_without_losing_one(port, processes):
    port.put("n", b"0")
    processes.starmap(_count, [(prefix_of(port), 10)] * 8)
    assert port.get("n") == b"80"


def test_of_eight_processes_one_gets_each_name(port, processes):
    won = processes.starmap(_claim, [(prefix_of(port), n) for n in range(8)])
    assert sorted(name for names in won for name in names) == list(range(20))
    for number, names in enumerate(won):
        assert all(port.get(f"claims/{name}") == b"%d" % number for name in names)


# --- what lies in the bucket -----------------------------------------------


def raw(port, key):
    return port.client.request("GET", f"{prefix_of(port)}/{key}").body


def test_text_stays_text_to_others_and_zstd_stays_zstd(port):
    zstd = pytest.importorskip("numcodecs").Zstd()
    document = json.dumps({"a": [1, "ü"]}).encode()
    port.put("text", document)
    port.put("frame", zstd.encode(b"some data" * 100))
    assert raw(port, "text") != document
    assert json.loads(raw(port, "text")) == {"a": [1, "ü"]}
    assert zstd.decode(raw(port, "frame")) == b"some data" * 100
    for key in ("text", "frame"):
        answer = port.client.request("HEAD", f"{prefix_of(port)}/{key}")
        assert (
            answer.headers["x-amz-meta-sha256"]
            == hashlib.sha256(raw(port, key)).hexdigest()
        )


def test_what_another_program_put_there_is_read_swapped_and_appended_to(port):
    for key in ("a", "b"):
        s3_scenes.raw_set(port, key, b"plain\n")
        assert port.get(key) == b"plain\n"
    tag = tag_of(port, "a")
    port.put("a", b"ours", if_match=tag)
    with pytest.raises(ConflictError):
        port.put("a", b"ours", if_match=tag)
    port.append_segment("b").append(b"more\n")
    assert port.read_segment("b") == b"plain\nmore\n"


def test_names_that_are_no_keys_are_not_listed(port):
    for name in ("a b", "~x", "c/~/d", "e/", "f/g h/i", "h~/i"):
        s3_scenes.raw_set(port, name, b"")
    port.put("key", b"")
    assert list(port.walk("")) == ["key"]
    assert {name for name in port.list("") if not name.endswith("/")} == {"key"}
    port.delete_tree("")
    assert raw(port, "a b").startswith(b"<?xml")  # the error that it is not there


def test_a_key_too_long_below_its_prefix_is_refused():
    port = s3_scenes.port("p" * 200)
    with pytest.raises(InvalidKeyError, match="S3's names end at 1024"):
        port.put("/".join(["x" * 200] * 4), b"")


# --- large objects ---------------------------------------------------------


def test_a_large_object_goes_in_parts_and_is_checked_when_read(port, monkeypatch):
    data = bytes(range(256)) * 90_000
    requests = counted(port)
    with port.open_write("big") as file:
        for start in range(0, len(data), 1_000_003):
            file.write(data[start : start + 1_000_003])
        assert file.tell() == len(data)
        assert port.list("") == []
    methods = requests.take()
    assert methods == ["POST", "PUT", "PUT", "GET", "PUT", "POST"]
    assert port.get("big") == data
    assert port.get("big", 9_000_000, 9_000_010) == data[9_000_000:9_000_010]
    name = f"{prefix_of(port)}/big"
    answer = port.client.request("HEAD", name)
    assert answer.headers["x-amz-meta-part"] == str(8 << 20)
    tag = tag_of(port, "big")
    with port.open_write("big") as file:
        file.write(data)
    assert tag_of(port, "big") != tag
    with pytest.raises(ConflictError):
        port.put("big", b"", if_match=tag)
    monkeypatch.setattr(
        "jobstores.backends.s3.bodies.multipart_etag", lambda body, first: "another"
    )
    with pytest.raises(CorruptError, match="big is damaged"):
        port.get("big")


def test_an_exception_leaves_no_upload_behind(port):
    with pytest.raises(ZeroDivisionError), port.open_write("big") as file:
        file.write(bytes(20_000_000))
        raise ZeroDivisionError
    file = port.open_write("forgotten")
    file.write(bytes(20_000_000))
    del file
    assert list(port.walk("")) == []
    assert b"<UploadId>" not in uploads(port)


def test_deleting_the_store_ends_unfinished_uploads(port):
    s3_scenes.raw_leftover(port, "a/b")
    assert b"<UploadId>" in uploads(port)
    port.delete_tree("")
    assert b"<UploadId>" not in uploads(port)


def uploads(port):
    query = [("uploads", ""), ("prefix", prefix_of(port))]
    return port.client.request("GET", "", query).body


# --- URLs ------------------------------------------------------------------


def test_a_url_gives_the_bytes_to_anybody(port):
    with port.open_write("file") as file:
        file.write(b"content")
    port.put("object", b"{}")
    tag = tag_of(port, "object")
    for key, data in (("file", b"content"), ("object", b"{}")):
        with urllib.request.urlopen(port.public_url(key, 600)) as answer:
            assert answer.read() == data
        assert port.get(key) == data
    with pytest.raises(ConflictError):
        port.put("object", b"", if_match=tag)
    port.put("object", b"next", if_match=tag_of(port, "object"))
    with pytest.raises(NotFoundError):
        port.public_url("absent", 600)
    with pytest.raises(ValueError, match="7 days"):
        port.public_url("file", 8 * 24 * 3600)


def test_a_url_that_was_changed_gives_nothing(port):
    port.put("a", b"1")
    url = port.public_url("a", 600)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url[:-4] + "0000")
    assert caught.value.code == 403
    caught.value.close()


# --- encryption ------------------------------------------------------------

KEY, OTHER = b"k" * 32, b"o" * 32


class TestEncrypted(PortConformance):
    """All of it holds with a key of one's own."""

    refuses_nesting = False

    @pytest.fixture
    def port(self):
        made = s3_scenes.port(sse_key=KEY)
        yield made
        made.delete_tree("")

    @pytest.fixture
    def second(self, port):
        return again(port)

    raw_get = staticmethod(s3_scenes.raw_get)
    raw_set = staticmethod(s3_scenes.raw_set)
    raw_leftover = staticmethod(s3_scenes.raw_leftover)


def test_without_the_key_nothing_is_read(port):
    locked = again(port, sse_key=KEY)
    locked.put("a", b"secret")
    with locked.open_write("big") as file:
        file.write(bytes(9_000_000))
    locked.append_segment("s").append(b"record\n")
    assert locked.get("a") == b"secret"
    assert locked.get("big") == bytes(9_000_000)
    assert locked.read_segment("s") == b"record\n"
    for key in ("a", "big", "s"):
        with pytest.raises(
            UnavailableError, match="encrypted with a key of your own: name"
        ):
            port.get(key)
        with pytest.raises(UnavailableError, match=r"is not the (one|object's)"):
            again(port, sse_key=OTHER).get(key)
        with pytest.raises(UnavailableError, match="HPCFLOW_S3_SSE_KEY_FILE"):
            port.stat(key)
    with pytest.raises(UnsupportedError, match="no URL"):
        locked.public_url("a", 60)
    assert "kkk" not in locked.locator


# --- who may ---------------------------------------------------------------


def test_a_bucket_that_is_not_there_is_named():
    port = open_s3("s3://hpcflow-no-such-bucket/p")
    for action in (
        lambda: port.get("a"),
        lambda: port.stat("a"),
        lambda: port.put("a", b""),
        lambda: port.put("a", b"", create=True),
        lambda: port.list(""),
        lambda: port.delete_tree(""),
    ):
        with pytest.raises(
            UnavailableError, match="there is no bucket 'hpcflow-no-such-buc"
        ):
            action()


def test_the_servers_time_is_taken_where_ours_is_wrong(port):
    port.put("a", b"1")
    late = again(port)
    late.client._clock = lambda: 1_000_000_000.0
    assert late.get("a") == b"1"
    assert late.stat("a").size == 1


def test_times_are_the_servers(port):
    port.put("a", b"1")
    answer = port.client.request("HEAD", f"{prefix_of(port)}/a")
    assert port.stat("a").mtime == http_time(answer.headers["last-modified"])
