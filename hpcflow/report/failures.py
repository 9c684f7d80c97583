"""Failed runs that are already folded, from the base's columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpcflow.model.blocks import TaskIndex
from hpcflow.report.data import Failure, LogSlice
from jobstores.records import RunState

if TYPE_CHECKING:
    from collections.abc import Collection

    from jobstores.decisions import Item
    from jobstores.generations import Base
    from jobstores.workflow_store import WorkflowStore

_NOT_WELL = (RunState.FAILED, RunState.LOST, RunState.CANCELLED)


def folded_failures(
    store: WorkflowStore,
    base: Base,
    path: str,
    limit: int,
    without: Collection[Item] = (),
) -> list[Failure]:
    """The first failed runs of the base's `runs` table, at most `limit`.

    Those of the items `without` are left out.
    """
    import numpy as np  # only where something failed: `show` stays light

    state = np.asarray(store.column(base, "runs", "state"))
    failed = np.isin(state, [int(s) for s in _NOT_WELL])
    if without:
        failed[_rows_of(store, base, without)] = False
    rows = np.flatnonzero(failed)[:limit]
    names = ("id", "exit", "attempt", "submission", "job", "item", "why")
    spans = ("log_slot", "log_start", "log_end")
    columns = {name: store.column(base, "runs", name) for name in (*names, *spans)}
    return [
        _failure(base, path, RunState(int(state[r])), {n: c[r] for n, c in columns.items()})
        for r in rows
    ]


def folded_states(
    store: WorkflowStore, base: Base, items: Collection[Item]
) -> list[tuple[int, RunState]]:
    """The runs that the base has of these items, and their states there."""
    if "runs" not in base.tables:
        return []
    ids, states = (store.column(base, "runs", name) for name in ("id", "state"))
    rows = _rows_of(store, base, items)
    return [(int(ids[row]), RunState(int(states[row]))) for row in rows]


def _rows_of(store: WorkflowStore, base: Base, items: Collection[Item]) -> list[int]:
    names = ("submission", "job", "item")
    columns = [store.column(base, "runs", name) for name in names]
    wanted = set(map(tuple, items))
    keys = zip(*(map(int, column) for column in columns), strict=True)
    return [row for row, key in enumerate(keys) if key in wanted]


def _failure(base: Base, path: str, state: RunState, row: dict[str, Any]) -> Failure:
    run = int(row["id"])
    index = TaskIndex(base.info["tasks"])
    task, element, iteration, action = index.locate(run)
    where = f"{path}/logs/{row['submission']}/{row['job']}"
    log = f"{where}/{row['item']}.{row['attempt']}.{row['log_slot']}.log"
    return Failure(
        run=run,
        task=index.tasks[task].name,
        element=element,
        iteration=iteration,
        action=action,
        state=state,
        exit=int(row["exit"]),
        why=str(row["why"]),
        submission=int(row["submission"]),
        job=int(row["job"]),
        item=int(row["item"]),
        attempt=int(row["attempt"]),
        log=LogSlice(log, int(row["log_start"]), int(row["log_end"]))
        if int(row["log_slot"]) >= 0
        else None,
    )
