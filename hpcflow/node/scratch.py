"""A folder of the item's own for what a run reads or writes beside its values."""

from __future__ import annotations

import os
from contextlib import suppress


class Scratch:
    """Made when it is first needed, in $TMPDIR where that can be written."""

    def __init__(self, fallback: str) -> None:
        self._places = [os.environ.get("TMPDIR", ""), "/tmp", fallback]  # noqa: S108
        self._directory = ""

    def file(self, name: str) -> str:
        """The path of a file in it."""
        if not self._directory:
            self._directory = self._made()
        return f"{self._directory}/{name}"

    def write(self, name: str, *parts: bytes) -> str:
        """Write a file in it; returns its path."""
        path = self.file(name)
        with open(path, "wb") as stream:
            for part in parts:
                stream.write(part)
        return path

    def remove(self) -> None:
        """Remove it with all that is in it."""
        if not self._directory:
            return
        for name in os.listdir(self._directory):
            with suppress(OSError):
                os.unlink(f"{self._directory}/{name}")
        with suppress(OSError):  # a run left a folder there: the scheduler clears $TMPDIR
            os.rmdir(self._directory)
        self._directory = ""

    def _made(self) -> str:
        name = f"hpcflow-{os.getpid()}-{os.urandom(6).hex()}"
        for number, place in enumerate(self._places):
            if not place.startswith("/"):
                continue
            try:
                os.mkdir(f"{place}/{name}", 0o700)
            except OSError:
                if number == len(self._places) - 1:
                    raise
            else:
                return f"{place}/{name}"
        raise AssertionError("the fallback is an absolute path")
