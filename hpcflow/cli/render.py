"""States as text for people: a line per task, then what failed and what to do."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

from hpcflow.report.data import Failure, JobStatus, Phase, TaskStatus, WorkflowStatus
from hpcflow.report.failures import log_tail
from jobstores.records import RunState

if TYPE_CHECKING:
    from collections.abc import Callable

SHOWN_FAILURES = 3
TAIL_LINES = 20
_ORDER = (
    RunState.SUCCEEDED,
    RunState.RUNNING,
    RunState.SUBMITTED,
    RunState.PENDING,
    RunState.FAILED,
    RunState.SKIPPED,
    RunState.DEFERRED,
    RunState.LOST,
    RunState.CANCELLED,
    RunState.ABORTED,
)
_PHASES = {
    Phase.MADE: "made, not submitted",
    Phase.ACTIVE: "active",
    Phase.DONE: "done: every run succeeded",
    Phase.ENDED: "ended: not every run succeeded",
    Phase.STOPPED: "partly submitted: `hpcflow submit` goes on",
}


def nearest_path(path: str) -> str:
    """A path as one would type it from here: relative where that is shorter."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(path) else path


def status_lines(status: WorkflowStatus) -> list[str]:
    """The head and a line for each task."""
    lines = [f"{status.name}: {_PHASES[status.phase]}   ({nearest_path(status.path)})"]
    width = max((len(task.name) for task in status.tasks), default=0)
    lines += [
        f"  {task.name:<{width}}  {_bar(task)}  {_counts(task)}" for task in status.tasks
    ]
    lines += [f"  {_job_note(job)}" for job in status.jobs if job.note]
    lines += [f"  warning: {warning}" for warning in status.warnings]
    return lines


def _job_note(job: JobStatus) -> str:
    where = f"{job.scheduler} {job.id or 'not submitted'}"
    return f"job {job.index} ({job.name}, {where}): {job.note}"


def _bar(task: TaskStatus, width: int = 20) -> str:
    over = sum(
        n
        for state, n in task.counts.items()
        if state not in (RunState.PENDING, RunState.SUBMITTED, RunState.RUNNING)
    )
    filled = width * over // task.runs if task.runs else width
    return f"[{'#' * filled}{'.' * (width - filled)}]"


def _counts(task: TaskStatus) -> str:
    shares = [
        f"{task.counts[state]} {state.name.lower()}"
        for state in _ORDER
        if task.counts.get(state)
    ]
    return f"{task.runs} runs: {', '.join(shares) or 'none'}"


def failure_lines(
    status: WorkflowStatus,
    command_of: Callable[[str, int], str],
    limit: int = SHOWN_FAILURES,
) -> list[str]:
    """What failed: grouped by reason, the first ones in full.

    `command_of` gives the command's text by task and action.
    """
    if not status.failures:
        return []
    lines = ["", f"{status.num_failures} runs did not succeed:"]
    for failure in status.failures[:limit]:
        lines += ["", *_one_failure(status, failure, command_of)]
    rest = status.failures[limit:]
    if rest:
        lines += ["", "others:"]
        reasons = Counter((f.task, f.why or f"exit status {f.exit}") for f in rest)
        lines += [f"  {n} x {task}: {why}" for (task, why), n in reasons.most_common(10)]
    return lines


def _one_failure(
    status: WorkflowStatus, failure: Failure, command_of: Callable[[str, int], str]
) -> list[str]:
    where = nearest_path(status.path)
    if failure.run < 0:
        return [f"  {failure.state.name.lower()}: {failure.why}"]
    exit_words = f", exit status {failure.exit}" if failure.exit is not None else ""
    state = failure.state.name.lower()
    lines = [
        f"  {failure.task}, element {failure.element}: {state}{exit_words}",
        f"    why:     {failure.why or 'the command failed'}",
        *_indented("command", command_of(failure.task, failure.action)),
    ]
    if failure.log is not None:
        tail = log_tail(failure.log, TAIL_LINES)
        lines += [f"    log:     {nearest_path(failure.log.path)}"]
        if tail:
            lines += [f"      | {line}" for line in tail.splitlines()]
        else:
            lines += ["      (it wrote nothing)"]
    lines += [f"    next:    hpcflow logs {where} {failure.task} {failure.element}"]
    return lines


def _indented(label: str, text: str) -> list[str]:
    first, *rest = text.strip().splitlines() or [""]
    return [f"    {label}: {first}", *(f"             {line}" for line in rest)]
