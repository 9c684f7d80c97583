"""How columns of elements vary: axes of products, and whether two columns are the same.

Pure arithmetic on index arrays; nothing loops over elements.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hpcflow.model.workflow import FromSeveral, FromTask, FromValues
from hpcflow.template.columns import rows_of, take
from jobstores import values

if TYPE_CHECKING:
    from hpcflow.model.workflow import Indices, InputColumn


@dataclass(frozen=True, slots=True)
class Axis:
    """Where the elements of an upstream task are among those of an element set.

    Element e has upstream element `e // inner % length`.
    """

    outer: int
    length: int
    inner: int

    def numbers(self, length: int | None = None) -> Indices:
        """The upstream element of each element, if there were so many of them."""
        count = self.length if length is None else length
        one = np.repeat(np.arange(count, dtype=np.int64), self.inner)
        return np.tile(one, self.outer)

    def first(self, length: int | None = None) -> Indices:
        """For each element, the one that is like it with the first upstream element."""
        count = self.length if length is None else length
        inside = np.tile(np.arange(self.inner, dtype=np.int64), count)
        starts = np.arange(self.outer, dtype=np.int64) * (self.length * self.inner)
        return (starts[:, None] + inside[None, :]).reshape(-1)


def axis_of(elements: Indices) -> Axis | None:
    """The axis that the upstream elements of a set's elements make; None for none.

    They are all from 0 on, and vary as in a product.
    """
    if len(elements) == 0:
        return None
    length = int(elements.max()) + 1
    changes = np.flatnonzero(np.diff(elements))
    inner = int(changes[0]) + 1 if len(changes) else len(elements)
    outer = len(elements) // (inner * length)
    found = Axis(outer, length, inner)
    numbers = found.numbers()
    return found if np.array_equal(numbers, elements) else None


def from_tasks(column: InputColumn) -> list[FromTask]:
    """The parts of a column that tasks make."""
    if isinstance(column, FromTask):
        return [column]
    parts = () if isinstance(column, FromValues) else column.parts
    return [one for part in parts for one in from_tasks(part)]


def plain(column: InputColumn) -> InputColumn:
    """A column without origins that none of its elements has."""
    if isinstance(column, FromSeveral) and column.offsets is None and len(column.part):
        number = int(column.part[0])
        if (column.part == number).all():
            return plain(take(column.parts[number], column.row))
    return column


def identical(one: InputColumn, other: InputColumn) -> bool:
    """Whether two columns taken of one are the same, row by row."""
    if one.offsets is None or other.offsets is None:
        if one.offsets is not other.offsets:
            return False
    elif not np.array_equal(one.offsets, other.offsets):
        return False
    return np.array_equal(rows_of(one), rows_of(other)) and (
        isinstance(one, FromValues | FromTask) or np.array_equal(one.part, other.part)  # type: ignore[union-attr]
    )


def equal(one: InputColumn, other: InputColumn) -> bool:
    """Whether two columns give the same values, as far as these are known."""
    if isinstance(one, FromTask) and isinstance(other, FromTask):
        same = (one.task, one.output) == (other.task, other.output)
        return same and identical(one, other)
    if not isinstance(one, FromValues) or not isinstance(other, FromValues):
        return False
    if one.offsets is not None or other.offsets is not None:
        return False
    if len(one.index) != len(other.index):
        return False
    data, theirs = one.table.data, other.table.data
    if isinstance(data, np.ndarray) and isinstance(theirs, np.ndarray):
        same_kind = one.table.kind == other.table.kind
        return same_kind and np.array_equal(data[one.index], theirs[other.index])
    pairs = np.unique(np.stack([one.index, other.index], axis=1), axis=0)
    return all(
        values.encode(one.table[a]) == values.encode(other.table[b])
        for a, b in pairs.tolist()
    )
