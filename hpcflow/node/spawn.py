"""Starting and ending runs' processes: one `posix_spawn` of bash per run.

Each run is a process group of its own in the item's session, so that its whole
tree can be signalled while the batch system still sees it as part of the job.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, List, Tuple

from hpcflow.node.shell import UnusableValueError
from hpcflow.node.signals import RESET_IN_RUNS

if TYPE_CHECKING:
    from hpcflow.node.launch import Launch

HIGHEST_CAPTURE_FD = 31
_NULL = "/dev/null"


def reserve_low_fds() -> int:
    """Occupy the descriptors that captures may use in a run, and return /dev/null.

    With every other descriptor of this process above them, the order in which a
    run's descriptors are put in place can't overwrite one that is still needed.
    """
    null = os.open(_NULL, os.O_RDWR | os.O_CLOEXEC)
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
        try:
            return os.posix_spawn(
                self._bash,
                [b"bash", b"-c", text, b"hpcflow"],
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
