"""A job's `rows.bin`: what differs between its rows, as columns. Pure.

Rows are put together a block at a time, by one formatting operation per row; only
distinct values, and groups, are turned into JSON one by one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from hpcflow.compile.packing import item_of_rows
from hpcflow.compile.sources import Made, action_sources, group_members, group_sizes
from jobstores import values

if TYPE_CHECKING:
    from hpcflow.compile.plan import JobPlan
    from hpcflow.model.workflow import FromValues, Indices, ValueTable, Workflow

MAGIC = b"HPCROWS1"
BLOCK_ROWS = 100_000

Cells = Sequence[Any]


class Column(Protocol):
    """A column of rows: how a cell is formatted, and what is put into the format."""

    @property
    def format(self) -> str:
        """A cell's JSON, with `%` conversions."""

    def cells(self, first: int, last: int) -> tuple[Cells, ...]:
        """For the rows from `first` to before `last`, a sequence per conversion."""


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """Cells made of numbers: one array per conversion, each with a number per row."""

    format: str
    arrays: tuple[Any, ...]

    def cells(self, first: int, last: int) -> tuple[Cells, ...]:
        """The numbers as Python's own."""
        return tuple(array[first:last].tolist() for array in self.arrays)


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """Cells that are few different JSON texts: `texts[index[row]]`."""

    texts: list[str]
    index: Indices
    format: str = "%s"

    def cells(self, first: int, last: int) -> tuple[Cells, ...]:
        """The texts of these rows."""
        return (list(map(self.texts.__getitem__, self.index[first:last].tolist())),)


@dataclass(frozen=True, slots=True, eq=False)
class Lists:
    """Cells that are lists; `bounds[row]` is the place of a row's first member."""

    members: Column
    bounds: Indices
    format: str = "%s"

    def cells(self, first: int, last: int) -> tuple[Cells, ...]:
        """The lists of these rows, as JSON."""
        bounds = self.bounds[first : last + 1]
        cells = self.members.cells(int(bounds[0]), int(bounds[-1]))
        texts = list(map(self.members.format.__mod__, zip(*cells, strict=True)))
        return (_joined(texts, bounds - bounds[0]),)


@dataclass(frozen=True, slots=True, eq=False)
class UpstreamGroups:
    """Cells that are lists of ranges of upstream runs.

    The arrays have an entry per member of a group: its place among the upstream
    jobs, its item and its run. A range is [U, ITEM, FIRST_RUN, STEP, COUNT].
    """

    upstream: Indices
    items: Indices
    runs: Indices
    bounds: Indices
    format: str = "%s"

    def cells(self, first: int, last: int) -> tuple[Cells, ...]:
        """The lists of these rows, as JSON."""
        bounds = self.bounds[first : last + 1]
        part = slice(int(bounds[0]), int(bounds[-1]))
        starts = _range_starts(
            self.upstream[part], self.items[part], self.runs[part], bounds - bounds[0]
        )
        runs = self.runs[part]
        counts = np.diff(starts, append=len(runs))
        steps = np.ones(len(starts), dtype=np.int64)
        several = counts > 1
        steps[several] = runs[starts[several] + 1] - runs[starts[several]]
        columns = (
            self.upstream[part][starts],
            self.items[part][starts],
            runs[starts],
            steps,
            counts,
        )
        cells = zip(*(column.tolist() for column in columns), strict=True)
        texts = list(map("[%d,%d,%d,%d,%d]".__mod__, cells))
        return (_joined(texts, np.searchsorted(starts, bounds - bounds[0])),)


def _joined(texts: list[str], bounds: Indices) -> list[str]:
    cuts = bounds.tolist()
    return [f"[{','.join(texts[start:stop])}]" for start, stop in pairwise(cuts)]


def _range_starts(
    upstream: Indices, items: Indices, runs: Indices, bounds: Indices
) -> Indices:
    """Where, in a list of members, a new range begins.

    A member goes on with its predecessor's range if it is of the same group and item
    and as far from it as that one was from its own predecessor.
    """
    joins = (np.diff(upstream) == 0) & (np.diff(items) == 0)
    distance = np.diff(runs)
    joins &= distance != 0
    inner = bounds[(bounds > 0) & (bounds < len(runs))]
    joins[inner - 1] = False
    changes = (distance[1:] != distance[:-1]) & joins[:-1]
    joins[1:] &= ~changes
    return np.flatnonzero(np.concatenate(([True], ~joins))[: len(runs)])


class RowBuilder:
    """Collects the columns that a job's steps need, and writes its rows."""

    def __init__(self, workflow: Workflow, plans: Sequence[JobPlan], plan: JobPlan) -> None:
        self._workflow = workflow
        self._plans = plans
        self._plan = plan
        self._steps = {(s.task, s.action): k for k, s in enumerate(plan.steps)}
        self._columns: list[Column] = []
        self._elements: list[tuple[Indices, int]] = []
        self._cells: list[tuple[tuple[int, int, bool], Indices, Indices, int]] = []
        self._places: dict[tuple[int, int], tuple[Indices, Indices]] = {}

    def element_column(self, task: int) -> int:
        """The column that holds the elements of a task."""
        elements = self._plan.rows[task]
        for known, column in self._elements:
            if np.array_equal(known, elements):
                return column
        column = self._add(Numbers("%d", (elements,)))
        self._elements.append((elements, column))
        return column

    def inputs(self, step: int) -> dict[str, dict[str, Any]]:
        """Where each input of a step is, as `job.json` says it."""
        task, action, _ = self._plan.steps[step]
        consumers = self._plan.rows[task]
        found: dict[str, dict[str, Any]] = {}
        for name, source in action_sources(self._workflow, task, action).items():
            if not isinstance(source, Made):
                found[name] = self._value(name, source, consumers)
            elif self._is_in_row(source, consumers):
                own = self._steps[source.task, source.action]
                found[name] = {"from": "step", "step": own, "output": source.output}
            else:
                column = self._upstream(source, consumers)
                found[name] = {
                    "from": "upstream",
                    "column": column,
                    "output": source.output,
                }
                if source.grouped:
                    found[name]["group"] = True
        return found

    def _is_in_row(self, source: Made, consumers: Indices) -> bool:
        """Whether the consumer's own row makes it, not another job's."""
        return (
            (source.task, source.action) in self._steps
            and not source.grouped
            and np.array_equal(source.elements(consumers), self._plan.rows[source.task])
        )

    def encode(self) -> bytes:
        """The content of `rows.bin`."""
        num_rows = self._plan.num_rows
        sizes = np.zeros(num_rows + 1, dtype="<u8")
        sizes[0] = len(MAGIC) + 8 + 8 * (num_rows + 1)
        row = "[" + ",".join(column.format for column in self._columns) + "]\n"
        blocks = []
        for first in range(0, num_rows, BLOCK_ROWS):
            last = min(first + BLOCK_ROWS, num_rows)
            cells = [part for column in self._columns for part in column.cells(first, last)]
            texts = list(map(row.__mod__, zip(*cells, strict=True)))
            sizes[first + 1 : last + 1] = np.fromiter(map(len, texts), "<u8", last - first)
            blocks.append("".join(texts).encode("ascii"))
        offsets = np.cumsum(sizes, dtype="<u8").tobytes()
        head = MAGIC + num_rows.to_bytes(8, "little")
        return b"".join((head, offsets, *blocks))

    def _add(self, column: Column) -> int:
        self._columns.append(column)
        return len(self._columns) - 1

    # -- values

    def _value(self, name: str, source: FromValues, elements: Indices) -> dict[str, Any]:
        if source.offsets is not None:
            places = group_members(source.offsets, elements)
            members = _values(name, source.table, source.index[places])
            sizes = group_sizes(source.offsets, elements)
            column = self._add(Lists(members, _bounds(sizes)))
            return {"from": "row", "column": column}
        index = source.index[elements]
        if (index == index[0]).all():
            value = values.encode(source.table[int(index[0])], name)
            return {"from": "constant", "value": value}
        return {"from": "row", "column": self._add(_values(name, source.table, index))}

    # -- upstream runs

    def _upstream(self, source: Made, consumers: Indices) -> int:
        elements = source.elements(consumers)
        sizes = source.consumers(np.arange(len(consumers)), consumers)
        key = (source.task, source.action, source.grouped)
        for known, same_elements, same_sizes, column in self._cells:
            if (
                known == key
                and np.array_equal(same_elements, elements)
                and np.array_equal(same_sizes, sizes)
            ):
                return column
        upstream, items = self._place(source.task, source.action)
        task = self._workflow.tasks[source.task]
        runs = task.run_base + elements * (task.max_iterations * task.num_actions)
        runs += source.action
        if source.grouped:
            bounds = np.searchsorted(sizes, np.arange(len(consumers) + 1))
            made: Column = UpstreamGroups(upstream[elements], items[elements], runs, bounds)
        else:
            made = Numbers("[%d,%d,%d]", (upstream[elements], items[elements], runs))
        column = self._add(made)
        self._cells.append((key, elements, sizes, column))
        return column

    def _place(self, task: int, action: int) -> tuple[Indices, Indices]:
        """By element: which upstream job executes an action, and in which item."""
        known = self._places.get((task, action))
        if known is not None:
            return known
        size = self._workflow.tasks[task].num_elements
        jobs, items = np.full(size, -1, np.int64), np.full(size, -1, np.int64)
        for number, dependency in enumerate(self._plan.dependencies):
            other = self._plans[dependency.job]
            if any((s.task, s.action) == (task, action) for s in other.steps):
                elements = other.rows[task]
                jobs[elements] = number
                items[elements] = item_of_rows(other.num_rows, other.num_items)
        self._places[task, action] = jobs, items
        return jobs, items


def _bounds(sizes: Indices) -> Indices:
    return np.concatenate(([0], np.cumsum(sizes)))


def _values(name: str, table: ValueTable, index: Indices) -> Column:
    """A column of a table's values, encoded."""
    data = table.data
    if isinstance(data, np.ndarray) and table.kind in ("int", "float"):
        numbers = data[index]
        if table.kind == "int":
            return Numbers("%d", (numbers,))
        if np.isfinite(numbers).all():
            return Numbers("%r", (numbers,))  # as JSON has it: Python's shortest repr
    used, places = np.unique(index, return_inverse=True)
    texts = [
        json.dumps(values.encode(table[row], name), allow_nan=False, separators=(",", ":"))
        for row in used.tolist()
    ]
    return Texts(texts, places)
