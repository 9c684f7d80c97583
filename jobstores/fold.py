"""Fold: what finished items recorded goes into the base, as its next generation.

A fold deletes nothing. It decides each closed item, joins its rows to the tables,
notes how many bytes of each segment are in, and packs the jobs of which nothing
more can come. It streams: few items' records are in memory at a time, one where the
storage gains nothing by many calls at once.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jobstores import generations, packs, segments
from jobstores.backends.many import at_once, map_many
from jobstores.columns import read_column
from jobstores.decisions import Decision, Item, resolve
from jobstores.errors import NotFoundError
from jobstores.generations import Base, Consumed
from jobstores.run_rows import (
    RUN_COLUMNS,
    RunRows,
    Table,
    merge_output,
    merge_runs,
    summarise,
    winners,
)
from jobstores.view import Claims, collector_paused, listed, unconsumed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from numpy.typing import NDArray

    from jobstores.port import ObjectPort

RUNS = "runs"


@dataclass(frozen=True, slots=True)
class FoldReport:
    """What a fold did.

    base: the newest generation after it (the one before, if there was nothing).
    items: how many items it took in; runs: how many rows it wrote or replaced.
    packed: the jobs that it packed, as "S/J".
    """

    base: Base
    items: int
    runs: int
    packed: tuple[str, ...]


@dataclass(slots=True)
class _Taken:
    """What a fold took in, before it is written."""

    rows: RunRows
    spans: dict[Item, tuple[int, int]]
    consumed: dict[str, Consumed]


def fold(
    port: ObjectPort,
    base: Base,
    also: Collection[Item],
    cancelled: Collection[int],
    now_us: int,
    nonce: str,
    write: Callable[[Base, Mapping[str, Table]], Base],
    publish: Callable[[Base], Base],
) -> FoldReport:
    """Fold what is finished on top of `base`, which is the newest generation.

    also: items known to be finished though they are not closed.
    cancelled: submissions that the user cancelled.
    write: writes tables below a generation's prefix, and names them in it.
    publish: commits a generation, if the lease is still held.
    """
    finished = frozenset(also)
    claims = listed(port, base)
    with collector_paused():
        taken = _take(port, base, unconsumed(port, base, claims), finished, cancelled)
    consumed = {**base.consumed, **taken.consumed}
    new = base.successor(nonce, now_us)
    packed, folded = _pack_finished(port, new, claims, consumed, finished)
    if not taken.consumed and not packed:
        return FoldReport(base, 0, 0, ())
    tables, summary, changed = _joined_tables(port, base, taken.rows)
    new = replace(new, consumed=folded, packs={**base.packs, **packed}, summary=summary)
    new = publish(write(new, tables))
    return FoldReport(new, len(taken.spans), changed, tuple(packed))


# --- taking items in ---------------------------------------


def _take(
    port: ObjectPort,
    base: Base,
    claims: Claims,
    finished: Collection[Item],
    cancelled: Collection[int],
) -> _Taken:
    """Read and decide the items; keep those that are closed or finished.

    Directories are listed again after their items were read: an item that has a
    new attempt is left for the next fold.
    """
    taken = _Taken(RunRows(base.ranges, cancelled), {}, {})
    directories: dict[str, list[Item]] = {}
    for item in sorted(claims):
        directories.setdefault(segments.directory_prefix(*item), []).append(item)

    def read(item: Item) -> tuple[Item, dict[int, bytes]]:
        return item, segments.read_item_segments(port, *item, claims[item])

    for prefix, items in directories.items():
        for item, data in map_many(at_once(port), read, items):
            _take_item(item, data, finished, taken)
        again = segments.attempts_in(port.list(prefix))
        for item in items:
            if item in taken.spans and tuple(again.get(item.item, ())) != claims[item]:
                taken.rows.drop(*taken.spans.pop(item))
                for attempt in claims[item]:
                    taken.consumed.pop(segments.segment_key(*item, attempt), None)
    return taken


def _take_item(
    item: Item, data: Mapping[int, bytes], finished: Collection[Item], taken: _Taken
) -> None:
    decision = resolve({k: segments.parse(found) for k, found in data.items()})
    if decision is None or not (decision.closed or item in finished):
        return
    first = len(taken.rows)
    taken.rows.add(item, decision)
    taken.spans[item] = (first, len(taken.rows))
    for attempt, found in data.items():
        key = segments.segment_key(*item, attempt)
        open_, signalled = _flags(decision, attempt)
        taken.consumed[key] = Consumed(len(found), zlib.crc32(found), open_, signalled)


def _flags(decision: Decision, attempt: int) -> tuple[bool, bool]:
    deciding = attempt == decision.attempt
    open_ = deciding and not decision.closed
    return open_, deciding and decision.signalled and not decision.tombstone


# --- packing jobs ---------------------------------------


def _pack_finished(
    port: ObjectPort,
    new: Base,
    claims: Claims,
    consumed: Mapping[str, Consumed],
    finished: Collection[Item],
) -> tuple[dict[str, str], dict[str, Consumed]]:
    """Pack the jobs of which nothing more can come.

    Returns their packs, and the consumed segments of the other jobs.
    """
    by_job: dict[tuple[int, int], dict[int, tuple[int, ...]]] = {}
    for item, attempts in claims.items():
        by_job.setdefault((item.submission, item.job), {})[item.item] = attempts
    packed: dict[str, str] = {}
    gone: set[str] = set()
    for name, count in new.jobs.items():
        submission, job = map(int, name.split("/"))
        items = by_job.get((submission, job))
        if not items or not _settled((submission, job), count, items, consumed, finished):
            continue
        key = packs.pack_key(submission, job, new.nonce)
        if _pack(port, (submission, job), count, items, consumed, key, new):
            packed[name] = key
            gone.update(_keys((submission, job), items))
    return packed, {key: value for key, value in consumed.items() if key not in gone}


def _keys(job: tuple[int, int], items: Mapping[int, Collection[int]]) -> Iterator[str]:
    for item, attempts in items.items():
        for attempt in attempts:
            yield segments.segment_key(*job, item, attempt)


def _settled(
    job: tuple[int, int],
    count: int,
    items: Mapping[int, Collection[int]],
    consumed: Mapping[str, Consumed],
    finished: Collection[Item],
) -> bool:
    """Whether nothing more can come of any of a job's items.

    An item that was told to stop may be requeued, and one that never started may
    start, until the caller knows better.
    """
    for item in range(count):
        known_gone = Item(*job, item) in finished
        attempts = items.get(item)
        if attempts is None:
            if not known_gone:
                return False
            continue
        for attempt in attempts:
            segment = consumed.get(segments.segment_key(*job, item, attempt))
            if segment is None or segment.open or (segment.signalled and not known_gone):
                return False
    return True


def _pack(
    port: ObjectPort,
    job: tuple[int, int],
    count: int,
    items: Mapping[int, tuple[int, ...]],
    consumed: Mapping[str, Consumed],
    key: str,
    new: Base,
) -> bool:
    """Fence a job against late starts, make sure that none came, write its pack."""
    mark = {"t": "fence", "at": new.at, "why": "packed"}
    segments.append_serialised(port, segments.fence_key(*job), mark)
    now = {item.item: attempts for item, attempts in listed(port, new, [job]).items()}
    if now != items:
        return False  # an attempt started before the fence: a later fold will see
    sizes = {
        item: [consumed[segments.segment_key(*job, item, k)].size for k in attempts]
        for item, attempts in items.items()
    }
    try:
        packs.write_pack(port, key, count, sizes, _verbatim(port, job, items, consumed))
    except ValueError:
        return False  # a segment is not what was folded
    return True


def _verbatim(
    port: ObjectPort,
    job: tuple[int, int],
    items: Mapping[int, tuple[int, ...]],
    consumed: Mapping[str, Consumed],
) -> Iterator[tuple[int, int, bytes]]:
    wanted = [
        (item, attempt, segments.segment_key(*job, item, attempt))
        for item in sorted(items)
        for attempt in items[item]
    ]
    contents = map_many(at_once(port), port.read_segment, (key for _, _, key in wanted))
    for (item, attempt, key), data in zip(wanted, contents, strict=True):
        if zlib.crc32(data) != consumed[key].crc32:
            raise ValueError(f"{key} has changed since it was folded")
        yield item, attempt, data


# --- joining tables ---------------------------------------


def _joined_tables(
    port: ObjectPort, base: Base, rows: RunRows
) -> tuple[dict[str, Table], generations.Summary, int]:
    """The tables that change, the summary, and how many rows were written."""
    if not len(rows):
        return {}, base.summary, 0
    old, new = read_runs(port, base), rows.columns()
    standing = winners(old, new, rows.kept())
    if not len(standing):
        return {}, base.summary, 0
    runs = merge_runs(old, new, standing)
    tables: dict[str, Table] = {RUNS: runs}
    ids = new["id"]
    replaced = np.intersect1d(ids[standing], old["id"])
    stands = np.zeros(len(ids), dtype=bool)
    stands[standing] = True
    given = rows.outputs()
    names = {name for name in base.tables if name.startswith("outputs/") and len(replaced)}
    for name in sorted(names | given.keys()):
        at, values = given.get(name, (np.empty(0, np.int64), []))
        use = np.flatnonzero(stands[at])
        before = _read_output(port, base, name)
        if not len(use) and (before is None or not np.isin(before[0], replaced).any()):
            continue
        chosen = values if len(use) == len(values) else [values[i] for i in use.tolist()]
        tables[name] = merge_output(before, replaced, ids[at[use]], chosen)
    summary = summarise(base.ranges, runs["id"][1], runs["state"][1])
    return tables, summary, len(standing)


def read_runs(port: ObjectPort, base: Base) -> dict[str, NDArray[Any]]:
    """The base's run table as arrays; `why` as an array of objects."""
    columns = base.tables.get(RUNS)
    if not columns:
        return {name: np.empty(0, _dtype(kind)) for name, kind in RUN_COLUMNS.items()}

    def read(name: str) -> tuple[str, NDArray[Any]]:
        data = read_column(port, columns[name])
        return name, np.asarray(data, dtype=_dtype(RUN_COLUMNS[name]))

    return dict(map_many(at_once(port), read, RUN_COLUMNS))


def _dtype(kind: str) -> Any:
    return {"int": np.int64, "float": np.float64}.get(kind, object)


def _read_output(
    port: ObjectPort, base: Base, name: str
) -> tuple[NDArray[np.int64], str, Any] | None:
    columns = base.tables.get(name)
    if columns is None:
        return None
    try:
        runs, values = columns["run"], columns["value"]
    except KeyError as error:
        raise NotFoundError(f"{port.locator}: table {name} lacks column {error}") from None
    return (
        np.asarray(read_column(port, runs)),
        values.kind,
        read_column(port, values, encoded=True),
    )
