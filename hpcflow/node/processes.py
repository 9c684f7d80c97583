"""Processes and signals: how runs are started and ended, and what this process is sent.

Each run is one `posix_spawn` of bash, and a process group of its own in the item's
session, so that its whole tree can be signalled while the batch system still sees it
as part of the job. Signals to this process are events of the loop: a pipe becomes
readable when one arrives.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, List, Tuple

from hpcflow.node.shell import UnusableValueError

if TYPE_CHECKING:
    from hpcflow.node.launch import Launch

HIGHEST_CAPTURE_FD = 31

# These end the item; the runs get a moment to save what they can.
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGXCPU, signal.SIGHUP)
# These are for the runs (a scheduler's warning); the item goes on.
PASSED_ON = (signal.SIGUSR1, signal.SIGUSR2)

# What a run's bash must find as default again: what Python ignores, what a
# background job of a jobscript ignores, and what is handled here.
RESET_IN_RUNS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGQUIT, *STOPPING, *PASSED_ON)


def reserve_low_fds() -> int:
    """Occupy the descriptors that captures may use in a run, and return /dev/null.

    With every other descriptor of this process above them, the order in which a
    run's descriptors are put in place can't overwrite one that is still needed.
    """
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    while null <= HIGHEST_CAPTURE_FD:
        null = os.dup(null)
    return null


def find_bash() -> str:
    """The path of the bash that is first on PATH."""
    for directory in os.environ.get("PATH", "").split(":"):
        path = os.path.join(directory, "bash")
        if directory and os.access(path, os.X_OK):
            return path
    return "/bin/bash"


class Spawner:
    """Starts bash for runs, in this process's own directory: it follows the runs'."""

    def __init__(self, null_fd: int) -> None:
        self._bash = find_bash()
        self._null_fd = null_fd
        self._directory = ""

    def start(self, launch: Launch, log_fd: int, pipes: List[Tuple[int, int]]) -> int:
        """Start a run's bash; `pipes` are (writing end, its number in the run).

        Raises:
            OSError: it could not be started.
            UnusableValueError: a variable of its environment has a NUL character.
        """
        actions = [
            (os.POSIX_SPAWN_DUP2, self._null_fd, 0),
            (os.POSIX_SPAWN_DUP2, log_fd, 1),
            (os.POSIX_SPAWN_DUP2, log_fd, 2),
            *((os.POSIX_SPAWN_DUP2, end, number) for end, number in pipes),
        ]
        if launch.directory != self._directory:  # posix_spawn knows no directory
            os.chdir(launch.directory)
            self._directory = launch.directory
        text = launch.text.encode("utf-8", "surrogateescape")
        shell = [os.fsencode(word) for word in launch.shell or ["bash"]]
        try:
            return os.posix_spawn(
                launch.shell[0] if launch.shell else self._bash,
                [*shell, b"-c", text, b"hpcflow"],
                launch.environment,
                file_actions=actions,
                setpgroup=0,
                setsigmask=(),
                setsigdef=RESET_IN_RUNS,
            )
        except ValueError as error:
            raise UnusableValueError(
                f"bash can't be given its environment: {error}"
            ) from error


def forget_peak_memory() -> None:
    """Let this process's peak memory be what it uses now.

    A child's ru_maxrss is never below the peak of the process that started it,
    so one large capture would show in all later runs. Source: proc(5), clear_refs.
    """
    with suppress(OSError), open("/proc/self/clear_refs", "w", encoding="ascii") as stream:
        stream.write("5")


def signal_group(group: int, number: int) -> bool:
    """Signal a run's whole tree; False where nothing of it is left."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # a set-user-id program among them is not ours to signal
    return True


def alive(group: int) -> bool:
    """Whether anything of a run's tree is left."""
    return signal_group(group, 0)


def kill_group(group: int) -> None:
    """End a run's tree at once."""
    signal_group(group, signal.SIGKILL)


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
