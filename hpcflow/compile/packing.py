"""From rows to items: how many items a job has, and which rows each of them gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hpcflow.compile.plan import LOCAL, SCHEDULE_MARGIN_S
from hpcflow.model.resources import AUTO_PACKED

if TYPE_CHECKING:
    from hpcflow.compile.plan import CompileOptions
    from hpcflow.model.resources import Resources
    from hpcflow.model.workflow import Indices

# More items than this are never made unasked: a job that reads all of a task's
# outputs opens one segment per item.
UNASKED_ITEMS = 2000
AUTO_ITEM_S = 3600  # how long an item may take where the template leaves its size to us


def count_items(
    num_rows: int,
    resources: Resources,
    scheduler: str,
    options: CompileOptions,
    runs_per_row: int = 1,
) -> int:
    """How many items a job's rows are packed into, at least one.

    `use_job_array: false` makes one item of all rows; `elements_per_job` says how
    many rows an item has. Else the local scheduler gets as many items as it can
    start at once, and a cluster one item per row (per `concurrency` rows, where
    that is set). An array never gets more items than its scheduler takes: beyond
    that rows are packed; or `rows_per_array` makes several arrays.
    runs_per_row: how many runs follow one another in a row.
    """
    slots = resources.concurrency or 1
    limit = options.array_limit(scheduler)
    asked = rows_per_item(resources, scheduler, options, runs_per_row)
    if resources.use_job_array is False:
        items = 1
    elif asked:
        items = _ceil(num_rows, asked)
    elif scheduler == LOCAL:
        items = max(1, options.local_cores // (resources.num_cores * slots))
    else:
        items = min(_ceil(num_rows, slots), UNASKED_ITEMS)
    return max(1, min(num_rows, items, limit))


def rows_per_item(
    resources: Resources, scheduler: str, options: CompileOptions, runs_per_row: int = 1
) -> int | None:
    """How many rows the template wants in an item; None where it leaves that open.

    With `elements_per_job: auto` as many as end within an hour, or within what the
    partition allows where that is less, if each run takes all of its `time_limit`.
    """
    if resources.elements_per_job != AUTO_PACKED:
        return resources.elements_per_job
    limit, slots = resources.time_limit_s, resources.concurrency or 1
    if limit is None:
        return None
    longest = options.max_walltime_s(scheduler, resources.partition)
    seconds = AUTO_ITEM_S if longest is None else min(AUTO_ITEM_S, longest)
    # An item of several runs asks for SCHEDULE_MARGIN_S more.
    turns = (seconds - SCHEDULE_MARGIN_S) // (limit * runs_per_row)
    return max(1, turns) * slots


def rows_per_array(
    num_rows: int,
    resources: Resources,
    scheduler: str,
    options: CompileOptions,
    runs_per_row: int = 1,
) -> int:
    """How many rows one array has, where what was asked for needs several; else all.

    Where a template bounds how many items run at a time (`max_array_items`) it stays one
    array, as arrays know nothing of each other.
    """
    asked = rows_per_item(resources, scheduler, options, runs_per_row)
    limit = options.array_limit(scheduler)
    if (
        not asked
        or scheduler == LOCAL
        or resources.use_job_array is False
        or resources.max_array_items is not None
    ):
        return num_rows
    items = _ceil(num_rows, asked)
    return num_rows if items <= limit else asked * _ceil(items, _ceil(items, limit))


def count_slots(num_rows: int, num_items: int, resources: Resources) -> int:
    """How many rows an item executes at a time: never more than it has."""
    return min(resources.concurrency or 1, _ceil(num_rows, num_items))


def item_bounds(num_rows: int, num_items: int) -> Indices:
    """The first row of each item, and the number of rows: (num_items + 1,)."""
    return np.arange(num_items + 1, dtype=np.int64) * num_rows // num_items


def item_of_rows(num_rows: int, num_items: int) -> Indices:
    """The item of each row of `rows.bin`: (num_rows,)."""
    sizes = np.diff(item_bounds(num_rows, num_items))
    return np.repeat(np.arange(num_items, dtype=np.int64), sizes)


def interleave(num_rows: int, num_items: int) -> Indices:
    """Which element, in the job's natural order, each row of `rows.bin` stands for.

    Elements are dealt to the items in turn, so that item 0 gets the elements 0, M,
    2M, ...: neighbours in a sweep tend to take equally long.
    """
    items = item_of_rows(num_rows, num_items)
    turn = np.arange(num_rows, dtype=np.int64) - item_bounds(num_rows, num_items)[items]
    order = np.empty(num_rows, dtype=np.int64)
    order[np.lexsort((items, turn))] = np.arange(num_rows)
    return order


def _ceil(number: int, size: int) -> int:
    return -(-number // size)
