"""The log of a slot: what its runs write, one after the other.

A callback marks the log of the run that calls it, by the owner's permission to
execute it, which a log has no other use for. The item has the file open, so that
looking for the mark costs no look-up of a path; and a mark gets through from any
program that a run starts, whatever descriptors were closed on the way.
"""

from __future__ import annotations

import os
from contextlib import suppress

_MARK = 0o100


def mark(path: str) -> None:
    """Mark a run's log, so that the item looks for what was said of the run."""
    with suppress(OSError):  # the item also looks where an output is missing
        os.chmod(path, os.stat(path).st_mode & 0o777 | _MARK)


class Log:
    """A slot's log file, opened when its first run starts."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.fd = -1

    def open(self) -> None:
        """Open it for appending, its folder made where it is missing.

        Raises:
            OSError: the storage is full, read-only or gone.
        """
        if self.fd >= 0:
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            self.fd = os.open(self.path, flags, 0o666)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            self.fd = os.open(self.path, flags, 0o666)

    def size(self) -> int:
        """How many bytes it holds."""
        return os.fstat(self.fd).st_size if self.fd >= 0 else 0

    def take_mark(self) -> bool:
        """Whether a callback has marked it since this was last asked."""
        mode = os.fstat(self.fd).st_mode
        if not mode & _MARK:
            return False
        with suppress(OSError):  # then the item looks for callbacks more often
            os.fchmod(self.fd, mode & 0o777 & ~_MARK)
        return True

    def append(self, data: bytes) -> None:
        """Add to what the run wrote itself, as far as the storage takes it."""
        with suppress(OSError):  # the record of the failure matters more than its text
            while data:
                data = data[os.write(self.fd, data) :]

    def close(self) -> None:
        """Close it; remove it if nothing was written."""
        if self.fd < 0:
            return
        empty = self.size() == 0
        os.close(self.fd)
        self.fd = -1
        if empty:
            with suppress(OSError):  # an empty file does no harm
                os.unlink(self.path)
