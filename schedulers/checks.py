"""What a job must be like before any batch system sees it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from schedulers.errors import RefusedError

if TYPE_CHECKING:
    from schedulers.job import Job

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,59}\Z")
_PATH = re.compile(r"/[^\x00-\x1f\x7f]*\Z")

_POSITIVE = (
    "num_cores",
    "num_nodes",
    "num_tasks",
    "num_tasks_per_node",
    "cores_per_task",
    "memory_bytes",
    "memory_per_core_bytes",
    "walltime_s",
)


def check_job(job: Job) -> None:
    """Refuse what the port's contract does not allow.

    Raises:
        RefusedError: says what was found and what is expected.
    """
    if not _NAME.match(job.name):
        raise RefusedError(
            f"job name {job.name!r}: expected at most 60 letters, digits, '.', '_' and"
            " '-', the first a letter"
        )
    for what, path in (("script", job.script), ("output", job.output)):
        if not _PATH.match(path):
            raise RefusedError(
                f"job {job.name}: {what} {path!r}: expected an absolute path without"
                " control characters"
            )
    if job.num_items < 1:
        raise RefusedError(f"job {job.name}: {job.num_items} items; expected 1 or more")
    if job.num_items > 1 and "{item}" not in job.output:
        raise RefusedError(
            f"job {job.name}: output {job.output!r} has no {{item}}: its"
            f" {job.num_items} items would share one file"
        )
    if job.throttle is not None and job.throttle < 1:
        raise RefusedError(f"job {job.name}: throttle {job.throttle}; expected 1 or more")
    part = job.part
    if part is not None and not (
        part.step == 1
        and 0 <= part.start < part.stop <= job.num_items
        and job.num_items > 1
    ):
        raise RefusedError(
            f"job {job.name}: {part} is no part of an array of {job.num_items} items"
        )
    for field in _POSITIVE:
        value = getattr(job.resources, field)
        if value is not None and value < 1:
            raise RefusedError(f"job {job.name}: {field} is {value}; expected 1 or more")
