"""Performs an operation in processes each of which meets with another misfortune.

    python -m tests.campaigns.struck_process OPERATION

Each line of standard input, `PLACE HOW NUMBER`, makes a process that performs the
operation in PLACE, and

======== ======================================================================
at       gets SIGKILL so many seconds after its start
before   gets SIGKILL before its so many-eth call of the port (-1: never)
revoke   may write nothing below PLACE from its so many-eth call of the port on
limit    can write no file longer than so many bytes: to it the disk is full
======== ======================================================================

Each is answered by a line of JSON: `word` ("done", "killed", "refused" where it ended by
an error that is meant for people, else its exit status), `seconds`, `calls`, `message`.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobstores.errors import JobStoreError
from jobstores.faults import CountingPort
from jobstores.open import open_port
from tests.campaigns.operations import OPERATIONS, Operation

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobstores.port import ObjectPort

_CAPABILITY_VERSION_3 = 0x20080522  # <linux/capability.h>
_OVERRIDES = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
EXIT_REFUSED = 3


class StruckPort(CountingPort):
    """A port where something happens before its process's `at`-th call of any port."""

    made = 0

    def __init__(self, inner: ObjectPort, at: int, strike: Callable[[], None]) -> None:
        super().__init__(inner)
        self._at = at
        self._strike = strike

    def _call(self, method: str, key: str, action: Callable[[], Any]) -> Any:
        type(self).made += 1
        if type(self).made == self._at:
            self._strike()
        return action()


def perform(operation: Operation, place: Path, how: str, number: float) -> None:
    """The life of one process."""
    strike = _no_strike
    if how == "before":
        strike = _die
    elif how == "revoke":
        obey_permissions()
        strike = lambda: revoke(place)  # noqa: E731
    elif how == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(number), resource.RLIM_INFINITY))
    at = int(number) if how in ("before", "revoke") else -1
    operation.perform(place, lambda locator: StruckPort(open_port(locator), at, strike))


def _no_strike() -> None:
    pass


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def obey_permissions() -> None:
    """Be refused what the permissions of files refuse, even as root."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; twice
    if libc.capget(header, sets) != 0:
        raise OSError(ctypes.get_errno(), "capget")
    sets[0] &= ~_OVERRIDES
    if libc.capset(header, sets) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def revoke(place: Path) -> None:
    """Take the right to write away from every folder and file."""
    for folder, _, files in os.walk(place):
        for name in files:
            os.chmod(os.path.join(folder, name), 0o444)
        os.chmod(folder, 0o555)


def grant(place: Path) -> None:
    """Give it back."""
    os.chmod(place, 0o755)
    for folder, folders, files in os.walk(place):
        for name in folders:
            os.chmod(os.path.join(folder, name), 0o755)
        for name in files:
            os.chmod(os.path.join(folder, name), 0o644)


def attempt(operation: Operation, place: Path, how: str, number: float) -> dict[str, Any]:
    """Perform it once; what became of it."""
    said, answer = os.pipe()
    begun = time.monotonic()
    child = os.fork()
    if not child:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        os._exit(_live(operation, place, how, number, answer))
    os.close(answer)
    if how == "at":
        signal.sigtimedwait({signal.SIGCHLD}, max(0.0, begun + number - time.monotonic()))
        os.kill(child, signal.SIGKILL)  # not reaped yet, so it is still its pid
    _, status = os.waitpid(child, 0)
    seconds = time.monotonic() - begun
    with os.fdopen(said, "rb") as stream:
        text = stream.read()
    code = os.waitstatus_to_exitcode(status)
    words = {0: "done", -signal.SIGKILL: "killed", EXIT_REFUSED: "refused"}
    told = json.loads(text) if text else {"calls": 0, "message": ""}
    return {"word": words.get(code, str(code)), "seconds": seconds, **told}


def _live(operation: Operation, place: Path, how: str, number: float, answer: int) -> int:
    """Perform it and say how it ended; the exit status."""
    code, message = 0, ""
    try:
        perform(operation, place, how, number)
    except JobStoreError as error:
        code, message = EXIT_REFUSED, f"{error.kind}: {error}"
    except operation.refusals as error:
        code, message = EXIT_REFUSED, str(error)
    except BaseException:  # noqa: BLE001 - a forked process must not return
        sys.excepthook(*sys.exc_info())
        code = 1
    told = {"calls": StruckPort.made, "message": message[:2000]}
    os.write(answer, json.dumps(told).encode())
    return code


def main(name: str) -> None:
    """Answer line by line."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    operation = OPERATIONS[name]
    operation.load()
    print("ready", flush=True)
    for line in sys.stdin:
        place, how, number = line.rsplit(maxsplit=2)
        print(json.dumps(attempt(operation, Path(place), how, float(number))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
