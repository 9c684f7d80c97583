"""A new generation without the newest one's damage, of what is there twice.

* The newest manifest is damaged: the newest whole one counts again; what segments hold
  beyond it is seen by every view, and by the next fold.
* A column was laid out anew and is damaged: the one it replaced, where that is still
  there and its rows pass their checksum.
* The run table, an output or a pack is damaged: those of an older generation, with all
  that was folded since folded again. Its counts have to be those of the damaged one.
* The summary is not that of the run table: it is counted again.
"""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jobstores import generations, packs, segments
from jobstores.columns import ColumnRef, read_column, write_columns
from jobstores.errors import CorruptError, JobStoreError, NotFoundError
from jobstores.operations.check_base import RUNS, BaseCheck, read_manifests
from jobstores.operations.rechunk import DOCUMENT, content_sum
from jobstores.operations.transfer import Sum, stored_sum
from jobstores.records import RunState

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from jobstores.decisions import Item
    from jobstores.generations import Base
    from jobstores.lease import Lease
    from jobstores.port import ObjectPort
    from jobstores.workflow_store import WorkflowStore


def mend(
    store: WorkflowStore,
    lease: Lease,
    also: Collection[Item] = (),
    cancelled: Collection[int] = (),
) -> int | None:
    """Commit a generation with less damage than the newest; its number, or None.

    also, cancelled: as `WorkflowStore.fold`, for what is folded again.

    Raises:
        LeaseLostError, ConflictError: as `WorkflowStore.commit`.
    """
    port = store.port
    bases, _ = read_manifests(port)
    if not bases:
        return None
    last = generations.numbers(port)[-1]
    goes_back = last != bases[-1].number
    if goes_back and not _holds_all(port, bases[-1]):
        return None
    before = replace(bases[-1], number=last)
    new = before.successor(secrets.token_hex(4), max(_now_us(), before.at))
    check = BaseCheck(port, lambda: None)
    mended = _with_replaced_columns(port, new, check)
    if _damaged_results(port, mended, check) and not goes_back:
        mended = _folded_again(port, mended, bases[:-1], check, also, cancelled) or mended
    mended = _with_summary(port, mended)
    if mended == new and not goes_back:
        return None
    return store.publish(lease, mended).number


def is_whole(port: ObjectPort, base: Base, check: BaseCheck) -> bool:
    """Whether all that a generation names is there and passes its checksum."""
    return not [f for f in check.findings(base) if f.kind != "group"] and all(
        _is_whole_pack(port, key) for key in base.packs.values()
    )


def _is_whole_pack(port: ObjectPort, key: str) -> bool:
    try:
        packs.verify_pack(port, key)
    except (NotFoundError, CorruptError):
        return False
    return True


def _now_us() -> int:
    return time.time_ns() // 1000


# --- columns that were laid out anew ---------------------------------


def _with_replaced_columns(port: ObjectPort, base: Base, check: BaseCheck) -> Base:
    """With damaged columns' predecessors, which `rechunk` noted, in their place."""
    replaced = _replaced(port, base)
    tables: dict[str, Mapping[str, ColumnRef]] = dict(base.tables)
    for name, columns in base.tables.items():
        if not _is_damaged(check, base, name):
            continue
        mended = dict(columns)
        for column, ref in columns.items():
            old = _predecessor(port, replaced.get(ref.key))
            if old is not None and not _reads(port, ref):
                mended[column] = old
        tables[name] = mended
    return base if tables == base.tables else replace(base, tables=tables)


def _replaced(port: ObjectPort, base: Base) -> dict[str, Any]:
    ref = base.documents.get(DOCUMENT)
    if ref is None:
        return {}
    try:
        found: dict[str, Any] = json.loads(generations.read_document(port, ref))
    except (NotFoundError, CorruptError, ValueError):
        return {}
    return found


def _predecessor(port: ObjectPort, said: Any) -> ColumnRef | None:
    """The column that `rechunk` noted, if it still has the rows that it had."""
    if said is None:
        return None
    ref = ColumnRef.from_json(said[0])
    try:
        same = content_sum(read_column(port, ref, encoded=True)) == said[1]
    except (NotFoundError, CorruptError):
        return None
    return ref if same else None


def _reads(port: ObjectPort, ref: ColumnRef) -> bool:
    try:
        read_column(port, ref, encoded=True)
    except (NotFoundError, CorruptError):
        return False
    return True


def _is_damaged(check: BaseCheck, base: Base, table: str) -> bool:
    return any(f.kind != "group" for f in check.table(base, table))


# --- what was folded, folded again -----------------------------------


def _is_result(table: str) -> bool:
    return table == RUNS or table.startswith("outputs/")


def _damaged_results(port: ObjectPort, base: Base, check: BaseCheck) -> bool:
    return any(
        _is_damaged(check, base, t) for t in base.tables if _is_result(t)
    ) or not all(_is_whole_pack(port, key) for key in base.packs.values())


def _folded_again(
    port: ObjectPort,
    base: Base,
    older: Sequence[Base],
    check: BaseCheck,
    also: Collection[Item],
    cancelled: Collection[int],
) -> Base | None:
    """The generation with the results of an older one, and all since folded again."""
    from jobstores.fold import fold  # imports NumPy

    for old in reversed(older):
        start = _with_results_of(base, old)
        if _damaged_results(port, start, check) or not _holds_all(port, start):
            continue
        start = replace(start, number=base.number - 1)
        report = fold(
            port,
            start,
            also,
            cancelled,
            base.at,
            base.nonce,
            lambda new, tables: _written(port, new, tables),
            lambda new: new,
        )
        new = replace(report.base, number=base.number, nonce=base.nonce, at=base.at)
        new = replace(new, lineage=base.lineage)
        if _counts(new) == _counts(base):
            return new
        port.delete_tree(base.prefix)
    return None


def _with_results_of(base: Base, old: Base) -> Base:
    tables = {name: refs for name, refs in base.tables.items() if not _is_result(name)}
    tables |= {name: refs for name, refs in old.tables.items() if _is_result(name)}
    pending = {r.name: {int(RunState.PENDING): r.count} for r in base.ranges if r.count}
    return replace(
        base,
        tables=tables,
        summary={**pending, **old.summary},
        consumed=old.consumed,
        packs=old.packs,
    )


def _with_summary(port: ObjectPort, base: Base) -> Base:
    """With the counts that the run table has, where that can be read."""
    from jobstores.run_rows import summarise  # imports NumPy

    columns = base.tables.get(RUNS)
    if columns is None:
        return base
    try:
        ids, states = (read_column(port, columns[name]) for name in ("id", "state"))
    except (NotFoundError, CorruptError):
        return base
    counted = replace(base, summary=summarise(base.ranges, ids, states))
    return base if _counts(counted) == _counts(base) else counted


def _counts(base: Base) -> dict[str, dict[int, int]]:
    return {name: {s: n for s, n in c.items() if n} for name, c in base.summary.items()}


def _written(port: ObjectPort, new: Base, tables: Mapping[str, Any]) -> Base:
    paths = generations.table_paths(tables)
    refs = dict(new.tables)
    for table, columns in tables.items():
        named = {f"{paths[table]}/{name}": column for name, column in columns.items()}
        compression = new.info.get("compression")
        found = write_columns(
            port, new.prefix, named, encoded=True, compression=compression
        )
        refs[table] = dict(zip(columns, found.values(), strict=True))
    return replace(new, tables=refs)


def _holds_all(port: ObjectPort, base: Base) -> bool:
    """Whether the segments still hold all that the generation does not.

    Jobs that a later generation packed may be swept already: then their segments are
    gone, and going back would forget them.
    """
    named = set(base.packs.values())
    for key in port.walk(packs.ROOT):
        if key in named:
            continue
        submission, name = key.split("/")[1:]
        job = name.split(".")[0]
        if f"{submission}/{job}" in base.packs:
            continue  # a second pack, of a fold that was cut short
        if not _segments_hold(port, key, int(submission), int(job)):
            return False
    for key, known in base.consumed.items():
        try:
            data = port.read_segment(key)
        except NotFoundError:
            return False
        if len(data) < known.size:
            return False
    return True


def _segments_hold(port: ObjectPort, key: str, submission: int, job: int) -> bool:
    """Whether every segment of a pack is still there as it was."""
    try:
        index = packs.verify_pack(port, key)
    except JobStoreError:
        prefix = segments.job_prefix(submission, job)
        return any(name.endswith("/") for name in port.list(prefix))
    return all(
        stored_sum(port, segments.segment_key(submission, job, item, attempt))
        == Sum(*known)
        for item, attempts in index.items()
        for attempt, known in attempts.items()
    )
