"""Outcomes of runs of a made workflow, given by hand: rows of the run table.

Only runs that no job can still record are taken, so that nothing a job says later is
lost or contradicted: such a row says of submission, job and attempt what the row before
said (-1 where there was none), and a later submission's record outranks it in a fold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jobstores.errors import ConflictError
from jobstores.fold import read_runs
from jobstores.records import RunState
from jobstores.run_rows import RUN_COLUMNS, merge_runs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from jobstores.workflow_face.pending import Session
    from jobstores.workflow_face.tables import Work

_UNKNOWN: Mapping[str, Any] = {"user": np.nan, "system": np.nan, "why": "", "state": 0}


def record(
    session: Session, work: Work, ids: NDArray[np.int64], columns: Mapping[str, Any]
) -> None:
    """Set columns of the run table's rows, which are made where there are none.

    Raises:
        NotFoundError: there is no such run.
        ConflictError: its job may still record it, or it has succeeded.
    """
    _refuse_submitted(session, work, ids)
    ids, last = np.unique(ids[::-1], return_index=True)
    rows = len(columns) and {n: _ordered(data, last) for n, data in columns.items()}
    old = run_table(work)
    new = _rows_of(old, ids)
    if (new["state"] == RunState.SUCCEEDED).any():
        run = int(ids[new["state"] == RunState.SUCCEEDED][0])
        raise ConflictError(
            f"run {run} has succeeded, and that stays so; nothing was changed"
        )
    work.observed.append([new[name].tolist() for name in ("state", "start", "end")])
    for name, data in (rows or {}).items():
        new[name][:] = data
    _complete(new)
    work.run_rows = merge_runs(old, new, np.arange(len(ids)))


def run_table(work: Work) -> dict[str, NDArray[Any]]:
    """The run table with pending rows, as arrays; `why` as an array of objects."""
    if work.run_rows is None:
        return read_runs(work.snapshot.port, work.base)
    return {
        name: np.asarray(data, dtype=object if kind == "string" else None)
        for name, (kind, data) in work.run_rows.items()
    }


def _ordered(data: Any, last: NDArray[np.int64]) -> Any:
    """What `columns` says of the last of each of the ids, in their order."""
    return data[::-1][last] if isinstance(data, np.ndarray) else data


def _rows_of(
    table: Mapping[str, NDArray[Any]], ids: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    """The rows of ids (rising), or new ones in which nothing is known."""
    at = np.searchsorted(table["id"], ids)
    known = at < len(table["id"])
    known[known] = table["id"][at[known]] == ids[known]
    rows = {}
    for name in RUN_COLUMNS:
        data = np.full(len(ids), _UNKNOWN.get(name, -1), dtype=table[name].dtype)
        data[known] = table[name][at[known]]
        rows[name] = data
    rows["id"] = ids
    return rows


def _complete(rows: dict[str, NDArray[Any]]) -> None:
    """A run that ended without a start began when it ended."""
    no_start = (rows["start"] < 0) & (rows["end"] >= 0)
    rows["start"][no_start] = rows["end"][no_start]


def _refuse_submitted(session: Session, work: Work, ids: NDArray[np.int64]) -> None:
    open_jobs = {
        (task, action): (submission, job["index"])
        for submission, listed in enumerate(work.base.info.get("submissions", ()))
        for job in listed["jobs"]
        if f"{submission}/{job['index']}" not in work.base.packs
        for task, action in job["steps"]
    }
    for task, action, run in _steps(work, ids):
        if (task, action) in open_jobs:
            submission, job = open_jobs[task, action]
            raise ConflictError(
                f"run {run} belongs to job {job} of submission {submission}, which may"
                " record it itself: let the job end (or cancel it) and fold, then try again"
            )
    recorded: set[int] = set()
    for decision in session.store.view().tail.values():
        if decision is not None:
            recorded.update(decision.records, decision.running)
    both = recorded.intersection(ids.tolist()) if recorded else ()
    if both:
        raise ConflictError(
            f"run {min(both)} was recorded by its job; fold the store, then try again"
        )


def _steps(work: Work, ids: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """The steps (task, action) that runs are of, each with one of its runs."""
    if not len(ids):
        return []
    steps: list[tuple[int, int, int]] = []
    left = ids
    for number, task in enumerate(work.made.tasks):
        count = task.iterations * task.actions
        inside = (left >= task.run_base) & (left < task.run_base + count)
        mine, left = left[inside], left[~inside]
        if len(mine):
            actions, where = np.unique(
                (mine - task.run_base) % task.actions, return_index=True
            )
            found = zip(actions.tolist(), mine[where].tolist(), strict=True)
            steps += [(number, action, run) for action, run in found]
    if len(left):
        work.made.run(int(left[0]))  # raises: there is no such run
    return steps
