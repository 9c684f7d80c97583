"""Jobs: opaque descriptions with versions, swapped and never silently overwritten.

A job's id names its group and its number in it, so each call goes to one object. What
this process read or wrote last is remembered, for the tag: a swap made from memory
either succeeds, and then memory was right, or is made again from a fresh read.
"""

from __future__ import annotations

import random
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobstores.errors import (
    AlreadyExistsError,
    ConflictError,
    NotFoundError,
    TransientError,
)
from jobstores.job_face import groups, names
from jobstores.job_face.tagged import create_tagged, read_tagged, swap_tagged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jobstores.job_face.groups import Entry, Group
    from jobstores.port import ObjectPort

_REMEMBERED = 256
_ROUNDS = 60
_PAUSE_S = 0.004
_LONGEST_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class StoredJob:
    """A job as it was stored: its id, description, version (from 1) and token."""

    job_id: str
    data: bytes
    version: int
    token: str


class Jobs:
    """The jobs of one store, by id."""

    def __init__(self, port: ObjectPort) -> None:
        self._port = port
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, tuple[Group, str]] = OrderedDict()
        self._next: tuple[str, int] = ("", groups.SIZE)
        self._unwritten: set[str] = set()  # groups whose ids this process gave out

    # --- ids ------------------------------------------------------------------------

    def assign(self) -> str:
        """A new id; eight in a row share a group, so that a batch packs them."""
        with self._lock:
            group, number = self._next
            if number >= groups.SIZE:
                group, number = names.fresh(), 0
                self._unwritten.add(group)
            self._next = (group, number + 1)
        return f"{group}.{number}"

    def claim_group(self, job_id: str) -> bool:
        """Whether the caller may, once, create the group that an id names.

        Otherwise the job has to lie alone: the group may have been made, and even
        deleted, before.
        """
        group = job_id.partition(".")[0]
        with self._lock:
            if group not in self._unwritten:
                return False
            self._unwritten.remove(group)
            if self._next[0] == group:
                self._next = ("", groups.SIZE)  # it is made: no more ids of it
        return True

    # --- reading --------------------------------------------------------------------

    def load(self, job_id: str) -> StoredJob:
        """A job as it is now.

        Raises:
            NotFoundError: there is none of that id.
        """
        entry = self.find(job_id)
        if entry is None:
            raise self.missing(job_id)
        return StoredJob(job_id, entry.data, entry.version, entry.token)

    def find(self, job_id: str) -> Entry | None:
        """A job's entry, fresh, or None."""
        for key, number in places(job_id):
            found = self._read(key)
            if found is not None and number in found[0].jobs:
                return found[0].jobs[number]
        return None

    def all(self) -> Iterator[StoredJob]:
        """Every job that is found while listing; others may come and go meanwhile."""
        for name in self._port.list(names.JOBS):
            found = self._read(f"{names.JOBS}/{name}")
            if found is None:
                continue
            group = name.partition(".")[0]
            for number, entry in found[0].jobs.items():
                yield StoredJob(f"{group}.{number}", entry.data, entry.version, entry.token)

    # --- writing --------------------------------------------------------------------

    def create(self, job_id: str, data: bytes, *, files: bool) -> StoredJob:
        """Write a new job, alone.

        Raises:
            AlreadyExistsError: it was created before.
        """
        (shared, number), (own, _) = places(names.check_job_id(job_id))
        entry = groups.new_entry(data, files=files)
        alone = groups.Group({number: entry})
        if self.claim_group(job_id):
            self._create(shared, alone)
        elif self.find(job_id) is None:
            self._create(own, alone)
        else:
            raise self.created_before(job_id)
        return StoredJob(job_id, data, entry.version, entry.token)

    def update(self, job_id: str, data: bytes, token: str) -> StoredJob:
        """Replace a job's description, if it is still the version of that token.

        Raises:
            NotFoundError: the job was deleted, or never was.
            ConflictError: somebody else updated it since.
        """

        def step(group: Group, number: str) -> Group:
            entry = group.jobs[number]
            if entry.token != token:
                raise ConflictError(
                    f"{self._port.locator}: job {job_id} is at version {entry.version}:"
                    f" it was updated since version {token.partition('.')[0]} was"
                    " loaded; load it again"
                )
            return group.with_job(number, entry.successor(data))

        entry = self._change(job_id, step)
        if entry is None:
            raise self.missing(job_id)
        return StoredJob(job_id, data, entry.version, entry.token)

    def mark_files(self, job_id: str) -> bool:
        """Note that files go with a job; False: there is no such job."""
        entry = self.find(job_id)
        if entry is None or entry.files:
            return entry is not None

        def step(group: Group, number: str) -> Group:
            old = group.jobs[number]
            marked = groups.Entry(old.version, old.nonce, True, old.data)
            return group.with_job(number, marked)

        return self._change(job_id, step) is not None

    def delete(self, job_id: str) -> Entry | None:
        """Remove a job; what it was, or None: there was none of that id."""
        last: list[Entry] = []

        def step(group: Group, number: str) -> Group:
            last[:] = [group.jobs[number]]
            return group.without_job(number)

        self._change(job_id, step)
        return last[0] if last else None

    def missing(self, job_id: str) -> NotFoundError:
        """The error for a job that is not there."""
        return NotFoundError(
            f"{self._port.locator}: there is no job {job_id}: it is finished and deleted,"
            " or was never created"
        )

    def created_before(self, job_id: str) -> AlreadyExistsError:
        """The error for a job that is there already."""
        return AlreadyExistsError(f"{self._port.locator}: job {job_id} was created before")

    # --- groups ---------------------------------------------------------------------

    def write_group(self, key: str, group: Group) -> None:
        """Create a group's object; see `batch`.

        Raises:
            AlreadyExistsError: there is one.
        """
        self._create(key, group)

    def settle_group(self, key: str) -> None:
        """Rewrite a group so that it counts without its batch."""
        for _ in range(_ROUNDS):
            found = self._recall(key) or self._read(key)
            if found is None or found[0].batch is None:
                return
            try:
                self._swap(key, groups.Group(found[0].jobs), found[1])
            except ConflictError:
                continue
            return

    def remove_group(self, key: str) -> None:
        """Remove a group that never counted."""
        self._forget(key)
        self._port.delete(key)

    def _change(self, job_id: str, step: Callable[[Group, str], Group]) -> Entry | None:
        """Take a step on the group of a job, from what is there by then.

        Returns the job's entry after it, or None: there is no job, or none any more.
        """
        for key, number in places(job_id):
            found = self._recall(key)
            remembered = found is not None and number in found[0].jobs
            if not remembered:
                found = self._read(key)
            for turn in range(_ROUNDS):
                if found is None or number not in found[0].jobs:
                    break
                try:
                    return self._step(key, number, found, step)
                except ConflictError as error:
                    if not remembered and not isinstance(error, _SwapLostError):
                        raise
                _wait(0 if remembered else turn)
                remembered = False
                found = self._read(key)
            else:
                raise TransientError(f"{self._port.locator}: {key} keeps changing")
        return None

    def _step(
        self,
        key: str,
        number: str,
        found: tuple[Group, str],
        step: Callable[[Group, str], Group],
    ) -> Entry | None:
        after = step(found[0], number)
        if not after.jobs:
            # Nobody adds to a group, so nothing can be lost by a plain delete.
            self._forget(key)
            self._port.delete(key)
            return None
        try:
            self._swap(key, after, found[1])
        except ConflictError as error:
            raise _SwapLostError(str(error)) from error
        except TransientError:
            if not self._was_done(key, number, after):
                raise
        return after.jobs.get(number)

    def _was_done(self, key: str, number: str, after: Group) -> bool:
        """Whether a swap whose answer was lost took place: ours is there."""
        now = self._read(key)
        if now is None:
            return number not in after.jobs
        return now[0].jobs.get(number) == after.jobs.get(number)

    def _read(self, key: str) -> tuple[Group, str] | None:
        """A group and its tag, where it is there and counts."""
        for _ in range(_ROUNDS):
            try:
                data, tag = read_tagged(self._port, key)
            except NotFoundError:
                self._forget(key)
                return None
            group = groups.decode(data, f"{self._port.locator}: {key}")
            if group.batch is None or self._is_committed(group.batch):
                self._remember(key, group, tag)
                return group, tag
            found = self._port.stat(key)
            if found is None or found.tag == tag:
                return None  # the batch was not committed
            # It was, and has been settled since: its mark is gone.
        raise TransientError(f"{self._port.locator}: {key} keeps changing")

    def _is_committed(self, batch: str) -> bool:
        return self._port.stat(f"{names.BATCHES}/{batch}") is not None

    def _create(self, key: str, group: Group) -> None:
        data = groups.encode(group)
        try:
            tag = create_tagged(self._port, key, data)
        except TransientError:
            found = self._peek(key)
            if found is None or found != data:
                raise
            tag = None
        self._remember(key, group, tag)

    def _peek(self, key: str) -> bytes | None:
        try:
            return self._port.get(key)
        except NotFoundError:
            return None

    def _swap(self, key: str, group: Group, tag: str) -> None:
        self._forget(key)
        self._remember(key, group, swap_tagged(self._port, key, groups.encode(group), tag))

    def _recall(self, key: str) -> tuple[Group, str] | None:
        with self._lock:
            return self._seen.get(key)

    def _remember(self, key: str, group: Group, tag: str | None) -> None:
        if tag is None:
            return
        with self._lock:
            self._seen[key] = (group, tag)
            self._seen.move_to_end(key)
            while len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)

    def _forget(self, key: str) -> None:
        with self._lock:
            self._seen.pop(key, None)


class _SwapLostError(ConflictError):
    """The object was another by the time of the swap; the step may still be right."""


def places(job_id: str) -> list[tuple[str, str]]:
    """Where a job may lie, as (key, number): its group, or an object of its own.

    A job comes to lie alone when its group was written before it was created. An id
    that this face never gave has no place.
    """
    found = names.group_of(str(job_id))
    if found is None:
        return []
    group, number = found
    return [(f"{names.JOBS}/{group}", number), (f"{names.JOBS}/{group}.{number}", number)]


def _wait(turn: int) -> None:
    """Stand back while others write the same group, longer each time."""
    if turn:
        longest = min(_PAUSE_S * 2**turn, _LONGEST_PAUSE_S)
        time.sleep(random.uniform(0, longest))  # noqa: S311
