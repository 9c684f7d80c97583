"""`end-tree TOKEN`: end what an item's dead process left running on this host.

The jobscript calls it when the item's process was killed, so that its runs don't
go on as ghosts. They are found by HPCFLOW_TREE in their environment, which the
jobscript set: whatever a run has started inherits it, daemons included.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from typing import List

GRACE_S = 2.0
PATIENCE_S = 10.0
VARIABLE = "HPCFLOW_TREE"


def main(token: str) -> int:
    """Tell the processes to stop, then kill them; 1 where some would not go."""
    if not token:
        return 0
    if not members(token):
        return 0
    _signal(token, signal.SIGTERM)
    begun = time.monotonic()
    while members(token):
        waited = time.monotonic() - begun
        if waited > PATIENCE_S:
            sys.stderr.write(f"hpcflow: still running: {members(token)}\n")
            return 1
        if waited > GRACE_S:
            _signal(token, signal.SIGKILL)
        time.sleep(0.05)
    return 0


def members(token: str) -> List[int]:
    """The live processes that have the token in their environment, but for this one."""
    mark = f"{VARIABLE}={token}".encode()
    others = (n for n in os.listdir("/proc") if n.isdigit() and int(n) != os.getpid())
    return [int(name) for name in others if _marked(name, mark)]


def _marked(pid: str, mark: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as stream:
            return mark in stream.read().split(b"\0")
    except OSError:
        return False  # another user's, or gone meanwhile


def _signal(token: str, number: int) -> None:
    for pid in members(token):
        with suppress(OSError):  # gone meanwhile
            os.kill(pid, number)
