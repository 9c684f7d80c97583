"""Scenes that the store's tests share: stores, items that write, plain models."""

from __future__ import annotations

import json
from typing import Any

from jobstores.attempts import Attempt, Item, start
from jobstores.backends.memory import MemoryPort
from jobstores.columns import ColumnRef
from jobstores.generations import IdRange
from jobstores.lease import LeaseTiming
from jobstores.workflow_store import WorkflowStore
from tests.jobstores.store_doubles import FakeClock

RANGES = (IdRange("sim", 0, 100, ("y",)), IdRange("post", 100, 10, ()))
CLOSE = {"t": "close", "at": 999, "why": "done"}


def timing(clock: FakeClock | None = None) -> LeaseTiming:
    clock = clock or FakeClock()
    return LeaseTiming(
        monotonic=clock.monotonic,
        boottime=clock.monotonic,
        sleep=clock.sleep,
        beat_in_background=False,
    )


def new_store(port: Any = None, **given: Any) -> WorkflowStore:
    """A store with generation 1 and, where `jobs` are given, 2."""
    jobs = given.pop("jobs", None)
    settings = {"info": {}, "documents": {}, "tables": {}, "ranges": RANGES, **given}
    store = WorkflowStore.create(port or MemoryPort(), timing=timing(), **settings)
    if jobs:
        with store.lease() as lease:
            store.commit(lease, store.base(), jobs=jobs)
    return store


def begin(port: Any, item: Item) -> Attempt:
    clock = FakeClock()
    return start(
        port,
        item,
        {"at": 1},
        silence_s=1.0,
        monotonic=clock.monotonic,
        sleep=clock.sleep,
    )


def play(port: Any, item: Item, *records: dict[str, Any], close: bool = True) -> Attempt:
    """One attempt of an item that records this."""
    attempt = begin(port, item)
    for record in records:
        attempt.writer.append(record)
    if close:
        attempt.writer.append(CLOSE)
    attempt.writer.sync()
    return attempt


def end(run: int, *, ok: bool = True, **more: Any) -> dict[str, Any]:
    return {"t": "end", "run": run, "start": run, "at": 100 + run, "ok": ok, **more}


def fold(store: WorkflowStore, *also: Item) -> Any:
    with store.lease() as lease:
        return store.fold(lease, also)


def rows(store: WorkflowStore, *columns: str) -> dict[int, Any]:
    """The run table: by id, the columns that were asked for."""
    base = store.base()
    data = [list(store.column(base, "runs", name)) for name in columns]
    ids = list(store.column(base, "runs", "id"))
    assert ids == sorted(set(ids))
    return {
        run: values[0] if len(values) == 1 else values
        for run, *values in zip(ids, *data, strict=True)
    }


def outputs(store: WorkflowStore, table: str) -> dict[int, Any]:
    """An output table: by run, the value."""
    base = store.base()
    runs = store.column(base, table, "run").tolist()
    values = store.column(base, table, "value")
    assert runs == sorted(set(runs))
    plain = values.tolist() if hasattr(values, "tolist") else values
    return dict(zip(runs, plain, strict=True))


def plain_columns(
    port: Any,
    prefix: str,
    columns: Any,
    *,
    encoded: bool = False,
    compression: Any = None,
) -> dict[str, ColumnRef]:
    """As `columns.write_columns`, but quick: Zarr is not what is tested here."""
    refs = {}
    for name, (kind, data) in columns.items():
        refs[name] = ColumnRef(f"{prefix}/{name}", kind, len(data))
        port.put(
            refs[name].key, json.dumps(list(map(_plain, data))).encode(), durable=False
        )
    return refs


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def plain_column(port: Any, ref: ColumnRef, *, encoded: bool = False) -> Any:
    return json.loads(port.get(ref.key))
