"""Delete a store: all of it and nothing else, in an order that can be taken up again.

First `unfinished.json` says so, durably; then `store.json` goes, and from there on
nothing opens the place as a store; then all else; `unfinished.json` last. A deletion
that was cut short is known by that mark, and deleting again completes it.
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobstores import generations
from jobstores.errors import JobStoreError, ReadOnlyError
from jobstores.generations import MARKER
from jobstores.keys import is_part
from jobstores.lease import acquire
from jobstores.operations.layout import (
    TREES,
    UNFINISHED,
    Part,
    mark_unfinished,
    part_of,
    read_unfinished,
    silent,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobstores.lease import LeaseTiming
    from jobstores.operations.layout import Progress
    from jobstores.port import ObjectPort

_SHOWN = 5
_USERS = ("submissions", "logs", "execute")  # below these runs leave files of any name


class ForeignFilesError(JobStoreError):
    """There are files in a store's place that are none of the store's."""

    kind = "foreign_files"


@dataclass(frozen=True, slots=True)
class DeleteReport:
    """What was deleted. `keys`: how many objects and segments there were."""

    keys: int


def delete(
    port: ObjectPort,
    *,
    timing: LeaseTiming | None = None,
    wait_s: float = 10.0,
    progress: Progress = silent,
) -> DeleteReport:
    """Delete a store, or complete what began to be deleted, or copied there.

    progress: told how many keys are gone.

    Killed at any moment, it is a store as before; or `unfinished.json` is there, no
    `store.json`, and this can be called again; or nothing is there.

    Raises:
        NotFoundError: there is no store, whole or half.
        ReadOnlyError: it is a zip file.
        ForeignFilesError: there are files that are none of the store's. Nothing was
            deleted.
        BusyError: another process is changing it.
    """
    if port.read_only:
        raise ReadOnlyError(f"{port.locator} is one file, which is only read: remove it")
    whole = check_deletable(port)
    keys = list(port.walk(""))
    with acquire(port, wait_s, timing) if whole else nullcontext():
        mark_unfinished(port, "delete")
        port.delete(MARKER)
    done = 0
    for tree, count in _in_order(keys):
        progress(done, len(keys))
        port.delete_tree(tree)
        done += count
    port.sync_tree("")  # else a power cut could bring back what the mark is for
    port.delete(UNFINISHED)
    if not port.list("") and not foreign_files(port, limit=1):
        # what backends keep for themselves, and the folder, or what was made for it
        destroy = getattr(port, "destroy", lambda: port.delete_tree(""))
        destroy()
    progress(len(keys), len(keys))
    return DeleteReport(len(keys))


def check_deletable(port: ObjectPort) -> bool:
    """Whether it is a whole store; False: one half deleted, or half copied.

    Raises:
        NotFoundError, ForeignFilesError: as `delete`.
    """
    whole = port.stat(MARKER) is not None
    if not whole and read_unfinished(port) is None:
        generations.check_marker(port)  # says what is there
    foreign = foreign_files(port)
    if foreign:
        shown = ", ".join(foreign[:_SHOWN]) + (", ..." if len(foreign) > _SHOWN else "")
        raise ForeignFilesError(
            f"{port.locator} holds files that are none of the store's: {shown}. Nothing "
            "was deleted: move them elsewhere first"
        )
    return whole


def foreign_files(port: ObjectPort, limit: int = _SHOWN + 1) -> list[str]:
    """Keys, and files of other names, that are in a store's place and not of it."""
    found: list[str] = []
    for key in port.walk(""):
        if part_of(key) is Part.FOREIGN:
            found.append(key)
            if len(found) == limit:
                return sorted(found)
    for name in _odd_names(port):
        found.append(name)
        if len(found) == limit:
            break
    return sorted(found)


def _odd_names(port: ObjectPort) -> Iterator[str]:
    """Files whose names are no keys, where the backend keeps files."""
    marker = port.path(MARKER)
    if marker is None:
        return
    root = os.path.dirname(marker)
    for folder, folders, names in os.walk(root):
        inner = os.path.relpath(folder, root)
        if inner == ".":
            folders[:] = [name for name in folders if name not in _USERS]
        for name in [*names, *(n for n in folders if os.path.islink(f"{folder}/{n}"))]:
            linked = os.path.islink(f"{folder}/{name}")
            if name[:1] == "~" or (is_part(name) and not (linked and name in folders)):
                continue
            yield os.path.normpath(f"{inner}/{name}")


def _in_order(keys: list[str]) -> Iterator[tuple[str, int]]:
    """Prefixes to delete, in parts that progress can be told of, and their keys."""
    counts: dict[str, dict[str, int]] = {}
    for key in keys:
        top, _, rest = key.partition("/")
        if rest:
            inner = f"{top}/{rest.partition('/')[0]}" if "/" in rest else top
            counts.setdefault(top, {}).setdefault(inner, 0)
            counts[top][inner] += 1
    for top in TREES:
        inner_counts = counts.get(top, {})
        for inner, count in sorted(inner_counts.items()):
            if inner != top:
                yield inner, count
        yield top, inner_counts.get(top, 0)
