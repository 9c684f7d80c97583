"""A process that looks at the store again and again while others write and fold.

    python -m tests.campaigns.store_reader PLAN

It goes on until its standard input ends, and looks once more. Every look must show all
that was acknowledged before it, nothing that contradicts an earlier look, and no value
that was not recorded. Prints `ready`, and at the end, as JSON, how many looks there were.
"""

from __future__ import annotations

import json
import select
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from jobstores.errors import NotFoundError
from jobstores.records import RunState
from tests.campaigns.events import TABLE, Plan, expected_value, read_plan

if TYPE_CHECKING:
    from jobstores.view import View
    from jobstores.workflow_store import WorkflowStore

MISSING, RUNNING, ENDED = 0, 1, 2


def main(plan_file: str) -> None:
    """Look until told that it is over."""
    plan = read_plan(plan_file)
    store = plan.store()
    counts = {"looks": 0, "too_late": 0}
    before = np.zeros(plan.runs, dtype=np.int8)
    generation, over = 0, False
    print("ready", flush=True)
    while not over:
        over = bool(select.select([sys.stdin], [], [], 0)[0])
        acknowledged = plan.acknowledged_now()
        view = store.view()
        try:
            now = states(store, plan, view)
        except NotFoundError:  # a fold and a sweep came before its columns were read
            assert store.base().number > view.base.number
            counts["too_late"] += 1
            over = False
            continue
        gone = np.flatnonzero((before == ENDED) & (now != ENDED))
        assert not len(gone), f"runs that had ended went back: {gone[:9]}"
        assert view.base.number >= generation, "an older generation came back"
        for writer, count in enumerate(acknowledged):
            first = writer * plan.per_writer
            lost = np.flatnonzero(now[first : first + count] != ENDED)
            assert not len(lost), f"writer {writer}: acknowledged and lost: {lost[:9]}"
        before, generation = now, view.base.number
        counts["looks"] += 1
    assert (before == ENDED).all(), f"at the end {np.sum(before != ENDED)} are missing"
    print(json.dumps(counts))


def states(store: WorkflowStore, plan: Plan, view: View) -> Any:
    """By run, how far a view says that it is. Checks every value on the way."""
    now = np.zeros(plan.runs, dtype=np.int8)
    base = view.base
    if "runs" in base.tables:
        ids, found = (store.column(base, "runs", name) for name in ("id", "state"))
        assert (np.diff(ids) > 0).all(), "a run has two rows"
        assert (found == RunState.SUCCEEDED).all()
        assert base.summary["sim"].get(int(RunState.SUCCEEDED), 0) == len(ids)
        now[ids] = ENDED
        given = store.column(base, TABLE, "run")
        assert np.array_equal(given, ids), "a run's value is missing"
        values = store.column(base, TABLE, "value")
        assert np.array_equal(values, expected_value(ids)), "a value was not recorded so"
    for item, decision in view.tail.items():
        if decision is None:
            continue
        for run, record in decision.records.items():
            assert record["t"] == "end", (item, record)
            assert record["out"] == {"y": expected_value(run)}, (item, record)
            now[run] = ENDED
        for run in decision.running:
            now[run] = max(now[run], RUNNING)
    return now


if __name__ == "__main__":
    main(sys.argv[1])
