"""One run of a workflow: its command and its output."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpcflow.errors import NoSuchPartError
from jobstores.errors import NotFoundError

if TYPE_CHECKING:
    from jobstores.view import View
    from jobstores.workflow_store import WorkflowStore


@dataclass(frozen=True, slots=True)
class RunLog:
    """A run's output: `text` is the bytes from `start` to `end` of the file."""

    path: str
    start: int
    end: int
    text: bytes


def command_text(store: WorkflowStore, task: str, action: int) -> str:
    """What an action executes: its commands, or the name of its script."""
    base = store.base()
    names = [t["name"] for t in base.info["tasks"]]
    model = json.loads(store.document(base, "model"))
    document = model["tasks"][names.index(task)]["schema"]["actions"][action]
    if document.get("script"):
        return f"script {document['script']['name']}"
    return "\n".join(c["command"] for c in document.get("commands", ()))


def read_log(store: WorkflowStore, task: str, element: int, action: int) -> RunLog:
    """The output of the run of one element's action.

    Raises:
        NoSuchPartError: no such task, element or action; or the run has no output yet.
    """
    view = store.view()
    run = _run_id(view.base.info["tasks"], task, element, action)
    place = _log_in_tail(view, run) or _log_in_base(store, view, run)
    if place is None:
        raise NoSuchPartError(
            f"{task}, element {element}: this run has not ended, so its output is not "
            "indexed yet; or it was never started"
        )
    key, start, end = place
    try:
        text = store.port.get(key, start, end) if end > start else b""
    except NotFoundError:
        text = b""
    return RunLog(store.port.path(key) or key, start, end, text)


def _run_id(tasks: list[dict[str, Any]], name: str, element: int, action: int) -> int:
    for task in tasks:
        if task["name"] != name:
            continue
        if not 0 <= element < task["elements"]:
            raise NoSuchPartError(f"{name} has elements 0 to {task['elements'] - 1}")
        if not 0 <= action < task["actions"]:
            raise NoSuchPartError(f"{name} has actions 0 to {task['actions'] - 1}")
        base: int = task["run_base"]
        per_element: int = task["actions"] * task["max_iterations"]
        return base + element * per_element + action
    raise NoSuchPartError(
        f"no task {name!r}; there is {', '.join(t['name'] for t in tasks)}"
    )


def _log_in_tail(view: View, run: int) -> tuple[str, int, int] | None:
    for item, decision in view.tail.items():
        record = decision.records.get(run) if decision is not None else None
        if decision is not None and record is not None and record.get("log"):
            slot, start, end = record["log"]
            attempt = decision.lower.get(run, decision.attempt)
            name = f"{item.item}.{attempt}.{slot}.log"
            return f"logs/{item.submission}/{item.job}/{name}", start, end
    return None


def _log_in_base(store: WorkflowStore, view: View, run: int) -> tuple[str, int, int] | None:
    import numpy as np

    if "runs" not in view.base.tables:
        return None

    def column(name: str) -> Any:
        return store.column(view.base, "runs", name)

    ids = column("id")
    row = int(np.searchsorted(ids, run))
    if row >= len(ids) or ids[row] != run or int(column("log_slot")[row]) < 0:
        return None
    names = ("submission", "job", "item", "attempt", "log_slot", "log_start", "log_end")
    submission, job, item, attempt, slot, start, end = (int(column(n)[row]) for n in names)
    return f"logs/{submission}/{job}/{item}.{attempt}.{slot}.log", start, end
