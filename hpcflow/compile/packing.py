"""From rows to items: how many items a job has, and which rows each of them gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hpcflow.compile.plan import LOCAL

if TYPE_CHECKING:
    from hpcflow.compile.plan import CompileOptions
    from hpcflow.model.resources import Resources
    from hpcflow.model.workflow import Indices

# More items than this are never made unasked: a job that reads all of a task's
# outputs opens one segment per item.
UNASKED_ITEMS = 2000


def count_items(
    num_rows: int, resources: Resources, scheduler: str, options: CompileOptions
) -> int:
    """How many items a job's rows are packed into, at least one.

    `use_job_array: false` makes one item of all rows; `elements_per_job` says how
    many rows an item has. Else the local scheduler gets as many items as it can
    start at once, and a cluster one item per row (per `concurrency` rows, where
    that is set). An array never gets more items than its scheduler takes: beyond
    that rows are packed.
    """
    slots = resources.concurrency or 1
    limit = options.array_limit(scheduler)
    if resources.use_job_array is False:
        items = 1
    elif resources.elements_per_job:
        items = _ceil(num_rows, resources.elements_per_job)
    elif scheduler == LOCAL:
        items = max(1, options.local_cores // (resources.num_cores * slots))
    else:
        items = min(_ceil(num_rows, slots), UNASKED_ITEMS)
    return max(1, min(num_rows, items, limit))


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
