"""The item's own segment: appends, syncs, heartbeats, and the storage's failures.

What can't be appended waits here and is tried again every second. When nothing
has reached the storage for half of the silence that makes others take the item
over, `StorageLostError` ends the item: see docs/reference/node-side.md.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from typing import TYPE_CHECKING, Callable, Deque

from jobstores.errors import JobStoreError, TransientError, UnavailableError

if TYPE_CHECKING:
    from jobstores.records import Record
    from jobstores.segments import SegmentWriter

SYNC_AFTER_S = 1.0
RETRY_AFTER_S = 1.0

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class StorageLostError(Exception):
    """Nothing could be recorded for so long that the item has to end."""


def now_s() -> float:
    """Seconds of a clock that also runs while the machine sleeps."""
    return time.clock_gettime(_CLOCK)


def microseconds() -> int:
    """The time as records hold it."""
    return time.time_ns() // 1000


class Journal:
    """Appends an attempt's records; `tick` does what is due.

    note: is told of each record, where somebody wants to read of them.
    """

    def __init__(
        self,
        writer: SegmentWriter,
        silence_s: float,
        note: Callable[[Record], None] | None = None,
    ) -> None:
        self._writer = writer
        self._note = note
        self._beat_after_s = silence_s / 4
        self._lost_after_s = silence_s / 2
        self._waiting: Deque[Record] = deque()
        self._unsynced_since: float | None = None
        self._failing = False
        self._try_at = 0.0
        self._synced_at = now_s()

    @property
    def blocked(self) -> bool:
        """Whether the storage refuses records now, so that nothing should start."""
        return self._failing

    def append(self, record: Record) -> None:
        """Record an event; it is durable after the next sync."""
        self._waiting.append(record)
        if self._note is not None:
            self._note(record)
        if not self._failing:
            self._pass_on()

    def sync(self) -> None:
        """Make durable what was appended, as far as the storage takes it."""
        if not self._failing:
            self._sync()

    def due_at(self) -> float:
        """When `tick` has something to do."""
        if self._failing:
            return self._try_at
        if self._unsynced_since is not None:
            return self._unsynced_since + SYNC_AFTER_S
        return self._synced_at + self._beat_after_s

    def tick(self, now: float) -> bool:
        """Do what is due: retry, sync, beat. Returns whether it was a heartbeat's turn.

        Raises:
            StorageLostError: the storage has taken nothing for too long.
        """
        if now < self.due_at():
            return False
        beat = now >= self._synced_at + self._beat_after_s
        if beat and not self._waiting and self._unsynced_since is None:
            self._waiting.append({"t": "beat", "at": microseconds()})
        self._pass_on()
        self._sync()
        if self._failing and now >= self._synced_at + self._lost_after_s:
            raise StorageLostError
        return beat

    def finish(self, why: str) -> None:
        """Close the segment, durably.

        Raises:
            StorageLostError: the storage has taken nothing for too long.
        """
        self.append({"t": "close", "at": microseconds(), "why": why})
        self.persist(self._synchronise)
        self._writer.close()

    def persist(self, write: Callable[[], object]) -> None:
        """Write something else to the same storage, with as much patience.

        Raises:
            StorageLostError: it failed until the item has to end.
            JobStoreError: it can't be written, however often it is tried.
        """
        while True:
            try:
                write()
            except (TransientError, UnavailableError, OSError) as error:
                self._failed(error)
                if now_s() + RETRY_AFTER_S >= self._synced_at + self._lost_after_s:
                    raise StorageLostError from error
                time.sleep(RETRY_AFTER_S)
            else:
                return

    def _synchronise(self) -> None:
        while self._waiting:
            self._append_next()
        self._writer.sync()

    def _append_next(self) -> None:
        self._writer.append(self._waiting[0])
        self._waiting.popleft()
        if self._unsynced_since is None:
            self._unsynced_since = now_s()

    def _pass_on(self) -> None:
        try:
            while self._waiting:
                self._append_next()
            self._failing = False
        except (JobStoreError, OSError) as error:
            self._failed(error)

    def _sync(self) -> None:
        if self._failing or self._unsynced_since is None:
            return
        begun = now_s()
        try:
            self._writer.sync()
        except (JobStoreError, OSError) as error:
            self._failed(error)
        else:
            self._synced_at = begun
            self._unsynced_since = None

    def _failed(self, error: Exception) -> None:
        if not self._failing:
            sys.stderr.write(f"hpcflow: the store takes no records now: {error}\n")
            sys.stderr.flush()
        self._failing = True
        self._try_at = now_s() + RETRY_AFTER_S
