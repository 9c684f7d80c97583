"""Loops that inputs or resources end: where what their conditions look at is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hpcflow.compile.sources import Made, group_sizes, leaves, rule_source
from hpcflow.model.workflow import FromTask, FromValues, value_table
from jobstores import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hpcflow.compile.sources import Source
    from hpcflow.model.loops import Termination
    from hpcflow.model.workflow import Indices, Workflow


def rule_of(ends: Termination) -> dict[str, Any]:
    """A termination as a rule: it holds where the loop ends."""
    path = ".".join((ends.root, ends.output, *map(str, ends.path)))
    return {"path": path, "condition": values.encode(dict(ends.condition))}


def looked_at(workflow: Workflow, ends: Termination, iteration: int = 0) -> Source | None:
    """Where what a termination looks at is, by element of its task; None: nowhere.

    iteration: of the task, in the loops around it.
    """
    if ends.root == "inputs":
        return rule_source(workflow, ends.task, 0, rule_of(ends), iteration)
    column = workflow.tasks[ends.task].resources[0]
    table = value_table([getattr(resources, ends.output) for resources in column.table])
    return FromValues(table, column.index.astype(np.int64))


def taken_by(source: Source | None, elements: Indices) -> Iterator[Made]:
    """What runs make of a source, for some of its elements: the first is that of 0."""
    for made in leaves(source) if source is not None else ():
        offsets = None
        if made.column is not None and made.column.offsets is not None:
            sizes = group_sizes(made.column.offsets, elements)
            offsets = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
        column = FromTask(made.task, made.output, made.elements(elements), offsets)
        yield Made(made.task, made.action, made.output, column, made.iterations)
