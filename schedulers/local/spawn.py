"""Starting items: each waits at a gate until its start is on record.

Fork first (the record needs the pid), then write the record, then open the
gate. Should the supervisor die in between, the gate's pipe closes and the child
exits without having run anything: no item ever runs twice.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, NoReturn

from schedulers.local.processes import MARK

if TYPE_CHECKING:
    from schedulers.local.records import LocalJob

# What a daemon or Python itself may ignore, and a job must not.
_RESET = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGPIPE", "SIGXFSZ", "SIGCHLD")


def open_output(job: LocalJob, item: int) -> int:
    """The descriptor of the file that an item's output goes to.

    Raises:
        OSError: it can't be opened.
    """
    path = job.output.replace("{item}", str(item))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)


class Batch:
    """Items that are forked and wait for their start to be on record."""

    def __init__(self) -> None:
        self._gate, self._release = os.pipe()
        self.pids: list[int] = []

    def fork(self, job: LocalJob, item: int, mark: str, output: int) -> int:
        """Make an item's process; its pid is its session's as well."""
        pid = os.fork()
        if pid == 0:
            _become(job, item, mark, output, self._gate)
        self.pids.append(pid)
        return pid

    def release(self) -> None:
        """Let them all run."""
        os.write(self._release, b"g" * len(self.pids))
        self._close()

    def abandon(self) -> None:
        """None of them runs: each exits."""
        self._close()

    def _close(self) -> None:
        os.close(self._gate)
        os.close(self._release)


def _close_all_but(gate: int) -> None:
    """Close every descriptor above the standard ones but one.

    The other end of the gate above all: else nobody would hear that it was shut.
    """
    highest = max(map(int, os.listdir("/proc/self/fd")))
    os.closerange(3, gate)
    os.closerange(gate + 1, highest + 1)


def _become(job: LocalJob, item: int, mark: str, output: int, gate: int) -> NoReturn:
    """Be the item: in a session of its own, nothing inherited but its output."""
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        _close_all_but(gate)
        for name in _RESET:
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.setsid()
        os.chdir(os.path.dirname(job.script))
        environment = {
            **job.environment,
            "HPCFLOW_ITEM_INDEX": str(item),
            "HPCFLOW_LOCAL_JOB_ID": str(job.number),
            MARK: mark,
        }
        if os.read(gate, 1):
            os.execvpe("bash", ["bash", job.script], environment)  # noqa: S606
        os._exit(0)
    except OSError as error:
        os.write(2, f"hpcflow: {job.script} cannot be run: {error}\n".encode())
    finally:
        os._exit(127)
