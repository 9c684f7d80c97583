"""A batch: jobs created together become visible together, or none does.

With one group, its create-only write is the commit. With more, they are written with
the batch's name in them and don't count yet; the mark `jobstore/batches/B` makes them
count, all at once; then they are rewritten without the name, so that readers need not
look for the mark, and the mark goes. Killed before the mark, nothing was created (what
lies there is swept when the workflow is restarted); killed after it, everything was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobstores.errors import JobStoreError, NotFoundError, TransientError
from jobstores.job_face import groups, names

if TYPE_CHECKING:
    from jobstores.job_face.groups import Entry, Group
    from jobstores.job_face.jobs import Jobs
    from jobstores.port import ObjectPort


def commit(port: ObjectPort, jobs: Jobs, entries: dict[str, Entry]) -> None:
    """Create the jobs, by id, all or none.

    Raises:
        AlreadyExistsError: one of them was created before; none is created now.
        JobStoreError: the storage failed; none is created, unless the storage could
            not even say whether the mark was made.
    """
    batch = names.fresh()
    planned = _plan(jobs, entries, batch)
    written: list[str] = []
    try:
        for key, group in planned.items():
            written.append(key)
            jobs.write_group(key, group)
        if len(planned) > 1:
            _mark(port, batch)
    except _UnknownError as error:
        raise error.cause from None
    except JobStoreError:
        _take_back(jobs, written)
        raise
    if len(planned) > 1:
        _settle(port, jobs, planned, batch)


def _plan(jobs: Jobs, entries: dict[str, Entry], batch: str) -> dict[str, Group]:
    """The groups to write, by key."""
    from jobstores.job_face.jobs import places

    rows: dict[str, dict[str, Entry]] = {}
    shared: dict[str, bool] = {}
    for job_id, entry in entries.items():
        (key, number), (own, _) = places(job_id)
        if key not in shared:
            shared[key] = jobs.claim_group(job_id)
        if not shared[key]:
            if jobs.find(job_id) is not None:
                raise jobs.created_before(job_id)
            key = own
        rows.setdefault(key, {})[number] = entry
    name = batch if len(rows) > 1 else None
    return {key: groups.Group(row, name) for key, row in rows.items()}


class _UnknownError(Exception):
    """The mark may or may not be there, and the storage does not say."""

    def __init__(self, cause: JobStoreError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _mark(port: ObjectPort, batch: str) -> None:
    key = f"{names.BATCHES}/{batch}"
    try:
        port.put(key, b"committed\n", create=True)
    except TransientError as error:
        try:
            port.get(key)
        except NotFoundError:
            raise error from None
        except JobStoreError:
            raise _UnknownError(error) from None


def _take_back(jobs: Jobs, keys: list[str]) -> None:
    """Remove groups that do not count; what can't be removed is swept later."""
    for key in keys:
        try:
            jobs.remove_group(key)
        except JobStoreError:
            continue


def _settle(port: ObjectPort, jobs: Jobs, planned: dict[str, Group], batch: str) -> None:
    """Let the groups count by themselves; until then the mark says that they do."""
    try:
        for key in planned:
            jobs.settle_group(key)
        port.delete(f"{names.BATCHES}/{batch}")
    except JobStoreError:
        return
