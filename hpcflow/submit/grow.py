"""Growing a workflow: tasks are added behind those it has, all or nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hpcflow.errors import StorageError
from hpcflow.persist.workflow_record import WorkflowReader, count_files, encode_growth
from hpcflow.template.growth import can_grow

if TYPE_CHECKING:
    from collections.abc import Callable

    from hpcflow.model.workflow import Workflow
    from jobstores.workflow_store import WorkflowStore

WAIT_S = 20.0  # for another command that changes the workflow


@dataclass(frozen=True, slots=True)
class GrowthReport:
    """What a workflow has grown by.

    tasks: the names of new ones. elements: of these, and those that tasks have got.
    runs: the most that all of these may have. grown: by the name of a task that there was,
    how many elements it has got. iterations: by the name of a loop, how many more turns
    an element may have.
    """

    tasks: tuple[str, ...]
    elements: int
    runs: int
    grown: dict[str, int] = field(default_factory=dict)
    iterations: dict[str, int] = field(default_factory=dict)


def grow_workflow(
    store: WorkflowStore,
    read: Callable[[Workflow], Workflow],
    *,
    wait_s: float = WAIT_S,
) -> GrowthReport:
    """Commit what `read` adds to the workflow as one generation of its store.

    read: given the workflow, gives it with new tasks. The lease is held meanwhile, so
        that what it reads is what it is added to.

    Raises:
        BusyError: another command has changed the workflow for so long.
        StorageError: it was made before what new tasks must know was kept.
    """
    with store.lease(wait_s=wait_s) as lease:
        base = store.base()
        reader = WorkflowReader(store, base)
        known = reader.workflow()
        if not can_grow(known):
            raise StorageError(
                f"{store.port.locator} was made by a version of hpcflow whose workflows "
                "could not grow; nothing was changed. Make it anew from its template."
            )
        grown = read(known)
        files = count_files(base.documents)
        record = encode_growth(grown, base.info, reader.model, files)
        store.commit(
            lease,
            base,
            info=record.info,
            documents=record.documents,
            tables=record.tables,
            ranges=record.ranges,
        )
    new = grown.tasks[len(known.tasks) :]
    got: Counter[str] = Counter()
    for task in new:
        if task.continues is not None and not task.first_iteration:
            got[task.name] += task.num_elements
    turns: dict[str, int] = {}
    for loop in grown.loops[len(known.loops) :]:
        if loop.first_turn:
            turns[loop.name] = loop.first_turn + loop.iterations
    return GrowthReport(
        tuple(task.name for task in new if task.continues is None),
        sum(task.num_elements for task in new if not task.first_iteration),
        sum(task.num_runs for task in new),
        dict(got),
        {name: turns[name] - _most_turns(known, name) for name in turns},
    )


def _most_turns(workflow: Workflow, name: str) -> int:
    loops = (one for one in workflow.loops if one.name == name)
    return max(one.first_turn + one.iterations for one in loops)
