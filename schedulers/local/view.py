"""What items' states are, from the files and who lives. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schedulers.job import EndCause, ItemStatus, JobPhase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from schedulers.local.processes import Place
    from schedulers.local.records import Events, LocalJob, Start

ABSENT = ItemStatus(JobPhase.ABSENT)
_REBOOTED = ItemStatus(
    JobPhase.ENDED, "REBOOT", EndCause.NODE_FAILURE, reason="the host was rebooted"
)
_NO_SUPERVISOR = "its supervisor is gone; the next submission or `revive` starts another"


class View:
    """One look at a state directory."""

    def __init__(
        self,
        jobs: Mapping[int, LocalJob],
        events: Events,
        here: Place,
        *,
        is_served: bool,
        is_alive: Callable[[Start], bool],
    ) -> None:
        self._jobs = jobs
        self._events = events
        self._here = here
        self._is_served = is_served
        self._is_alive = is_alive
        self._num_ended: dict[int, int] = {}
        for number, _ in events.ends:
            self._num_ended[number] = self._num_ended.get(number, 0) + 1

    def items(self, job: LocalJob, num_items: int) -> dict[int, ItemStatus]:
        """States of a job's items; those that it does not have are absent."""
        waiting = self._waiting(job)
        return {
            item: self._item(job, item, waiting) if item < job.num_items else ABSENT
            for item in range(num_items)
        }

    def is_over(self, number: int) -> bool:
        """Whether all of a job's items have ended."""
        job = self._jobs[number]
        if self._num_ended.get(number, 0) >= job.num_items:
            return True
        if job.place.relation(self._here) == "past":
            return True
        waiting = self._waiting(job).phase
        return waiting is JobPhase.ENDED and all(
            (number, item) in self._events.ends
            for item in range(job.num_items)
            if (number, item) in self._events.starts
        )

    def _item(self, job: LocalJob, item: int, waiting: ItemStatus) -> ItemStatus:
        key = job.number, item
        end = self._events.ends.get(key)
        if end is not None:
            return ItemStatus(
                JobPhase.ENDED,
                end.native,
                EndCause(end.cause),
                end.exit_code,
                node=job.place.host,
            )
        start = self._events.starts.get(key)
        if start is None:
            return waiting
        relation = job.place.relation(self._here)
        if relation == "past":
            return _REBOOTED
        if relation == "elsewhere":
            return self._elsewhere(job)
        if self._is_served or self._is_alive(start):
            return ItemStatus(JobPhase.RUNNING, "RUNNING", node=job.place.host)
        return ItemStatus(
            JobPhase.ENDED,
            "LOST",
            EndCause.OTHER,
            reason="it ended without a supervisor to see how",
            node=job.place.host,
        )

    def _waiting(self, job: LocalJob) -> ItemStatus:
        """The state of the job's items that have not started."""
        void = self._events.voids.get(job.number)
        if void is not None:
            return ItemStatus(JobPhase.ENDED, void.upper(), EndCause(void))
        relation = job.place.relation(self._here)
        if relation == "past":
            return _REBOOTED
        if relation == "elsewhere":
            return self._elsewhere(job)
        if not self._is_served:
            return ItemStatus(JobPhase.BLOCKED, "PENDING", reason=_NO_SUPERVISOR)
        awaited = (*job.after, *job.elementwise)
        is_held = any(
            number in self._jobs and not self.is_over(number) for number in awaited
        )
        reason = "Dependency" if is_held else "Resources"
        return ItemStatus(JobPhase.PENDING, "PENDING", reason=reason)

    @staticmethod
    def _elsewhere(job: LocalJob) -> ItemStatus:
        reason = f"it was submitted on host {job.place.host}; ask there"
        return ItemStatus(JobPhase.UNKNOWN, "ELSEWHERE", reason=reason, node=job.place.host)
