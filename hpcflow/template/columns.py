"""Arithmetic on the input columns of tasks: choose, group and join elements."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from hpcflow.model.workflow import (
    FromSeveral,
    FromTask,
    FromValues,
    Indices,
    InputColumn,
    ValueTable,
    value_table,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


def take(column: InputColumn, elements: Indices) -> InputColumn:
    """The column of chosen elements, in their order."""
    if column.offsets is None:
        return _members(column, elements, None)
    places = np.arange(len(rows_of(column)), dtype=np.int64)
    places, offsets = take_lists(places, column.offsets, elements)
    return _members(column, places, offsets)


def take_lists(
    members: Indices, offsets: Indices, chosen: Indices
) -> tuple[Indices, Indices]:
    """The members and offsets of chosen lists, in their order."""
    lengths = np.diff(offsets)[chosen]
    ends = np.zeros(len(chosen) + 1, dtype=np.int64)
    np.cumsum(lengths, out=ends[1:])
    inside = np.arange(ends[-1], dtype=np.int64) - np.repeat(ends[:-1], lengths)
    return members[np.repeat(offsets[:-1][chosen], lengths) + inside], ends


def group(column: InputColumn, members: Indices, offsets: Indices) -> InputColumn:
    """The column of lists of elements; where those are lists, of lists of lists."""
    if column.offsets is None:
        return _members(column, members, offsets)
    return FromSeveral((column,), np.zeros_like(members), members, offsets)


def size(column: InputColumn) -> int:
    """How many elements a column is for."""
    if column.offsets is not None:
        return len(column.offsets) - 1
    return len(rows_of(column))


def rows_of(column: InputColumn) -> Indices:
    """The rows of the table, or the upstream elements, that a column points to."""
    if isinstance(column, FromValues):
        return column.index
    return column.elements if isinstance(column, FromTask) else column.row


def _members(column: InputColumn, places: Indices, offsets: Indices | None) -> InputColumn:
    """A column of what stands at these places of another, lists or not."""
    if isinstance(column, FromValues):
        return FromValues(column.table, column.index[places], offsets)
    if isinstance(column, FromTask):
        return FromTask(column.task, column.output, column.elements[places], offsets)
    return FromSeveral(column.parts, column.part[places], column.row[places], offsets)


def _form(column: InputColumn) -> tuple[object, ...]:
    """What columns must have in common to be one."""
    lists = column.offsets is not None
    if isinstance(column, FromTask):
        return (column.task, column.output, lists)
    if isinstance(column, FromSeveral):
        return (id(column),)
    return (lists,)


def join(columns: Sequence[InputColumn]) -> InputColumn:
    """Columns of several element sets as one."""
    first = columns[0]
    if len(columns) == 1:
        return first
    if len({_form(column) for column in columns}) > 1:
        return _join_different(columns)
    if isinstance(first, FromTask):
        rows = np.concatenate([rows_of(column) for column in columns])
        return FromTask(first.task, first.output, rows, _join_offsets(columns))
    values = [column for column in columns if isinstance(column, FromValues)]
    table, starts = join_tables([column.table for column in values])
    rows = np.concatenate(
        [column.index + start for column, start in zip(values, starts, strict=True)]
    )
    return FromValues(table, rows, _join_offsets(columns))


def _join_different(columns: Sequence[InputColumn]) -> InputColumn:
    """Columns of different origins as one; neighbours of one origin as one part."""
    parts: list[InputColumn] = []
    for _, alike in groupby(columns, key=_form):
        parts.append(join(list(alike)))
    sizes = [size(part) for part in parts]
    return FromSeveral(
        tuple(parts),
        np.repeat(np.arange(len(parts), dtype=np.int64), sizes),
        np.concatenate([np.arange(count, dtype=np.int64) for count in sizes]),
    )


def _join_offsets(columns: Sequence[InputColumn]) -> Indices | None:
    parts = [np.zeros(1, dtype=np.int64)]
    for column in columns:
        if column.offsets is None:
            return None
        parts.append(column.offsets[1:] + parts[-1][-1])
    return np.concatenate(parts)


def join_tables(tables: Sequence[ValueTable]) -> tuple[ValueTable, list[int]]:
    """Tables as one, and where each begins in it; equal ones stand there once."""
    distinct: list[ValueTable] = []
    places: list[int] = []
    for table in tables:
        place = next((n for n, known in enumerate(distinct) if known is table), -1)
        if place < 0:
            place = len(distinct)
            distinct.append(table)
        places.append(place)
    starts = np.cumsum([0, *(len(table) for table in distinct)])
    kinds = {table.kind for table in distinct}
    if len(kinds) == 1 and "json" not in kinds:
        joined = ValueTable(
            distinct[0].kind, np.concatenate([np.asarray(table.data) for table in distinct])
        )
    elif len(distinct) == 1:
        joined = distinct[0]
    else:
        joined = value_table(
            [value for table in distinct for value in _plain_values(table)]
        )
    return joined, [int(starts[place]) for place in places]


def _plain_values(table: ValueTable) -> list[object]:
    return table.data.tolist() if isinstance(table.data, np.ndarray) else table.data
