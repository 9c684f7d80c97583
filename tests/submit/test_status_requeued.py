"""A requeued item whose earlier records were folded is counted once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hpcflow.report.status import read_status
from hpcflow.submit.advance import fold_workflow
from hpcflow.submit.submit import submit_workflow
from jobstores.decisions import Item
from jobstores.records import RunState
from tests.submit.scenes import FileScheduler, context, opened, play_item

if TYPE_CHECKING:
    from pathlib import Path

ITEM = Item(0, 1, 0)
START = {"t": "start", "run": 2, "at": 5}
STOPPED = {"t": "end", "run": 2, "start": 1, "at": 2, "ok": False, "int": True}
DONE = {"t": "end", "run": 2, "start": 5, "at": 6, "ok": True, "out": {"z": 2}}


@pytest.mark.parametrize(
    ("again", "why", "expected"),
    [
        ([], None, RunState.LOST),  # until it is started again
        ([START], None, RunState.RUNNING),
        ([DONE], None, RunState.SUCCEEDED),
        ([DONE], "done", RunState.SUCCEEDED),
        ([STOPPED], "signal 15", RunState.LOST),
    ],
)
def test_counts(made: Path, again: Any, why: Any, expected: RunState) -> None:
    scheduler = FileScheduler(made.with_name("taken"))
    submit_workflow(opened(made), context(made, scheduler))

    def two() -> tuple[Any, int]:
        status = read_status(opened(made), str(made), lambda *_: scheduler)
        assert status.num_failures == len(status.failures)
        return status.tasks[1].counts, status.num_failures

    play_item(opened(made), ITEM, [{"t": "signal", "at": 1}, STOPPED], why="signal 15")
    assert two() == ({RunState.LOST: 1}, 1)
    fold_workflow(opened(made), lambda *_: scheduler)
    assert two() == ({RunState.LOST: 1}, 1)
    play_item(opened(made), ITEM, again, why=why)
    assert two() == ({expected: 1}, int(expected is RunState.LOST))
