"""Values that an element set puts into its inputs: `q.a`, `q.items.0`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hpcflow.model.conditions import find
from hpcflow.model.workflow import FromValues, Indices, Part, ValueTable, value_table
from hpcflow.template.columns import join, take
from jobstores import values
from jobstores.value_parts import put

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpcflow.model.workflow import InputColumn, Task

Path = tuple[str | int, ...]


def part_path(text: str) -> Path:
    """The steps of a path such as "a.0": whole numbers as numbers."""
    return tuple(int(step) if step.isdecimal() else step for step in text.split("."))


def part_text(path: Path) -> str:
    """A path as templates have it."""
    return ".".join(map(str, path))


class PartMissingError(ValueError):
    """A value has nothing in a place; the message says which."""


def inside(column: InputColumn, path: Path) -> InputColumn | None:
    """The column of what values have in a place; None where runs make them.

    Raises:
        PartMissingError: one has nothing there.
    """
    if not path:
        return column
    if not isinstance(column, FromValues):
        return None
    used, index = np.unique(column.index, return_inverse=True)
    made = []
    for row in used.tolist():
        found, value = find(column.table[row], [*map(str, path)])
        if not found:
            shown = f"{column.table[row]!r:.60}"
            raise PartMissingError(f"there is no {part_text(path)!r} in the value {shown}")
        made.append(value)
    return FromValues(value_table(made), index.reshape(-1).astype(np.int64), column.offsets)


def take_parts(parts: Sequence[Part], elements: Indices) -> tuple[Part, ...]:
    """The parts of chosen elements, in their order."""
    found = []
    for part in parts:
        column = take(part.column, elements)
        assert isinstance(column, FromValues)
        found.append(Part(part.path, column))
    return tuple(found)


def left_parts(task: Task, name: str) -> tuple[Part, ...]:
    """The parts that runs put into an input: not those that are in its values already."""
    column = task.inputs.get(name)
    if isinstance(column, FromValues) and column.offsets is None:
        return ()
    return task.parts.get(name, ())


def stacked(inherited: Sequence[Part], own: Sequence[Part]) -> tuple[Part, ...]:
    """Own parts on top of those that a value came with; the outer ones first."""
    kept = [
        part
        for part in inherited
        if not any(part.path[: len(other.path)] == other.path for other in own)
    ]
    return tuple(sorted((*kept, *own), key=lambda part: len(part.path)))


def merged(base: InputColumn, parts: Sequence[Part], name: str) -> FromValues | None:
    """An input with its parts in place, where all is known; None where it is not.

    Only different combinations are made, one by one.

    Raises:
        PartError: a value has no such place.
    """
    columns = [part.column for part in parts]
    if not isinstance(base, FromValues) or base.offsets is not None:
        return None
    if any(column.offsets is not None for column in columns):
        return None
    rows = np.stack([base.index, *(column.index for column in columns)], axis=1)
    different, index = np.unique(rows, axis=0, return_inverse=True)
    made = []
    for row, *part_rows in different.tolist():
        value = values.encode(base.table[row], name)
        for part, place in zip(parts, part_rows, strict=True):
            value = put(value, part.path, values.encode(part.column.table[place], name))
        made.append(values.decode(value))
    return FromValues(value_table(made), index.reshape(-1).astype(np.int64))


def join_parts(sets: Sequence[tuple[int, Sequence[Part]]]) -> tuple[Part, ...]:
    """The parts of an input in several element sets, given with their sizes, as one."""
    paths = dict.fromkeys(part.path for _, parts in sets for part in parts)
    found = []
    for path in sorted(paths, key=len):
        columns = [_column_of(path, count, parts) for count, parts in sets]
        if any(column.offsets is not None for column in columns):
            columns = [_optional(column) for column in columns]
        joined = join(columns)
        assert isinstance(joined, FromValues)
        found.append(Part(path, joined))
    return tuple(found)


def _column_of(path: Path, count: int, parts: Sequence[Part]) -> FromValues:
    for part in parts:
        if part.path == path:
            return part.column
    nothing = np.zeros(0, dtype=np.int64)
    return FromValues(ValueTable("json", []), nothing, np.zeros(count + 1, dtype=np.int64))


def _optional(column: FromValues) -> FromValues:
    """A column as lists of one value or none."""
    if column.offsets is not None:
        return column
    return FromValues(
        column.table, column.index, np.arange(len(column.index) + 1, dtype=np.int64)
    )
