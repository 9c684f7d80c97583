"""The backend for SimpleDB and S3 passes the conformance suite on the fake SimpleDB."""

from __future__ import annotations

import pytest
from hypothesis import settings

from jobstores.backends.memory import MemoryPort
from jobstores.backends.posix import PosixPort
from jobstores.testing import PortConformance, port_machine
from tests.jobstores.aws_stores import again, new_port, raw_get, raw_set
from tests.jobstores.simpledb_fake import FakeSimpleDb, serving
from tests.jobstores.store_doubles import EFFORT


@pytest.fixture(scope="module")
def fake():
    with serving() as running:
        running.stale = 5  # what does not ask for a consistent read gets no such
        yield running


class AwsConformance(PortConformance):
    refuses_nesting = False
    fake: FakeSimpleDb

    @pytest.fixture(autouse=True)
    def _fake(self, fake):
        fake.database.domains.clear()
        self.fake = fake

    @pytest.fixture
    def second(self, port):
        return again(port, self.fake)

    def raw_get(self, port, key):
        return raw_get(port, self.fake, key)

    def raw_set(self, port, key, data):
        raw_set(port, self.fake, key, data)

    def raw_leftover(self, port, key):
        port.contents.upload(b"half written" * 10_000)


class TestAwsPortWithBlobsInMemory(AwsConformance):
    @pytest.fixture
    def port(self):
        return new_port(self.fake, MemoryPort())


class TestAwsPortWithBlobsInFiles(AwsConformance):
    @pytest.fixture
    def port(self, tmp_path):
        return new_port(self.fake, PosixPort(str(tmp_path)))


class TestEncryptedAwsPort(AwsConformance):
    """With a key nothing is kept in items; blobs in memory stand for encrypted ones."""

    KEY = bytes(range(32))

    @pytest.fixture
    def port(self):
        return new_port(self.fake, MemoryPort(), secret=self.KEY)

    @pytest.fixture
    def second(self, port):
        return again(port, self.fake, secret=self.KEY)

    def raw_get(self, port, key):
        other = again(port, self.fake, secret=self.KEY)
        return other.get(key) if other.stat(key) else None

    def raw_set(self, port, key, data):
        again(port, self.fake, secret=self.KEY).put(key, data)


def _clients_of(**given):
    def clients():
        running = serving()
        fake = running.__enter__()
        port = new_port(fake, **given)
        return port, again(port, fake, **given), lambda: running.__exit__(None, None, None)

    return clients


TestAwsMachine = port_machine(_clients_of(), refuses_nesting=False).TestCase
TestAwsMachine.settings = settings(TestAwsMachine.settings, max_examples=15 * EFFORT)
TestEncryptedAwsMachine = port_machine(
    _clients_of(secret=bytes(range(32))), refuses_nesting=False
).TestCase
TestEncryptedAwsMachine.settings = settings(
    TestEncryptedAwsMachine.settings, max_examples=15 * EFFORT
)
