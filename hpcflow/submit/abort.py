"""Aborting runs: the user's wish is an object of the store, which their item looks for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hpcflow.errors import NoSuchPartError
from hpcflow.model.blocks import TaskIndex

if TYPE_CHECKING:
    from typing import Any

    from hpcflow.model.blocks import WholeTask
    from jobstores.workflow_store import WorkflowStore


def abort_runs(
    store: WorkflowStore, task: str, elements: tuple[int, ...], action: int | None
) -> list[int]:
    """Ask for the end of a task's running abortable runs; returns the ids of these runs.

    elements: of these alone, or of all where there are none; action: of this one alone.

    Raises:
        NoSuchPartError: there is no such task, element or abortable action, or none of
            these runs is known to be running.
    """
    view = store.view()
    index = TaskIndex(view.base.info["tasks"])
    whole = index.find(task)
    if whole is None:
        raise NoSuchPartError(f"no task {task!r}; there is {', '.join(index.names)}")
    wrong = [e for e in elements if not 0 <= e < whole.elements]
    if wrong:
        raise NoSuchPartError(f"{task} has elements 0 to {whole.elements - 1}")
    model = json.loads(store.document(view.base, "model"))
    abortable = _abortable(model["tasks"][whole.index]["schema"]["actions"], task, action)
    running = sorted(
        run
        for decision in view.tail.values()
        if decision is not None
        for run in decision.running
        if _is_meant(run, index, whole, elements, abortable)
    )
    if not running:
        which = f" of the elements {', '.join(map(str, elements))}" if elements else ""
        raise NoSuchPartError(
            f"no abortable run of {task}{which} is running (one is known to be when it "
            "has lasted a second); nothing was asked for."
        )
    for run in running:
        store.port.put(f"aborts/{run}", b"")
    return running


def _abortable(actions: list[dict[str, Any]], task: str, action: int | None) -> set[int]:
    """The indices of the actions that are meant and may be aborted."""
    found = {k for k, document in enumerate(actions) if document.get("abortable")}
    if not found:
        raise NoSuchPartError(f"no action of {task} is `abortable`")
    if action is not None and action not in found:
        named = ", ".join(map(str, sorted(found)))
        raise NoSuchPartError(f"action {action} of {task} is not `abortable`; {named} is")
    return found if action is None else {action}


def _is_meant(
    run: int,
    index: TaskIndex,
    whole: WholeTask,
    elements: tuple[int, ...],
    actions: set[int],
) -> bool:
    found = index.locate(run)
    return (
        index.tasks[found.task] is whole
        and found.action in actions
        and (not elements or found.element in elements)
    )
