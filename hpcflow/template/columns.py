"""Arithmetic on the input columns of tasks: choose, group and join elements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hpcflow.model.workflow import (
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
    rows, offsets = rows_of(column), column.offsets
    if offsets is None:
        return _with_rows(column, rows[elements], None)
    return _with_rows(column, *take_lists(rows, offsets, elements))


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
    """The column of lists of elements; of a column without lists."""
    assert column.offsets is None
    return _with_rows(column, rows_of(column)[members], offsets)


def rows_of(column: InputColumn) -> Indices:
    """The rows of the table, or the upstream elements, that a column points to."""
    return column.index if isinstance(column, FromValues) else column.elements


def _with_rows(column: InputColumn, rows: Indices, offsets: Indices | None) -> InputColumn:
    if isinstance(column, FromValues):
        return FromValues(column.table, rows, offsets)
    return FromTask(column.task, column.output, rows, offsets)


def joinable(columns: Sequence[InputColumn]) -> bool:
    """Whether columns can be put one after the other: all of one origin and form."""
    return len({_form(column) for column in columns}) <= 1


def _form(column: InputColumn) -> tuple[object, ...]:
    lists = column.offsets is not None
    if isinstance(column, FromTask):
        return (column.task, column.output, lists)
    return (lists,)


def join(columns: Sequence[InputColumn]) -> InputColumn:
    """Columns of several element sets as one."""
    first = columns[0]
    if len(columns) == 1:
        return first
    if isinstance(first, FromTask):
        rows = np.concatenate([rows_of(column) for column in columns])
        return FromTask(first.task, first.output, rows, _join_offsets(columns))
    values = [column for column in columns if isinstance(column, FromValues)]
    table, starts = join_tables([column.table for column in values])
    rows = np.concatenate(
        [column.index + start for column, start in zip(values, starts, strict=True)]
    )
    return FromValues(table, rows, _join_offsets(columns))


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
