"""Results of all iterations of tasks in loops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hpcflow.model.loops import feeding_loop, loops_around, source_iterations, turns_of
from hpcflow.model.workflow import FromSeveral, FromTask, FromValues
from hpcflow.results.table import Cells, ResultsReader, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hpcflow.model.workflow import InputColumn

Rows = NDArray[np.int64]


class IterationReader:
    """Reads what iterations took and made.

    A row of a task is element * (the most iterations it may have) + iteration.
    """

    def __init__(self, results: ResultsReader) -> None:
        self._results = results
        self._loops = results.loops()
        self._rows: dict[int, Rows] = {}
        self._outputs: dict[tuple[int, str], dict[int, Any]] = {}
        self._first: dict[tuple[int, str], Cells] = {}

    def rows(self, task: int) -> Rows:
        """The iterations that were begun, rising."""
        if task not in self._rows:
            self._rows[task] = self._results.rows_with_records(task)
        return self._rows[task]

    def of_element(self, task: int, element: int) -> list[int]:
        """The iterations of one element that were begun, rising."""
        most = self._results.iteration_count(task)
        rows = self.rows(task)
        first, last = np.searchsorted(rows, [element * most, (element + 1) * most])
        found: list[int] = (rows[first:last] - element * most).tolist()
        return found

    def outputs(self, task: int, name: str) -> dict[int, Any]:
        """An output, by row."""
        if (task, name) not in self._outputs:
            self._outputs[task, name] = self._results.outputs_by_row(task, name)
        return self._outputs[task, name]

    def turns(self, task: int, iteration: int) -> dict[str, int]:
        """The turn of each loop around a task, by the loop's name, outermost first."""
        return turns_of(self._loops, task, iteration)

    def input(self, task: int, name: str, element: int, iteration: int) -> Any:
        """An input of one iteration of an element; None where it was not made."""
        loop = feeding_loop(self._loops, task, name, iteration)
        feedback = () if loop is None else self._loops[loop].feedback
        one = next((f for f in feedback if (f.task, f.input) == (task, name)), None)
        if one is None or (one.offsets is None and one.elements[element] < 0):
            column = self._results.input_column(task, name)
            if any(self._beside(task, producer) for producer in producers(column)):
                value = self._given(column, element, task, iteration)
                return self._results.with_parts(task, name, element, value)
            return self._first_input(task, name)[element]
        column = FromTask(one.producer, one.output, one.elements, one.offsets)
        value = self._given(column, element, task, iteration, loop)
        return self._results.with_parts(task, name, element, value)

    def _beside(self, task: int, other: int) -> bool:
        """Whether two tasks share a loop."""
        return any(loop.holds(task) and loop.holds(other) for loop in self._loops)

    def _given(
        self,
        column: InputColumn,
        element: int,
        task: int,
        iteration: int,
        loop: int | None = None,
    ) -> Any:
        """What a column gives an iteration of an element; a list where it is of groups."""
        if column.offsets is None:
            return self._one(column, element, task, iteration, loop)
        first, last = column.offsets[element : element + 2].tolist()
        return [self._one(column, row, task, iteration, loop) for row in range(first, last)]

    def _one(
        self, column: InputColumn, row: int, task: int, iteration: int, loop: int | None
    ) -> Any:
        if isinstance(column, FromValues):
            return column.table[int(column.index[row])]
        if isinstance(column, FromTask):
            source = source_iterations(self._loops, task, iteration, column.task, loop)
            return self._made(column.task, column.output, int(column.elements[row]), source)
        part = column.parts[int(column.part[row])]
        return self._given(part, int(column.row[row]), task, iteration, loop)

    def _made(self, task: int, output: str, element: int, source: range) -> Any:
        begun = [i for i in self.of_element(task, element) if i in source]
        if not begun:
            return None
        row = element * self._results.iteration_count(task) + begun[-1]
        return self.outputs(task, output).get(row)

    def _first_input(self, task: int, name: str) -> Cells:
        if (task, name) not in self._first:
            self._first[task, name] = self._results.input(task, name)
        return self._first[task, name]

    def table(self, task: int) -> Table:
        """A row per iteration that was begun: element, turns of the loops, values."""
        most = self._results.iteration_count(task)
        rows = self.rows(task)
        inputs, outputs = self._results.names(task)
        elements, iterations = np.divmod(rows, most)
        columns: dict[str, Cells] = {"element": elements}
        turns = [self.turns(task, i) for i in iterations.tolist()]
        around = {}
        for index in loops_around(self._loops, task):
            name = self._loops[index].name
            title = f"{name} (loop)" if name in (*inputs, *outputs, "element") else name
            around[title] = np.array([turn[name] for turn in turns], dtype=np.int64)
        columns.update(around)
        places = list(zip(elements.tolist(), iterations.tolist(), strict=True))
        for name in inputs:
            columns[name] = _cells([self.input(task, name, *place) for place in places])
        for name in outputs:
            made = self.outputs(task, name)
            title = f"{name} (out)" if name in columns else name
            columns[title] = _cells([made.get(row) for row in rows.tolist()])
        known = {"element", *around, *inputs}
        return Table(
            task=self._results.task_names[task],
            inputs=tuple(inputs),
            outputs=tuple(name for name in columns if name not in known),
            columns=columns,
        )


def producers(column: InputColumn) -> Iterator[int]:
    """The tasks whose outputs a column takes."""
    if isinstance(column, FromTask):
        yield column.task
    elif isinstance(column, FromSeveral):
        for part in column.parts:
            yield from producers(part)


def _cells(values: list[Any]) -> Cells:
    cells = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):
        cells[place] = value.item() if isinstance(value, np.generic) else value
    return cells
