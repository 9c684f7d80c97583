"""Stores to operate on, of every kind of backend, and what is in them."""

from __future__ import annotations

import atexit
import zlib
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from jobstores import generations, packs
from jobstores.attempts import Item
from jobstores.backends.memory import MemoryPort
from jobstores.backends.zip import ZipPort, write_zip
from jobstores.columns import read_column
from jobstores.faults import FaultyPort
from jobstores.open import open_port
from jobstores.references import is_reference, put_reference, resolve
from jobstores.segments import append_serialised
from jobstores.workflow_store import WorkflowStore
from tests.jobstores import aws_stores, s3_scenes
from tests.jobstores.simpledb_fake import serving
from tests.jobstores.store_scenes import end, fold, new_store, play, timing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jobstores.port import ObjectPort
    from tests.jobstores.simpledb_fake import FakeSimpleDb

PLACES: dict[str, Callable[[Path, str], ObjectPort]] = {
    "memory": lambda folder, name: open_port(f"memory:{folder.name}.{name}"),
    "zarr": lambda folder, name: open_port(f"zarr:{folder}/{name}"),
    "file": lambda folder, name: open_port(f"file:{folder}/{name}"),
    "aws": lambda _folder, _name: aws_stores.new_port(_simpledb()),
    "s3": lambda _folder, _name: s3_scenes.port(),
}
"""One line for each kind of place that can be written to."""

KINDS = ["memory", "zarr", "file", "aws", pytest.param("s3", marks=pytest.mark.s3)]


@cache
def _simpledb() -> FakeSimpleDb:
    """One for all tests of this process, with which it goes."""
    running = serving()
    atexit.register(running.__exit__, None, None, None)
    return running.__enter__()


def place(kind: str, folder: Path, name: str = "store") -> ObjectPort:
    """An empty place."""
    return PLACES[kind](folder, name)


def zipped(port: ObjectPort, folder: Path) -> ZipPort:
    """The same store as a zip file."""
    write_zip(port, str(folder / "store.zip"))
    return ZipPort(str(folder / "store.zip"))


def fill(port: ObjectPort) -> WorkflowStore:
    """A small store with one of everything.

    Job 0 is folded and packed, of job 1 item 0 is folded after a retry and item 1 still
    runs, job 2 has a segment that no fold has seen, and a value of its own.
    """
    store = new_store(
        port,
        documents={"model": b'{"x": 1}'},
        tables={
            "inputs/0/0/values": {"values": ("json", [1, "two", [3.0]])},
            "inputs/0/0/index": {"index": ("int", range(50))},
            "inputs/0/1/names": {"names": ("string", ["a", "", "ü"])},
        },
        jobs={(0, 0): 2, (0, 1): 2, (0, 2): 1},
    )
    large = put_reference(port, "values/0/0/0.0/0.y", {"$tuple": list(range(300))})
    play(port, Item(0, 0, 0), end(0, out={"y": large}), end(1, ok=False, int=True))
    play(port, Item(0, 0, 0), end(1, out={"y": 2}))
    play(port, Item(0, 0, 1), end(2), end(5, ok=False))
    fold(store)
    play(port, Item(0, 1, 0), end(3, out={"y": "text"}), close=False)
    play(port, Item(0, 1, 0), end(6, out={"y": 1.5}))
    play(port, Item(0, 1, 1), end(7), {"t": "start", "run": 8, "at": 1}, close=False)
    fold(store)
    other = put_reference(port, "values/0/2/0.0/9.y", "z" * 500)
    play(port, Item(0, 2, 0), end(9, out={"y": other}), end(10), close=False)
    append_serialised(port, "submissions/0/journal", {"t": "intent", "job": 0, "at": 1})
    append_serialised(port, "submissions/0/journal", {"t": "submitted", "job": 0, "at": 2})
    port.put("submissions/0/jobs/0/job.sh", b"#!/bin/bash\n")
    port.put("logs/0/0/0.0.0.log", b"said\n")
    port.put("execute/0/0/out.txt", b"made\n")
    return store


def clone(port: MemoryPort) -> MemoryPort:
    """Another place with the same keys."""
    copied = MemoryPort()
    copied.memory.held.update(port.memory.held)
    copied.memory.version = port.memory.version
    return copied


def opened(port: Any) -> WorkflowStore:
    return WorkflowStore(port, timing=timing())


def content(port: ObjectPort) -> dict[str, Any]:
    """All that a reader of a store gets of it, however it lies there."""
    store = opened(port)
    view = store.view()
    base = view.base
    found: dict[str, Any] = {
        "id": store.id,
        "info": base.info,
        "ranges": base.ranges,
        "summary": {n: {s: c for s, c in d.items() if c} for n, d in base.summary.items()},
        "jobs": dict(base.jobs),
        "tail": {i: d and (d.records, d.running, d.closed) for i, d in view.tail.items()},
    }
    for name, document in base.documents.items():
        if name != "rechunk":
            found[name] = generations.read_document(port, document)
    for table, columns in base.tables.items():
        for name, ref in columns.items():
            data = read_column(port, ref, encoded=True)
            rows = data.tolist() if hasattr(data, "tolist") else data
            found[f"{table}.{name}"] = [repr(row) for row in rows]
    for job in base.packs:
        submission, number = map(int, job.split("/"))
        for item in range(base.jobs[job]):
            found[f"item {job} {item}"] = packs.read_item(
                port, Item(submission, number, item)
            )
    for decision in view.tail.values():
        for record in decision.records.values() if decision else ():
            for value in record.get("out", {}).values():
                if is_reference(value):
                    found[value["$object"]] = resolve(port, value)
    return found


def checksums(port: ObjectPort) -> dict[str, int]:
    """Every key's bytes, but what changes when somebody takes the lease."""
    return {
        key: zlib.crc32(port.read_segment(key))
        for key in port.walk("")
        if not key.startswith(("lease/", "probe/"))
    }


WRITING = (
    *("put", "open_write", "publish", "delete", "delete_tree", "sync_tree"),
    *("create_segment", "append_segment", "append", "sync"),
)


class DyingPort(FaultyPort):
    """Dies before the `at`-th of its calls that write, at each of which another state
    is left; of the run table's many columns one counts."""

    def __init__(self, inner: ObjectPort, at: int) -> None:
        super().__init__(inner, {at: "kill"}, only=WRITING)

    def _call(self, method: str, key: str, action: Callable[[], Any]) -> Any:
        if not self._dead and "/runs/" in key and "/runs/id" not in key:
            return action()
        return super()._call(method, key, action)
