"""Repair a store: what can be had from elsewhere is, and nothing is destroyed.

Under the lease. What counts is changed by one commit of a new generation, which goes
back to what older ones, packs and segments still have; then what is damaged and in the
way is moved below `damaged/`, and leftovers are swept. Killed at any moment, the store
is as before or as after, and repairing again goes on.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobstores import generations, segments
from jobstores.errors import CorruptError, NotFoundError
from jobstores.generations import MARKER
from jobstores.operations.check_base import GROUP, BaseCheck, read_manifests
from jobstores.operations.check_leftovers import hidden_files
from jobstores.operations.layout import is_segment, silent
from jobstores.operations.mend import is_whole, mend
from jobstores.operations.transfer import PIECE, Sum, stored_sum, sum_of
from jobstores.operations.verify import VerifyReport, verify
from jobstores.sweep import storage_time
from jobstores.workflow_store import WorkflowStore

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from jobstores.decisions import Item
    from jobstores.generations import Base
    from jobstores.lease import LeaseTiming
    from jobstores.operations.findings import Finding
    from jobstores.operations.layout import Progress
    from jobstores.port import ObjectPort

ASIDE = "damaged"
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What a repair did.

    before: what was found at first; after: what is found now.
    moved: keys that were moved below `damaged/`, and are kept there.
    generation: the one that it committed; None: it needed none.
    """

    before: VerifyReport
    after: VerifyReport
    moved: tuple[str, ...]
    generation: int | None

    @property
    def repaired(self) -> list[Finding]:
        """What was found before and isn't now."""
        left = {(f.kind, f.key) for f in self.after.findings}
        return [f for f in self.before.findings if (f.kind, f.key) not in left]


def repair(
    port: ObjectPort,
    *,
    also: Collection[Item] = (),
    cancelled: Collection[int] = (),
    timing: LeaseTiming | None = None,
    wait_s: float = 10.0,
    progress: Progress = silent,
) -> RepairReport:
    """Check a store, repair what can be, and check it again.

    also, cancelled: as `WorkflowStore.fold`: for what is folded again.

    Raises:
        As `verify`; BusyError: another process is changing the store.
    """
    before = verify(port, progress=progress)
    if not before.findings:
        return RepairReport(before, before, (), None)
    work = _Repair(port, before)
    work.marker()
    store = WorkflowStore(port, timing=timing)
    with store.lease(wait_s) as lease:
        work.groups()
        committed = mend(store, lease, also, cancelled)
        work.fences()
        work.set_aside()
        work.leftovers()
        with suppress(CorruptError, NotFoundError):  # of what could not be repaired
            store.sweep(lease)
    after = verify(port, progress=progress)
    return RepairReport(before, after, tuple(work.moved), committed)


class _Repair:
    """One repair under way."""

    def __init__(self, port: ObjectPort, before: VerifyReport) -> None:
        self._port = port
        self._found = before.findings
        self._stamp = (
            f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}.{secrets.token_hex(2)}"
        )
        self.moved: list[str] = []

    def _of(self, *kinds: str) -> list[Finding]:
        return [f for f in self._found if f.kind in kinds]

    def _move(self, key: str) -> None:
        """Move what a key names below `damaged/`; nothing there is no error."""
        try:
            there = f"{ASIDE}/{self._stamp}/{key}"
            expected = _copied(self._port, key, there)
        except NotFoundError:
            return
        self._port.sync_tree(f"{ASIDE}/{self._stamp}")
        if stored_sum(self._port, there) != expected:
            raise CorruptError(f"{self._port.locator}: {there} fails its checksum")
        self._port.delete(key)
        self.moved.append(key)

    # --- what is repaired in its place

    def marker(self) -> None:
        """Write `store.json` anew, as the manifests say."""
        if not any(f.repair for f in self._of("marker")):
            return
        bases, _ = read_manifests(self._port)
        self._move(MARKER)
        generations.write_marker(self._port, bases[-1].store_id, bases[0].at)

    def groups(self) -> None:
        """Write the groups above columns anew."""
        for finding in self._of("group"):
            if self._port.stat(finding.key) is not None:
                self._move(finding.key)
            self._port.put(finding.key, json.dumps(GROUP).encode())

    def fences(self) -> None:
        """Fence packed jobs again."""
        for finding in self._of("fence"):
            mark = {"t": "fence", "at": time.time_ns() // 1000, "why": "repaired"}
            segments.append_serialised(self._port, finding.key, mark)

    # --- what is moved, or removed

    def set_aside(self) -> None:
        """Move what is damaged, in the way and needed by nobody below `damaged/`."""
        for finding in self._of("packed_segment", "lease"):
            self._move(finding.key)
        bases, broken = read_manifests(self._port)
        last = generations.numbers(self._port)[-1:]
        if not bases or last != [bases[-1].number]:
            return
        for finding in broken:
            if finding.kind == "manifest":
                self._move_generation(finding.key, bases)
                self._move(finding.key)
        check = BaseCheck(self._port, lambda: None)
        if is_whole(self._port, bases[-1], check):
            for base in bases[:-1]:
                if not is_whole(self._port, base, check):
                    self._move(generations.manifest_key(base.number))

    def _move_generation(self, manifest: str, bases: Sequence[Base]) -> None:
        """Move what only a damaged manifest named: nobody knows what it was."""
        prefix = manifest.removesuffix("commit")
        live = {key for base in bases for key in base.live_keys()}
        for key in list(self._port.walk(generations.ROOT)):
            if key.startswith(prefix) and key != manifest:
                above = key.split("/")
                names = {"/".join(above[: n + 1]) for n in range(len(above))}
                if not names & live and not key.endswith("/zarr.json"):
                    self._move(key)

    def leftovers(self) -> None:
        """Remove what is worth nothing at any age, and payloads that nobody writes."""
        for finding in self._of("probe", "unfinished"):
            self._port.delete(finding.key)
        files = hidden_files(self._port)
        if files:
            limit = storage_time(self._port) - _DAY_S
            for path in files:
                with suppress(OSError):
                    if os.stat(path).st_mtime < limit:
                        os.unlink(path)


def _copied(port: ObjectPort, key: str, there: str) -> Sum:
    """Copy what a key names to another key of the same store, as an object."""
    if is_segment(key):
        data = port.read_segment(key)
        port.put(there, data)
        return sum_of(data)
    found = port.stat(key)
    if found is None:
        raise NotFoundError(f"{port.locator}: there is no {key}")
    with port.open_write(there) as file:
        for start in range(0, found.size, PIECE):
            file.write(port.get(key, start, start + PIECE))
    total = stored_sum(port, key)
    if total is None:
        raise NotFoundError(f"{port.locator}: there is no {key}")
    return total
