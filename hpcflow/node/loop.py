"""The loop of an item: starts runs in its slots and turns what happens into records.

Single-threaded: one `poll` over the pipes of captured streams and the pipe of
signals. Whatever takes time (a run, a wait for another job's output) is a state
that the loop comes back to.
"""

from __future__ import annotations

import select
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Dict, List, Tuple

from hpcflow.node import processes
from hpcflow.node.inputs import NotYet
from hpcflow.node.journal import microseconds, now_s
from hpcflow.node.runs import Run
from hpcflow.node.starting import give_up
from jobstores.errors import JobStoreError

if TYPE_CHECKING:
    from hpcflow.node.capture import Capture
    from hpcflow.node.ending import Finisher
    from hpcflow.node.journal import Journal
    from hpcflow.node.manifest import Step
    from hpcflow.node.rows import RowQueue, RowState
    from hpcflow.node.starting import Slot, Starter
    from jobstores.attempts import Attempt
    from jobstores.port import ObjectPort
    from jobstores.records import Record

ANNOUNCE_AFTER_S = 1.0
LOOK_EVERY_S = 1.0  # for a higher claim or a fence, before a run starts
LOOK_FOR_ABORT_S = 2.0  # how often it is looked whether a run is to be aborted
STEPS_AT_ONCE = 200  # of those that need no process, before the loop looks around
TREE_LOOK_S = 0.05  # how often a tree that was told to stop is looked at
# A scheduler signals all of a job's processes at once: when a run dies of a stop
# signal, the item's own copy may arrive a little later.
STOP_LAG_S = 0.5


class Superseded(Exception):  # noqa: N818 - an outcome, not an error
    """Another attempt, or a fence, has taken the item over."""


class ItemLoop:
    """Executes an item's rows.

    grace_s: between the signal that ends the item and the killing of its runs.
    drain_s: of silence, after which a captured stream is given up that something
        in the background keeps open when the run's bash has ended.
    """

    def __init__(
        self,
        port: ObjectPort,
        attempt: Attempt,
        journal: Journal,
        rows: RowQueue,
        slots: List[Slot],
        starter: Starter,
        finisher: Finisher,
        signals: processes.SignalPipe,
        *,
        grace_s: float,
        drain_s: float,
    ) -> None:
        self._port = port
        self._attempt = attempt
        self._journal = journal
        self._rows = rows
        self._slots = slots
        self._starter = starter
        self._finisher = finisher
        self._signals = signals
        self._grace_s = grace_s
        self._drain_s = drain_s
        self._poll = select.poll()
        self._captures: Dict[int, Tuple[Capture, Run]] = {}
        self._looked_at = now_s()
        self._hurry = False  # there is more to do before anything is waited for
        self._stop = 0
        self._kill_at = 0.0

    def execute(self) -> int:
        """Execute the rows; returns the signal that ended the item, or 0.

        Raises:
            StorageLostError: nothing can be recorded any more.
            Superseded: somebody else has the item now.
            BrokenJobError: the job's directory is damaged.
        """
        self._poll.register(self._signals.fd, select.POLLIN)
        try:
            while self._fill():
                self._wait()
                self._look_after_runs()
                if self._journal.tick(now_s()):
                    self._look_for_others()
            if self._stop:
                self._leave_undone()
        finally:
            self._kill_running()
            for slot in self._slots:
                slot.log.close()
            self._starter.close()
        return self._stop

    def _leave_undone(self) -> None:
        """Record the runs that a stopped item leaves to another attempt."""
        why = f"the job item was stopped by {processes.name_of(self._stop)} before it"
        begun = [slot.row for slot in self._slots if slot.row is not None]
        for row in (*begun, *self._rows.left()):
            if not row.at and not row.settled:  # perhaps its loop ended before: see guards
                with suppress(NotYet, JobStoreError):
                    self._starter.next_step(row)
            row.undecided = why
            step = self._starter.next_step(row)
            while step is not None:
                self._record(row, give_up(step, row, why))
                step = self._starter.next_step(row)

    def _kill_running(self) -> None:
        """End the trees of runs whose end nobody will record."""
        running = self._running()
        for run in running:
            processes.kill_group(run.pid)
        deadline = now_s() + self._grace_s
        while any(not run.reap() for run in running) and now_s() < deadline:
            time.sleep(TREE_LOOK_S / 10)

    def _running(self) -> List[Run]:
        return [slot.run for slot in self._slots if slot.run is not None]

    # --- starting ---------------------------------------------------------------------

    def _fill(self) -> bool:
        """Give free slots something to do; False where nothing is left to wait for."""
        self._hurry = False
        if self._stop:
            return bool(self._running())
        for slot in self._slots:
            self._advance(slot)
        return (
            self._hurry
            or bool(self._running())
            or self._rows.waiting
            or self._journal.blocked
        )

    def _advance(self, slot: Slot) -> None:
        """Take a slot's rows forward until a run is started or nothing can be done."""
        for _ in range(STEPS_AT_ONCE):
            if slot.run is not None or self._journal.blocked:
                return
            if slot.row is None:
                slot.row = self._rows.next(now_s())
                if slot.row is None:
                    return
            try:
                step = self._starter.next_step(slot.row)
            except (NotYet, JobStoreError) as reason:
                if self._rows.put_back(slot.row, now_s()):
                    slot.row = None
                else:
                    slot.row.undecided = str(reason)
                continue
            if step is None:
                slot.row = None
            else:
                self._take(step, slot, slot.row)
        self._hurry = self._hurry or slot.run is None

    def _take(self, step: Step, slot: Slot, row: RowState) -> None:
        """Take a row's step: start its run, record why not, or let the row wait."""
        now = now_s()
        if now >= self._looked_at + LOOK_EVERY_S:
            self._look_for_others()
        try:
            begun = self._starter.begin(step, slot, row, now)
        except (NotYet, JobStoreError) as reason:
            if self._rows.put_back(row, now):
                slot.row = None
            else:
                self._record(row, give_up(step, row, str(reason)))
            return
        if not isinstance(begun, Run):
            self._record(row, begun)
            return
        slot.run = begun
        for capture in begun.captures:
            self._captures[capture.fd] = (capture, begun)
            self._poll.register(capture.fd, select.POLLIN)

    def _record(self, row: RowState, record: Record) -> None:
        self._journal.append(record)
        row.take(record)

    # --- waiting ----------------------------------------------------------------------

    def _wait(self) -> None:
        """Sleep until something happens or is due; take in what happened."""
        seconds = 0.0 if self._hurry else max(0.0, self._due_at() - now_s())
        told: List[int] = []
        for fd, _ in self._poll.poll(int(seconds * 1000) + 1 if seconds else 0):
            if fd == self._signals.fd:
                told = self._signals.collect()
            else:
                self._take_in(fd)
        for number in told:
            self._obey(number)

    def _due_at(self) -> float:
        times = [self._journal.due_at()]
        for run in self._running():
            if run.ended_us:
                times.append(min(run.drain_until, run.settle_until or run.drain_until))
            elif not run.announced:
                times.append(run.started_at + ANNOUNCE_AFTER_S)
            if run.aborted:
                times.append(min(max(run.kill_at, now_s()), now_s() + TREE_LOOK_S))
            elif run.step.abortable:
                times.append(run.look_at)
        if self._stop:
            times.append(min(self._kill_at, now_s() + TREE_LOOK_S))
        elif self._rows.waiting and any(slot.run is None for slot in self._slots):
            times.append(self._rows.look_at)
        return min(times)

    def _take_in(self, fd: int) -> None:
        """Read what a captured stream holds now."""
        capture, run = self._captures[fd]
        if capture.drain():
            run.drain_until = now_s() + self._drain_s
        if not capture.open:
            self._forget(fd)

    def _forget(self, fd: int) -> None:
        self._poll.unregister(fd)
        capture, _ = self._captures.pop(fd)
        capture.close()

    def _obey(self, number: int) -> None:
        """Act on a signal that this process was sent."""
        self._look_after_runs()  # those that have ended well were not ended by it
        stopping = number in processes.STOPPING
        for run in self._running():
            if run.ended_us and stopping and run.died_of == number:
                run.stopped_by = run.stopped_by or number
            elif not run.ended_us:
                run.tell(number, stopping=stopping)
        if stopping and not self._stop:
            self._stop = number
            self._kill_at = now_s() + self._grace_s
        self._journal.append({"t": "signal", "at": microseconds(), "signal": number})
        self._journal.sync()

    def _look_for_others(self) -> None:
        """Raise `Superseded` if another attempt, or a fence, has taken the item over."""
        self._looked_at = now_s()
        try:
            superseded = self._attempt.superseded()
        except JobStoreError:
            return  # the heartbeat finds out whether the storage is there
        if superseded:
            raise Superseded

    # --- ending -----------------------------------------------------------------------

    def _look_after_runs(self) -> None:
        """Announce runs that last, and record those that have ended."""
        now = now_s()
        kill = bool(self._stop) and now >= self._kill_at
        for slot in self._slots:
            run = slot.run
            if run is None:
                continue
            if kill:
                processes.kill_group(run.pid)
            ended_before = bool(run.ended_us)
            if run.aborted and now >= run.kill_at:
                processes.kill_group(run.pid)
            if not run.reap():
                self._announce(run, now)
                if run.step.abortable and now >= run.look_at:
                    self._look_for_abort(run, now)
                continue
            if not ended_before:
                self._begin_draining(run, now)
            if self._settled(run, now, kill):
                self._finish(slot, run)

    def _announce(self, run: Run, now: float) -> None:
        if not run.announced and now >= run.started_at + ANNOUNCE_AFTER_S:
            run.announced = True
            self._journal.append(run.start_record())
            self._journal.sync()

    def _look_for_abort(self, run: Run, now: float) -> None:
        """End a run that the user wants to be ended."""
        run.look_at = now + LOOK_FOR_ABORT_S
        if run.aborted:
            return
        with suppress(JobStoreError):  # the heartbeat finds out if the storage is gone
            if self._port.stat(f"aborts/{run.id}") is not None:
                run.abort(now + self._grace_s)

    def _begin_draining(self, run: Run, now: float) -> None:
        run.drain_until = now + self._drain_s
        run.settle_until = now + STOP_LAG_S if run.died_of in processes.STOPPING else 0.0
        for capture in run.captures:
            if capture.open:
                self._take_in(capture.fd)

    def _settled(self, run: Run, now: float, killed: bool) -> bool:
        """Whether nothing more is expected of a run whose bash has ended."""
        if run.aborted and not run.stopped_by:
            return not processes.alive(run.pid)
        if run.stopped_by:
            return killed or not processes.alive(run.pid)
        if now < run.settle_until and not self._stop:
            return False
        return not run.draining or now >= run.drain_until or bool(self._stop)

    def _finish(self, slot: Slot, run: Run) -> None:
        """Record the end of a run and free its slot."""
        for capture in run.captures:
            if capture.open:
                self._forget(capture.fd)
        record = self._finisher.record(run, slot.index)
        self._journal.append(record)
        run.close()
        slot.run = None
        if slot.row is not None:
            slot.row.take(record)
