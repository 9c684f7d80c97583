"""Tasks, elements and their values by attribute: `wk.tasks.NAME.elements[i].outputs.X`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from hpcflow.errors import NoSuchPartError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hpcflow.model.blocks import Block
    from hpcflow.results.table import Cells
    from hpcflow.results.whole import WholeResults


class Tasks:
    """A workflow's tasks, by attribute, name or index. A snapshot of one moment."""

    def __init__(self, reader: WholeResults) -> None:
        self._reader = reader

    def __getattr__(self, name: str) -> Task:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[name]
        except NoSuchPartError as error:
            raise AttributeError(str(error)) from None

    def __getitem__(self, key: str | int) -> Task:
        index = self._reader.task_index(key) if isinstance(key, str) else key
        return Task(self._reader, range(len(self))[index])

    def __len__(self) -> int:
        return len(self._reader.task_names)

    def __iter__(self) -> Iterator[Task]:
        return (self[index] for index in range(len(self)))

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._reader.task_names]

    def __repr__(self) -> str:
        return f"<tasks: {', '.join(self._reader.task_names)}>"


class Task:
    """One task of a workflow."""

    def __init__(self, reader: WholeResults, index: int) -> None:
        self._reader = reader
        self._index = index

    @property
    def name(self) -> str:
        """Its unique name."""
        return self._reader.task_names[self._index]

    @property
    def elements(self) -> Elements:
        """Its elements."""
        return Elements(self._reader, self._index)

    def __repr__(self) -> str:
        return f"<task {self.name!r}, {len(self.elements)} elements>"


class Elements(Sequence["Element"]):
    """The elements of a task."""

    def __init__(self, reader: WholeResults, task: int) -> None:
        self._reader = reader
        self._task = task

    def __len__(self) -> int:
        return self._reader.num_elements(self._task)

    @overload
    def __getitem__(self, index: int) -> Element: ...
    @overload
    def __getitem__(self, index: slice) -> list[Element]: ...
    def __getitem__(self, index: int | slice) -> Element | list[Element]:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        return Element(self._reader, self._task, range(len(self))[index])

    def __repr__(self) -> str:
        return f"<{len(self)} elements of {self._reader.task_names[self._task]!r}>"


class Element:
    """One element: its inputs and outputs."""

    def __init__(self, reader: WholeResults, task: int, index: int) -> None:
        self.index = index
        inputs, outputs = reader.names(task)
        self.inputs = Values(inputs, lambda name: reader.input(task, name), index)
        self.outputs = Values(outputs, lambda name: reader.output(task, name), index)
        self._reader = reader
        self._task = task

    @property
    def iterations(self) -> list[Iteration]:
        """Its iterations that were begun; of a task outside of loops there is one."""
        reader, task = self._reader, self._task
        return [
            Iteration(reader, task, block, self.index, i)
            for block in reader.whole(task).blocks_of(self.index)
            for i in reader.iterations.of_element(
                block.index, self.index - block.first_element
            )
        ]

    def __repr__(self) -> str:
        return f"<element {self.index}: {self.inputs}, {self.outputs}>"


class Iteration:
    """One iteration of an element.

    index: its number among all that the element may have. loops: the turn of each loop
    around the task, by the loop's name. inputs, outputs: as those of an element.
    """

    def __init__(
        self, reader: WholeResults, task: int, block: Block, element: int, number: int
    ) -> None:
        """Iteration `number` of those in a block."""
        inputs, outputs = reader.names(task)
        rows, entry = reader.iterations, block.index
        own = element - block.first_element
        row = own * block.iterations + number
        self.index = block.first_iteration + number
        self.loops = rows.turns(entry, number)
        self.inputs = Values(inputs, lambda name: [rows.input(entry, name, own, number)], 0)
        self.outputs = Values(outputs, lambda name: [rows.outputs(entry, name).get(row)], 0)

    def __repr__(self) -> str:
        return f"<iteration {self.index} {self.loops}: {self.inputs}, {self.outputs}>"


class Values:
    """Values by attribute or name; None where there is none (yet)."""

    def __init__(
        self, names: list[str], column: Callable[[str], Cells | list[Any]], row: int
    ) -> None:
        self._names = names
        self._column = column
        self._row = row

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise NoSuchPartError(
                f"no {name!r}; there is {', '.join(self._names) or 'nothing'}"
            )
        value = self._column(name)[self._row]
        return value.item() if isinstance(value, np.generic) else value

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[name]
        except NoSuchPartError as error:
            raise AttributeError(str(error)) from None

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._names]

    def __repr__(self) -> str:
        return ", ".join(f"{name}={self[name]!r}" for name in self._names)
