"""Workflows of hpcflow 0.2 are recognised, and the message says what to do.

Those in `tests/data/hpcflow_0_2/` were made by hpcflow-new2 0.2.0a268: a workflow of one
task, as it is before it is submitted.
"""

from __future__ import annotations

import json
import os

import pytest

from jobstores.backends.memory import MemoryPort
from jobstores.errors import NotFoundError, UnsupportedError
from jobstores.foreign import foreign_store
from jobstores.open import open_port
from jobstores.workflow_store import WorkflowStore

FOLDER = os.path.join(os.path.dirname(__file__), "../data/hpcflow_0_2")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("zarr", "a Zarr v2 store"),
        ("json", "a store of JSON files"),
        ("workflow.zip", "a Zarr v2 store"),
    ],
)
def test_a_workflow_of_hpcflow_0_2_is_named_and_not_opened(name, kind):
    path = os.path.abspath(f"{FOLDER}/{name}")
    port = open_port(path)
    with pytest.raises(UnsupportedError) as caught:
        WorkflowStore(port)
    message = str(caught.value)
    assert message.startswith(f"{port.locator} is a workflow of hpcFlow 0.2.0a268 ({kind}")
    assert message.endswith("can't open: read it with hpcFlow 0.2.0a268")
    assert "\n" not in message
    if name.endswith(".zip"):
        port.close()


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"[]", b"{}", b'{"creation_info": {}, "template": {}}', b"\xff",
        b'{"creation_info": {"app_info": {"name": "x", "version": "1"}}, "template": 1}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", [".zattrs", "metadata.json"])
def test_what_only_looks_like_one_is_no_store(key, data):
    port = MemoryPort()
    port.put(key, data)
    assert foreign_store(port) is None
    with pytest.raises(NotFoundError, match="not a job store"):
        WorkflowStore(port)


def test_programs_built_on_it_go_by_their_own_names():
    port = MemoryPort()
    info = {"app_info": {"name": "MatFlow", "version": "0.3.1"}}
    port.put(".zattrs", json.dumps({"creation_info": info, "template": {}}).encode())
    found = foreign_store(port)
    assert found is not None
    assert "a workflow of MatFlow 0.3.1 (" in found
