"""Runs that share an interpreter: one process per slot executes them one by one.

The interpreter is started with the first run that needs it and ended with the item. A
run's record is made when its answer comes, as that of any other run; if the
interpreter dies, that fails the run it was executing, and the next run starts another.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Dict, Tuple

from hpcflow.node import processes
from hpcflow.node.capture import READ_BYTES, Capture
from hpcflow.node.journal import microseconds, now_s
from hpcflow.node.runs import Run

if TYPE_CHECKING:
    from hpcflow.node.launch import Launch
    from hpcflow.node.log import Log
    from hpcflow.node.manifest import Step

REQUESTS_FD, ANSWERS_FD = 3, 4  # in the interpreter
END_S = 2.0  # that an interpreter without work gets to end by itself
_LOOK_S = 0.005


class _Usage:
    """What a run used, as `os.wait4` says it of a process."""

    def __init__(self, answer: Dict[str, Any]) -> None:
        self.ru_maxrss: int = answer["mem"]
        self.ru_utime: float = answer["user"]
        self.ru_stime: float = answer["sys"]


class Interpreter:
    """One process that executes runs; started when it is first asked to."""

    def __init__(self) -> None:
        self.pid = 0
        self._environment: Dict[bytes, bytes] = {}
        self._requests = -1
        self._answers = -1

    def ask(self, launch: Launch, log_fd: int, spawner: processes.Spawner) -> int:
        """Ask for a run; returns a descriptor of its own on which the answer comes.

        Raises:
            OSError, UnusableValueError: the process could not be started.
        """
        if self.pid and os.waitpid(self.pid, os.WNOHANG)[0]:
            self.forget()
        for _ in range(2):
            if not self.pid:
                self._start(launch, log_fd, spawner)
            with suppress(BrokenPipeError):  # it died just now
                os.write(self._requests, self._request(launch))
                return os.dup(self._answers)
            os.waitpid(self.pid, 0)
            self.forget()
        raise OSError("the interpreter for combined scripts ends at once")

    def _start(self, launch: Launch, log_fd: int, spawner: processes.Spawner) -> None:
        reading, self._requests = os.pipe()
        self._answers, writing = os.pipe()
        environment = dict(launch.environment)
        launch.environment[b"HPCFLOW_SERVE"] = b"%d,%d" % (REQUESTS_FD, ANSWERS_FD)
        try:
            pipes = [(reading, REQUESTS_FD), (writing, ANSWERS_FD)]
            self.pid = spawner.start(launch, log_fd, pipes)
        except BaseException:
            self.forget()
            raise
        finally:
            launch.environment = environment
            os.close(reading)
            os.close(writing)
        self._environment = environment

    def _request(self, launch: Launch) -> bytes:
        base, wanted = self._environment, launch.environment
        request = {
            "directory": launch.directory,
            "set": {
                os.fsdecode(name): os.fsdecode(text)
                for name, text in wanted.items()
                if base.get(name) != text
            },
            "unset": [os.fsdecode(name) for name in base if name not in wanted],
        }
        return json.dumps(request).encode() + b"\n"

    def forget(self) -> None:
        """Let go of a process that has ended, or is not there."""
        for fd in (self._requests, self._answers):
            if fd >= 0:
                os.close(fd)
        self.pid, self._requests, self._answers = 0, -1, -1

    def end(self) -> None:
        """Let the process end; end it where it does not."""
        pid = self.pid
        self.forget()
        if not pid:
            return
        deadline = now_s() + END_S
        with suppress(ChildProcessError):  # a run saw its end
            while not os.waitpid(pid, os.WNOHANG)[0]:
                if now_s() > deadline:
                    processes.kill_group(pid)
                time.sleep(_LOOK_S)


class CombinedRun(Run):
    """A run that an interpreter executes beside others."""

    def __init__(
        self, run: int, step: Step, launch: Launch, log: Log, interpreter: Interpreter
    ) -> None:
        super().__init__(run, step, launch, log)
        self._interpreter = interpreter
        self._answer: _Answer | None = None

    def start(self, spawner: processes.Spawner) -> None:
        """Ask the interpreter for it.

        Raises:
            OSError, UnusableValueError: there is none and none could be started.
        """
        self.log.open()
        self.log_first = self.log.size()
        self.started_us, self.started_at = microseconds(), now_s()
        fd = self._interpreter.ask(self.launch, self.log.fd, spawner)
        self.pid = self._interpreter.pid
        self._answer = _Answer(fd, {"output": ""})
        self.captures = [self._answer]

    def reap(self) -> bool:
        """Whether its answer has come, or the interpreter ended; notes what it says."""
        if self.ended_us:
            return True
        if not self.stopped_by and self._take_answer():
            return True
        pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        if pid == 0:
            return False
        self._interpreter.forget()
        if not self.stopped_by and self._take_answer():
            return True
        self._note_end(status, usage)
        return True

    def _take_answer(self) -> bool:
        assert self._answer is not None
        answer = self._answer.answer()
        if answer is None:
            return False
        self.ended_us = microseconds()
        self.exit = answer["exit"]
        self.usage = _Usage(answer)
        return True

    def _captured(self) -> Dict[str, Any]:
        return {}

    def show_captured(self) -> None:
        """Do nothing: what it printed is in the log."""


class _Answer(Capture):
    """The stream of a run's answer: over once the answer, a line, is there."""

    __slots__ = ()

    def drain(self) -> bool:
        """Read what is there now; returns whether there was anything."""
        found = super().drain()
        if b"\n" in self.data:
            self.close()
        return found

    def answer(self) -> Dict[str, Any] | None:
        """The answer, where it is there already."""
        if self.open and b"\n" not in self.data:
            with suppress(BlockingIOError):
                self.data += os.read(self.fd, READ_BYTES)
        if b"\n" not in self.data:
            return None
        found: Dict[str, Any] = json.loads(self.data)
        return found


class Combined:
    """The interpreters of an item, by slot and by what they have in common."""

    def __init__(self) -> None:
        self._interpreters: Dict[Tuple[int, int], Interpreter] = {}

    def run(self, run: int, step: Step, launch: Launch, log: Log, slot: int) -> CombinedRun:
        """A run of a step that shares its interpreter."""
        assert step.combine is not None
        interpreter = self._interpreters.setdefault((slot, step.combine), Interpreter())
        return CombinedRun(run, step, launch, log, interpreter)

    def close(self) -> None:
        """End all interpreters."""
        for interpreter in self._interpreters.values():
            interpreter.end()
