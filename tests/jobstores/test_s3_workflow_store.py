"""A workflow's whole store in a bucket; and servers that can't keep one are refused."""

from __future__ import annotations

import time
from urllib.parse import parse_qsl

import pytest

from jobstores.attempts import Item
from jobstores.backends.posix import PosixPort
from jobstores.backends.s3.signing import Scope, sha256_hex, signed_headers
from jobstores.errors import (
    AlreadyExistsError,
    BusyError,
    ConflictError,
    NotFoundError,
    UnavailableError,
    UnsupportedError,
)
from jobstores.references import put_reference, resolve
from jobstores.workflow_store import WorkflowStore
from tests.jobstores import s3_scenes
from tests.jobstores.fault_proxy import PASS, FaultProxy
from tests.jobstores.s3_scenes import NO_PAUSES, again, counted
from tests.jobstores.store_scenes import begin, end, fold, new_store, outputs, play, rows

pytestmark = pytest.mark.s3


@pytest.fixture
def port():
    made = s3_scenes.port()
    yield made
    made.delete_tree("")


def test_a_workflow_from_its_making_to_its_results(port):
    store = new_store(port, info={"name": "demo"}, jobs={(0, 0): 2})
    for item in range(2):
        records = [
            end(50 * item + n, out={"y": {"t": "int", "v": n * n}}) for n in range(50)
        ]
        play(port, Item(0, 0, item), *records)
    other = WorkflowStore(again(port))
    assert other.id == store.id
    fold(store)
    fold(store)
    assert set(rows(other, "state").values()) == {3}
    assert len(rows(other, "state")) == 100
    assert outputs(other, "outputs/sim/y")[57] == {"t": "int", "v": 49}
    assert other.base().info == {"name": "demo"}
    with pytest.raises(AlreadyExistsError, match="is a job store already"):
        new_store(port)


def test_columns_are_zarr_arrays_and_documents_come_back(port):
    store = new_store(
        port,
        documents={"template": b"tasks: []\n", "empty": b""},
        tables={"t": {"i": ("int", [3, 1]), "s": ("string", ["a", "ü"])}},
    )
    base = store.base()
    assert store.column(base, "t", "i").tolist() == [3, 1]
    assert store.column(base, "t", "s") == ["a", "ü"]
    assert store.document(base, "template") == b"tasks: []\n"
    assert store.document(base, "empty") == b""


def test_one_process_at_a_time_has_the_lease(port):
    store = new_store(port)
    with store.lease(), pytest.raises(BusyError):
        WorkflowStore(again(port), timing=store._timing).lease()
    with WorkflowStore(again(port), timing=store._timing).lease():
        pass


def test_of_two_committers_one_wins(port):
    store = new_store(port)
    base = store.base()
    with store.lease() as lease:
        store.commit(lease, base, info={"n": 1})
        with pytest.raises(ConflictError):
            store.commit(lease, base, info={"n": 2})
    assert WorkflowStore(again(port)).base().info == {"n": 1}


def test_attempts_and_large_values(port):
    attempt = begin(port, Item(0, 0, 0))
    reference = put_reference(port, "values/0/0/0.1/1.y", {"a": ["v" * 300_000]})
    attempt.writer.append(end(1, out={"y": reference}))
    assert resolve(again(port), reference) == {"a": ["v" * 300_000]}


def test_what_a_record_costs(port):
    attempt = begin(port, Item(0, 0, 0))
    requests = counted(port)
    for run in range(5):
        attempt.writer.append(end(run))
        attempt.writer.sync()
    assert requests.take() == ["PUT"] * 5


def test_no_store_there_says_so(port):
    with pytest.raises(NotFoundError, match="is not a job store"):
        WorkflowStore(port)


def test_a_directory_and_a_bucket_can_hold_the_same(port, tmp_path):
    posix = PosixPort(str(tmp_path / "s"))
    new_store(posix, tables={"t": {"i": ("int", [1, 2])}})
    for key in posix.walk(""):
        port.put(key, posix.get(key))
    store = WorkflowStore(port)
    assert store.column(store.base(), "t", "i").tolist() == [1, 2]


# --- servers that can't keep a store ---------------------------------------


@pytest.fixture
def proxy():
    proxy = FaultProxy(s3_scenes.settings().endpoint)
    yield proxy
    proxy.close()


def through(port, proxy):
    return again(port, endpoint=proxy.url, retry=NO_PAUSES)


def without(header, method, target, headers, body):
    """The headers of a request without one of them, signed anew."""
    found = s3_scenes.settings()
    path, _, query = target.partition("?")
    kept = {
        name: text
        for name, text in headers.items()
        if name.lower().startswith(("x-amz-meta", "if-", "host")) and name != header
    }
    signed = signed_headers(
        method,
        path,
        parse_qsl(query, keep_blank_values=True),
        kept,
        sha256_hex(body),
        found.credentials(False),
        Scope(found.region),
        time.time(),
    )
    return dict(signed)


@pytest.mark.parametrize("header", ["If-None-Match", "If-Match"])
def test_a_server_that_ignores_conditions_is_refused(port, proxy, header):
    proxy.change = lambda *request: without(header, *request)
    with pytest.raises(
        UnsupportedError, match=f"the server ignores {header}: it can't keep"
    ):
        new_store(through(port, proxy))
    assert list(port.walk("")) == []


def test_a_server_that_refuses_conditions_is_refused(port, proxy):
    proxy.plan = lambda method, path: "501" if method == "PUT" else PASS
    with pytest.raises(UnsupportedError, match="refuses conditional writes"):
        new_store(through(port, proxy))


def test_asking_the_server_costs_seven_requests_once(port):
    requests = counted(port)
    port.probe()
    assert requests.take() == ["PUT", "PUT", "HEAD", "PUT", "HEAD", "PUT", "DELETE"]


def test_a_wrong_secret_key_is_named(port):
    wrong = s3_scenes.settings().credentials(False)._replace(secret_key="wrong")
    lost = again(port, credentials=lambda renew: wrong)
    try:
        lost.list("")
    except UnavailableError as error:
        assert "AWS_SECRET_ACCESS_KEY" in str(error)
    else:
        pytest.skip("this server checks no signatures")
    for action in (
        lambda: lost.get("a"),
        lambda: lost.stat("a"),
        lambda: lost.put("a", b""),
        lambda: lost.put("a", b"", create=True),
        lambda: lost.create_segment("s"),
        lambda: lost.delete_tree(""),
    ):
        with pytest.raises(UnavailableError, match="AWS_SECRET_ACCESS_KEY"):
            action()
    assert list(port.walk("")) == []
