"""Blocks of tasks that have grown: as one task, for the tasks behind them, and back.

What a template says refers to whole tasks. The columns of the record refer to blocks
(`hpcflow.model.blocks`). Pure arithmetic on index arrays.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hpcflow.model.workflow import FromSeveral, FromTask, ResourceColumn
from hpcflow.template.columns import join
from hpcflow.template.parts import join_parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpcflow.model.resources import Resources
    from hpcflow.model.workflow import ElementSet, Indices, InputColumn, Offers, Task


class Blocks:
    """The blocks of elements of each task, in order."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._blocks: dict[int, list[Task]] = {}
        self._of: dict[int, tuple[int, int]] = {}  # by block: its task, and first element
        self._last: dict[tuple[int, int], Task] = {}  # of these, that of the last turns
        for task in tasks:
            whole = task.index if task.continues is None else task.continues
            self._of[task.index] = place = (whole, task.first_element)
            if task.first_iteration >= self._iterations(place):
                self._last[place] = task
            if task.first_iteration == 0:
                self._blocks.setdefault(whole, []).append(task)

    def of(self, task: int) -> list[Task]:
        """The blocks of a task."""
        return self._blocks[task]

    def num_elements(self, task: int) -> int:
        """How many elements a task has in all."""
        return sum(block.num_elements for block in self._blocks[task])

    def num_iterations(self, task: int) -> int:
        """How many iterations an element of a task may have, in all."""
        return max(self._iterations((task, one.first_element)) for one in self.of(task))

    def _iterations(self, place: tuple[int, int]) -> int:
        last = self._last.get(place)
        return 0 if last is None else last.first_iteration + last.max_iterations

    def latest(self, block: Task) -> Task:
        """The block of the same elements that has their last iterations."""
        return self._last[self._of[block.index]]

    def whole(self, task: int) -> Task:
        """A task with the elements of all of its blocks: what later tasks may take."""
        return _joined(self._blocks[task])

    def as_made(self, task: int) -> Task:
        """A task with the elements that element sets of templates have made."""
        return _joined([one for one in self._blocks[task] if not one.propagated])

    def split(self, column: InputColumn) -> InputColumn:
        """A column that refers to whole tasks, as one that refers to their blocks."""
        if isinstance(column, FromSeveral):
            parts = tuple(self.split(part) for part in column.parts)
            return FromSeveral(parts, column.part, column.row, column.offsets)
        if not isinstance(column, FromTask) or column.task not in self._blocks:
            return column
        blocks = [self.latest(block) for block in self._blocks[column.task]]
        if len(blocks) < 2:
            return replace(column, task=blocks[0].index)
        firsts = np.array([block.first_element for block in blocks], dtype=np.int64)
        part = np.searchsorted(firsts, column.elements, side="right") - 1
        used, part = np.unique(part, return_inverse=True)
        rows = column.elements - firsts[used][part]
        if len(used) == 1:
            return FromTask(blocks[used[0]].index, column.output, rows, column.offsets)
        parts = tuple(
            FromTask(
                blocks[k].index,
                column.output,
                np.arange(blocks[k].num_elements, dtype=np.int64),
            )
            for k in used.tolist()
        )
        return FromSeveral(parts, part.astype(np.int64), rows, column.offsets)

    def joined(self, column: InputColumn) -> InputColumn:
        """A column that refers to blocks, as one that refers to their task."""
        if isinstance(column, FromTask):
            whole, first = self._of[column.task]
            return FromTask(whole, column.output, column.elements + first, column.offsets)
        if not isinstance(column, FromSeveral):
            return column
        parts = tuple(self.joined(part) for part in column.parts)
        if all(isinstance(part, FromTask) and part.offsets is None for part in parts):
            given = [part for part in parts if isinstance(part, FromTask)]
            if len({(part.task, part.output) for part in given}) == 1:
                elements = np.zeros(len(column.row), dtype=np.int64)
                for number, part in enumerate(given):
                    mine = column.part == number
                    elements[mine] = part.elements[column.row[mine]]
                return FromTask(given[0].task, given[0].output, elements, column.offsets)
        return FromSeveral(parts, column.part, column.row, column.offsets)


def _joined(blocks: Sequence[Task]) -> Task:
    """The elements of blocks as those of one task, whose ids mean nothing."""
    first = blocks[0]
    if len(blocks) == 1:
        return first
    sets: list[ElementSet] = []
    at = 0
    for block in blocks:
        sets += [replace(one, first=one.first + at) for one in block.element_sets]
        at += block.num_elements
    return replace(
        first,
        num_elements=at,
        inputs={
            name: join([block.inputs[name] for block in blocks]) for name in first.inputs
        },
        resources=tuple(
            _joined_resources([block.resources[k] for block in blocks])
            for k in range(len(first.resources))
        ),
        parts={
            name: join_parts([(b.num_elements, b.parts.get(name, ())) for b in blocks])
            for name in first.inputs
            if any(name in block.parts for block in blocks)
        },
        element_sets=tuple(sets),
        repeat=_joined_numbers([(block.num_elements, block.repeat) for block in blocks]),
        seeds=_joined_numbers([(block.num_elements, block.seeds) for block in blocks]),
        offers=_joined_offers(blocks),
    )


def _joined_resources(columns: Sequence[ResourceColumn]) -> ResourceColumn:
    table: dict[Resources, int] = {}
    parts = []
    for column in columns:
        places = [table.setdefault(one, len(table)) for one in column.table]
        parts.append(np.array(places, dtype=np.int32)[column.index])
    return ResourceColumn(tuple(table), np.concatenate(parts))


def _joined_numbers(blocks: Sequence[tuple[int, Indices | None]]) -> Indices | None:
    """Numbers by element, in the last dimension, with -1 where a block has none."""
    shape = next((n.shape[:-1] for _, n in blocks if n is not None), None)
    if shape is None:
        return None
    return np.concatenate(
        [
            np.full((*shape, count), -1, dtype=np.int64) if numbers is None else numbers
            for count, numbers in blocks
        ],
        axis=-1,
    )


def _joined_offers(blocks: Sequence[Task]) -> Offers:
    all_offers = [block.offers for block in blocks if block.offers is not None]
    first = all_offers[0]
    names = dict.fromkeys(name for one in all_offers for name in one.groups)
    groups: dict[str, Indices] = {}
    for name in names:
        groups[name] = np.concatenate(
            [
                one.groups.get(name, np.full(block.num_elements, -1, dtype=np.int64))
                for block, one in zip(blocks, all_offers, strict=True)
            ]
        )
    return replace(
        first,
        origins={
            name: tuple(kinds for one in all_offers for kinds in one.origins[name])
            for name in first.origins
        },
        groups=groups,
        chosen=None
        if any(one.chosen is None for one in all_offers)
        else tuple({name for one in all_offers for name in one.chosen or ()}),
        holders={
            name: tuple(
                sorted({t for one in all_offers for t in one.holders.get(name, ())})
            )
            for name in {name for one in all_offers for name in one.holders}
        },
    )
