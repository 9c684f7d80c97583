"""Stores on every backend that needs no service, and the hook of `empty_each.py`."""

from __future__ import annotations

import os
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from jobstores.workflow_face.facade import PersistentStore
from tests.jobstores.face.emptying import install

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

install()

HERE = os.path.dirname(__file__)
SERVICES = [pytest.param(name, marks=pytest.mark.s3) for name in ("s3", "aws")]
BACKENDS = ["memory", "zarr", "file", *SERVICES]
FORMATS = ("%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d_%H%M%S")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "method(*names): tests methods of these names")


def pytest_collection_modifyitems(config: pytest.Config, items: list[Any]) -> None:
    """With FACE_METHOD in the environment, only the tests that are marked with it."""
    wanted = os.environ.get("FACE_METHOD")
    if not wanted:
        return
    mine = [item for item in items if str(item.path).startswith(HERE)]
    dropped = [
        item
        for item in mine
        if not any(wanted in mark.args for mark in item.iter_markers("method"))
    ]
    config.hook.pytest_deselected(items=dropped)
    items[:] = [item for item in items if item not in dropped]


@contextmanager
def amazon() -> Iterator[dict[str, str]]:
    """A SimpleDB that knows the S3 server's credentials: what tells of it."""
    from tests.jobstores.simpledb_fake import serving

    with serving() as fake:
        known = os.environ["AWS_ACCESS_KEY_ID"]
        fake.keys[known] = os.environ["AWS_SECRET_ACCESS_KEY"]
        yield {"AWS_ENDPOINT_URL_SIMPLEDB": fake.url}


@pytest.fixture(params=BACKENDS)
def locator(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A place for a store."""
    if request.param == "memory":
        yield f"memory:{uuid.uuid4().hex}"
    elif request.param == "s3":
        from tests.jobstores.s3_scenes import bucket, new_prefix

        yield f"s3://{bucket()}/{new_prefix()}"
    elif request.param == "aws":
        with amazon() as environment:
            for name, value in environment.items():
                monkeypatch.setenv(name, value)
            yield f"aws:us-east-1:t{uuid.uuid4().hex[:9]}"
    else:
        yield f"{request.param}:{tmp_path}/store"


@pytest.fixture
def store(locator: str) -> PersistentStore:
    """An empty workflow."""
    return make(locator)


def make(locator: str, **changes: Any) -> PersistentStore:
    given = {
        "app": None,
        "template_js": {"name": "study", "resources": {"any": {"cores": 2}}},
        "template_components_js": {"task_schemas": {"h1": {"objective": "sum"}}},
        "wk_path": locator,
        "fs": None,
        "name": "study",
        "replaced_wk": None,
        "ts_fmt": FORMATS[0],
        "ts_name_fmt": FORMATS[1],
        "creation_info": {"app_info": {"version": "1.2"}, "when": (2026, 1)},
        **changes,
    }
    PersistentStore.write_empty_workflow(**given)
    return PersistentStore.open(locator, wait_s=0.2)
