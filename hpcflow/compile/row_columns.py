"""Columns of a job's rows, and how rows are written from them. Pure.

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

from jobstores import values

if TYPE_CHECKING:
    from hpcflow.model.workflow import Indices, ValueTable

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
class Together:
    """Cells that are lists with a cell of each of some columns."""

    columns: Sequence[Column]

    @property
    def format(self) -> str:
        """The list, with the columns' own formats."""
        return f"[{','.join(column.format for column in self.columns)}]"

    def cells(self, first: int, last: int) -> tuple[Cells, ...]:
        """The cells of all columns."""
        return tuple(part for c in self.columns for part in c.cells(first, last))


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Cells `[K, CELL]`: row R is the next cell of column K = which[R]."""

    columns: Sequence[Column]
    which: Indices
    format: str = "%s"

    def cells(self, first: int, last: int) -> tuple[Cells, ...]:
        """The cells of these rows, as JSON."""
        part = self.which[first:last]
        texts = np.empty(last - first, dtype=object)
        for number, column in enumerate(self.columns):
            mine = np.flatnonzero(part == number)
            if len(mine):
                start = int((self.which[:first] == number).sum())
                cells = column.cells(start, start + len(mine))
                row = f"[{number},{column.format}]"
                for place, cell in zip(
                    mine.tolist(), zip(*cells, strict=True), strict=True
                ):
                    texts[place] = row % cell
        return (texts.tolist(),)


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


def encode_rows(columns: Sequence[Column], num_rows: int) -> bytes:
    """The content of `rows.bin`."""
    sizes = np.zeros(num_rows + 1, dtype="<u8")
    sizes[0] = len(MAGIC) + 8 + 8 * (num_rows + 1)
    row = "[" + ",".join(column.format for column in columns) + "]\n"
    blocks = []
    for first in range(0, num_rows, BLOCK_ROWS):
        last = min(first + BLOCK_ROWS, num_rows)
        cells = [part for column in columns for part in column.cells(first, last)]
        texts = list(map(row.__mod__, zip(*cells, strict=True)))
        sizes[first + 1 : last + 1] = np.fromiter(map(len, texts), "<u8", last - first)
        blocks.append("".join(texts).encode("ascii"))
    offsets = np.cumsum(sizes, dtype="<u8").tobytes()
    head = MAGIC + num_rows.to_bytes(8, "little")
    return b"".join((head, offsets, *blocks))


def bounds_of(sizes: Indices) -> Indices:
    """Where each of some lists begins, and the last ends, when they follow one another."""
    return np.concatenate(([0], np.cumsum(sizes)))


def value_column(name: str, table: ValueTable, index: Indices) -> Column:
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
