"""A workflow's store: generations of columns, and the segments of its jobs.

One process at a time, the holder of the lease, writes the base; job items write
segments. See docs/reference/store-protocols.md.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jobstores import generations
from jobstores.columns import read_column, write_columns
from jobstores.decisions import Item
from jobstores.errors import (
    AlreadyExistsError,
    ConflictError,
    LeaseLostError,
    NotFoundError,
)
from jobstores.generations import Base, IdRange
from jobstores.lease import Lease, LeaseTiming, acquire, remove_old
from jobstores.records import RunState
from jobstores.view import View, read_view

if TYPE_CHECKING:
    from jobstores.columns import ColumnRef
    from jobstores.fold import FoldReport
    from jobstores.port import ObjectPort

__all__ = ["Base", "IdRange", "Item", "Lease", "View", "WorkflowStore"]

RUNS = "runs"
Column = tuple[str, Any]
Tables = Mapping[str, Mapping[str, Column]]


def _now_us() -> int:
    return time.time_ns() // 1000


class WorkflowStore:
    """An open store.

    Args:
        port: where it lies.
        timing: the lease's times and clocks.
        now_us: the wall clock, in microseconds since 1970-01-01 UTC.

    Raises:
        NotFoundError: there is no store there; the message says what is.
        UnsupportedError: a newer version wrote it.
    """

    def __init__(
        self,
        port: ObjectPort,
        *,
        timing: LeaseTiming | None = None,
        now_us: Callable[[], int] = _now_us,
    ) -> None:
        self.port = port
        self.id = generations.check_marker(port)
        self._timing = timing
        self._now_us = now_us

    @classmethod
    def create(
        cls,
        port: ObjectPort,
        *,
        info: Mapping[str, Any],
        documents: Mapping[str, bytes],
        tables: Tables,
        ranges: Sequence[IdRange],
        timing: LeaseTiming | None = None,
        now_us: Callable[[], int] = _now_us,
    ) -> WorkflowStore:
        """Make a store; what is given is its generation 1.

        Creation that was cut short is taken up again.

        Raises:
            AlreadyExistsError: there is a store already.
        """
        try:
            generations.write_marker(port, secrets.token_hex(8), now_us())
        except AlreadyExistsError:
            if generations.numbers(port):
                raise AlreadyExistsError(f"{port.locator} is a job store already") from None
        store = cls(port, timing=timing, now_us=now_us)
        nothing = Base(number=0, nonce="", store_id=store.id, at=0)
        first = nothing.successor(secrets.token_hex(4), now_us(), info=dict(info))
        first = _with_ranges(first, ranges)
        first = store._write_given(first, documents, tables)
        try:
            generations.commit(port, first)
        except ConflictError:
            raise AlreadyExistsError(f"{port.locator} is a job store already") from None
        return store

    # --- reading ------------------------

    def base(self) -> Base:
        """The newest generation; costs one listing and one object."""
        return generations.newest(self.port)

    def document(self, base: Base, name: str) -> bytes:
        """A document of a generation.

        Raises:
            NotFoundError: the generation has none of that name, or was swept.
        """
        ref = base.documents.get(name)
        if ref is None:
            known = ", ".join(sorted(base.documents)) or "none"
            raise NotFoundError(
                f"{self.port.locator}: no document {name!r} (there are: {known})"
            )
        return generations.read_document(self.port, ref)

    def column(self, base: Base, table: str, column: str) -> Any:
        """A column of a generation, as an array or a list.

        Raises:
            NotFoundError: the generation has no such column, or was swept.
        """
        return read_column(self.port, self.column_ref(base, table, column))

    def column_ref(self, base: Base, table: str, column: str) -> ColumnRef:
        """Where a column of a generation lies.

        Raises:
            NotFoundError: the generation has no such column.
        """
        ref = base.tables.get(table, {}).get(column)
        if ref is None:
            raise NotFoundError(f"{self.port.locator}: no column {column!r} in {table!r}")
        return ref

    def view(self) -> View:
        """The newest base and what the segments say beyond it, consistently."""
        refresh = getattr(self.port, "refresh", None)
        if refresh is not None:
            refresh()
        return read_view(self.port)

    # --- writing ------------------------

    def lease(self, wait_s: float = 0.0) -> Lease:
        """The right to write the base; a context manager.

        Raises:
            BusyError: another process has it, is alive, and kept it for `wait_s`.
        """
        return acquire(self.port, wait_s, self._timing)

    def commit(
        self,
        lease: Lease,
        base: Base,
        *,
        info: Mapping[str, Any] | None = None,
        documents: Mapping[str, bytes] | None = None,
        tables: Tables | None = None,
        ranges: Sequence[IdRange] = (),
        jobs: Mapping[tuple[int, int], int] | None = None,
        encoded: bool = False,
    ) -> Base:
        """Publish the next generation after `base`. What is not given stays.

        info: replaces all of it.
        documents, tables: added, or replaced by name.
        ranges: added.
        jobs: by (submission, job), how many items it has; added. Only jobs made
            known here are packed and swept.
        encoded: columns of the kind "json" are given as JSON texts of stored values.

        Raises:
            LeaseLostError: the lease is not held any more; nothing was committed.
            ConflictError: `base` is not the newest any more.
        """
        lease.check()
        new = base.successor(secrets.token_hex(4), self._now_us())
        if info is not None:
            new = replace(new, info=dict(info))
        if jobs:
            counts = {f"{s}/{j}": count for (s, j), count in jobs.items()}
            new = replace(new, jobs={**base.jobs, **counts})
        new = _with_ranges(new, ranges)
        new = self._write_given(new, documents or {}, tables or {}, encoded=encoded)
        return self.publish(lease, new)

    def fold(
        self,
        lease: Lease,
        also: Collection[Item] = (),
        cancelled: Collection[int] = (),
    ) -> FoldReport:
        """Take what finished items recorded into the base.

        also: items that the caller knows to be finished, though they did not say
            so (all of their job is gone, and they were silent).
        cancelled: submissions that the user cancelled: what was stopped in them
            is not lost.

        Raises:
            LeaseLostError, ConflictError: as `commit`; nothing was changed.
        """
        from jobstores.fold import fold  # imports NumPy

        lease.check()
        return fold(
            self.port,
            self.base(),
            also,
            cancelled,
            self._now_us(),
            secrets.token_hex(4),
            lambda new, tables: self._write(new, {}, tables, encoded=True),
            lambda new: self.publish(lease, new),
        )

    def close_needless(
        self, lease: Lease, jobs: Collection[tuple[int, int]], why: str
    ) -> tuple[tuple[int, int], ...]:
        """Close jobs that need not start as if they had been executed; gives them.

        Those of which something has started are left as they are. jobs: by submission
        and number; they are fenced, so that nothing of them starts afterwards.

        Raises:
            LeaseLostError, ConflictError: as `commit`; nothing was closed.
        """
        from jobstores.needless import close_needless

        lease.check()
        return close_needless(
            self.port,
            self.base(),
            jobs,
            why,
            self._now_us(),
            secrets.token_hex(4),
            lambda new: self.publish(lease, new),
        )

    def sweep(self, lease: Lease, min_age_s: float = 900.0) -> int:
        """Remove what no live generation needs; how many things were removed.

        Raises:
            LeaseLostError: the lease is not held any more.
        """
        from jobstores.sweep import sweep

        lease.check()
        remove_old(self.port, lease)
        return sweep(self.port, min_age_s)

    def _write(
        self,
        new: Base,
        documents: Mapping[str, bytes],
        tables: Tables,
        *,
        encoded: bool = False,
    ) -> Base:
        """Write what a new generation adds, and name it there."""
        refs = dict(new.tables)
        paths = generations.table_paths(tables)
        for table, columns in tables.items():
            _check_lengths(table, columns)
            named = {f"{paths[table]}/{name}": column for name, column in columns.items()}
            written = write_columns(
                self.port,
                new.prefix,
                named,
                encoded=encoded,
                compression=new.info.get("compression"),
            )
            refs[table] = dict(zip(columns, written.values(), strict=True))
        added = generations.write_documents(self.port, new.prefix, documents)
        return replace(new, tables=refs, documents={**new.documents, **added})

    def _write_given(
        self,
        new: Base,
        documents: Mapping[str, bytes],
        tables: Tables,
        *,
        encoded: bool = False,
    ) -> Base:
        """Write what a caller gives; a run table of theirs changes the summary."""
        if RUNS in tables:
            from jobstores.run_rows import summarise  # imports NumPy

            ids, states = (tables[RUNS][name][1] for name in ("id", "state"))
            new = replace(new, summary=summarise(new.ranges, ids, states))
        return self._write(new, documents, tables, encoded=encoded)

    def publish(self, lease: Lease, new: Base) -> Base:
        """Commit a generation whose objects are all written.

        Raises:
            LeaseLostError, ConflictError: as `commit`.
        """
        lease.check()
        generations.commit(self.port, new)
        if not lease.own() and not generations.is_in_lineage(self.port, new):
            raise LeaseLostError(
                f"{self.port.locator}: this process was held up while it committed "
                f"generation {new.number}, and the store went on without it"
            )
        return new


def _with_ranges(base: Base, ranges: Sequence[IdRange]) -> Base:
    """A generation with more id ranges, all of whose runs are pending."""
    names = {r.name for r in base.ranges}
    summary = dict(base.summary)
    for r in ranges:
        if r.name in names:
            raise ValueError(f"there is a range {r.name!r} already")
        names.add(r.name)
        summary[r.name] = {int(RunState.PENDING): r.count} if r.count else {}
    return replace(base, ranges=(*base.ranges, *ranges), summary=summary)


def _check_lengths(table: str, columns: Mapping[str, Column]) -> None:
    lengths = {name: len(data) for name, (_, data) in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"the columns of {table!r} differ in length: {lengths}")
