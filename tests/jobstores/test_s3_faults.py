"""Whatever a server or the network does wrong: done once and whole, or a clear error."""

from __future__ import annotations

import itertools
import random
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobstores.backends.s3.http import Retry
from jobstores.backends.s3.upload import PART_SIZE
from jobstores.conformance.races import race, tag_of
from jobstores.errors import (
    AlreadyExistsError,
    ConflictError,
    CorruptError,
    JobStoreError,
    NotFoundError,
    TransientError,
    UnavailableError,
)
from tests.jobstores import s3_scenes
from tests.jobstores.fault_proxy import FAULTS, HANG, LOSE, PASS, FaultProxy, nth
from tests.jobstores.s3_scenes import NO_PAUSES, again
from tests.jobstores.store_doubles import EFFORT

pytestmark = pytest.mark.s3


@pytest.fixture(scope="module")
def proxy():
    proxy = FaultProxy(s3_scenes.settings().endpoint)
    yield proxy
    proxy.close()


@pytest.fixture
def port():
    made = s3_scenes.port()
    yield made
    made.delete_tree("")


@pytest.fixture
def weak(port, proxy):
    """Another client of the port's store, through the proxy."""
    yield through(port, proxy)
    proxy.plan = lambda method, path: PASS


def through(port, proxy, **changes):
    changes = {"retry": NO_PAUSES, "read_timeout_s": 1.0, **changes}
    return again(port, endpoint=proxy.url, **changes)


def _append(port):
    handle = port.append_segment("seg")
    for number in range(3):
        handle.append(b"%d\n" % number)


def _create_segment(port):
    handle = port.create_segment("new")
    handle.append(b"1")


def _write_file(port):
    with port.open_write("new") as file:
        file.write(b"x" * (PART_SIZE + 1))


def _swap(port):
    port.put("old", b"new", if_match=tag_of(port, "old"))


ACTIONS = {
    "put": lambda port: port.put("old", b"new"),
    "create": lambda port: port.put("new", b"1", create=True),
    "swap": _swap,
    "append": _append,
    "create segment": _create_segment,
    "large file": _write_file,
    "delete": lambda port: port.delete("old"),
    "delete tree": lambda port: port.delete_tree("tree"),
    "read": lambda port: (port.get("old"), port.list(""), port.stat("old")),
}


def _prepared(port):
    port.put("old", b"old")
    port.append_segment("seg").append(b"before\n")
    for number in range(3):
        port.put(f"tree/{number}", b"")


def _content(port):
    return {key: port.get(key) for key in port.walk("")}


@pytest.fixture(scope="module")
def expected():
    """By action, what the store holds after it, and how many requests it made."""
    found = {}
    for name, action in ACTIONS.items():
        port = s3_scenes.port()
        _prepared(port)
        requests = s3_scenes.counted(port)
        action(port)
        count = len(requests.take())
        found[name] = (_content(port), count)
        port.delete_tree("")
    return found


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("action", ACTIONS)
def test_one_fault_anywhere_is_mended(port, weak, proxy, expected, action, fault):
    content, count = expected[action]
    for number in range(1, count + 1):
        port.delete_tree("")
        _prepared(port)
        proxy.released.clear()
        proxy.plan = nth(number, fault)
        ACTIONS[action](weak)
        proxy.released.set()
        assert _content(port) == content, f"request {number} of {count}"


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("503", "still says 503"),
        ("429", "still says 429"),
        ("cut", "no answer after 3 tries"),
    ],
)
def test_faults_that_last_are_a_clear_error(port, proxy, action, fault, message):
    _prepared(port)
    before = _content(port)
    weak = through(port, proxy, retry=NO_PAUSES._replace(limit=3))
    proxy.plan = lambda method, path: fault
    with pytest.raises(TransientError, match=message):
        ACTIONS[action](weak)
    proxy.plan = lambda method, path: PASS
    assert _content(port) == before


def test_an_answer_too_late_is_a_transient_error(port, proxy):
    weak = through(port, proxy, retry=NO_PAUSES._replace(limit=2), read_timeout_s=0.2)
    proxy.released.clear()
    proxy.plan = lambda method, path: HANG
    with pytest.raises(TransientError, match=r"no answer after 2 tries.*timed out"):
        weak.get("a")
    proxy.released.set()
    proxy.plan = lambda method, path: PASS


def test_nobody_there_is_unavailable(port):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        lost = again(port, endpoint=url, retry=NO_PAUSES._replace(limit=2))
        with pytest.raises(
            UnavailableError, match=r"can't be reached after 2 tries.*check"
        ):
            lost.get("a")


def test_a_name_that_no_host_has_is_unavailable(port):
    url = "http://no-such-host.invalid:1"
    lost = again(port, endpoint=url, retry=NO_PAUSES._replace(limit=1))
    with pytest.raises(UnavailableError, match=r"no-such-host\.invalid"):
        lost.put("a", b"")


def test_a_lost_creation_that_others_have_changed_since_is_still_ours(port, weak, proxy):
    def plan(method, path):
        if method != "PUT":
            return PASS
        proxy.plan = change
        return LOSE

    def change(method, path):
        port.put("a", b"theirs", if_match=tag_of(port, "a"))
        proxy.plan = lambda method, path: PASS
        return PASS

    proxy.plan = plan
    weak.put("a", b"ours", create=True)
    assert port.get("a") == b"theirs"


def test_a_lost_creation_that_another_made_is_not_ours(port, weak, proxy):
    def plan(method, path):
        proxy.plan = lambda method, path: PASS
        port.put("a", b"theirs", create=True)
        return "cut"

    proxy.plan = plan
    with pytest.raises(AlreadyExistsError):
        weak.put("a", b"ours", create=True)
    assert port.get("a") == b"theirs"


def test_equal_content_of_another_is_not_ours(port, weak, proxy):
    def plan(method, path):
        proxy.plan = lambda method, path: PASS
        port.put("a", b"same", create=True)
        return LOSE

    proxy.plan = plan
    with pytest.raises(AlreadyExistsError):
        weak.put("a", b"same", create=True)


def test_a_lost_swap_is_not_done_twice(port, weak, proxy):
    port.put("a", b"1")
    tag = tag_of(port, "a")

    def plan(method, path):
        if method != "PUT":
            return PASS
        proxy.plan = lambda method, path: PASS
        port.put("a", b"theirs", if_match=tag)
        return LOSE

    proxy.plan = plan
    with pytest.raises(ConflictError):
        weak.put("a", b"ours", if_match=tag)
    assert port.get("a") == b"theirs"


def test_equal_content_put_just_before_a_swap_is_noticed(port, weak, proxy):
    port.put("a", b"same")
    tag = tag_of(port, "a")

    def plan(method, path):
        if method == "PUT":
            proxy.plan = lambda method, path: PASS
            port.delete("a")
            port.put("a", b"same")
        return PASS

    proxy.plan = plan
    with pytest.raises(ConflictError):
        weak.put("a", b"new", if_match=tag)
    assert port.get("a") == b"same"


def test_a_segment_made_anew_just_before_an_append_is_left_alone(port, weak, proxy):
    handle = weak.create_segment("s")

    def plan(method, path):
        if method == "PUT":
            proxy.plan = lambda method, path: PASS
            port.delete("s")
            port.create_segment("s")
        return PASS

    proxy.plan = plan
    handle.append(b"lost")
    assert port.read_segment("s") == b""


def test_a_segment_deleted_meanwhile_stays_deleted(port, weak, proxy):
    handle = weak.create_segment("s")
    handle.append(b"1")

    def plan(method, path):
        proxy.plan = lambda method, path: PASS
        port.delete("s")
        return "503"

    proxy.plan = plan
    handle.append(b"2")
    handle.append(b"3")
    assert list(port.walk("")) == []


def test_a_failed_append_leaves_the_handle_in_order(port, proxy):
    weak = through(port, proxy, retry=NO_PAUSES._replace(limit=1))
    handle = weak.create_segment("s")
    handle.append(b"1\n")
    proxy.plan = nth(2, "503", "HEAD", "PUT")  # the look that follows the lost put
    for number in (1, 2):
        proxy.plan = lambda method, path: LOSE if method == "PUT" else "503"
        with pytest.raises(TransientError):
            handle.append(b"%d lost\n" % number)
    proxy.plan = lambda method, path: PASS
    handle.append(b"2\n")
    content = port.read_segment("s")
    assert content.startswith(b"1\n1 lost\n")
    assert content.endswith(b"2\n")


def test_a_failed_upload_leaves_nothing(port, proxy):
    weak = through(port, proxy, retry=NO_PAUSES._replace(limit=2))
    file = weak.open_write("a")
    file.write(b"x" * (PART_SIZE + 1))
    proxy.plan = lambda method, path: "503" if method == "POST" else PASS
    with pytest.raises(TransientError):
        file.close()
    assert file.closed
    proxy.plan = lambda method, path: PASS
    assert list(port.walk("")) == []
    uploads = port.client.request(
        "GET", "", [("uploads", ""), ("prefix", s3_scenes.prefix_of(port))]
    )
    assert b"<UploadId>" not in uploads.body


@settings(max_examples=5 * EFFORT, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_counters_count_what_was_acknowledged_on_a_bad_network(proxy, seed):
    port = s3_scenes.port()
    port.put("n", b"0")
    chance = random.Random(seed)
    faults = ("cut", "lose", "half", "500", "503", "lose 500")
    proxy.plan = lambda method, path: (
        chance.choice(faults) if chance.random() < 0.2 else PASS
    )
    acknowledged = itertools.count()
    unknown = itertools.count()

    def count(number):
        client = through(port, proxy)
        for _ in range(5):
            while True:
                try:
                    tag = tag_of(client, "n")
                    client.put("n", b"%d" % (int(client.get("n")) + 1), if_match=tag)
                except ConflictError:
                    continue
                except (TransientError, UnavailableError):
                    next(unknown)
                else:
                    next(acknowledged)
                break

    race(4, count)
    proxy.plan = lambda method, path: PASS
    done, open_ends = next(acknowledged), next(unknown)
    assert done <= int(port.get("n")) <= done + open_ends
    port.delete_tree("")


def test_pauses_grow_up_to_a_limit_with_chance_in_them():
    pauses = []
    retry = Retry(limit=8, first_s=0.1, most_s=2.0, sleep=pauses.append, chance=lambda: 1.0)
    assert list(retry.tries()) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0])
    pauses.clear()
    list(retry._replace(chance=lambda: 0.0).tries())
    assert pauses[0] == pytest.approx(0.02)


def test_what_was_changed_on_the_way_is_noticed(port):
    port.put("a", b"content")
    name = f"{s3_scenes.prefix_of(port)}/a"
    answer = port.client.request("GET", name)
    kept = {n: t for n, t in answer.headers.items() if n.startswith("x-amz-meta-")}
    port.client.request("PUT", name, (), kept, answer.body.replace(b"content", b"c0ntent"))
    with pytest.raises(CorruptError, match="a is damaged: its checksum is"):
        port.get("a")


def test_every_error_is_one_of_the_stores(port, weak, proxy):
    for status in (
        "301",
        "400",
        "401",
        "403",
        "405",
        "409",
        "411",
        "412",
        "416",
        "501",
        "507",
    ):
        proxy.plan = lambda method, path, status=status: status
        for action in ACTIONS.values():
            with pytest.raises(JobStoreError):
                action(weak)
    proxy.plan = lambda method, path: PASS
    with pytest.raises(NotFoundError):
        port.get("a")
