"""A process that folds whenever an item was closed, beside another that does.

    python -m tests.campaigns.store_folder PLAN NOTIFY

NOTIFY is the pipe that says so, a byte for each item, until its end. Prints `ready`,
and at the end, as JSON, how many folds took something in, and how often the other
process had the lease.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import jobstores.fold  # noqa: F401 - imports NumPy and Zarr before it is ready
from jobstores.errors import ConflictError
from tests.campaigns.events import read_plan

if TYPE_CHECKING:
    from jobstores.workflow_store import WorkflowStore


def main(plan_file: str, notify: int) -> None:
    """Fold, commit and sweep under the lease, in competition."""
    store = read_plan(plan_file).store()
    counts = {"folds": 0, "busy": 0, "swept": 0}
    print("ready", flush=True)
    said = b"."
    while said:
        said = os.read(notify, 64)
        while not _fold(store, counts, last=not said) and not said:
            pass  # the last one has to come through
    print(json.dumps(counts))


def _fold(store: WorkflowStore, counts: dict[str, int], *, last: bool) -> bool:
    """One round; whether nobody else had the lease, or took it over."""
    try:
        with store.lease(wait_s=60.0 if last else 0.0) as lease:
            report = store.fold(lease)
            counts["folds"] += bool(report.items)
            store.commit(lease, report.base, info={"folds": counts["folds"]})
            counts["swept"] += store.sweep(lease, min_age_s=-10)
    except ConflictError:
        counts["busy"] += 1
        return False
    return True


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
