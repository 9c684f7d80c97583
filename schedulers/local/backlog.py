"""Which item may start next. Pure: no clock, no processes, no files.

First come, first served: the first item that only lacks cores holds back those
behind it, so a wide job is not starved by narrow ones. An item that waits for
another job, or for its job's throttle, holds back nobody.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schedulers.local.records import LocalJob

_WAITING, _RUNNING, _ENDED = 0, 1, 2


@dataclass
class _Entry:
    job: LocalJob
    states: bytearray
    num_left: int  # items that have not ended
    num_running: int = 0
    ready: list[int] = field(default_factory=list)  # heap of items, element-wise jobs
    cursor: int = 0  # first item that may wait, other jobs


class Backlog:
    """The jobs of one state directory and how far they are."""

    def __init__(self) -> None:
        self._entries: dict[int, _Entry] = {}
        self._active: dict[int, _Entry] = {}  # those with items left, in order
        self._partners: dict[int, list[_Entry]] = {}  # element-wise, by the awaited job

    @property
    def num_active(self) -> int:
        """Jobs with items that have not ended."""
        return len(self._active)

    def __contains__(self, number: object) -> bool:
        return number in self._entries

    def add(
        self, job: LocalJob, ended: Iterable[int] = (), running: Iterable[int] = ()
    ) -> None:
        """Take a job in. Jobs must come in order of their numbers."""
        entry = _Entry(job, bytearray(job.num_items), job.num_items)
        for item in ended:
            entry.states[item] = _ENDED
            entry.num_left -= 1
        for item in running:
            entry.states[item] = _RUNNING
            entry.num_running += 1
        self._entries[job.number] = entry
        if entry.num_left:
            self._active[job.number] = entry
        if job.elementwise:
            for awaited in job.elementwise:
                self._partners.setdefault(awaited, []).append(entry)
            entry.ready = [i for i in range(job.num_items) if self._is_ready(entry, i)]

    def next(self) -> tuple[LocalJob, int] | None:
        """The item whose turn it is, should there be room for it."""
        for entry in self._active.values():
            job = entry.job
            if job.throttle is not None and entry.num_running >= job.throttle:
                continue
            if any(number in self._active for number in job.after):
                continue
            item = self._first(entry)
            if item is not None:
                return job, item
        return None

    def started(self, number: int, item: int) -> None:
        """An item runs now."""
        entry = self._entries[number]
        entry.states[item] = _RUNNING
        entry.num_running += 1

    def unstarted(self, number: int, item: int) -> None:
        """An item that was to run did not; it waits again."""
        entry = self._entries[number]
        entry.states[item] = _WAITING
        entry.num_running -= 1
        entry.cursor = min(entry.cursor, item)
        if entry.job.elementwise:
            heapq.heappush(entry.ready, item)

    def ended(self, number: int, item: int) -> None:
        """An item has ended, whether it ran or not."""
        entry = self._entries[number]
        if entry.states[item] == _ENDED:
            return
        entry.num_running -= entry.states[item] == _RUNNING
        entry.states[item] = _ENDED
        entry.num_left -= 1
        if not entry.num_left:
            self._active.pop(number, None)
        for partner in self._partners.get(number, ()):
            if item < partner.job.num_items and self._is_ready(partner, item):
                heapq.heappush(partner.ready, item)

    def drop(self, number: int) -> int:
        """Items of this job that wait never start; how many those were."""
        entry = self._entries[number]
        waiting = [i for i, state in enumerate(entry.states) if state == _WAITING]
        for item in waiting:
            self.ended(number, item)
        return len(waiting)

    def _is_ready(self, entry: _Entry, item: int) -> bool:
        return entry.states[item] == _WAITING and all(
            item >= len(other.states) or other.states[item] == _ENDED
            for number in entry.job.elementwise
            if (other := self._entries.get(number)) is not None
        )

    @staticmethod
    def _first(entry: _Entry) -> int | None:
        if entry.job.elementwise:
            while entry.ready and entry.states[entry.ready[0]] != _WAITING:
                heapq.heappop(entry.ready)
            return entry.ready[0] if entry.ready else None
        while entry.cursor < len(entry.states):
            if entry.states[entry.cursor] == _WAITING:
                return entry.cursor
            entry.cursor += 1
        return None
