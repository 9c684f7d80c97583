"""Who a process is, and whether it is proven to be gone.

A process is named by its host, the host's boot, its pid, the time it started
(pids are reused) and the pid namespace it lives in (a container's pids mean
nothing outside). Only a process on the same host can prove another one gone;
everybody else has to watch it be silent.

Standard library only, Python 3.9 syntax: this runs on compute nodes.

Source: proc(5): `/proc/sys/kernel/random/boot_id`, `/proc/PID/stat` field 22
(start time in clock ticks after boot); pid_namespaces(7).
"""

from __future__ import annotations

import os
from typing import Any, Dict, Mapping, Optional, Tuple


def host_name() -> str:
    """The name by which this host is recorded."""
    return os.uname().nodename


def boot_id() -> str:
    """What changes at each boot of this host; empty where it can't be known."""
    return _read("/proc/sys/kernel/random/boot_id")


def pid_namespace() -> str:
    """The pid namespace of this process; empty where it can't be known."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def process_start(pid: int) -> Optional[int]:
    """When a process started, in clock ticks after boot; None if not known."""
    found = _stat(pid)
    return None if found is None else found[1]


def identity() -> Dict[str, Any]:
    """The fields `host`, `boot`, `pid`, `pid_start`, `pid_ns` of this process."""
    pid = os.getpid()
    return {
        "host": host_name(),
        "boot": boot_id(),
        "pid": pid,
        "pid_start": process_start(pid),
        "pid_ns": pid_namespace(),
    }


def proven_dead(record: Mapping[str, Any]) -> bool:
    """Whether the process that wrote these identity fields is certainly gone.

    False when in doubt: another host, another pid namespace, a missing field.
    """
    if not _same_host(record):
        return False
    if record["boot"] != boot_id():
        return True
    return _same_namespace(record) and not _may_live(record)


def proven_alive(record: Mapping[str, Any]) -> bool:
    """Whether the process that wrote these identity fields certainly lives."""
    if not _same_host(record) or record["boot"] != boot_id() or not _same_namespace(record):
        return False
    found = _stat(record["pid"]) if isinstance(record.get("pid"), int) else None
    return (
        found is not None and found[0] not in "ZX" and found[1] == record.get("pid_start")
    )


def _same_host(record: Mapping[str, Any]) -> bool:
    host = record.get("host")
    known = bool(record.get("boot")) and bool(boot_id())
    return known and host == host_name() and not str(host).startswith("localhost")


def _same_namespace(record: Mapping[str, Any]) -> bool:
    return bool(record.get("pid_ns")) and record.get("pid_ns") == pid_namespace()


def _may_live(record: Mapping[str, Any]) -> bool:
    pid, start = record.get("pid"), record.get("pid_start")
    if not isinstance(pid, int) or pid <= 0 or not isinstance(start, int):
        return True
    try:
        os.kill(pid, 0)  # answers even where /proc hides other users' processes
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    found = _stat(pid)
    return found is None or (found[0] not in "ZX" and found[1] == start)


def _stat(pid: int) -> Optional[Tuple[str, int]]:
    """State letter and start time of a process."""
    text = _read(f"/proc/{pid}/stat")
    fields = text[text.rfind(")") + 2 :].split()  # the name before may hold anything
    if len(fields) < 20:
        return None
    return fields[0], int(fields[19])


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read().strip()
    except OSError:
        return ""
