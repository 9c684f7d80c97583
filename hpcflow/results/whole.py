"""Results of whole tasks: those of all blocks that a task has grown by, as one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hpcflow.errors import NoSuchPartError
from hpcflow.model.blocks import TaskIndex
from hpcflow.model.workflow import FromValues
from hpcflow.results.iterations import IterationReader, producers
from hpcflow.results.table import Cells, ResultsReader, Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from hpcflow.model.blocks import Block, WholeTask
    from jobstores.workflow_store import WorkflowStore


class WholeResults:
    """Reads tables of one moment of a workflow. Tasks are numbered as users see them."""

    def __init__(self, store: WorkflowStore) -> None:
        view = store.view()
        self._reader = ResultsReader(store, view)
        self._index = TaskIndex(view.base.info["tasks"])
        self._iterations: IterationReader | None = None

    @property
    def task_names(self) -> list[str]:
        """Names of the workflow's tasks, in order."""
        return self._index.names

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

    def whole(self, task: int) -> WholeTask:
        """A task and its blocks."""
        return self._index.tasks[task]

    def num_elements(self, task: int) -> int:
        """How many elements a task has."""
        return self.whole(task).elements

    def names(self, task: int) -> tuple[list[str], list[str]]:
        """Names of a task's inputs and of its outputs."""
        return self._reader.names(self.whole(task).index)

    def input(self, task: int, name: str) -> Cells:
        """One input of a task, for each element, in its first iteration.

        What a task of the same loop makes is that of the last one.
        """
        last = any(
            self._index.block(producer).first_iteration == block.first_iteration
            for block in self.whole(task).blocks
            if block.first_iteration
            for producer in producers(self._reader.input_column(block.index, name))
        )
        return self._column(task, lambda entry: self._reader.input(entry, name), last=last)

    def output(self, task: int, name: str) -> Cells:
        """One output of each element's last iteration; None where it was not made."""
        return self._column(task, lambda entry: self._reader.output(entry, name), last=True)

    def _column(
        self, task: int, read: Callable[[int], Cells], *, last: bool = False
    ) -> Cells:
        whole = self.whole(task)
        if len(whole.blocks) == 1:
            return read(whole.index)
        first = sorted(
            (block for block in whole.blocks if block.first_iteration == 0),
            key=lambda block: block.first_element,
        )
        found = _concatenated([read(block.index) for block in first])
        later = [block for block in whole.blocks if block.first_iteration and last]
        if later:
            found = found.astype(object)
        for block in sorted(later, key=lambda block: block.first_iteration):
            cells = read(block.index).tolist()
            for element in self._begun(block):
                found[block.first_element + element] = cells[element]
        return found

    def _begun(self, block: Block) -> list[int]:
        """The elements of a block that have begun an iteration of it."""
        rows = self._reader.rows_with_records(block.index)
        found: list[int] = np.unique(rows // block.iterations).tolist()
        return found

    def made(self, task: int, name: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Whether each element of a task outside of loops has made an output."""
        found = np.zeros(self.num_elements(task), dtype=bool)
        for block in self.whole(task).blocks:
            rows = self._reader.outputs_by_row(block.index, name)
            found[[block.first_element + row for row in rows]] = True
        return found

    def is_given(self, task: int, name: str) -> bool:
        """Whether the template gives an input to all elements."""
        return all(
            isinstance(self._reader.input_column(block.index, name), FromValues)
            for block in self.whole(task).blocks
        )

    def varies(self, task: int, name: str) -> bool:
        """Whether the elements of a task differ in an input; what others made may."""
        whole = self.whole(task)
        return len(whole.blocks) > 1 or self._reader.varies(whole.index, name)

    def table(self, task: int) -> Table:
        """All columns of one task: a row for each element."""
        inputs, outputs = self.names(task)
        columns: dict[str, Cells] = {"element": np.arange(self.num_elements(task))}
        for name in inputs:
            columns[name] = self.input(task, name)
        for name in outputs:
            # An output of an input's name is the same parameter, made anew.
            columns[f"{name} (out)" if name in columns else name] = self.output(task, name)
        return Table(
            task=self.task_names[task],
            inputs=tuple(inputs),
            outputs=tuple(n for n in columns if n not in ("element", *inputs)),
            columns=columns,
        )

    @property
    def iterations(self) -> IterationReader:
        """What iterations took and made, by the entries of the record."""
        if self._iterations is None:
            self._iterations = IterationReader(self._reader)
        return self._iterations

    def iteration_table(self, task: int) -> Table:
        """A row for each iteration that was begun: element, turns of loops, values."""
        whole = self.whole(task)
        tables = [self.iterations.table(block.index) for block in whole.blocks]
        if len(tables) == 1:
            return tables[0]
        for block, table in zip(whole.blocks, tables, strict=True):
            table.columns["element"] = table.columns["element"] + block.first_element
        names = list(tables[0].columns)
        columns = {n: _concatenated([table.columns[n] for table in tables]) for n in names}
        order = np.argsort(columns["element"].astype(np.int64), kind="stable")
        return Table(
            task=whole.name,
            inputs=tables[0].inputs,
            outputs=tables[0].outputs,
            columns={name: cells[order] for name, cells in columns.items()},
        )


def _concatenated(parts: list[Cells]) -> Cells:
    """Columns one behind the other; of different kinds as plain values."""
    if len({part.dtype for part in parts}) == 1:
        return np.concatenate(parts)
    found = np.empty(sum(len(part) for part in parts), dtype=object)
    place = 0
    for part in parts:
        for value in part.tolist():
            found[place] = value
            place += 1
    return found
