"""What an item does, as lines that a person reads: for those who look for a fault.

Written where resources say `write_app_logs`; imported only then.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from hpcflow.node.journal import microseconds

if TYPE_CHECKING:
    from jobstores.records import Record

_LEFT_OUT = ("t", "at", "out", "log")  # values stay where they are


class AppLog:
    """A file with a line for each record of an attempt, in UTC."""

    def __init__(self, path: str) -> None:
        self._path = path
        with suppress(OSError):
            os.makedirs(os.path.dirname(path), exist_ok=True)

    def note(self, record: Record) -> None:
        """Add a line, as far as the storage takes it: records matter more."""
        seconds, fraction = divmod(record.get("at") or microseconds(), 1_000_000)
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
        said = " ".join(f"{k}={v!r}" for k, v in record.items() if k not in _LEFT_OUT)
        with suppress(OSError), open(self._path, "a", encoding="utf-8") as stream:
            stream.write(f"{when}.{fraction:06d}Z {record['t']} {said}".rstrip() + "\n")
