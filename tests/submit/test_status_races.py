"""A state is read while jobs go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hpcflow.report.status import read_status
from hpcflow.submit.submit import submit_workflow
from jobstores.decisions import Item
from jobstores.records import RunState
from tests.submit.scenes import FileScheduler, context, ended, opened, play_item

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FIRST = Item(0, 0, 0)
ENDS = [
    {"t": "end", "run": run, "start": 1, "at": 2, "ok": True, "out": {"y": 1}}
    for run in (0, 1)
]


class EndsWhenAsked(FileScheduler):
    """Its first item closes its record, or dies without, just before it answers."""

    def __init__(self, file: Path, root: Path, *, closes: bool) -> None:
        super().__init__(file)
        self.root, self.closes = root, closes

    def states(self, job_ids: Mapping[str, int], **names: Any) -> Any:
        if self.closes:
            play_item(opened(self.root), FIRST, ENDS)
            self.closes = False
        self.statuses["1"] = dict.fromkeys(range(4), ended())
        return super().states(job_ids, **names)


@pytest.mark.parametrize(
    ("closes", "expected"), [(True, RunState.SUCCEEDED), (False, RunState.LOST)]
)
def test_an_item_that_ends_while_its_scheduler_is_asked_is_not_lost(
    made: Path, closes: bool, expected: RunState
) -> None:
    scheduler = EndsWhenAsked(made.with_name("taken"), made, closes=closes)
    submit_workflow(opened(made), context(made, scheduler))
    first = read_status(opened(made), str(made), lambda *_: scheduler).tasks[0]
    assert first.counts == {expected: first.runs}
