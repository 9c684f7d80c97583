"""How the sequences of an element set combine. Pure arithmetic on index arrays.

Paths without an order come first, zipped. The others follow by order: equal orders
are zipped; another order is crossed with all before it, and varies faster; a
non-integer order whose integer part is that of the order before it is zipped onto all
combinations so far. Repeats are never zipped with others of an equal order, nor with
paths without one: they are crossed and vary slower.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpcflow.model.workflow import Indices


@dataclass(frozen=True, slots=True)
class Axis:
    """Something that takes several values in turn. name: its path, for messages."""

    name: str
    length: int
    order: float | None = None
    repeat: bool = False


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Two things that must have the same length and don't; `axis` can be mended.

    combined: `other` is the number of combinations so far, not an axis.
    """

    axis: int
    other: int
    other_length: int
    combined: bool = False


@dataclass(frozen=True, slots=True)
class Nesting:
    """The number of combinations, and which value of each axis each of them has.

    Combination c has value `c // stride[axis] % length[axis]`.
    """

    count: int
    strides: tuple[int, ...]
    lengths: tuple[int, ...]

    def index(self, axis: int) -> Indices:
        """The value numbers of one axis, for all combinations."""
        numbers = np.arange(self.count, dtype=np.int64)
        if self.strides[axis] != 1:
            numbers //= self.strides[axis]
        if self.strides[axis] * self.lengths[axis] < self.count:
            numbers %= self.lengths[axis]
        return numbers


def _rank(axis: Axis) -> tuple[float, int]:
    """Where an axis comes among the others: by order, repeats before others."""
    if axis.order is None:
        return (0.0, 1)
    return (float(axis.order), 0 if axis.repeat else 2)


def nest(axes: Sequence[Axis]) -> Nesting | list[Mismatch]:
    """Combine axes; or tell all the lengths that don't agree."""
    mismatches: list[Mismatch] = []
    lengths = [axis.length for axis in axes]
    after = [1] * len(axes)  # the number of combinations once the axis is in
    total = 1
    previous: float | None = None
    for group in _groups(axes):
        first = group[0]
        mismatches += [
            Mismatch(other, first, lengths[first])
            for other in group[1:]
            if lengths[other] != lengths[first]
        ]
        order = axes[first].order
        if order is not None and _zips_onto_all(order, previous):
            if lengths[first] != total:
                mismatches.append(Mismatch(first, -1, total, combined=True))
        else:
            total *= lengths[first]
        previous = order if order is not None else previous
        for member in group:
            after[member] = total
    if mismatches:
        return mismatches
    return Nesting(total, tuple(total // at for at in after), tuple(lengths))


def _groups(axes: Sequence[Axis]) -> list[list[int]]:
    """The numbers of the axes, those that are zipped together, in order of nesting."""
    groups: list[list[int]] = []
    for number in sorted(range(len(axes)), key=lambda n: _rank(axes[n])):
        axis = axes[number]
        if groups and not axis.repeat and _rank(axes[groups[-1][0]]) == _rank(axis):
            groups[-1].append(number)
        else:
            groups.append([number])
    return groups


def _zips_onto_all(order: float, previous: float | None) -> bool:
    return (
        previous is not None
        and order != math.floor(order)
        and math.floor(order) == math.floor(previous)
    )
