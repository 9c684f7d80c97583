"""States as text for people: a line per task, then what failed and what to do."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from typing import TYPE_CHECKING, Any

from hpcflow.cli.words import count, nearest_path, ranges, typed_path
from hpcflow.report.data import Failure, JobStatus, Phase, TaskStatus, WorkflowStatus
from jobstores.records import RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hpcflow.app.runs import FailureDetails

SHOWN_FAILURES = 3
SHOWN_JOBS = 8
SHOWN_INPUTS = 8
VALUE_WIDTH = 60
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
    Phase.STOPPED: "partly submitted",
}
_ITEM_WORDS = {"closed": "ended", "absent": "unknown to the scheduler"}

# What to do about it, by the cause of an item's end.
_MENDS = {
    "time_limit": "give its runs a longer `time_limit`, or its items fewer of them "
    "(`elements_per_job`), and make the workflow again",
    "out_of_memory": "ask for more `memory` (of a run; an item gets it times its "
    "`concurrency`), and make the workflow again",
    "node_failure": "nothing is wrong with it; make the workflow again, or tell your "
    "site if it happens often",
    "preempted": "other jobs took its place; those of another `qos` may keep theirs",
    "cancelled": "somebody cancelled its job; make the workflow again if it was not meant",
}


def value_text(value: Any, width: int) -> str:
    """A value on one line, cut to a width."""
    if value is None:
        return "-"
    if hasattr(value, "tolist"):  # NumPy's
        value = value.tolist()
    if isinstance(value, float):
        text = f"{value:.10g}"
    elif isinstance(value, list | dict):
        text = json.dumps(value, default=plain, ensure_ascii=False)
    else:
        text = str(value)
    text = "".join(c if c.isprintable() else _escaped(c) for c in text)
    return text if len(text) <= width else text[: width - 3] + "..."


def plain(value: Any) -> Any:
    """What JSON has no word for: arrays as lists, anything else as its text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def phase_words(status: WorkflowStatus) -> str:
    """Where the whole is, in words."""
    if status.phase is Phase.DONE and any(
        RunState.SKIPPED in task.counts for task in status.tasks
    ):
        return "done: every run succeeded or was skipped"
    return _PHASES[status.phase]


def status_lines(status: WorkflowStatus, *, bar: int = 20) -> list[str]:
    """The head, a line for each task, and jobs while there are active ones."""
    lines = [f"{status.name}: {phase_words(status)}   ({nearest_path(status.path)})"]
    width = max((len(task.name) for task in status.tasks), default=0)
    lines += [
        f"  {task.name:<{width}}  {_bar(task, bar)}  {_counts(task)}"
        for task in status.tasks
    ]
    if status.phase is Phase.ACTIVE:
        lines += _job_lines([job for job in status.jobs if job.is_active])
    lines += [f"  {_job_note(job)}" for job in status.jobs if job.note]
    lines += [f"  warning: {warning}" for warning in status.warnings]
    lines += [f"  note: {note}" for note in status.notes]
    if status.left:
        lines.append(
            f"  {count(status.left, 'job item')} wait for room in the queue: "
            f"`hpcflow wait {typed_path(status.path)}` submits them as it empties"
        )
    elif status.phase in (Phase.MADE, Phase.STOPPED):
        verb = "goes on" if status.phase is Phase.STOPPED else "hands its jobs over"
        lines += [f"  `hpcflow submit {typed_path(status.path)}` {verb}"]
    return lines


def _job_lines(jobs: list[JobStatus]) -> list[str]:
    lines = [f"  {job_line(job)}" for job in jobs[:SHOWN_JOBS]]
    if len(jobs) > SHOWN_JOBS:
        lines.append(f"  and {count(len(jobs) - SHOWN_JOBS, 'more job')}")
    return lines


def job_line(job: JobStatus) -> str:
    """A job, and where its items are."""
    items: Counter[str] = Counter()
    for phase, number in job.items.items():
        items[_ITEM_WORDS.get(phase, phase)] += number
    shares = ", ".join(f"{number} {phase}" for phase, number in items.items())
    return f"job {job.index}: {_job_id(job)}, {count(job.num_items, 'item')}: {shares}"


def _job_id(job: JobStatus) -> str:
    return f"{job.scheduler} {job.id or '(not submitted)'}"


def _job_note(job: JobStatus) -> str:
    return f"job {job.index} ({job.name}, {_job_id(job)}): {job.note}"


def _bar(task: TaskStatus, width: int) -> str:
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
    return f"{count(task.runs, 'run')}: {', '.join(shares) or 'none'}"


def failure_lines(
    status: WorkflowStatus,
    explain: Callable[[Failure], FailureDetails],
    limit: int = SHOWN_FAILURES,
) -> list[str]:
    """What failed: the first ones in full, the others by their reason.

    What has no output of its own (lost or cancelled runs) is grouped at once.
    """
    if not status.failures:
        return []
    own = [f for f in status.failures if _is_of_its_own(f)]
    grouped = [f for f in status.failures if not _is_of_its_own(f)]
    lines = ["", f"{count(status.num_failures, 'run')} did not succeed:"]
    for failure in own[:limit]:
        lines += ["", *_one_failure(status, failure, explain(failure))]
    lines += _groups(status, grouped)
    rest = own[limit:]
    if rest:
        lines += ["", "  others:"]
        reasons = Counter((f.task + _action(f.action), _reason(f)) for f in rest)
        lines += [f"    {n} x {task}: {why}" for (task, why), n in reasons.most_common(10)]
    unnamed = status.num_failures - len(status.failures)
    if unnamed > 0:
        lines += [f"    and {unnamed} more"]
    return lines


def _is_of_its_own(failure: Failure) -> bool:
    return failure.state in (RunState.FAILED, RunState.ABORTED) or (
        failure.state is RunState.LOST and failure.log is not None
    )


def _reason(failure: Failure) -> str:
    status = "" if failure.exit is None else f"exit status {failure.exit}"
    return _printable(failure.why or status or failure.state.name.lower())


def _groups(status: WorkflowStatus, failures: Iterable[Failure]) -> list[str]:
    """Runs that ended together, such as those of a killed job item."""
    places: dict[tuple[Any, ...], list[int]] = {}
    for f in failures:
        # Cancelling is of the whole workflow: no use in telling items apart.
        item = (f.submission, f.job, f.item) if f.state is RunState.LOST else None
        why = "" if f.state is RunState.CANCELLED else f.why
        key = (f.task, f.action, f.state, why, item, f.cause)
        places.setdefault(key, []).append(f.element)
    lines = []
    for (task, action, state, why, item, cause), found in places.items():
        elements = sorted(set(found))
        noun = "element" if len(elements) == 1 else "elements"
        lines += [
            "",
            f"  {task}, {noun} {ranges(elements)}{_action(action)}: {state.name.lower()}",
        ]
        if why:
            lines.append(f"    why:     {_printable(why)}")
        if cause in _MENDS and item is not None:
            lines.append(f"    mend:    {_MENDS[cause]}")
        if item is not None:
            submission, job, number = item
            path = f"{status.path}/logs/{submission}/{job}/{number}.out"
            lines.append(
                f"    job:     {job}, item {number}; its own output is {nearest_path(path)}"
            )
            where = typed_path(status.path)
            lines.append(
                f"    next:    hpcflow logs {where} {shlex.quote(task)} {elements[0]}"
                f"{_action_option(action)}"
            )
    return lines


def _action(action: int) -> str:
    return f", action {action}" if action > 0 else ""


def _action_option(action: int) -> str:
    return f" --action {action}" if action > 0 else ""


def _one_failure(
    status: WorkflowStatus, failure: Failure, details: FailureDetails
) -> list[str]:
    state = failure.state.name.lower()
    exit_words = f"exit status {failure.exit}" if failure.exit is not None else ""
    turn = f", iteration {failure.iteration}" if failure.iteration else ""
    head = f"{failure.task}, element {failure.element}{turn}{_action(failure.action)}"
    head = f"{head}: {state}"
    why = failure.why.removeprefix(exit_words).removeprefix(": ")
    lines = [f"  {head}{f', {exit_words}' if exit_words else ''}"]
    inputs = [
        f"{name} = {value_text(value, VALUE_WIDTH)}"
        for name, value in details.inputs.items()
    ]
    if len(inputs) > SHOWN_INPUTS:
        inputs[SHOWN_INPUTS:] = [f"and {len(inputs) - SHOWN_INPUTS} more"]
    if inputs:
        lines.append(f"    inputs:  {', '.join(inputs)}")
    if why:
        lines += _indented("why:    ", _printable(why))
    if failure.cause in _MENDS:
        lines.append(f"    mend:    {_MENDS[failure.cause]}")
    lines += _indented("command:", details.command)
    if failure.log is not None:
        lines.append(f"    log:     {nearest_path(failure.log.path)}")
        if details.tail:
            lines += [f"      | {_printable(line)}" for line in details.tail.splitlines()]
        else:
            lines.append("      (it wrote nothing)")
    if details.job_output is not None:
        lines.append(f"    job:     {nearest_path(details.job_output)}")
    lines.append(
        f"    next:    hpcflow logs {typed_path(status.path)} {shlex.quote(failure.task)} "
        f"{failure.element}{_action_option(failure.action)}"
        f"{f' --iteration {failure.iteration}' if failure.iteration else ''}"
    )
    return lines


def _printable(line: str) -> str:
    """A line of a program's output, which must not steer the terminal."""
    return "".join(c if c.isprintable() or c == "\t" else _escaped(c) for c in line)


def _indented(label: str, text: str) -> list[str]:
    first, *rest = text.strip().splitlines() or [""]
    return [f"    {label} {first}", *(f"             {line}" for line in rest)]
