"""Toil's own generic tests of a job store, made ready for other stores than its own."""

from __future__ import annotations

import hashlib
import http.server  # noqa: F401 (Toil's module takes it for imported)
import os
import shutil
import sys
import tempfile
import uuid
from types import ModuleType
from urllib.parse import unquote, urlsplit

from toil.test.jobStores.jobStoreTest import AbstractJobStoreTest

from jobstores.toil_plugin.store import HpcflowJobStore


def _edit_distance(one: str, other: str) -> tuple[int, int]:
    """Levenshtein's distance; the second number is not used by Toil's tests."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        above, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (a != b))
    return row[-1], 0


class Suite:
    """Holds the base class, so that pytest doesn't collect it by itself."""

    class Contract(AbstractJobStoreTest.Test):
        """A subclass names its stores by `locator()`."""

        def locator(self) -> str:
            raise NotImplementedError

        def setUp(self):
            module = ModuleType("edit_distance")  # one small function of a package
            module.edit_distance = _edit_distance
            sys.modules.setdefault("edit_distance", module)
            self.folder = tempfile.mkdtemp(prefix="hpcflow-toil-suite-")
            super().setUp()

        def tearDown(self):
            super().tearDown()
            shutil.rmtree(self.folder, ignore_errors=True)

        def _createJobStore(self):  # noqa: N802
            return HpcflowJobStore(self.locator())

        def _corruptJobStore(self):  # noqa: N802
            port = self.jobstore_initialized.face.port
            port.delete_tree("jobstore/shared")

        def _prepareTestFile(self, store, size=None):  # noqa: N802
            path = os.path.join(store, f"file-{uuid.uuid4()}")
            if size is None:
                return f"file://{path}"
            content = os.urandom(size)
            with open(path, "wb") as file:
                file.write(content)
            return f"file://{path}", hashlib.md5(content).hexdigest()

        def _hashTestFile(self, url):  # noqa: N802
            with open(unquote(urlsplit(url).path), "rb") as file:
                return hashlib.md5(file.read()).hexdigest()

        def _createExternalStore(self):  # noqa: N802
            return tempfile.mkdtemp(prefix="hpcflow-toil-files-")

        def _cleanUpExternalStore(self, store):  # noqa: N802
            shutil.rmtree(store, ignore_errors=True)

        testImportFtpFile = None  # of Toil's FTP client, with a server that is not packaged  # noqa: N815

        def test_a_file_is_imported_and_exported(self):
            """Toil generates such tests for its own stores only."""
            folder = self._createExternalStore()
            self.addCleanup(self._cleanUpExternalStore, folder)
            for size in (0, 1, 5 << 20, (5 << 20) + 1):
                url, digest = self._prepareTestFile(folder, size)
                file_id = self.jobstore_initialized.import_file(url)
                assert file_id.size == size
                with self.jobstore_initialized.read_file_stream(file_id) as stream:
                    assert hashlib.md5(stream.read()).hexdigest() == digest
                target = self._prepareTestFile(folder)
                self.jobstore_initialized.export_file(file_id, target)
                assert self._hashTestFile(target) == digest

        def test_a_shared_file_is_imported(self):
            folder = self._createExternalStore()
            self.addCleanup(self._cleanUpExternalStore, folder)
            url, digest = self._prepareTestFile(folder, 42)
            assert self.jobstore_initialized.import_file(url, "foo") is None
            with self.jobstore_initialized.read_shared_file_stream("foo") as stream:
                assert hashlib.md5(stream.read()).hexdigest() == digest


# With AWS credentials in the environment Toil generates tests that move files from and to
# its own AWS job store, in Amazon's cloud.
for _name in dir(Suite.Contract):
    if "otherCls_awsjobstoretest" in _name:
        setattr(Suite.Contract, _name, None)
