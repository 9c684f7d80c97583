"""Which workflows this user has submitted from here: one small file each.

In `$XDG_STATE_HOME/hpcflow/workflows`, else `~/.local/state/hpcflow/workflows`. It is
only a list of places to look at: what is there counts, and an entry whose workflow has
gone or ended is removed when it is met.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path


def index_folder() -> Path:
    """Where the entries are."""
    home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(home) / "hpcflow" / "workflows"


def _entry(place: str) -> Path:
    return index_folder() / hashlib.sha256(os.fsencode(place)).hexdigest()[:32]


def remember(place: str) -> None:
    """Note a workflow's folder. Where that can't be written, it is left out."""
    entry = _entry(place)
    if entry.exists():
        return
    with suppress(OSError):
        entry.parent.mkdir(parents=True, exist_ok=True)
        new = entry.with_suffix(f".{os.getpid()}")
        new.write_bytes(os.fsencode(place) + b"\n")
        os.replace(new, entry)


def forget(place: str) -> None:
    """Remove a workflow's entry, if it has one."""
    with suppress(OSError):
        _entry(place).unlink()


def remembered() -> list[str]:
    """The folders of workflows, in the order in which they were noted."""
    found = []
    with suppress(OSError):
        for entry in index_folder().iterdir():
            with suppress(OSError):
                at = entry.stat().st_mtime_ns
                place = os.fsdecode(entry.read_bytes().removesuffix(b"\n"))
                if entry == _entry(place):
                    found.append((at, place))
    return [place for _, place in sorted(found)]
