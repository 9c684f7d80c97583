"""Tasks in loops that have got more iterations: what was executed before a block's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hpcflow.model.workflow import Task, Workflow

Turns = tuple[tuple[int, range], ...]  # entries of the record, and iterations of them


def earlier_turns(workflow: Workflow, entry: int) -> Turns:
    """The blocks of the same elements with earlier iterations, the latest first."""
    block = workflow.tasks[entry]
    if not block.first_iteration:
        return ()
    found = [
        one
        for one in workflow.tasks
        if _whole(one) == _whole(block)
        and one.first_element == block.first_element
        and one.first_iteration < block.first_iteration
    ]
    found.sort(key=lambda one: one.first_iteration, reverse=True)
    return tuple((one.index, range(one.max_iterations)) for one in found)


def _whole(block: Task) -> int:
    return block.index if block.continues is None else block.continues
