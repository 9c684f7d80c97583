"""The aws: backend on a real S3 server, beside the fake SimpleDB."""

from __future__ import annotations

import os
import uuid

import pytest
from hypothesis import settings

from jobstores.backends.aws.items import MAX_TAIL, Checker
from jobstores.backends.aws.port import open_aws
from jobstores.backends.aws.sweep import sweep
from jobstores.backends.s3.client import S3Client
from jobstores.backends.s3.settings import SSE_KEY_FILE, load_settings
from jobstores.conformance.races import race
from jobstores.errors import UnavailableError, UnsupportedError
from jobstores.testing import PortConformance, port_machine
from jobstores.workflow_store import WorkflowStore
from tests.jobstores.aws_stores import held, raw_set
from tests.jobstores.simpledb_fake import serving
from tests.jobstores.store_doubles import EFFORT
from tests.jobstores.store_scenes import new_store

pytestmark = pytest.mark.s3


@pytest.fixture(scope="module")
def running():
    with serving() as fake:
        fake.keys[os.environ["AWS_ACCESS_KEY_ID"]] = os.environ["AWS_SECRET_ACCESS_KEY"]
        fake.stale = 5
        yield fake


@pytest.fixture
def fake(running):
    running.database.domains.clear()
    return running


def environment(fake, **more):
    return {**os.environ, "AWS_ENDPOINT_URL_SIMPLEDB": fake.url, **more}


def new_locator():
    return f"aws:us-east-1:t{uuid.uuid4().hex}"


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "key"
    path.write_bytes(bytes(range(32)))
    path.chmod(0o600)
    return str(path)


@pytest.fixture
def port(fake):
    made = open_aws(new_locator(), environment(fake))
    yield made
    made.destroy()


class TestAwsPortOnS3(PortConformance):
    refuses_nesting = False

    @pytest.fixture
    def port(self, fake):
        self.environment = environment(fake)
        made = open_aws(new_locator(), self.environment)
        yield made
        made.destroy()

    @pytest.fixture
    def second(self, port):
        return open_aws(port.locator, self.environment)

    @pytest.fixture(autouse=True)
    def _fake(self, fake):
        self.fake = fake

    def raw_get(self, port, key):
        other = open_aws(port.locator, self.environment)
        return other.get(key) if held(port, self.fake, key) else None

    def raw_set(self, port, key, data):
        raw_set(port, self.fake, key, data)

    def raw_leftover(self, port, key):
        port.contents.upload(b"half written" * 10_000)


def _clients():
    running = serving()
    fake = running.__enter__()
    fake.keys[os.environ["AWS_ACCESS_KEY_ID"]] = os.environ["AWS_SECRET_ACCESS_KEY"]
    first = open_aws(new_locator(), environment(fake))
    second = open_aws(first.locator, environment(fake))

    def discard():
        first.destroy()
        running.__exit__(None, None, None)

    return first, second, discard


TestAwsOnS3Machine = pytest.mark.s3(port_machine(_clients, refuses_nesting=False).TestCase)
TestAwsOnS3Machine.settings = settings(
    TestAwsOnS3Machine.settings, max_examples=10 * EFFORT
)


def bucket_is_there(port):
    name = f"{port.locator.rpartition(':')[2]}--files"
    try:
        S3Client(name, load_settings()).request("HEAD")
    except UnavailableError:
        return False
    return True


def test_the_first_write_makes_domain_and_bucket_and_destroy_removes_them(fake):
    port = open_aws(new_locator(), environment(fake))
    assert port.list("") == []
    assert not bucket_is_there(port)
    port.put("a", bytes(MAX_TAIL + 1))
    port.initialize()
    assert bucket_is_there(port)
    assert open_aws(port.locator, environment(fake)).get("a") == bytes(MAX_TAIL + 1)
    port.destroy()
    port.destroy()
    assert not bucket_is_there(port)
    assert fake.database.domains == {}


def test_many_may_make_it_at_once(fake, port):
    def make(number):
        open_aws(port.locator, environment(fake)).put(f"a/{number}", bytes(MAX_TAIL + 1))

    race(8, make)
    assert port.list("a") == [str(number) for number in range(8)]


def test_what_nothing_points_to_is_swept(port):
    port.put("a", bytes(MAX_TAIL + 1))
    port.contents.upload(b"left" * 20_000)
    assert sweep(port) == 0
    assert sweep(port, min_age_s=-60) == 1
    assert port.get("a") == bytes(MAX_TAIL + 1)


def test_with_a_key_neither_service_holds_readable_content(fake, key_file):
    secret = b"the job's description, and all else" * 3
    locked = environment(fake, **{SSE_KEY_FILE: key_file})
    port = open_aws(new_locator(), locked)
    try:
        port.put("job", secret)
        handle = port.create_segment("segment")
        for _ in range(3):
            handle.append(secret)
        again = open_aws(port.locator, locked)
        assert again.get("job") == secret
        assert again.read_segment("segment") == secret * 3
        values = [
            value
            for pairs in fake.database.domains[port.domain.name].items.values()
            for _, value in pairs
        ]
        assert Checker().of("", secret) not in str(values)
        assert not any(name.startswith("d") for name in held(port, fake, "job"))
        without = S3Client(port.contents.blobs.client.bucket, load_settings())
        for blob in port.contents.blobs.walk(""):
            try:
                answer = without.request("GET", blob)
            except UnavailableError:
                continue
            assert answer.status >= 400
            assert secret not in answer.body
        with pytest.raises(UnsupportedError, match="is encrypted: set its key"):
            open_aws(port.locator, environment(fake)).get("job")
    finally:
        port.destroy()


def test_a_workflow_is_kept_there(fake, port):
    tables = {"inputs/x": {"i": ("int", list(range(1000))), "s": ("string", ["ü"] * 1000)}}
    new_store(port, documents={"template": b"tasks: []"}, tables=tables)
    store = WorkflowStore(open_aws(port.locator, environment(fake)))
    base = store.base()
    assert store.document(base, "template") == b"tasks: []"
    assert list(store.column(base, "inputs/x", "i")) == list(range(1000))
    assert list(store.column(base, "inputs/x", "s")) == ["ü"] * 1000
