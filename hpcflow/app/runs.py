"""One run of a workflow: its command and its output."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpcflow.errors import NoSuchPartError
from hpcflow.model.blocks import TaskIndex
from hpcflow.report.item_runs import item_runs
from hpcflow.submit.reconcile import job_views
from jobstores.errors import JobStoreError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpcflow.model.blocks import WholeTask
    from hpcflow.report.data import Failure
    from jobstores.view import View
    from jobstores.workflow_store import WorkflowStore


TAIL_BYTES = 65536


@dataclass(frozen=True, slots=True)
class RunLog:
    """A run's output: `text` is the bytes from `start` to `end` of the file."""

    path: str
    start: int
    end: int
    text: bytes


@dataclass(frozen=True, slots=True)
class FailureDetails:
    """What helps to understand a failure.

    inputs: what varies among the task's elements, else all. command: with the plain
    values among them put in. tail: the last lines written, None where no output is known.
    job_output: what the job item itself wrote, where that is not empty.
    """

    inputs: dict[str, Any]
    command: str
    tail: str | None
    job_output: str | None


def explain(
    store: WorkflowStore, root: str, failure: Failure, tail_lines: int
) -> FailureDetails:
    """What helps to understand a failure."""
    from hpcflow.results.whole import WholeResults

    reader = WholeResults(store)
    task = reader.task_index(failure.task)
    names = reader.names(task)[0]
    inputs = {name: reader.input(task, name)[failure.element] for name in names}
    varying = [name for name in names if reader.varies(task, name)]
    text = _command_text(store, failure.task, failure.action)
    item = f"logs/{failure.submission}/{failure.job}/{failure.item}.out"
    job_output = store.port.path(item) if _size(store, item) else None
    return FailureDetails(
        inputs={name: inputs[name] for name in varying or names},
        command=_PARAMETER.sub(lambda match: _plain(match, inputs), text),
        tail=_tail(store, root, failure, tail_lines),
        job_output=job_output,
    )


_PARAMETER = re.compile(r"<<parameter:(\w+)>>")
_PLAIN = re.compile(r"[\w.+:/-]{1,60}", re.ASCII)


def _plain(match: re.Match[str], inputs: Mapping[str, Any]) -> str:
    """A value that means itself in any shell text; else the form as it stands."""
    value = inputs.get(match[1])
    if getattr(value, "ndim", None) == 0:  # a NumPy number
        value = value.item()  # type: ignore[union-attr]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return match[0]
    return str(value) if _PLAIN.fullmatch(str(value)) else match[0]


def _size(store: WorkflowStore, key: str) -> int:
    found = store.port.stat(key)
    return found.size if found is not None else 0


def _tail(store: WorkflowStore, root: str, failure: Failure, lines: int) -> str | None:
    """The last lines of a run's output, which may be in an archive."""
    log = failure.log
    if log is None:
        return None
    key = log.path[len(root) + 1 :]
    try:
        data = store.port.get(key, max(log.start, log.end - TAIL_BYTES), log.end)
    except JobStoreError:
        return ""
    return "\n".join(data.decode(errors="replace").splitlines()[-lines:])


def _command_text(store: WorkflowStore, task: str, action: int) -> str:
    """What an action executes: its commands, or the name of its script."""
    base = store.base()
    whole = TaskIndex(base.info["tasks"]).find(task)
    assert whole is not None
    model = json.loads(store.document(base, "model"))
    document = model["tasks"][whole.index]["schema"]["actions"][action]
    if document.get("script"):
        return f"script {document['script']['name']}"
    return "\n".join(c["command"] for c in document.get("commands", ()))


def read_log(
    store: WorkflowStore,
    task: str,
    element: int,
    action: int,
    iteration: int | None = None,
) -> RunLog:
    """The output of the run of one element's action.

    iteration: of the loops around the task; None: the last one that left a record.

    Raises:
        NoSuchPartError: no such task, element or action; or the run has no output yet.
    """
    view = store.view()
    index = TaskIndex(view.base.info["tasks"])
    whole = _task(index, task)
    runs = _runs(whole, element, action)
    where = f"{task}, element {element}"
    if iteration is None:
        run = _last_run(store, view, runs)
    elif 0 <= iteration < len(runs):
        run = runs[iteration]
        where += f", iteration {iteration}"
    else:
        raise NoSuchPartError(f"{task} has at most the iterations 0 to {len(runs) - 1}")
    found = (
        _log_in_tail(view, run)
        or _log_in_base(store, view, run)
        or _log_of_running(store, view, run, where)
    )
    if found is None:
        last = _last_run(store, view, runs)
        block = index.block_of(run)
        first = block.run_id(element, block.first_iteration, action)
        raise NoSuchPartError(_why_not_started(store, view, run, first, last, where))
    key, start, end = found
    try:
        text = store.port.get(key, start, end) if end is None or end > start else b""
    except NotFoundError:
        text = b""
    return RunLog(store.port.path(key) or key, start, start + len(text), text)


def _task(index: TaskIndex, name: str) -> WholeTask:
    found = index.find(name)
    if found is None:
        raise NoSuchPartError(f"no task {name!r}; there is {', '.join(index.names)}")
    return found


def _runs(task: WholeTask, element: int, action: int) -> list[int]:
    """The runs of an action of an element, one for each iteration that it may have."""
    if not 0 <= element < task.elements:
        raise NoSuchPartError(f"{task.name} has elements 0 to {task.elements - 1}")
    if not 0 <= action < task.actions:
        raise NoSuchPartError(f"{task.name} has actions 0 to {task.actions - 1}")
    return [
        block.run_id(element, block.first_iteration + iteration, action)
        for block in task.blocks_of(element)
        for iteration in range(block.iterations)
    ]


def _last_run(store: WorkflowStore, view: View, runs: list[int]) -> int:
    """Of a run and its repetitions in later iterations, the last that left a record."""
    if len(runs) == 1:
        return runs[0]
    wanted, known = set(runs), {runs[0]}
    for decision in view.tail.values():
        if decision is not None:
            known |= wanted.intersection((*decision.records, *decision.running))
    if "runs" in view.base.tables:
        ids = store.column(view.base, "runs", "id")
        known |= wanted.intersection(int(r) for r in ids)
    return next(run for run in reversed(runs) if run in known)


def _log_of_running(
    store: WorkflowStore, view: View, run: int, where: str
) -> tuple[str, int, int | None] | None:
    """Where a run that has not ended writes to; None where no start of it is recorded.

    Raises:
        NoSuchPartError: it has no output, or which one is its own can't be told.
    """
    for item, decision in view.tail.items():
        if decision is None:
            continue
        record = decision.records.get(run)
        if record is not None:
            raise NoSuchPartError(_why_no_output(where, record))
        if run not in decision.running:
            continue
        folder = f"logs/{item.submission}/{item.job}"
        start = f"{item.item}.{decision.attempt}."
        names = [n for n in store.port.list(folder) if n.startswith(start)]
        if len(names) != 1:
            raise NoSuchPartError(
                f"{where} has not ended; until then its output is in one of "
                f"{store.port.path(folder) or folder}/{start}*.log"
            )
        ends = [r["log"][2] for r in decision.records.values() if r.get("log")]
        return f"{folder}/{names[0]}", max(ends, default=0), None
    return None


def _why_not_started(
    store: WorkflowStore, view: View, run: int, first: int, last: int, where: str
) -> str:
    """A run without any record; those of a killed item may have begun all the same.

    first, last: in loops, the same of the first iteration, and of the last one that left
    a record.
    """
    for job in job_views(store.port, view):
        # Where an item goes through a loop, its rows name the first iterations.
        wanted = first if max(job.record.get("turns", (1,))) > 1 else run
        for number in range(job.num_items if job.id is not None else 0):
            index = job.record["index"]
            if wanted not in item_runs(store.port, job.submission, index, number):
                continue
            if number in job.closed:
                return f"{where} was not executed" + (
                    f": its last iteration is {_iteration(view, last)}."
                    if last < run
                    else f": item {number} of job {index} has ended without it."
                )
            key = f"logs/{job.submission}/{index}"
            folder = store.port.path(key) or key
            return (
                f"{where}: no start is recorded. It belongs to item {number} of job "
                f"{index} ({job.record['scheduler']} {job.id}), which writes to "
                f"{folder}/{number}.out and {number}.*.log there."
            )
    return f"{where} is not submitted: it has written nothing."


def _iteration(view: View, run: int) -> int:
    """The iteration that a run belongs to."""
    return TaskIndex(view.base.info["tasks"]).locate(run).iteration


def _why_no_output(where: str, record: Mapping[str, Any]) -> str:
    words = {"skip": "was skipped", "defer": "was left for later"}
    said = words.get(record["t"], "kept no output")
    why = record.get("why")
    return f"{where} {said}{f': {why}' if why else ''}."


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
