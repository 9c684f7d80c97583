"""Results as tables: one per task, a row per element, a column per input and output."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hpcflow.errors import NoSuchPartError
from hpcflow.model.workflow import FromSeveral, FromTask, FromValues, InputColumn, Part
from hpcflow.persist.workflow_record import WorkflowReader
from jobstores import references, values
from jobstores.columns import read_column
from jobstores.value_parts import PartError, put

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hpcflow.model.loops import Loop
    from jobstores.view import View
    from jobstores.workflow_store import WorkflowStore

Cells = NDArray[Any]  # numbers, or objects with None where there is no value


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Table:
    """A task's values: `columns` maps a name to an array of one cell per element.

    `inputs` and `outputs` say which columns are which. A cell without a value is
    None (in columns of numbers that are complete there is none).
    """

    task: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    columns: dict[str, Cells]

    def __len__(self) -> int:
        """The number of elements."""
        return len(next(iter(self.columns.values())))

    def __repr__(self) -> str:
        """Short: this is what a prompt shows."""
        return f"<table of {self.task!r}: {len(self)} rows; {', '.join(self.columns)}>"

    def select(self, names: tuple[str, ...]) -> Table:
        """Only some columns, in the order given; all where none is named.

        Raises:
            NoSuchPartError: there is no such column; the message lists them.
        """
        for name in names:
            if name not in self.columns:
                raise NoSuchPartError(
                    f"no column {name!r} in task {self.task!r}; "
                    f"it has {', '.join(self.columns)}"
                )
        if not names:
            return self
        return Table(
            self.task,
            tuple(n for n in self.inputs if n in names),
            tuple(n for n in self.outputs if n in names),
            {name: self.columns[name] for name in names},
        )

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """The rows, as plain Python values."""
        return zip(*(column.tolist() for column in self.columns.values()), strict=True)


class ResultsReader:
    """Reads tables of one moment of a workflow; columns are read as they are needed."""

    def __init__(self, store: WorkflowStore, view: View | None = None) -> None:
        self._store = store
        self._view = view or store.view()
        self._base = self._view.base
        self._reader = WorkflowReader(store, self._base)
        self._outputs: dict[tuple[int, str], Cells] = {}
        self._tail: dict[int, dict[str, dict[int, Any]]] | None = None

    @property
    def task_names(self) -> list[str]:
        """Names of the workflow's tasks, in order."""
        return [task["name"] for task in self._base.info["tasks"]]

    def num_elements(self, task: int) -> int:
        """How many elements a task has."""
        count: int = self._base.info["tasks"][task]["elements"]
        return count

    def names(self, task: int) -> tuple[list[str], list[str]]:
        """Names of a task's inputs and of its outputs."""
        info = self._base.info["tasks"][task]
        return info["inputs"], info["outputs"]

    def table(self, task: int) -> Table:
        """All columns of one task."""
        info = self._base.info["tasks"][task]
        columns: dict[str, Cells] = {"element": np.arange(info["elements"])}
        for name in info["inputs"]:
            columns[name] = self.input(task, name)
        for name in info["outputs"]:
            # An output of an input's name is the same parameter, made anew.
            columns[f"{name} (out)" if name in columns else name] = self.output(task, name)
        return Table(
            task=info["name"],
            inputs=tuple(info["inputs"]),
            outputs=tuple(n for n in columns if n not in ("element", *info["inputs"])),
            columns=columns,
        )

    def input_column(self, task: int, name: str) -> InputColumn:
        """Where a task's elements get an input from, in their first iteration."""
        names = self._base.info["tasks"][task]["inputs"]
        return self._reader.input(task, names.index(name))

    def loops(self) -> tuple[Loop, ...]:
        """The workflow's loops."""
        return self._reader.loops()

    def iteration_count(self, task: int) -> int:
        """How many iterations an element of a task may have."""
        count: int = self._base.info["tasks"][task]["max_iterations"]
        return count

    def rows_with_records(self, task: int) -> NDArray[np.int64]:
        """Of a task's iterations (element * most iterations + iteration), those begun.

        That is: a run of theirs has left a record. Rising.
        """
        info = self._base.info["tasks"][task]
        size = info["elements"] * info["max_iterations"] * info["actions"]
        parts = [
            np.fromiter(decision.records, dtype=np.int64)
            for decision in self._view.tail.values()
            if decision is not None
        ]
        if "runs" in self._base.tables:
            parts.append(np.asarray(self._store.column(self._base, "runs", "id")))
        runs = np.concatenate([np.empty(0, dtype=np.int64), *parts]) - info["run_base"]
        runs = runs[(runs >= 0) & (runs < size)]
        rows: NDArray[np.int64] = np.unique(runs // max(info["actions"], 1))
        return rows

    def outputs_by_row(self, task: int, name: str) -> dict[int, Any]:
        """One output of a task, by iteration (element * most iterations + iteration)."""
        info = self._base.info["tasks"][task]
        runs, data = self._folded(task, name)
        found: dict[int, Any] = {}
        numbers = isinstance(data, np.ndarray)
        items = data.tolist() if numbers else data
        for run, item in zip(runs.tolist(), items, strict=True):
            value = item if numbers else self._decoded(json.loads(item))
            found[(run - info["run_base"]) // info["actions"]] = value
        tail = self._tail_outputs().get(task, {}).get(name, {})
        for run, encoded in sorted(tail.items()):
            found[(run - info["run_base"]) // info["actions"]] = self._decoded(encoded)
        return found

    def input(self, task: int, name: str) -> Cells:
        """One input of a task, for each element; lists where it is a group."""
        position = self._base.info["tasks"][task]["inputs"].index(name)
        column = self._reader.input(task, position)
        cells = self._members(column)
        if column.offsets is not None:
            cells = _as_lists(cells, column.offsets)
        for part in self._reader.parts(task, position):
            cells = _with_part(cells, part)
        return cells

    def with_parts(self, task: int, name: str, element: int, value: Any) -> Any:
        """A value of an input of an element, with the parts that the template puts in."""
        position = self._base.info["tasks"][task]["inputs"].index(name)
        cells = np.empty(1, dtype=object)
        cells[0] = value
        for part in self._reader.parts(task, position):
            column = part.column
            places = column.offsets
            first, last = element, element + 1
            if places is not None:
                first, last = places[element : element + 2].tolist()
            bounds = None if places is None else np.array([0, last - first])
            mine = FromValues(column.table, column.index[first:last], bounds)
            cells = _with_part(cells, Part(part.path, mine))
        return cells[0]

    def varies(self, task: int, name: str) -> bool:
        """Whether the elements of a task differ in an input; what others made may."""
        if self.num_elements(task) < 2:
            return False
        position = self._base.info["tasks"][task]["inputs"].index(name)
        column = self._reader.input(task, position)
        if self._reader.parts(task, position):
            return True
        if not isinstance(column, FromValues) or column.offsets is not None:
            return True
        return bool((column.index != column.index[0]).any())

    def _members(self, column: InputColumn) -> Cells:
        if isinstance(column, FromTask):
            return self._last_made(column.task, column.output)[column.elements]
        if isinstance(column, FromSeveral):
            members = np.empty(len(column.part), dtype=object)
            for number, part in enumerate(column.parts):
                mine = column.part == number
                inner = self._members(part)
                if part.offsets is not None:
                    inner = _as_lists(inner, part.offsets)
                _put_cells(members, mine, inner[column.row[mine]])
            return members
        return _take(column)

    def output(self, task: int, name: str) -> Cells:
        """One output of a task, for each element; None where it was not made."""
        if (task, name) not in self._outputs:
            self._outputs[task, name] = self._read_output(task, name)
        return self._outputs[task, name]

    def _last_made(self, task: int, name: str) -> Cells:
        """An output of the last executed iterations, those of earlier blocks among them."""
        info = self._base.info["tasks"]
        whole, element, iteration = info[task].get("continues", (task, 0, 0))
        if not iteration:
            return self.output(task, name)
        places = [one.get("continues", (k, 0, 0)) for k, one in enumerate(info[:task])]
        before = max(  # each goes on behind the one before
            k for k, place in enumerate(places) if tuple(place[:2]) == (whole, element)
        )
        cells = self._last_made(before, name).astype(object)
        begun = np.zeros(len(cells), dtype=bool)
        begun[self.rows_with_records(task) // info[task]["max_iterations"]] = True
        _put_cells(cells, begun, self.output(task, name)[begun])
        return cells

    def _read_output(self, task: int, name: str) -> Cells:
        info = self._base.info["tasks"][task]
        if info["max_iterations"] > 1:
            return self._last_outputs(task, name)
        runs, data = self._folded(task, name)
        tail = self._tail_outputs().get(task, {}).get(name, {})
        per_element = info["actions"] * info["max_iterations"]
        elements = (runs - info["run_base"]) // per_element
        complete = len(runs) == info["elements"] and not (np.diff(elements) == 0).any()
        if not tail and isinstance(data, np.ndarray) and complete:
            return data  # in order, as runs are sorted
        cells = np.full(info["elements"], None, dtype=object)
        plain = (
            data.tolist()
            if isinstance(data, np.ndarray)
            else [self._decoded(json.loads(text)) for text in data]
        )
        # Of several runs that made it, the last one counts: that of the highest id.
        last: dict[int, int] = {}
        for element, value in zip(elements.tolist(), plain, strict=True):
            cells[element] = value
        last.update(zip(elements.tolist(), runs.tolist(), strict=True))
        for run, encoded in sorted(tail.items()):
            element = (run - info["run_base"]) // per_element
            if run >= last.get(element, -1):
                cells[element] = self._decoded(encoded)
        return cells

    def _last_outputs(self, task: int, name: str) -> Cells:
        """An output of each element's last iteration; None where that did not make it."""
        most = self.iteration_count(task)
        cells = np.full(self.num_elements(task), None, dtype=object)
        made = self.outputs_by_row(task, name)
        for row in self.rows_with_records(task).tolist():  # rising: the last one stays
            cells[row // most] = made.get(row)
        return cells

    def _decoded(self, encoded: Any) -> Any:
        """A value; fetched first, where it is an object of its own."""
        return values.decode(references.resolve(self._store.port, encoded))

    def _folded(self, task: int, name: str) -> tuple[NDArray[np.int64], Any]:
        """Runs, and their values: an array of numbers, or JSON texts of encoded values."""
        table = f"outputs/{task}/{name}"
        if table not in self._base.tables:
            return np.empty(0, dtype=np.int64), []
        store, base = self._store, self._base
        runs = read_column(store.port, store.column_ref(base, table, "run"))
        ref = store.column_ref(base, table, "value")
        return runs, read_column(store.port, ref, encoded=True)

    def _tail_outputs(self) -> dict[int, dict[str, dict[int, Any]]]:
        """Outputs in records that were not folded yet: task -> name -> run -> encoded."""
        if self._tail is not None:
            return self._tail
        bases = np.array([task["run_base"] for task in self._base.info["tasks"]])
        self._tail = {}
        for decision in self._view.tail.values():
            if decision is None:
                continue
            for run, record in decision.records.items():
                if record.get("ok"):
                    task = int(np.searchsorted(bases, run, side="right")) - 1
                    for name, value in record.get("out", {}).items():
                        self._tail.setdefault(task, {}).setdefault(name, {})[run] = value
        return self._tail


def _put_cells(cells: Cells, where: NDArray[np.bool_], given: Cells) -> None:
    """Set cells one by one: NumPy would take lists of one length as a table."""
    for place, value in zip(np.flatnonzero(where).tolist(), given.tolist(), strict=True):
        cells[place] = value


def _as_lists(members: Cells, offsets: NDArray[np.int64]) -> Cells:
    bounds = offsets.tolist()
    cells = np.empty(len(bounds) - 1, dtype=object)
    for element, (first, stop) in enumerate(pairwise(bounds)):
        cells[element] = members[first:stop].tolist()
    return cells


def _with_part(cells: Cells, part: Part) -> Cells:
    """Values with a part put into each; what is not there, or lacks the place, stays."""
    given = _take(part.column)
    if part.column.offsets is not None:
        given = _as_lists(given, part.column.offsets)
    found = np.empty(len(cells), dtype=object)
    for element, (value, inner) in enumerate(
        zip(cells.tolist(), given.tolist(), strict=True)
    ):
        found[element] = value
        if value is None or (part.column.offsets is not None and not inner):
            continue
        new = inner if part.column.offsets is None else inner[0]
        with suppress(PartError):
            found[element] = values.decode(
                put(values.encode(value), part.path, values.encode(new))
            )
    return found


def _take(column: FromValues) -> Cells:
    """The value of each row of the column's index."""
    data = column.table.data
    if isinstance(data, np.ndarray):
        taken: Cells = data[column.index]
        return taken
    cells = np.empty(len(column.index), dtype=object)
    for row, index in enumerate(column.index.tolist()):
        cells[row] = data[index]
    return cells
