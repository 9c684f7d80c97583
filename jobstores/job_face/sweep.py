"""What killed processes leave: found and removed when a workflow is restarted.

Only while no other process uses the store: files of a job that somebody is about to
create, or a batch being written, look the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobstores.errors import CorruptError, NotFoundError
from jobstores.job_face import groups, names

if TYPE_CHECKING:
    from jobstores.job_face.files import Files
    from jobstores.job_face.jobs import Jobs
    from jobstores.port import ObjectPort


def sweep(port: ObjectPort, jobs: Jobs, files: Files) -> int:
    """Settle committed batches, remove the others and files of jobs that are gone.

    Returns how many groups and jobs' folders were removed.
    """
    marks = set(port.list(names.BATCHES))
    removed = 0
    for name in port.list(names.JOBS):
        key = f"{names.JOBS}/{name}"
        try:
            group = groups.decode(port.get(key), key)
        except (NotFoundError, CorruptError):
            continue  # what is damaged is for a person to look at
        if group.batch is None:
            continue
        if group.batch in marks:
            jobs.settle_group(key)
        else:
            jobs.remove_group(key)
            removed += 1
    for mark in marks:
        port.delete(f"{names.BATCHES}/{mark}")
    for name in port.list(f"{names.ROOT}/{names.OWNED}"):
        job_id = name.rstrip("/")
        if jobs.find(job_id) is None:
            files.delete_owned(job_id)
            removed += 1
    return removed
