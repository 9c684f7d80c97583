"""Performs one operation on copies of a store, each killed at another call.

    python -m tests.jobstores.store_crasher OPERATION ROOT

ROOT/start is the store; ROOT/1, ROOT/2, ... are left as the killed processes left
them. Prints how many there are. Columns are written as plain objects: it is not
Zarr that is tested here, and a fork without its threads is a quick one.
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any

import jobstores.fold
import jobstores.workflow_store
from jobstores.attempts import Item, fence
from jobstores.backends.posix import PosixPort
from jobstores.workflow_store import WorkflowStore
from tests.jobstores.store_doubles import FakeClock, killing
from tests.jobstores.store_scenes import (
    begin,
    end,
    new_store,
    plain_column,
    plain_columns,
    timing,
)


def is_crash_point(name: str, key: str) -> bool:
    """Any call, but of the run table's many columns only two."""
    return "/runs/" not in key or key.endswith(("/id", "/log_end"))


def create(port: Any) -> None:
    new_store(port, documents={"d": b"1"}, tables={"t": {"x": ("int", [1])}})


def commit(port: Any) -> None:
    store = WorkflowStore(port, timing=timing())
    with store.lease() as lease:
        store.commit(
            lease,
            store.base(),
            info={"after": True},
            documents={"d": b"2"},
            tables={"t": {"x": ("int", [2])}},
        )


def fold(port: Any) -> None:
    store = WorkflowStore(port, timing=timing())
    with store.lease() as lease:
        store.fold(lease)


def sweep(port: Any) -> None:
    store = WorkflowStore(port, timing=timing())
    with store.lease() as lease:
        store.sweep(lease, min_age_s=-10)


def fence_job(port: Any) -> None:
    clock = FakeClock()
    times = {"silence_s": 1.0, "monotonic": clock.monotonic, "sleep": clock.sleep}
    items = [Item(0, 1, number) for number in range(2)]
    fence(port, items, header={"at": 1, "why": "lost"}, **times)


def append(port: Any) -> None:
    """Tells, after each sync that returned, which run is safe."""
    attempt = begin(port, Item(0, 9, 0))
    for run in range(20, 24):
        attempt.writer.append(end(run))
        attempt.writer.sync()
        with open(f"{port.path('safe')}", "a", encoding="ascii") as stream:
            stream.write(f"{run}\n")


OPERATIONS = {
    "create": create,
    "commit": commit,
    "fold": fold,
    "sweep": sweep,
    "fence": fence_job,
    "append": append,
}


def main(operation: str, root: str) -> None:
    """Kill the operation before its first call, its second, and so on."""
    jobstores.workflow_store.write_columns = plain_columns  # type: ignore[assignment]
    jobstores.workflow_store.read_column = plain_column  # type: ignore[assignment]
    jobstores.fold.read_column = plain_column  # type: ignore[assignment]
    number = 0
    status = -1
    while status:
        number += 1
        place = os.path.join(root, str(number))
        shutil.copytree(os.path.join(root, "start"), place)
        child = os.fork()
        if not child:
            port = killing(PosixPort(place), number, is_crash_point)
            OPERATIONS[operation](port)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        if os.WIFEXITED(status) and os.WEXITSTATUS(status):
            raise SystemExit(f"{operation} failed at call {number}: {status}")
    print(number)


if __name__ == "__main__":
    main(*sys.argv[1:])
