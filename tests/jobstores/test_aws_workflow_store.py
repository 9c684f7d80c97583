"""The store scenes that hold on any backend, on aws:."""

from __future__ import annotations

import inspect

import pytest

from tests.jobstores import test_workflow_store
from tests.jobstores.aws_stores import new_port
from tests.jobstores.simpledb_fake import serving

SCENES = {
    name: function
    for name, function in vars(test_workflow_store).items()
    if name.startswith("test_") and "port" in inspect.signature(function).parameters
}
globals().update(SCENES)


@pytest.fixture(scope="module")
def running():
    with serving() as fake:
        fake.stale = 5
        yield fake


@pytest.fixture(params=[None, bytes(range(32))], ids=["plain", "encrypted"])
def port(request, running):
    return new_port(running, secret=request.param)


def test_there_are_scenes():
    assert len(SCENES) > 5
