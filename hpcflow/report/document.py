"""A workflow's state as the JSON document of `show --json`.

Its schema is `docs/reference/show.schema.json`; `format` rises when a reader of an
older one could be misled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpcflow.report.data import Failure, JobStatus, TaskStatus, WorkflowStatus
    from jobstores.records import RunState

FORMAT = 1


def status_document(status: WorkflowStatus) -> dict[str, Any]:
    """The state as plain JSON data."""
    return {
        "format": FORMAT,
        "name": status.name,
        "id": status.id,
        "path": status.path,
        "created": status.created,
        "phase": status.phase.value,
        "runs": status.num_runs,
        "tasks": [_task(task) for task in status.tasks],
        "jobs": [_job(job) for job in status.jobs],
        "num_failures": status.num_failures,
        "failures": [_failure(failure) for failure in status.failures],
        "warnings": list(status.warnings),
        **({"notes": list(status.notes)} if status.notes else {}),
        **({"waiting_items": status.left} if status.left else {}),
    }


def _word(state: RunState) -> str:
    return state.name.lower()


def _task(task: TaskStatus) -> dict[str, Any]:
    return {
        "name": task.name,
        "elements": task.elements,
        "runs": task.runs,
        "states": {_word(state): count for state, count in task.counts.items()},
    }


def _job(job: JobStatus) -> dict[str, Any]:
    return {
        "submission": job.submission,
        "index": job.index,
        "name": job.name,
        "scheduler": job.scheduler,
        "id": job.id,
        "num_items": job.num_items,
        "items": job.items,
        "note": job.note,
    }


def _failure(failure: Failure) -> dict[str, Any]:
    log = failure.log
    return {
        "run": failure.run if failure.run >= 0 else None,
        "task": failure.task,
        "element": failure.element if failure.element >= 0 else None,
        "action": failure.action if failure.action >= 0 else None,
        **({"iteration": failure.iteration} if failure.iteration else {}),
        "state": _word(failure.state),
        "exit": failure.exit,
        "why": failure.why,
        **({"cause": failure.cause} if failure.cause else {}),
        "submission": failure.submission,
        "job": failure.job,
        "item": failure.item,
        "attempt": failure.attempt,
        "log": {"path": log.path, "start": log.start, "end": log.end} if log else None,
    }
