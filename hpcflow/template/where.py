"""Which elements of a task fulfil rules, as far as that is known without running."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hpcflow.model.conditions import RuleTest, find, split_path
from hpcflow.model.workflow import FromSeveral, FromValues
from hpcflow.template.parts import left_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hpcflow.model.workflow import Indices, InputColumn, Task

Mask = NDArray[np.bool_]


def fulfilling(
    rules: Sequence[Mapping[str, Any]],
    inputs: Mapping[str, InputColumn],
    unsettled: Sequence[str],
    count: int,
) -> Mask | str:
    """Which of `count` elements fulfil all rules; or what is only known in runs.

    inputs: of the elements. unsettled: those of which runs make parts.
    """
    found = np.ones(count, dtype=bool)
    for rule in rules:
        test = RuleTest(rule)
        root, name, path = split_path(test.path)
        column = inputs.get(name) if root == "inputs" else None
        if column is None or name in unsettled:
            return test.path
        mask = _mask(column, test, path, count)
        if mask is None:
            return test.path
        found &= mask
    return found


def of_task(rules: Sequence[Mapping[str, Any]], task: Task) -> Mask | str:
    """Which elements of a task fulfil all rules; or what is only known in runs."""
    unsettled = tuple(name for name in task.parts if left_parts(task, name))
    return fulfilling(rules, task.inputs, unsettled, task.num_elements)


def can_decide(rules: Sequence[Mapping[str, Any]], task: Task) -> bool:
    """Whether runs can decide rules for a task's elements: inputs are whole there."""
    paths = [split_path(RuleTest(rule).path) for rule in rules]
    return not any(root == "inputs" and left_parts(task, name) for root, name, _ in paths)


def of_columns(
    rules: Sequence[Mapping[str, Any]],
    values: Callable[[str, str], FromValues],
    count: int,
) -> Mask:
    """Which of `count` elements, all of whose values are known, fulfil all rules.

    values: gives the column of what rules look at: "inputs" or "outputs", and a name.
    """
    found = np.ones(count, dtype=bool)
    for rule in rules:
        test = RuleTest(rule)
        root, name, path = split_path(test.path)
        mask = _mask(values(root, name), test, path, count)
        assert mask is not None
        found &= mask
    return found


def _mask(column: InputColumn, test: RuleTest, path: list[str], count: int) -> Mask | None:
    if isinstance(column, FromSeveral) and column.offsets is None:
        found = np.zeros(count, dtype=bool)
        for number, part in enumerate(column.parts):
            mine = column.part == number
            size = int(column.row[mine].max()) + 1 if mine.any() else 0
            inner = _mask(part, test, path, size)
            if inner is None:
                return None
            found[mine] = inner[column.row[mine]]
        return found
    if not isinstance(column, FromValues):
        return None
    if column.offsets is not None:
        lists = [
            [column.table[int(row)] for row in column.index[first:stop]]
            for first, stop in zip(column.offsets, column.offsets[1:], strict=False)
        ]
        return np.array([test.holds(*find(one, path)) for one in lists], dtype=bool)[:count]
    used, places = np.unique(column.index[:count], return_inverse=True)
    holds = [test.holds(*find(column.table[int(row)], path)) for row in used]
    return np.array(holds, dtype=bool)[places.reshape(-1)]


def distinct(column: InputColumn) -> Indices | None:
    """A number for each element, equal where its values are; None where runs make them.

    The numbers follow the order in which the values first occur.
    """
    if not isinstance(column, FromValues) or column.offsets is not None:
        return None
    numbers: dict[str, int] = {}
    count = len(column.index)
    used, places = np.unique(column.index, return_inverse=True)
    first = np.full(len(used), count, dtype=np.int64)
    np.minimum.at(first, places.reshape(-1), np.arange(count))
    of_row = np.zeros(len(used), dtype=np.int64)
    for place in np.argsort(first, kind="stable").tolist():
        key = _key(column.table[int(used[place])])
        of_row[place] = numbers.setdefault(key, len(numbers))
    return of_row[places.reshape(-1)]


def _key(value: Any) -> str:
    """A text that equal values share: 1 and 1.0 are equal, 1 and True are not."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"{type(value).__name__} {value!r}"
