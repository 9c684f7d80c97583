"""One run from its start to its `end` record."""

from __future__ import annotations

import json
import os
import resource  # noqa: F401 - os.wait4 does it too, perhaps when no file can be opened any more
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Dict, List, Set

from hpcflow.node import processes
from hpcflow.node.capture import Capture, ParseError
from hpcflow.node.journal import microseconds, now_s
from hpcflow.node.outputs import shortened
from hpcflow.node.shell import UnusableValueError

if TYPE_CHECKING:
    from hpcflow.node.launch import Launch
    from hpcflow.node.log import Log
    from hpcflow.node.manifest import Step
    from jobstores.records import Record

LARGE_CAPTURE_BYTES = 8 << 20
NOT_STARTED = -1  # the `exit` of a run whose bash was never started
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss; getrusage(2)


class Run:
    """A run whose bash was started."""

    def __init__(self, run: int, step: Step, launch: Launch, log: Log) -> None:
        self.id = run
        self.step = step
        self.launch = launch
        self.log = log
        self.pid = 0
        self.captures: List[Capture] = []
        self.announced = False
        self.aborted = False  # the user has ended it
        self.look_at = 0.0  # when it is looked whether the user wants that
        self.kill_at = 0.0
        self.stopped_by = 0  # the signal that ended the item while this was running
        self.passed_on: Set[int] = set()
        self.started_us = 0
        self.started_at = 0.0
        self.log_first = 0
        self.drain_until = 0.0
        self.settle_until = 0.0
        self.exit = 0
        self.signal = 0
        self.ended_us = 0
        self.usage: Any = None

    def start(self, spawner: processes.Spawner) -> None:
        """Start its bash.

        Raises:
            OSError, UnusableValueError: it could not be started.
        """
        self.log.open()
        self.log_first = self.log.size()
        pipes = []
        try:
            for spec in self.step.captures:
                reading, writing = os.pipe()
                pipes.append((writing, spec["fd"]))
                self.captures.append(Capture(reading, spec))
            self.started_us, self.started_at = microseconds(), now_s()
            self.pid = spawner.start(self.launch, self.log.fd, pipes)
        except (OSError, UnusableValueError):
            for capture in self.captures:
                capture.close()
            raise
        finally:
            for writing, _ in pipes:
                os.close(writing)

    def reap(self) -> bool:
        """Whether its bash has ended, now or before; notes status and usage."""
        if self.ended_us:
            return True
        pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        if pid == 0:
            return False
        self._note_end(status, usage)
        return True

    def _note_end(self, status: int, usage: Any) -> None:
        self.ended_us = microseconds()
        self.usage = usage
        if os.WIFSIGNALED(status):
            self.signal = os.WTERMSIG(status)
            self.exit = 128 + self.signal
        else:
            self.exit = os.WEXITSTATUS(status)

    @property
    def draining(self) -> bool:
        """Whether a captured stream is still open."""
        return any(capture.open for capture in self.captures)

    def tell(self, number: int, *, stopping: bool) -> None:
        """Send its whole tree a signal; `stopping`: it is the one that ends the item."""
        if stopping:
            self.stopped_by = self.stopped_by or number
        else:
            self.passed_on.add(number)
        processes.signal_group(self.pid, number)

    def abort(self, kill_at: float) -> None:
        """End its whole tree, as the user wants it; what is left at `kill_at` is killed."""
        self.aborted = True
        self.kill_at = kill_at
        processes.signal_group(self.pid, signal.SIGTERM)

    def start_record(self) -> Record:
        """What says that it is running."""
        return {"t": "start", "run": self.id, "at": self.started_us}

    @property
    def died_of(self) -> int:
        """The signal that ended its bash, or a command of it; 0 where none did."""
        return self.signal or (self.exit - 128 if self.exit > 128 else 0)

    def interruption(self) -> str:
        """Why it did not run to its own end; empty where it did."""
        if self.stopped_by:
            return f"stopped by {processes.name_of(self.stopped_by)}"
        if self.died_of in self.passed_on:
            return f"ended by {processes.name_of(self.died_of)}, which the item was sent"
        return ""

    def failure(self) -> str:
        """Why its bash did not succeed; empty where it did."""
        if self.signal:
            return f"killed by signal {self.signal} ({processes.name_of(self.signal)})"
        if self.exit not in self.step.success_exit_codes:
            return f"exit status {self.exit}"
        return ""

    def outputs(self) -> Dict[str, Any]:
        """The encoded outputs that it made.

        Raises:
            ParseError: one is not what was declared.
        """
        found = self._captured()
        if self.launch.outputs_file:
            from hpcflow.node.handover import left_outputs

            found.update(left_outputs(self.step, self.launch))
        return found

    def _captured(self) -> Dict[str, Any]:
        found = {}
        for capture in self.captures:
            if self._is_left_out(capture):
                continue
            try:
                found[capture.output] = capture.encoded()
            except ParseError as error:
                raise ParseError(f"output {capture.output!r}: {error}") from None
        return found

    @property
    def optional(self) -> Set[str]:
        """The outputs that rules of commands keep from being made."""
        return {c.output for c in self.captures if self._is_left_out(c)}

    def _is_left_out(self, capture: Capture) -> bool:
        name: str = capture.spec.get("condition", "")
        return bool(name) and not self.launch.environment[name.encode()]

    def told_why(self) -> str:
        """What a failing script's caller says of the failure; empty if nothing."""
        if not self.launch.outputs_file:
            return ""
        try:
            with open(self.launch.outputs_file, "rb") as stream:
                written = json.loads(stream.read())
            return f": {written['$why']}"
        except (OSError, ValueError, TypeError, KeyError):
            return ""

    def end_record(
        self, out: Dict[str, Any], why: str, slot: int, *, interrupted: bool
    ) -> Record:
        """Its end; `why` is empty where it succeeded."""
        record: Record = {
            "t": "end",
            "run": self.id,
            "start": self.started_us,
            "at": self.ended_us,
            "ok": not why,
            "exit": self.exit,
            "mem": self.usage.ru_maxrss * _RSS_UNIT,
            "user": round(self.usage.ru_utime, 6),
            "sys": round(self.usage.ru_stime, 6),
            "out": out,
            "log": [slot, self.log_first, self.log.size()],
        }
        if why:
            record["why"] = shortened(why)
        if interrupted:
            record["int"] = True
        if self.aborted and not why:
            record["aborted"] = True
            record["why"] = "aborted by the user"
        return record

    def show_captured(self) -> None:
        """Put the end of what was captured in the log, as nobody else will see it."""
        for capture in self.captures:
            tail = capture.tail()
            if tail:
                self.log.append(tail if tail.endswith(b"\n") else tail + b"\n")

    def close(self) -> None:
        """Let go of its pipes, memory and files."""
        captured = 0
        for capture in self.captures:
            capture.close()
            captured += len(capture.data)
            capture.data = bytearray()
        if captured > LARGE_CAPTURE_BYTES:
            processes.forget_peak_memory()
        for path in self.launch.files:
            with suppress(OSError):  # never written, or the user's program took it away
                os.unlink(path)


def unstarted_record(run: int, why: str, slot: int, log_size: int) -> Record:
    """The end of a run whose bash could not be started."""
    return {
        **needless_record(run, {}, slot, log_size),
        "ok": False,
        "exit": NOT_STARTED,
        "why": shortened(why),
    }


def needless_record(run: int, out: Dict[str, Any], slot: int, log_size: int) -> Record:
    """The end of a run whose outputs were there without it."""
    at = microseconds()
    return {
        "t": "end",
        "run": run,
        "start": at,
        "at": at,
        "ok": True,
        "exit": 0,
        "mem": 0,
        "user": 0.0,
        "sys": 0.0,
        "out": out,
        "log": [slot, log_size, log_size],
    }
