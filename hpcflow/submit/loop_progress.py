"""How far loops are whose iterations are jobs of their own: what is still to be executed.

It is told from what runs recorded, as jobs themselves tell it by their guards: see
`hpcflow.node.turns`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcflow.compile.guards import of_turn_before, turn_before
from hpcflow.model.conditions import parse_condition
from hpcflow.model.loops import turn_numbers
from hpcflow.node.turns import holds_of_part
from hpcflow.persist.workflow_record import WorkflowReader
from jobstores import references, values
from jobstores.columns import read_column
from jobstores.records import RunState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from hpcflow.model.loops import Termination
    from hpcflow.submit.reconcile import JobView
    from jobstores.view import View
    from jobstores.workflow_store import WorkflowStore

_EXECUTED = (RunState.SUCCEEDED, RunState.FAILED, RunState.ABORTED)


class LoopProgress:
    """Says which turns of loops there are, at one moment.

    jobs: those of all submissions. over: nothing happens in them any more; otherwise
        what an item did that has not said that it ended is not known yet.
    """

    def __init__(
        self, store: WorkflowStore, view: View, jobs: Sequence[JobView], *, over: bool
    ) -> None:
        self._store = store
        self._view = view
        self._over = over
        self._loops = WorkflowReader(store, view.base).loops()
        self._tasks = view.base.info["tasks"]
        self._runs, self._executed = self._read_runs()
        self._open = {
            (task, job.record["iteration"])
            for job in jobs
            if "iteration" in job.record and not job.ended
            for task, _ in job.record["steps"]
        }
        self._known: dict[tuple[int, ...], bool] = {}

    def goes_on(self, index: int, turns: Mapping[int, int]) -> bool:
        """Whether there is a turn of a loop, where there was the one before.

        index: of the loop; turns: of it and the loops around it, by index. True as long as
        it can't be told.
        """
        key = (index, *(turns[i] for i in sorted(turns)))
        if key not in self._known:
            self._known[key] = self._looked_up(index, turns)
        return self._known[key]

    def is_needless(self, job: JobView) -> bool:
        """Whether loops ended before a job, so that it has nothing to do."""
        iteration = job.record.get("iteration")
        if iteration is None:
            return False
        task = job.record["steps"][0][0]
        outer: dict[int, int] = {}
        for index, turn in turn_numbers(self._loops, task, iteration).items():
            if self._loops[index].termination is not None and not all(
                self.goes_on(index, {**outer, index: before})
                for before in range(1, turn + 1)
            ):
                return True
            outer[index] = turn
        return False

    def _looked_up(self, index: int, turns: Mapping[int, int]) -> bool:
        loop = self._loops[index]
        decider, before = turn_before(self._loops, index, turns)
        if not self._over and any(t == decider and i in before for t, i in self._open):
            return True
        last = self._last_begun(decider, before)
        if not len(last):
            return False
        if loop.termination is not None and self._all_end(loop.termination, last):
            return False
        return not self._over or self._any_executed(index, turns)

    def _last_begun(self, task: int, iterations: range) -> NDArray[np.int64]:
        """The last of some iterations that each element of a task has begun, as rows.

        A row is element * (the most iterations there may be) + iteration.
        """
        most = self._tasks[task]["max_iterations"]
        rows = np.unique(self._rows_of(task, self._runs))
        number = rows % most
        rows = rows[(number >= iterations.start) & (number < iterations.stop)]
        is_last = np.diff(rows // most, append=-1) != 0
        last: NDArray[np.int64] = rows[is_last]
        return last

    def _all_end(self, termination: Termination, rows: NDArray[np.int64]) -> bool:
        """Whether all of these iterations of a loop's deciding task end it.

        What a task takes isn't looked up here: the jobs of the next turn find it out.
        """
        if termination.root != "outputs":
            return False
        condition = parse_condition(termination.condition)
        made = self._made(termination.task, termination.output)
        return all(
            row in made
            and holds_of_part(condition, termination.path, self._decoded(made[row]))
            for row in rows.tolist()
        )

    def _any_executed(self, index: int, turns: Mapping[int, int]) -> bool:
        """Whether any run of the turn before was: if not, the next would wait in vain."""
        loop = self._loops[index]
        for task in range(loop.first, loop.last + 1):
            wanted = of_turn_before(self._loops, index, turns, task)
            rows = self._rows_of(task, self._executed)
            number = rows % self._tasks[task]["max_iterations"]
            if ((number >= wanted.start) & (number < wanted.stop)).any():
                return True
        return False

    def _rows_of(self, task: int, runs: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows of those runs that are of a task."""
        info = self._tasks[task]
        size = info["elements"] * info["max_iterations"] * info["actions"]
        own = runs - info["run_base"]
        found: NDArray[np.int64] = own[(own >= 0) & (own < size)] // info["actions"]
        return found

    def _read_runs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The runs that have a record, and of these those that were executed."""
        base = self._view.base
        records = [
            (run, record["t"] == "end")
            for decision in self._view.tail.values()
            for run, record in (decision.records.items() if decision is not None else ())
        ]
        runs = np.array([run for run, _ in records], dtype=np.int64)
        executed = np.array([well for _, well in records], dtype=bool)
        if "runs" in base.tables:
            ids = np.asarray(self._store.column(base, "runs", "id"))
            states = np.asarray(self._store.column(base, "runs", "state"))
            runs = np.concatenate([ids, runs])
            executed = np.concatenate([np.isin(states, _EXECUTED), executed])
        return runs, runs[executed]

    def _made(self, task: int, name: str) -> dict[int, Any]:
        """An output of a task by row, encoded; the last run's of a row."""
        base, table = self._view.base, f"outputs/{task}/{name}"
        found: dict[int, Any] = {}
        if table in base.tables:
            runs = self._store.column(base, table, "run")
            ref = self._store.column_ref(base, table, "value")
            data = read_column(self._store.port, ref, encoded=True)
            if isinstance(data, np.ndarray):
                found.update(zip(np.asarray(runs).tolist(), data.tolist(), strict=True))
            else:
                found.update(zip(runs, map(json.loads, data), strict=True))
        for decision in self._view.tail.values():
            for run, record in decision.records.items() if decision is not None else ():
                if record.get("ok") and name in record.get("out", {}):
                    found[run] = record["out"][name]
        info = self._tasks[task]
        size = info["elements"] * info["max_iterations"] * info["actions"]
        first, actions = info["run_base"], info["actions"]
        return {
            (run - first) // actions: found[run]
            for run in sorted(found)
            if 0 <= run - first < size
        }

    def _decoded(self, encoded: Any) -> Any:
        return values.decode(references.resolve(self._store.port, encoded))
