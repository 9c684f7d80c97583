"""What Toil's own tests want to be given."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="session")
def rootpath(tmp_path_factory):
    """Where Toil's test classes look for data files; the tests used here need none."""
    return tmp_path_factory.mktemp("root")


@pytest.fixture(scope="class")
def simpledb_environment():
    """The endpoint of a SimpleDB, in this process's environment."""
    from tests.jobstores.simpledb_fake import serving

    with serving() as fake, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_SIMPLEDB", fake.url)
        known = os.environ[
            "AWS_ACCESS_KEY_ID"
        ]  # the S3 server's: both know them, as AWS does
        fake.keys[known] = os.environ["AWS_SECRET_ACCESS_KEY"]
        yield fake


def pytest_configure(config):
    """The marks that Toil's test classes bear."""
    for name in ("slow", "stubserver", "aws_s3", "encryption", "google_project",
                 "google_storage", "online", "integrative"):  # fmt: skip
        config.addinivalue_line("markers", f"{name}: of Toil's own tests")
