"""What `/proc` says about processes: who lives, who belongs together.

`jobstores.process_identity` reads some of the same, in words of its own: neither
package may import the other, and a third one for twenty lines would be worse.

Source: proc(5), Linux 3.10 and later.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterable, Mapping

# In the environment of every process of an item: finds those that left its session.
MARK = "HPCFLOW_LOCAL_ITEM"
_MARK_ENTRY = f"{MARK}=".encode()


class Process(NamedTuple):
    """One process. `start` (clock ticks since boot) tells reused pids apart."""

    pid: int
    parent: int
    session: int
    start: int
    state: str  # "Z" and "X" are dead, whatever else is alive


class Place(NamedTuple):
    """Where a pid means something: a host, one boot of it, one pid namespace."""

    host: str
    boot: str
    pid_namespace: str

    def relation(self, here: Place) -> str:
        """What has become of this place: "here", "past" (rebooted) or "elsewhere"."""
        if (self.boot, self.pid_namespace) == (here.boot, here.pid_namespace):
            return "here"
        return "past" if self.host == here.host else "elsewhere"


def this_place() -> Place:
    """The place of this process."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        boot = file.read().strip()
    return Place(os.uname().nodename, boot, os.readlink("/proc/self/ns/pid"))


def look(pid: int) -> Process | None:
    """What process has this pid now, if any; the dead count as none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # the name may hold blanks and parentheses: count from the last one
    fields = text[text.rindex(b")") + 2 :].split()
    process = Process(
        pid, int(fields[1]), int(fields[3]), int(fields[19]), fields[0].decode()
    )
    return None if process.state in ("Z", "X") else process


def is_alive(pid: int, start: int) -> bool:
    """Whether that very process lives (not another that got its pid)."""
    process = look(pid)
    return process is not None and process.start == start


def scan() -> list[Process]:
    """All living processes."""
    found = (look(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return [process for process in found if process is not None]


def families(leaders: Mapping[str, int]) -> dict[str, set[int]]:
    """Pids of items' living processes; `leaders` maps an item's mark to its pid.

    An item's processes are those in its leader's session, those that carry its
    mark in their environment (they called setsid), and the descendants of both.
    This process is never among them.
    """
    processes = scan()
    by_leader = {pid: mark for mark, pid in leaders.items()}
    children: dict[int, list[int]] = {}
    found: dict[str, set[int]] = {mark: set() for mark in leaders}
    for process in processes:
        children.setdefault(process.parent, []).append(process.pid)
        mark = by_leader.get(process.session) or read_mark(process.pid)
        if mark in found:
            found[mark].add(process.pid)
    for pids in found.values():
        queue = list(pids)
        while queue:
            fresh = set(children.get(queue.pop(), ())) - pids
            pids |= fresh
            queue += fresh
        pids.discard(os.getpid())
    return found


def read_mark(pid: int) -> str:
    """The mark that a process carries, or nothing."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environment = file.read()
    except OSError:  # another user's, or gone
        return ""
    for entry in environment.split(b"\0"):
        if entry.startswith(_MARK_ENTRY):
            return os.fsdecode(entry[len(_MARK_ENTRY) :])
    return ""


def signal_all(pids: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to each; those that are gone are no error."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
