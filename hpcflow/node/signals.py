"""Signals as events of the loop: a pipe that becomes readable when one arrives."""

from __future__ import annotations

import os
import signal
from typing import List

# These end the item; the runs get a moment to save what they can.
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGXCPU, signal.SIGHUP)
# These are for the runs (a scheduler's warning); the item goes on.
PASSED_ON = (signal.SIGUSR1, signal.SIGUSR2)

# What a run's bash must find as default again: what Python ignores, what a
# background job of a jobscript ignores, and what is handled here.
RESET_IN_RUNS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGQUIT, *STOPPING, *PASSED_ON)


def _note(number: int, frame: object) -> None:
    """Do nothing: the interpreter has written the number to the pipe already."""


class SignalPipe:
    """Collects SIGCHLD and the signals that end, or are passed on to, the runs."""

    def __init__(self) -> None:
        self.fd, self._write_fd = os.pipe()

    def install(self) -> None:
        """Begin to collect. A hang-up that is ignored (nohup) stays ignored."""
        os.set_blocking(self.fd, False)
        os.set_blocking(self._write_fd, False)
        signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, *STOPPING, *PASSED_ON):
            ignored = signal.getsignal(number) == signal.SIG_IGN
            if not (number == signal.SIGHUP and ignored):
                signal.signal(number, _note)

    def collect(self) -> List[int]:
        """The signals that arrived, but for SIGCHLD, in order."""
        try:
            return [n for n in os.read(self.fd, 65536) if n != signal.SIGCHLD]
        except BlockingIOError:
            return []


def name_of(number: int) -> str:
    """A signal's name, such as SIGTERM."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
