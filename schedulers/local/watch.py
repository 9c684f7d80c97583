"""Starting, watching and stopping the items of one state directory."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from schedulers.errors import SchedulerError
from schedulers.local import records
from schedulers.local.backlog import Backlog
from schedulers.local.processes import families, is_alive, look, signal_all, this_place
from schedulers.local.records import End, Start
from schedulers.local.slots import Room, Table, Use
from schedulers.local.spawn import Batch, open_output

if TYPE_CHECKING:
    from schedulers.local.eventlog import EventLog
    from schedulers.local.records import LocalJob
    from schedulers.local.slots import Ledger
    from schedulers.local.state import StateDir

GRACE_S = 5.0  # from TERM to KILL
TICK_S = 2.0  # in case a wake-up got lost
_STOPPING_TICK_S = 0.05
_BLOCKED_TICK_S = 0.1
_ADOPTED_TICK_S = 0.2


@dataclass
class Running:
    """An item with living processes."""

    job: LocalJob
    item: int
    pid: int
    start: int
    mark: str
    adopted: bool = False  # another supervisor's child: its exit code is out of reach
    deadline: float | None = None
    cause: str | None = None  # why it is being stopped
    kill_at: float = 0.0
    asked: set[int] = field(default_factory=set)  # pids that got their TERM
    end: End | None = None  # its leader is gone, some of its processes may not be

    @property
    def use(self) -> Use:
        """What it occupies."""
        return Use(self.pid, self.start, self.job.cores, self.job.memory_bytes or 0)


class Watch:
    """Starts, watches and stops items; `run` returns when none is left."""

    def __init__(self, state: StateDir, log: EventLog, ledger: Ledger, key: str) -> None:
        self._state = state
        self._log = log
        self._ledger = ledger
        self._key = key
        self._place = this_place()
        self._backlog = Backlog()
        self._running: dict[int, Running] = {}
        self._table = Table([])
        self._table_changed = False
        self._seen_files: set[str] = set()
        self._seen_cancels: set[int] = set()
        self._is_gone = False  # the state directory was removed

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to do."""
        return not self._running and not self._backlog.num_active and self._log.is_clean

    # -- taking in ----------------------------------------------------------

    def recover(self) -> None:
        """Learn what happened so far; adopt what still runs."""
        events = self._state.events()
        ended: dict[int, set[int]] = {}
        for number, item in events.ends:
            ended.setdefault(number, set()).add(item)
        started: dict[int, dict[int, Start]] = {}
        for (number, item), start in events.starts.items():
            if item not in ended.get(number, ()):
                started.setdefault(number, {})[item] = start
        for job in self._fresh_jobs():
            begun = started.get(job.number, {})
            self._backlog.add(job, ended.get(job.number, ()), begun)
            past = job.place.relation(self._place) == "past"
            if past or job.number in events.voids:
                cause = events.voids.get(job.number) or "node_failure"
                if self._backlog.drop(job.number) and job.number not in events.voids:
                    self._log.add(records.render_void(job.number, cause, _now_us()))
            for item, start in begun.items():
                if past:
                    self._end(job, item, End("node_failure", None, "REBOOT"))
                elif is_alive(start.pid, start.start):
                    self._adopt(job, item, start)
                else:
                    self._end(job, item, End("other", None, "LOST"))

    def take_in(self) -> None:
        """Look for jobs and wishes that came since the last look."""
        if not self._state.exists():
            self._give_up()
            return
        for job in self._fresh_jobs():
            self._backlog.add(job)
        for number in self._state.cancels() - self._seen_cancels:
            if number in self._backlog:
                self._seen_cancels.add(number)
                self._cancel(number)

    def _fresh_jobs(self) -> list[LocalJob]:
        jobs = []
        for name in self._state.job_files():
            if name in self._seen_files:
                continue
            self._seen_files.add(name)
            try:
                job = self._state.read_job(name)
            except SchedulerError as error:
                say(f"{name} is left out: {error}")
                continue
            if job.place.relation(self._place) != "elsewhere":  # another supervisor's
                jobs.append(job)
        return jobs

    def _adopt(self, job: LocalJob, item: int, start: Start) -> None:
        running = Running(job, item, start.pid, start.start, self._mark(job, item), True)
        if job.walltime_s is not None:
            elapsed = (_now_us() - start.time_us) / 1e6
            running.deadline = time.monotonic() + job.walltime_s - elapsed
        self._running[start.pid] = running
        self._table_changed = True
        say(f"adopted item {item} of job {job.number}, process {start.pid}")

    def _cancel(self, number: int) -> None:
        if self._backlog.drop(number):
            self._log.add(records.render_void(number, "cancelled", _now_us()))
        self._stop(
            [r for r in self._running.values() if r.job.number == number], "cancelled"
        )

    def _give_up(self) -> None:
        """The state directory was removed: there is nowhere to put results."""
        if not self._is_gone:
            self._is_gone = True
            say("the state directory is gone")
            self._log.forget()
            self._backlog = Backlog()
            self._stop(list(self._running.values()), "cancelled")

    # -- stopping -----------------------------------------------------------

    def _stop(self, items: list[Running], cause: str) -> None:
        fresh = [item for item in items if item.cause is None]
        if not fresh:
            return
        for item in fresh:
            item.cause = cause
            item.kill_at = time.monotonic() + GRACE_S
            # Only the leader, which tells its children: a shell whose command died of
            # its own copy first would go on to the next command.
            item.asked = {item.pid}
            signal_all(item.asked, signal.SIGTERM)

    def enforce(self) -> None:
        """Stop what is over its time; kill what did not stop; end what is gone."""
        now = time.monotonic()
        late = [r for r in self._running.values() if r.deadline and now >= r.deadline]
        self._stop(late, "time_limit")
        stopping = [r for r in self._running.values() if r.cause is not None]
        if not stopping:
            return
        members = families({item.mark: item.pid for item in stopping})
        for item in stopping:
            left = members[item.mark]
            if now >= item.kill_at:
                signal_all(left, signal.SIGKILL)
            elif item.end is not None:
                # what the leader left behind; children of one that is still tidying up
                # are its own business
                signal_all(left - item.asked, signal.SIGTERM)
                item.asked |= left
            if item.end is not None and not left:
                self._finish(item, item.end)

    def reap(self) -> None:
        """Learn which items' leaders have ended."""
        while True:
            try:
                info = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                break
            if info is None:
                break
            item = self._running.get(info.si_pid)
            if item is not None and item.cause is None:
                # while it is a zombie its process group can't be anybody else's
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(info.si_pid, signal.SIGKILL)
            _, status = os.waitpid(info.si_pid, 0)
            if item is not None:
                self._ended(item, _read_status(status))
        for item in list(self._running.values()):
            if item.adopted and item.end is None and not is_alive(item.pid, item.start):
                self._ended(item, End("other", None, "LOST"))

    def _ended(self, item: Running, end: End) -> None:
        if item.cause is not None:  # its other processes get their grace; see enforce
            item.end = end._replace(cause=item.cause)
            return
        if end.native != "EXITED":  # it could not look after its children any more
            members = families({item.mark: item.pid})
            signal_all(members[item.mark], signal.SIGKILL)
        self._finish(item, end)

    def _finish(self, item: Running, end: End) -> None:
        del self._running[item.pid]
        self._table_changed = True
        self._end(item.job, item.item, end)

    def _end(self, job: LocalJob, item: int, end: End) -> None:
        if not self._is_gone:
            self._log.add(records.render_end(job.number, item, end, _now_us()))
            self._backlog.ended(job.number, item)

    # -- starting -----------------------------------------------------------

    def start_ready(self) -> None:
        """Start what may and fits; put all that happened on record."""
        batch = None
        if self._backlog.next() is not None or self._table_changed:
            self._table.mine = [item.use for item in self._running.values()]
            with self._ledger.hold(self._table, time.monotonic()):
                batch = self._fork_ready()
            self._table_changed = False
        if self._log.flush():
            if batch is not None:
                batch.release()
        elif batch is not None:  # the disk is full: nothing runs that is not on record
            batch.abandon()
            self._unstart(batch.pids)

    def _fork_ready(self) -> Batch | None:
        batch: Batch | None = None
        table = self._table
        while (choice := self._backlog.next()) is not None:
            job, item = choice
            room = table.room(job.cores, job.memory_bytes or 0, job.core_limit)
            if room is Room.HOST_FULL and table.wait_since is None:
                table.wait_since = time.monotonic()
            if room is not Room.FREE or not self._log.is_writable:
                return batch
            table.wait_since = None
            try:
                output = open_output(job, item)
            except OSError as error:
                say(f"item {item} of job {job.number} has no output: {error}")
                self._end(job, item, End("never_started", None, "NO_OUTPUT"))
                continue
            batch = batch or Batch()
            self._begin(batch, job, item, output)
            os.close(output)
        table.wait_since = None
        return batch

    def _begin(self, batch: Batch, job: LocalJob, item: int, output: int) -> None:
        mark = self._mark(job, item)
        pid = batch.fork(job, item, mark, output)
        process = look(pid)
        start = process.start if process else 0
        running = Running(job, item, pid, start, mark)
        if job.walltime_s is not None:
            running.deadline = time.monotonic() + job.walltime_s
        self._running[pid] = running
        self._table.mine.append(running.use)
        self._backlog.started(job.number, item)
        self._log.add(records.render_start(job.number, item, Start(pid, start, _now_us())))

    def _unstart(self, pids: list[int]) -> None:
        self._log.drop_starts()
        for pid in pids:
            os.waitpid(pid, 0)
            item = self._running.pop(pid)
            self._backlog.unstarted(item.job.number, item.item)
        self._table_changed = True

    def _mark(self, job: LocalJob, item: int) -> str:
        return f"{self._key}/{job.number}/{item}"

    # -- the loop -----------------------------------------------------------

    def step(self) -> None:
        """Do all that can be done now."""
        self.reap()
        self.enforce()
        self.start_ready()

    def patience_s(self) -> float:
        """For how long nothing has to be done unless something happens."""
        now = time.monotonic()
        waits = [TICK_S]
        for item in self._running.values():
            if item.cause is not None:
                waits.append(_STOPPING_TICK_S)
            elif item.deadline is not None:
                waits.append(item.deadline - now)
            if item.adopted:
                waits.append(_ADOPTED_TICK_S)
        if self._table.wait_since is not None:
            waits.append(_BLOCKED_TICK_S)
        return max(0.0, min(waits))


def _read_status(status: int) -> End:
    if os.WIFEXITED(status):
        return End("exited", os.WEXITSTATUS(status), "EXITED")
    number = os.WTERMSIG(status)
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"SIGNAL{number}"
    return End("exited", 128 + number, name)


def _now_us() -> int:
    return time.time_ns() // 1000


def say(text: str) -> None:
    """Write a line to the supervisor's log."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    sys.stderr.write(f"{stamp} {os.getpid()} {text}\n")
    sys.stderr.flush()
