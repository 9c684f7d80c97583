"""Results as tables: one per task, a row per element, a column per input and output."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hpcflow.errors import NoSuchPartError
from hpcflow.model.workflow import FromTask, FromValues, InputColumn
from hpcflow.persist.workflow_record import WorkflowReader
from jobstores import references, values
from jobstores.columns import read_column

if TYPE_CHECKING:
    from collections.abc import Iterator

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

    def task_index(self, name: str) -> int:
        """A task by its name.

        Raises:
            NoSuchPartError: there is none of that name; the message lists them.
        """
        try:
            return self.task_names.index(name)
        except ValueError:
            raise NoSuchPartError(
                f"no task {name!r}; this workflow has {', '.join(self.task_names)}"
            ) from None

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

    def input(self, task: int, name: str) -> Cells:
        """One input of a task, for each element; lists where it is a group."""
        position = self._base.info["tasks"][task]["inputs"].index(name)
        column = self._reader.input(task, position)
        members = self._members(column)
        if column.offsets is None:
            return members
        bounds = column.offsets.tolist()
        cells = np.empty(len(bounds) - 1, dtype=object)
        for element, (first, stop) in enumerate(pairwise(bounds)):
            cells[element] = members[first:stop].tolist()
        return cells

    def varies(self, task: int, name: str) -> bool:
        """Whether the elements of a task differ in an input; what others made may."""
        if self.num_elements(task) < 2:
            return False
        position = self._base.info["tasks"][task]["inputs"].index(name)
        column = self._reader.input(task, position)
        if isinstance(column, FromTask) or column.offsets is not None:
            return True
        return bool((column.index != column.index[0]).any())

    def _members(self, column: InputColumn) -> Cells:
        if isinstance(column, FromTask):
            return self.output(column.task, column.output)[column.elements]
        return _take(column)

    def output(self, task: int, name: str) -> Cells:
        """One output of a task, for each element; None where it was not made."""
        if (task, name) not in self._outputs:
            self._outputs[task, name] = self._read_output(task, name)
        return self._outputs[task, name]

    def _read_output(self, task: int, name: str) -> Cells:
        info = self._base.info["tasks"][task]
        runs, data = self._folded(task, name)
        tail = self._tail_outputs().get(task, {}).get(name, {})
        per_element = info["actions"] * info["max_iterations"]
        elements = (runs - info["run_base"]) // per_element
        if not tail and isinstance(data, np.ndarray) and len(runs) == info["elements"]:
            return data  # complete, and in order, as runs are sorted
        cells = np.full(info["elements"], None, dtype=object)
        plain = (
            data.tolist()
            if isinstance(data, np.ndarray)
            else [self._decoded(json.loads(text)) for text in data]
        )
        for element, value in zip(elements.tolist(), plain, strict=True):
            cells[element] = value
        for run, encoded in tail.items():
            cells[(run - info["run_base"]) // per_element] = self._decoded(encoded)
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
