"""What becomes of runs: started, ended, skipped, submitted; any number in one call."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from jobstores.errors import UnsupportedError
from jobstores.records import RunState
from jobstores.workflow_face import made_runs
from jobstores.workflow_face.elements import same_lengths
from jobstores.workflow_face.tables import as_ids

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from jobstores.workflow_face.pending import Session
    from jobstores.workflow_face.tables import Work

_SKIPPED = "skipped through the store's workflow face"


def start(session: Session, ids: Iterable[int], save: bool) -> datetime:
    """Note that runs start now; the time that was noted."""
    now = _now()
    at = _microseconds(now)
    added = {"start": at}
    made = {"state": int(RunState.RUNNING), "start": at, "end": -1, "exit": -1}
    _set(session, as_ids(ids), added, made, save)
    return now


def end(
    session: Session,
    ids: Iterable[int],
    exit_codes: Sequence[int] | int,
    successes: Sequence[bool] | bool,
    save: bool,
) -> datetime:
    """Note that runs end now, each with its exit code; the time that was noted."""
    runs = as_ids(ids)
    exits = _one_each("exit_codes", exit_codes, len(runs), "iu").astype(np.int64)
    succeeded = _one_each("successes", successes, len(runs), "b")
    now = _now()
    at = _microseconds(now)
    added = {"end": at, "exit": exits, "success": succeeded.astype(np.int64)}
    states = np.where(succeeded, int(RunState.SUCCEEDED), int(RunState.FAILED))
    why = np.where(succeeded, "", np.char.add("exit code ", exits.astype(str)))
    made = {"state": states, "end": at, "exit": exits, "why": why.astype(object)}
    _set(session, runs, added, made, save)
    return now


def skip(session: Session, ids: Iterable[int], save: bool) -> None:
    """Note that runs will not be executed."""
    made = {"state": int(RunState.SKIPPED), "why": _SKIPPED}
    _set(session, as_ids(ids), {"skip": True}, made, save)


def set_submission(
    session: Session, ids: Iterable[int], submission: int, save: bool
) -> None:
    """Note to which submission runs belong."""
    runs = as_ids(ids)

    def change(work: Work) -> None:
        made = runs[~work.added(runs)]
        if len(made):
            run = int(made[0])
            work.made.run(run)
            raise UnsupportedError(
                f"run {run} was made of a template: its submission is what submits it"
            )
        rows = work.rows("runs", runs, "run")
        work.set_rows("run_states", rows, {"submission": submission})

    session.change(change, save)


def _set(
    session: Session,
    ids: Any,
    added: Mapping[str, Any],
    made: Mapping[str, Any],
    save: bool,
) -> None:
    """Set columns of runs: those that were added, and those of a made workflow."""

    def change(work: Work) -> None:
        is_added = work.added(ids)
        if not is_added.all():
            made_runs.record(session, work, ids[~is_added], _part(made, ~is_added))
        rows = work.rows("runs", ids[is_added], "run")
        if len(rows):
            work.set_rows("run_states", rows, _part(added, is_added))

    session.change(change, save)


def _part(columns: Mapping[str, Any], which: Any) -> dict[str, Any]:
    return {
        name: data[which] if isinstance(data, np.ndarray) else data
        for name, data in columns.items()
    }


def _one_each(name: str, given: Any, count: int, kinds: str) -> Any:
    data = np.asarray(given)
    if data.dtype.kind not in kinds and data.size:
        kind = {"iu": "whole numbers", "b": "True or False"}[kinds]
        raise TypeError(f"{name}: {kind} were expected, not {data.reshape(-1)[0]!r}")
    if data.ndim == 0:
        return np.full(count, data)
    same_lengths(**{"ids": range(count), name: data})
    return data


def _now() -> datetime:
    return datetime.now(UTC)


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)
