"""The face is tried on every backend that can be written."""

from __future__ import annotations

import os

import pytest

from jobstores.backends.memory import MemoryPort
from jobstores.open import open_port
from tests.jobstores.face.emptying import install
from tests.jobstores.job_face.scenes import BACKENDS, Scene, TaggedMemoryPort

install()

HERE = os.path.dirname(__file__)


def pytest_configure(config):
    """The mark that says which method's body a test would miss."""
    config.addinivalue_line("markers", "method(*names): fails where one does nothing")


def pytest_collection_modifyitems(config, items):
    """With FACE_METHOD in the environment, only the tests that are marked with it."""
    wanted = os.environ.get("FACE_METHOD")
    if not wanted:
        return
    dropped = [
        item
        for item in items
        if str(item.path).startswith(HERE)
        and not any(wanted in mark.args for mark in item.iter_markers("method"))
    ]
    config.hook.pytest_deselected(items=dropped)
    items[:] = [item for item in items if item not in dropped]


@pytest.fixture(scope="session")
def simpledb():
    """A SimpleDB endpoint, for stores of the kind `aws:`."""
    from tests.jobstores.simpledb_fake import serving

    with serving() as fake:
        yield fake


def _clients(kind, request, tmp_path):
    if kind == "memory":
        shared = MemoryPort()
        return lambda: _sharing(MemoryPort(), shared)
    if kind == "tagged":
        shared = TaggedMemoryPort()
        return lambda: _sharing(TaggedMemoryPort(), shared)
    if kind in ("zarr", "file"):
        return lambda: open_port(f"{kind}:{tmp_path}/store")
    if kind == "aws":
        from tests.jobstores import aws_stores

        fake = request.getfixturevalue("simpledb")
        first = aws_stores.new_port(fake)
        return lambda: aws_stores.again(first, fake)
    from tests.jobstores import s3_scenes

    first = s3_scenes.port()
    request.addfinalizer(lambda: first.delete_tree(""))
    return lambda: s3_scenes.again(first)


def _sharing(port, other):
    port.memory = other.memory
    return port


@pytest.fixture(
    params=[
        pytest.param(kind, marks=[pytest.mark.s3] if kind == "s3" else [])
        for kind in BACKENDS
    ]
)
def bare(request, tmp_path):
    """A storage with nothing in it."""
    kind = request.param
    place = tmp_path / "store" if kind in ("zarr", "file") else None
    folder = tmp_path / "files"
    folder.mkdir()
    return Scene(kind, _clients(kind, request, tmp_path), folder, place)


@pytest.fixture
def scene(bare):
    """A storage with an initialized store."""
    bare.store().initialize(b"the configuration")
    return bare


@pytest.fixture
def store(scene):
    return scene.store()


@pytest.fixture
def other(scene):
    """Another process's view of the same store."""
    return scene.store()
