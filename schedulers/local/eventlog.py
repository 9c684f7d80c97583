"""Appending to a state directory's events, through full disks."""

from __future__ import annotations

import os


class EventLog:
    """Lines that wait to be written, then are safe on disk.

    Lines that could not be written stay and are tried again at the next `flush`;
    after a torn write a line may stand there twice, which means nothing.
    """

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(
            path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666
        )
        size = os.fstat(self._descriptor).st_size
        self._is_torn = size > 0 and os.pread(self._descriptor, 1, size - 1) != b"\n"
        self._lines: list[str] = []
        self.is_writable = True  # as of the last attempt

    @property
    def is_clean(self) -> bool:
        """Whether everything is on disk."""
        return not self._lines

    def add(self, line: str) -> None:
        """Put a line behind those that wait; it ends in a line break."""
        self._lines.append(line)

    def drop_starts(self) -> None:
        """Forget waiting lines about starts: those items did not run."""
        self._lines = [line for line in self._lines if not line.startswith("start ")]

    def forget(self) -> None:
        """Forget all that waits: the file is gone."""
        self._lines = []

    def flush(self) -> bool:
        """Write what waits; False: it could not be."""
        if not self._lines:
            self.is_writable = True  # for all we know
            return True
        data = ("\n" if self._is_torn else "").encode() + "".join(self._lines).encode()
        self.is_writable = False
        try:
            written = os.write(self._descriptor, data)
            self._is_torn = (self._is_torn and not written) or 0 < written < len(data)
            if written < len(data):
                return False
            os.fsync(self._descriptor)
        except OSError:
            return False
        self._lines = []
        self.is_writable = True
        return True
