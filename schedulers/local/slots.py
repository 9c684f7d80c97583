"""What all of a user's workflows on this host share: its cores, memory and locks.

All of it lives in one directory of the user's own on a local disk, always the
same one: `$HPCFLOW_RUNTIME_DIR`, or `/tmp/hpcflow-UID`. (`$XDG_RUNTIME_DIR`
is no place for it: it vanishes at logout, and cron and plain ssh don't have it,
so that two commands would look for the locks in different directories.)

The ledger says who uses what. An entry counts only while its processes live, so
that nothing has to be cleaned up after a crash.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from schedulers.errors import RefusedError, UnavailableError
from schedulers.local.processes import is_alive, scan, this_place

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE_S = 5.0


def runtime_dir() -> str:
    """The user's own directory for locks on this host, made when missing.

    Raises:
        UnavailableError: it belongs to somebody else.
    """
    path = os.environ.get("HPCFLOW_RUNTIME_DIR") or f"/tmp/hpcflow-{os.getuid()}"  # noqa: S108
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
        info = os.lstat(path)
    except OSError as error:
        raise UnavailableError(f"cannot make {path}: {error.strerror}") from error
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid():
        raise UnavailableError(
            f"{path} should be a directory of yours (uid {os.getuid()}) but belongs to uid"
            f" {info.st_uid}; set HPCFLOW_RUNTIME_DIR to a directory on a local disk"
        )
    if info.st_mode & 0o077:
        os.chmod(path, 0o700)
    return path


def state_key(state_dir: str) -> str:
    """A short name for a state directory, the same by whatever path it is reached."""
    info = os.stat(state_dir)
    text = f"{os.path.realpath(state_dir)}\0{info.st_dev}\0{info.st_ino}"
    return hashlib.blake2b(text.encode(), digest_size=9).hexdigest()


@contextmanager
def lock_file(path: str, *, wait: bool = True) -> Iterator[bool]:
    """Hold a lock while the context lasts; False: somebody else has it.

    The lock goes when its holder does, however that ends. Its holder may remove
    the file: whoever waited for it then takes the next one of that name.
    """
    descriptor = _lock(path, wait=wait)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _lock(path: str, *, wait: bool) -> int | None:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if os.fstat(descriptor).st_ino == os.stat(path).st_ino:
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except FileNotFoundError:
            pass
        os.close(descriptor)  # it was removed while we waited


def host_cores() -> int:
    """Cores that may be used: `$HPCFLOW_LOCAL_CORES`, or what this process may run on."""
    text = os.environ.get("HPCFLOW_LOCAL_CORES", "")
    if text:
        if not text.isdigit() or not int(text):
            raise RefusedError(f"HPCFLOW_LOCAL_CORES is {text!r}; expected 1 or more")
        return int(text)
    return len(os.sched_getaffinity(0))


def host_memory_bytes() -> int:
    """The memory of this host."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


class Use(NamedTuple):
    """What one running item occupies."""

    pid: int
    start: int
    cores: int
    memory_bytes: int


class Room(Enum):
    """Whether an item may start now."""

    FREE = "free"
    OWN_LIMIT = "own_limit"  # this workflow runs as much as it may
    HOST_FULL = "host_full"  # or somebody else has waited for longer


@dataclass
class Table:
    """The ledger while it is held. `mine` and `wait_since` may be changed."""

    mine: list[Use]
    others: list[Use] = field(default_factory=list)
    wait_since: float | None = None
    others_wait_since: float = float("inf")  # the oldest of the other workflows

    def room(self, cores: int, memory_bytes: int, core_limit: int) -> Room:
        """Whether an item has room beside what runs, and it is our turn."""
        own = sum(use.cores for use in self.mine) + cores
        if own > core_limit:
            return Room.OWN_LIMIT
        everybody = self.mine + self.others
        all_memory = sum(use.memory_bytes for use in everybody) + memory_bytes
        if (
            own + sum(use.cores for use in self.others) > max(core_limit, host_cores())
            or (memory_bytes and all_memory > host_memory_bytes())
            or self.others_wait_since < (self.wait_since or float("inf"))
        ):
            return Room.HOST_FULL
        return Room.FREE


class Ledger:
    """One supervisor's access to the ledger of this host.

    `start` is this process's start, by which others see whether it lives.
    """

    def __init__(self, directory: str, key: str, start: int) -> None:
        self._lock = os.path.join(directory, "ledger.lock")
        self._path = os.path.join(directory, "ledger.json")
        self._key = key
        self._start = start

    @contextmanager
    def hold(self, table: Table, now: float) -> Iterator[None]:
        """Fill in what others use, keep them from taking more, write ours at the end.

        `now` is the host's monotonic clock. A workflow that has waited without
        looking for some seconds (its supervisor is stopped) holds back nobody.
        """
        with lock_file(self._lock):
            document = self._read()
            rows: dict[str, Any] = document["supervisors"]
            rows.pop(self._key, None)
            table.others, table.others_wait_since = [], float("inf")
            for key in list(rows):
                row = rows[key]
                if not is_alive(row["pid"], row["start"]):
                    row["uses"] = _living([Use(*use) for use in row["uses"]])
                    row["wait_since"] = None
                    if not row["uses"]:
                        del rows[key]
                table.others += [Use(*use) for use in row["uses"]]
                waits = row["wait_since"]
                if waits is not None and now - row["seen"] < _PATIENCE_S:
                    table.others_wait_since = min(waits, table.others_wait_since)
            yield
            if table.mine or table.wait_since is not None:
                rows[self._key] = {
                    "pid": os.getpid(),
                    "start": self._start,
                    "seen": now,
                    "wait_since": table.wait_since,
                    "uses": table.mine,
                }
            self._write(document)

    def _read(self) -> dict[str, Any]:
        boot = this_place().boot
        try:
            with open(self._path, "rb") as file:
                document = json.load(file)
            if document["boot"] == boot:
                return dict(document)
        except (OSError, ValueError, KeyError):
            pass  # none yet, or torn by a crash of the host: nothing runs then
        return {"boot": boot, "supervisors": {}}

    def _write(self, document: dict[str, Any]) -> None:
        temporary = f"{self._path}.new"
        with suppress(OSError):  # the disk is full: others go by what they see
            with open(temporary, "w", encoding="ascii") as file:
                json.dump(document, file)
            os.replace(temporary, self._path)


def _living(uses: list[Use]) -> list[Use]:
    """Uses of a dead supervisor that still have a process in their session."""
    if not uses:
        return []
    sessions = {process.session for process in scan()}
    return [use for use in uses if is_alive(use.pid, use.start) or use.pid in sessions]
