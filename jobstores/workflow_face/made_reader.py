"""A made workflow's elements, iterations, runs and parameters, as the face's rows.

What is read is one moment: a generation's columns, and what segments say beyond it.
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from jobstores import references, values
from jobstores.outcomes import outcome
from jobstores.records import RunState
from jobstores.run_rows import RUN_COLUMNS
from jobstores.value_parts import PartError, put
from jobstores.workflow_face import made_runs
from jobstores.workflow_face.made_layout import Place
from jobstores.workflow_face.rows import (
    StoreEAR,
    StoreElement,
    StoreElementIter,
    StoreParameter,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobstores.view import View
    from jobstores.workflow_face.tables import Work

_ENDED = {RunState.FAILED, RunState.LOST, RunState.CANCELLED, RunState.ABORTED}
_ABSENT = object()


class MadeReader:
    """Reads rows of one moment."""

    def __init__(self, work: Work, view: View) -> None:
        self._work = work
        self._view = view
        self._layout = work.made

    # --- elements and iterations ------------------------

    def element(self, id_: int) -> StoreElement:
        """An element. It is of element set `es_idx`; index of each input's value."""
        place = self._layout.element(id_)
        sets = self._model["tasks"][place.task]["element_sets"]
        return StoreElement(
            id_=id_,
            is_pending=False,
            index=place.element,
            es_idx=next(
                (n for n, (a, k, _) in enumerate(sets) if a <= place.element < a + k), 0
            ),
            seq_idx=self._indices(place, "index"),
            src_idx=self._indices(place, "elements"),
            task_ID=place.task,
            iteration_IDs=self.iteration_ids(id_),
        )

    def iteration_ids(self, element: int) -> list[int]:
        """The iterations that an element has: the first, and those with a run known."""
        task, index, *_ = self._layout.element(element)
        last = 0
        room = self._layout.tasks[task].max_iterations
        if room > 1 and self._layout.tasks[task].actions:
            first = self._layout.run_id(Place(task, index), 0)
            stop = self._layout.run_id(Place(task, index + 1), 0)
            for ids in (self._runs["id"], self._tail_ids):
                at = int(np.searchsorted(ids, stop))
                if at and ids[at - 1] >= first:
                    last = max(last, self._layout.run(int(ids[at - 1])).iteration)
        return [
            self._layout.iteration_id(Place(task, index, number))
            for number in range(last + 1)
        ]

    def iteration(self, id_: int) -> StoreElementIter:
        """An iteration; all its runs were made with it."""
        place = self._layout.iteration(id_)
        task = self._layout.tasks[place.task]
        inputs = self._model["tasks"][place.task]["schema"].get("inputs", ())
        return StoreElementIter(
            id_=id_,
            is_pending=False,
            element_ID=self._layout.element_id(place.task, place.element),
            EARs_initialised=True,
            EAR_IDs={a: [self._layout.run_id(place, a)] for a in range(task.actions)},
            data_idx=self._data_idx(place, task.inputs, task.outputs),
            schema_parameters=[
                *(f"inputs.{item.get('parameter', item['name'])}" for item in inputs),
                *(f"outputs.{name}" for name in task.outputs),
            ],
            loop_idx={},
        )

    def _data_idx(
        self, place: Place, inputs: Iterable[str], outputs: Iterable[str]
    ) -> dict[str, int]:
        task = self._layout.tasks[place.task]
        found = {}
        for name in inputs:
            part = task.inputs.index(name)
            found[f"inputs.{name}"] = self._layout.parameter_id(place, part)
        for name in outputs:
            part = len(task.inputs) + task.outputs.index(name)
            found[f"outputs.{name}"] = self._layout.parameter_id(place, part)
        return found

    def _indices(self, place: Place, part: str) -> dict[str, int]:
        """Of each input that has such a table and is no group, the element's row in it."""
        found = {}
        for position, name in enumerate(self._layout.tasks[place.task].inputs):
            prefix = f"inputs/{place.task}/{position}"
            if self._has(f"{prefix}/{part}") and not self._has(f"{prefix}/offsets"):
                found[name] = int(self._input(prefix, part)[place.element])
        return found

    # --- runs ------------------------

    def run(self, id_: int) -> StoreEAR:
        """A run, with what is known of it now."""
        place = self._layout.run(id_)
        action = self._model["tasks"][place.task]["schema"]["actions"][place.part]
        task = self._layout.tasks[place.task]
        known = [n for n in action.get("inputs", ()) if n in task.inputs]
        made = [n for n in action.get("outputs", ()) if n in task.outputs]
        return StoreEAR(
            id_=id_,
            is_pending=False,
            elem_iter_ID=self._layout.iteration_id(place),
            action_idx=place.part,
            commands_idx=list(range(len(action.get("commands", ())))),
            data_idx=self._data_idx(place, known, made),
            **self._state(id_, place),
        )

    def _state(self, run: int, place: Place) -> dict[str, Any]:
        row = self._row(run)
        record = self._tail.get(run)
        if record is None or (row and row["state"] == RunState.SUCCEEDED):
            if not row:
                return {"submission_idx": self._submission_of(place)}
            submission = row["submission"]
            if submission < 0:
                submission = self._submission_of(place)
            state, start, end = RunState(row["state"]), row["start"], row["end"]
            exit_code = row["exit"]
        else:
            item, state, said = record
            submission = item.submission
            ended = said["t"] == "end"
            start = said.get("start", -1) if ended else -1
            start = said["at"] if said["t"] == "start" else start
            end, exit_code = (said["at"] if ended else -1), said.get("exit", -1)
        success = {RunState.SUCCEEDED: True, **dict.fromkeys(_ENDED, False)}.get(state)
        return {
            "submission_idx": submission,
            "skip": state == RunState.SKIPPED,
            "success": success,
            "start_time": moment(-1 if start is None else start),
            "end_time": moment(end),
            "exit_code": None if exit_code in (-1, None) else int(exit_code),
            "metadata": {"state": state.name.lower()},
        }

    def _row(self, run: int) -> dict[str, Any] | None:
        at = int(np.searchsorted(self._runs["id"], run))
        if at == len(self._runs["id"]) or self._runs["id"][at] != run:
            return None
        names = ("state", "submission", "start", "end", "exit")
        return {name: int(self._runs[name][at]) for name in names}

    def _submission_of(self, place: Place) -> int | None:
        """The latest submission that has a job with this step."""
        found = None
        for number, record in enumerate(self._work.base.info.get("submissions", ())):
            for job in record["jobs"]:
                if [place.task, place.part] in [list(step) for step in job["steps"]]:
                    found = number
        return found

    @cached_property
    def _runs(self) -> dict[str, Any]:
        if self._work.run_rows is not None or "runs" not in self._work.base.tables:
            return made_runs.run_table(self._work)
        column = self._work.snapshot.column
        return {n: np.asarray(column("runs", n)) for n in RUN_COLUMNS if n != "why"}

    @cached_property
    def _tail(self) -> dict[int, tuple[Any, RunState, dict[str, Any]]]:
        """By run: the item that recorded it, its state by that, and the record."""
        tail = {}
        for item, decision in self._view.tail.items():
            if decision is None:
                continue
            for run, record in decision.running.items():
                state = outcome(record) if decision.closed else RunState.RUNNING
                tail[run] = (item, state, record)
            for run, record in decision.records.items():
                tail[run] = (item, outcome(record), record)
        return tail

    @cached_property
    def _tail_ids(self) -> Any:
        return np.array(sorted(self._tail), dtype=np.int64)

    # --- parameters ------------------------

    def parameter(self, id_: int) -> StoreParameter:
        """An input or an output, with its value if it has one."""
        place = self._layout.parameter(id_)
        inputs = self._layout.tasks[place.task].inputs
        if place.part < len(inputs):
            value = self._input_value(place)
        else:
            value = self._output_value(place, whole_element=False)
        is_set = value is not _ABSENT
        data = value if is_set else None
        return StoreParameter(id_, False, is_set, data, None, self.source(id_))

    def source(self, id_: int) -> dict[str, Any]:
        """Where a parameter comes from: its type, task, element, iteration, and what."""
        place = self._layout.parameter(id_)
        task = self._layout.tasks[place.task]
        where = {
            "task": place.task,
            "element": place.element,
            "iteration": place.iteration,
        }
        if place.part >= len(task.inputs):
            name = task.outputs[place.part - len(task.inputs)]
            return {
                "type": "EAR_output",
                **where,
                "name": name,
                "EAR_ID": self._producer(place, name),
            }
        name = task.inputs[place.part]
        model = self._model["tasks"][place.task]["inputs"][place.part]
        if model["from"] != "task":
            return {"type": "local_input", **where, "name": name}
        return {
            "type": "task",
            **where,
            "name": name,
            "param_IDs": [
                self._layout.parameter_id(upstream, upstream.part)
                for upstream in self._upstream(place)
            ],
        }

    def _producer(self, place: Place, output: str) -> int | None:
        actions = self._model["tasks"][place.task]["schema"].get("actions", ())
        for number in range(len(actions) - 1, -1, -1):
            if output in actions[number].get("outputs", ()):
                return self._layout.run_id(place, number)
        return None

    def _input_value(self, place: Place) -> Any:
        prefix = f"inputs/{place.task}/{place.part}"
        if self._has(f"{prefix}/values"):
            data, index = self._input(prefix, "values"), self._input(prefix, "index")
            found = [self._decoded(data[row]) for row in index[self._span(place)]]
        else:
            found = [
                self._output_value(p, whole_element=True) for p in self._upstream(place)
            ]
            if any(value is _ABSENT for value in found):
                return _ABSENT
        value = found if self._has(f"{prefix}/offsets") else found[0]
        model = self._model["tasks"][place.task]["inputs"][place.part]
        for number, part in enumerate(model.get("parts", ())):
            value = self._with_part(value, part["path"], f"{prefix}/part_{number}", place)
        return value

    def _with_part(
        self, value: Any, path: list[str | int], prefix: str, place: Place
    ) -> Any:
        """An input's value with what the template puts into it."""
        at = slice(place.element, place.element + 1)
        if self._has(f"{prefix}_offsets"):
            offsets = self._part(prefix, "offsets")
            at = slice(int(offsets[place.element]), int(offsets[place.element + 1]))
        data = self._part(prefix, "values")
        for row in self._part(prefix, "index")[at]:
            inner = values.encode(self._decoded(data[row]))
            with suppress(PartError):  # the run failed for it
                value = values.decode(put(values.encode(value), path, inner))
        return value

    def _upstream(self, place: Place) -> list[Place]:
        """The outputs that an input is made of."""
        prefix = f"inputs/{place.task}/{place.part}"
        model = self._model["tasks"][place.task]["inputs"][place.part]
        other = self._layout.tasks[model["task"]]
        part = len(other.inputs) + other.outputs.index(model["output"])
        elements = self._input(prefix, "elements")[self._span(place)].tolist()
        return [Place(model["task"], element, 0, part) for element in elements]

    def _span(self, place: Place) -> slice:
        """The rows of an input's index that belong to an element."""
        prefix = f"inputs/{place.task}/{place.part}"
        if not self._has(f"{prefix}/offsets"):
            return slice(place.element, place.element + 1)
        offsets = self._input(prefix, "offsets")
        return slice(int(offsets[place.element]), int(offsets[place.element + 1]))

    def _output_value(self, place: Place, *, whole_element: bool) -> Any:
        """What the last run that gave it gave, of the iteration or of any."""
        task = self._layout.tasks[place.task]
        name = task.outputs[place.part - len(task.inputs)]
        iterations = task.max_iterations if whole_element else 1
        first = self._layout.run_id(place, 0)
        runs = range(first, first + iterations * task.actions)
        for run in reversed(runs):
            _, _, record = self._tail.get(run, (None, None, {}))
            if record.get("ok") and name in record.get("out", {}):
                return self._resolved(record["out"][name])
        table = f"outputs/{place.task}/{name}"
        if not self._has(table):
            return _ABSENT
        known = self._work.snapshot.column(table, "run")
        at = int(np.searchsorted(known, runs.stop)) - 1
        if at < 0 or known[at] < first:
            return _ABSENT
        return self._decoded(self._work.snapshot.column(table, "value")[at])

    def _decoded(self, cell: Any) -> Any:
        """A cell of a column: a number, or the text of a stored value."""
        return self._resolved(json.loads(cell)) if isinstance(cell, str) else cell.item()

    def _resolved(self, encoded: Any) -> Any:
        return values.decode(references.resolve(self._work.snapshot.port, encoded))

    # --- the layout ------------------------

    @cached_property
    def _model(self) -> dict[str, Any]:
        model: dict[str, Any] = json.loads(self._work.snapshot.document("model") or "{}")
        return model

    def _has(self, table: str) -> bool:
        return table in self._work.base.tables

    def _part(self, prefix: str, column: str) -> Any:
        return self._work.snapshot.column(f"{prefix}_{column}", column)

    def _input(self, prefix: str, part: str) -> Any:
        return self._work.snapshot.column(f"{prefix}/{part}", part)


def moment(microseconds: int) -> datetime | None:
    """A stored time; None where it is not known."""
    if microseconds < 0:
        return None
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC)
