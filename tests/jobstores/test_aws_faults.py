"""The aws: backend when requests fail, answers are lost, and others are quicker."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobstores.backends.aws.items import new_name, next_version, was_done
from jobstores.backends.aws.objects import UnsureError
from jobstores.backends.memory import MemoryPort
from jobstores.backends.s3.http import Retry
from jobstores.errors import (
    AlreadyExistsError,
    ConflictError,
    TransientError,
    UnavailableError,
)
from jobstores.testing import WrappedPort, port_machine
from tests.jobstores.aws_stores import again, client, new_port
from tests.jobstores.simpledb_fake import SECRET_KEY, serving
from tests.jobstores.store_doubles import EFFORT

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def running():
    with serving() as fake:
        yield fake


@pytest.fixture
def fake(running):
    running.database.domains.clear()
    running._faults.clear()
    return running


@pytest.fixture
def port(fake):
    port = new_port(fake)
    port.put("there", b"old")
    return port


# --- failures ---------------------------------------


def write(port):
    port.put("new", b"1")


def create(port):
    port.put("new", b"1", create=True)


def swap(port):
    port.put("there", b"1", if_match=port.stat("there").tag)


def replace(port):
    port.put("there", b"1")


def claim(port):
    port.create_segment("new").append(b"1")


def append(port):
    port.append_segment("there").append(b"1")


def delete(port):
    port.delete("there")


def delete_tree(port):
    port.delete_tree("")


WRITES = {
    write: {"new": b"1", "there": b"old"},
    create: {"new": b"1", "there": b"old"},
    swap: {"there": b"1"},
    replace: {"there": b"1"},
    claim: {"new": b"1", "there": b"old"},
    append: {"there": b"old1"},
    delete: {},
    delete_tree: {},
}


def content(port):
    return {key: port.get(key) for key in port.walk("")}


@pytest.mark.parametrize("skip", range(4))
@pytest.mark.parametrize("kind", ["503", "500", "lose", "cut"])
@pytest.mark.parametrize("action", WRITES, ids=lambda action: action.__name__)
def test_a_fault_at_any_request_of_a_write_is_got_over(fake, port, action, kind, skip):
    fake.inject(kind, skip=skip)
    action(port)
    fake._faults.clear()
    assert content(port) == WRITES[action]


@pytest.mark.parametrize("kind", ["503", "lose"])
@pytest.mark.parametrize("action", WRITES, ids=lambda action: action.__name__)
def test_a_storm_is_told_and_leaves_all_or_nothing(fake, port, action, kind):
    before = content(port)
    for mutation in ("PutAttributes", "DeleteAttributes", "BatchDeleteAttributes"):
        fake.inject(kind, mutation, times=8)
    with pytest.raises(TransientError, match="after 8 tries"):
        action(port)
    fake._faults.clear()
    after = content(port)
    assert after in (before, WRITES[action], {**before, "new": b""})
    if kind == "503":
        assert after == before
    elif action is not replace:  # whose first request finds out what is there
        assert after != before


def test_reads_get_over_a_storm(fake, port):
    for number in range(30):
        fake.inject("503" if number % 2 else "lose", skip=2 * number)
    for _ in range(10):
        assert port.get("there") == b"old"
        assert port.stat("there").size == 3
        assert port.list("") == ["there"]


def test_an_answer_that_never_comes_is_not_waited_for(fake, port):
    hasty = again(port, fake, read_timeout_s=0.3)
    assert hasty.get("there") == b"old"
    fake.inject("hang", "PutAttributes")
    hasty.put("new", b"1", create=True)
    assert hasty.get("new") == b"1"
    fake.inject("hang", "GetAttributes")
    assert hasty.get("new") == b"1"


def test_a_record_is_appended_once_though_answers_are_lost(fake, port):
    handle = port.create_segment("s")
    for number in range(40):
        if number % 3 == 0:
            fake.inject("lose", "PutAttributes", times=1 + number % 2)
        handle.append(b"%d\n" % number)
    assert port.read_segment("s") == b"".join(b"%d\n" % n for n in range(40))


def test_an_append_that_failed_does_not_stop_the_next(fake, port):
    handle = port.create_segment("s")
    handle.append(b"1")
    fake.inject("lose", "PutAttributes", times=8)
    with pytest.raises(TransientError):
        handle.append(b"2")
    handle.append(b"3")
    assert port.read_segment("s") == b"123"


def test_a_server_that_is_not_there_is_named(fake):
    nowhere = client(
        fake, endpoint="http://127.0.0.1:9", retry=Retry(2, sleep=lambda _: None)
    )
    with pytest.raises(
        UnavailableError, match=r"127\.0\.0\.1:9.*AWS_ENDPOINT_URL_SIMPLEDB"
    ):
        nowhere.create_domain("some-domain")


def test_wrong_credentials_are_told(fake, monkeypatch):
    monkeypatch.setattr("tests.jobstores.aws_stores.SECRET_KEY", SECRET_KEY + "x")
    with pytest.raises(UnavailableError, match="SignatureDoesNotMatch"):
        new_port(fake).put("a", b"")


def test_credentials_that_expired_are_fetched_again(fake):
    asked = []
    good = client(fake)._settings.credentials

    def credentials(renew):
        asked.append(renew)
        found = good(renew)
        return found if True in asked else found._replace(access_key="expired")

    client(fake, credentials=credentials).create_domain("some-domain")
    assert "some-domain" in fake.database.domains


def test_a_full_domain_is_told(fake, port):
    fake.database.limits.domain_pairs = 3
    try:
        with pytest.raises(UnavailableError, match="the domain is full"):
            port.put("a", b"1")
    finally:
        fake.database.limits.domain_pairs = 10**9
    assert content(port) == {"there": b"old"}


# --- others are quicker ---------------------------------------


def test_a_lost_answer_is_not_taken_for_a_lost_race(fake, port):
    fake.inject("lose", "PutAttributes", times=3)
    port.put("new", b"1", create=True)
    fake.inject("lose", "PutAttributes", times=3)
    port.put("new", b"2", if_match=port.stat("new").tag)
    assert port.get("new") == b"2"


def test_a_lost_race_is_not_taken_for_a_lost_answer(fake, port):
    other = again(port, fake)
    tag = port.stat("there").tag
    fake.inject(lambda: other.put("new", b"theirs"), "PutAttributes")
    fake.inject("503", "PutAttributes")
    with pytest.raises(AlreadyExistsError):
        port.put("new", b"ours", create=True)
    fake.inject("cut", "PutAttributes", skip=1)
    fake.inject(lambda: other.put("there", b"theirs", if_match=tag), "PutAttributes")
    with pytest.raises(ConflictError):
        port.put("there", b"ours", if_match=tag)
    assert content(port) == {"there": b"theirs", "new": b"theirs"}


def test_who_followed_a_write_whose_answer_was_lost_proves_it(fake, port):
    other = again(port, fake)
    fake.inject("lose", "PutAttributes")
    fake.inject(lambda: other.put("there", b"theirs"), "PutAttributes")
    port.put("there", b"ours", if_match=port.stat("there").tag)
    assert port.get("there") == b"theirs"


def test_what_cannot_be_told_is_not_guessed(fake, port):
    def delete_it():
        other.delete("there")

    other = again(port, fake)
    fake.inject("lose", "PutAttributes")
    fake.inject(delete_it, "PutAttributes")
    with pytest.raises(TransientError, match="can't be told"):
        port.put("there", b"ours", if_match=port.stat("there").tag)


@given(
    st.lists(st.sampled_from(["follow", "remove", "create"]), max_size=12), st.booleans()
)
def test_the_fate_of_a_write_is_known_or_unknown_never_wrong(others, done):
    """Whatever others did after it, to an object that it replaced or was to replace."""
    expected = next_version(new_name(), None, has_parts=False)
    ours = next_version(new_name(), expected, has_parts=False)
    current = ours if done else expected
    for other in others:
        if other == "remove":
            current = None
        elif other == "create" and current is None:
            current = next_version(new_name(), None, has_parts=False)
        elif other == "follow" and current is not None:
            current = next_version(new_name(), current, has_parts=False)
    told = was_done(ours, expected, current)
    assert told in (done, None)
    if "remove" not in others and len(others) < 7:
        assert told is done


def test_an_append_to_what_was_deleted_is_dropped_though_answers_are_lost(fake, port):
    handle = port.create_segment("s")
    again(port, fake).delete("s")
    fake.inject("cut", "PutAttributes")
    handle.append(b"late")
    assert port.list("") == ["there"]


# --- all of it at random ---------------------------------------


class AskedAgain(WrappedPort):
    """Where it can't be told, it is done again: others do nothing meanwhile."""

    def _call(self, method, key, action):
        while True:
            try:
                return action()
            except UnsureError:
                pass


def _clients():
    running = serving(seed=1)
    fake = running.__enter__()
    fake.fault_rate, fake.stale = 0.1, 5
    given = {"retry": Retry(30, sleep=lambda _: None)}
    port = new_port(fake, MemoryPort(), **given)
    ports = AskedAgain(port), AskedAgain(again(port, fake, **given))
    return *ports, lambda: running.__exit__(None, None, None)


TestFaultyAwsMachine = port_machine(_clients, refuses_nesting=False).TestCase
TestFaultyAwsMachine.settings = settings(
    TestFaultyAwsMachine.settings, max_examples=15 * EFFORT
)
"""Every answer is as if nothing had gone wrong."""


CLIENT = """
import json, sys
from jobstores.backends.posix import PosixPort
from jobstores.errors import AlreadyExistsError, ConflictError, TransientError
from tests.jobstores.aws_stores import new_port

class Fake:
    url = sys.argv[1]

port = new_port(Fake, PosixPort(sys.argv[2]), "processes--jobs")
number = int(sys.argv[3])
created, added, unknown = [], 0, 0
handle = port.create_segment(f"s/{number}")
for round in range(20):
    try:
        port.put(f"c/{round}", b"%d" % number * 60_000, create=True)
        created.append(round)
    except AlreadyExistsError:
        pass
    except TransientError:
        unknown += 1
    while True:
        tag = port.stat("n").tag
        value = int(port.get("n"))
        try:
            port.put("n", b"%d" % (value + 1), if_match=tag)
            added += 1
        except ConflictError:
            continue
        except TransientError:
            unknown += 1
        break
    handle.append(b"%d\\n" % round)
print(json.dumps([created, added, unknown]))
"""


@pytest.mark.parametrize("fault_rate", [0.0, 0.05])
def test_processes_race_and_nothing_is_lost(tmp_path, fault_rate):
    with serving(seed=3) as fake:
        port = new_port(fake, MemoryPort(), "processes--jobs")
        port.put("n", b"0")
        fake.fault_rate = fault_rate
        argv = [sys.executable, "-c", CLIENT, fake.url, str(tmp_path)]
        racers = [
            subprocess.Popen([*argv, str(n)], cwd=ROOT, stdout=subprocess.PIPE)
            for n in range(4)
        ]
        told = [json.loads(racer.communicate(timeout=120)[0]) for racer in racers]
        fake.fault_rate = 0.0
        unknown = sum(count for _, _, count in told)
        created = [number for numbers, _, _ in told for number in numbers]
        added = sum(count for _, count, _ in told)
        assert len(created) == len(set(created)) >= 20 - unknown
        assert added <= int(port.get("n")) <= added + unknown
        assert added >= 80 - unknown
        if not fault_rate:
            assert unknown == 0
        for number in range(4):
            whole = b"".join(b"%d\n" % n for n in range(20))
            assert port.read_segment(f"s/{number}") == whole
