"""Copy a store to another place, of any kind: complete, and read back, or no store.

The copy is the same store, with its id, as it was at one moment: the newest generation,
and the segments beyond it. While it is under way the source's lease is held, so that
nothing is folded or swept away; jobs go on recording. In order:

1. `unfinished.json` at the target says what is copied there;
2. what the newest generation names; columns are written anew where the target lays them
   out differently, and the copy's generation is then the one after the source's;
3. segments, listed again until no item has a new attempt, those of higher attempts
   first: so the copy decides each item by what was there together;
4. everything else, values among it: what a record names was there before the record;
5. all of it is read back and compared;
6. the manifest, `store.json`, and `unfinished.json` is removed.

So whatever is cut short has no `store.json`, and a second call with `resume` goes on.
Where a place gains by it, many objects are copied, or read back, at once; the segments
of one item one after the other always.
"""

from __future__ import annotations

import itertools
import zlib
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from jobstores import generations
from jobstores.backends.many import at_once, map_many
from jobstores.columns import ColumnRef, columns_at_once, read_column, write_column
from jobstores.errors import (
    AlreadyExistsError,
    ConflictError,
    CorruptError,
    NotFoundError,
    UnavailableError,
)
from jobstores.lease import acquire
from jobstores.operations.layout import (
    UNFINISHED,
    Part,
    mark_unfinished,
    part_of,
    read_unfinished,
    silent,
)
from jobstores.operations.rechunk import best_chunk_rows, content_sum
from jobstores.operations.transfer import Sum, check_copy, stored_sum, transfer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from jobstores.generations import Base
    from jobstores.lease import LeaseTiming
    from jobstores.operations.layout import Progress
    from jobstores.port import ObjectPort

_NOT_COPIED = (Part.LEASE, Part.PROBE, Part.MARKER, Part.MANIFEST, Part.UNFINISHED)
_WRITTEN_ONCE = (Part.GENERATION, Part.PACK, Part.VALUE)
_OF_RUNS = (Part.LOG, Part.SCRATCH)  # files that runs write, grow, and remove


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What was copied.

    objects: how many keys were written; bytes: of all that was compared.
    kept: how many keys an earlier call had copied.
    transcoded: how many columns were written in another format.
    """

    base: Base
    objects: int
    bytes: int
    kept: int
    transcoded: int


def copy(
    source: ObjectPort,
    target: ObjectPort,
    *,
    resume: bool = False,
    exclude: Callable[[str], bool] = lambda _: False,
    timing: LeaseTiming | None = None,
    wait_s: float = 10.0,
    progress: Progress = silent,
) -> CopyReport:
    """Copy a store onto an empty target, or go on with that.

    resume: the target may hold what an earlier call, cut short, has copied of the
        same store.
    exclude: keys to leave out.
    progress: told how many keys are copied and compared.

    Raises:
        NotFoundError: the source is no store.
        AlreadyExistsError: the target is not empty, or holds something else.
        BusyError: another process is changing the source.
        ConflictError: it was changed meanwhile, though nobody may: call with `resume`.
        CorruptError: something does not read back as it was written.
    """
    store_id = generations.check_marker(source)
    if not _claim_target(source, store_id, target, resume=resume):
        target.delete(UNFINISHED)
        return CopyReport(generations.newest(target), 0, 0, 0, 0)
    with _held(source, timing, wait_s):
        base = generations.newest(source)
        copying = _Copying(source, target, base, exclude, progress)
        copying.columns()
        copying.everything_else()
        copying.remove_others()
        target.sync_tree("")
        copying.compare()
        if generations.numbers(source)[-1:] != [base.number]:
            raise ConflictError(
                f"{source.locator} was changed while it was copied: copy again, resuming"
            )
        return copying.finish()


def _claim_target(
    source: ObjectPort, store_id: str, target: ObjectPort, *, resume: bool
) -> bool:
    """Mark the target as an unfinished copy of this store; check what it was.

    False: it is complete already, but for its mark.
    """
    mark = read_unfinished(target)
    found = target.list("")
    if mark is None and not found:
        mark_unfinished(target, "copy", id=store_id, source=source.locator)
        return True
    if mark is None:
        shown = ", ".join(sorted(found)[:5])
        raise AlreadyExistsError(
            f"{target.locator}: it is not empty, so nothing is copied to it; found "
            f"there: {shown}"
        )
    if mark.get("what") != "copy" or mark.get("id") != store_id:
        raise AlreadyExistsError(
            f"{target.locator} holds something unfinished ({mark.get('what', 'unknown')}) "
            f"of another store; delete it, or copy to another place"
        )
    if not resume:
        raise AlreadyExistsError(
            f"{target.locator} holds an unfinished copy of this store: resume it, or "
            "delete it first"
        )
    return target.stat(generations.MARKER) is None


def _held(
    source: ObjectPort, timing: LeaseTiming | None, wait_s: float
) -> AbstractContextManager[Any]:
    """The source's lease; nothing where it can only be read."""
    if source.read_only:
        return nullcontext()
    try:
        return acquire(source, wait_s, timing)
    except UnavailableError:
        return nullcontext()  # another user's, or full: what changes is noticed


class _Copying:
    """One copy under way: what is to be where, and what it adds up to."""

    def __init__(
        self,
        source: ObjectPort,
        target: ObjectPort,
        base: Base,
        exclude: Callable[[str], bool],
        progress: Progress,
    ) -> None:
        self._source = source
        self._target = target
        self._base = base
        self._exclude = exclude
        self._progress = progress
        self._at_once = at_once(source, target)
        manifest = source.get(generations.manifest_key(base.number))
        self._copy = base.successor(f"{zlib.crc32(manifest):08x}", base.at)
        self._is_changed = False
        self._sums: dict[str, Sum] = {}
        self._columns: dict[ColumnRef, tuple[ColumnRef, int]] = {}
        self._there = set(target.walk(""))
        self._kept = self._written = self._done = 0
        self._total: int | None = None

    # --- what generations name

    def columns(self) -> None:
        """Transcode the columns that the target lays out differently."""
        tables = {table: dict(columns) for table, columns in self._base.tables.items()}
        paths = generations.table_paths(tables)
        wanted = [
            (table, name, ref, f"{paths[table]}/{name}")
            for table, columns in tables.items()
            for name, ref in columns.items()
            if ref.format != self._target.column_format
        ]
        self._is_changed = bool(wanted)

        def write(one: tuple[str, str, ColumnRef, str]) -> tuple[ColumnRef, int, bool]:
            return self._transcoded(*one[2:])

        parallel = columns_at_once(self._source, self._target)
        for (table, name, ref, _), (new, expected, written) in zip(
            wanted, map_many(parallel, write, wanted), strict=True
        ):
            self._step()
            tables[table][name] = new
            self._columns[ref] = (new, expected)
            self._written += written
        self._copy = replace(self._copy, tables=tables)

    def _transcoded(self, ref: ColumnRef, path: str) -> tuple[ColumnRef, int, bool]:
        """The copy of a column, its content's checksum, and whether it was written now."""
        data = read_column(self._source, ref, encoded=True)
        expected = content_sum(data)
        prefix = f"{self._copy.prefix}/{path}"
        new = ColumnRef(prefix, ref.kind, ref.length, self._target.column_format)
        if _reads_as(self._target, new, expected):
            return new, expected, False
        self._target.delete_tree(prefix)
        new = write_column(
            self._target,
            self._copy.prefix,
            path,
            data,
            ref.kind,
            chunk_rows=best_chunk_rows(data),
            encoded=True,
            compression=self._base.info.get("compression"),
        )
        return new, expected, True

    def _named(self) -> Iterator[str]:
        """Keys below `gen/` that the copy needs as they are."""
        live = {ref.key for ref in self._base.documents.values()}
        for columns in self._base.tables.values():
            live.update(ref.key for ref in columns.values() if ref not in self._columns)
        for entry in self._source.list(generations.ROOT):
            if entry.endswith("/"):
                yield from _below(self._source, f"{generations.ROOT}/{entry[:-1]}", live)

    # --- everything else

    def everything_else(self) -> None:
        """Copy what is not transcoded, in an order that a copy cut short may have."""
        keys = [k for k in self._source.walk("") if part_of(k) not in _NOT_COPIED]
        keys = [k for k in keys if not self._exclude(k)]
        named = list(self._named())
        segments = {k for k in keys if part_of(k) is Part.SEGMENT}
        others = [k for k in keys if part_of(k) not in (Part.SEGMENT, Part.GENERATION)]
        self._total = len(self._columns) + 2 * (len(named) + len(segments) + len(others))
        self._copy_all([key] for key in sorted(named))
        while segments:
            self._copy_all(_higher_attempts_first(segments))
            new = set(self._source.walk("segments")) - self._sums.keys()
            items = {_item_of(key) for key in new}
            segments = new | {key for key in self._sums if _item_of(key) in items}
        last = [k for k in self._source.walk("values") if not self._exclude(k)]
        self._copy_all([key] for key in dict.fromkeys([*others, *last]))

    def _copy_all(self, groups: Iterable[list[str]]) -> None:
        """Copy groups of keys, each in its order; groups in any."""
        for copied in map_many(self._at_once, self._copy_group, groups):
            for key, found, kept in copied:
                self._step()
                if found is not None:
                    self._sums[key] = found
                    self._kept += kept
                    self._written += not kept

    def _copy_group(self, keys: Iterable[str]) -> list[tuple[str, Sum | None, bool]]:
        return [(key, *self._copied(key)) for key in keys]

    def _copied(self, key: str) -> tuple[Sum | None, bool]:
        """What was copied, None where it went away as it may; whether it was there."""
        if key in self._there and part_of(key) in _WRITTEN_ONCE:
            wanted = stored_sum(self._source, key)
            if wanted is not None and stored_sum(self._target, key) == wanted:
                return wanted, True
        grows = part_of(key) in _OF_RUNS
        try:
            return transfer(self._source, key, self._target, grows=grows), False
        except NotFoundError as error:
            if not grows:
                raise ConflictError(f"{error}: copy again, resuming") from error
            return None, False

    def remove_others(self) -> None:
        """Remove what an earlier call copied and this one does not want."""
        wanted = {*self._sums, UNFINISHED}
        own = f"{self._copy.prefix}/" if self._columns else "gen/-"
        others = [k for k in self._there - wanted if not k.startswith(own)]
        for _ in map_many(at_once(self._target), self._target.delete, others):
            pass

    # --- the end

    def compare(self) -> None:
        """Read everything back.

        Raises:
            CorruptError: something is not as it was written.
        """

        def reads_back(column: tuple[ColumnRef, int]) -> bool:
            return _reads_as(self._target, *column)

        for (new, _), same in zip(
            self._columns.values(),
            map_many(columns_at_once(self._target), reads_back, self._columns.values()),
            strict=True,
        ):
            if not same:
                raise CorruptError(
                    f"{self._target.locator}: the copy of the column {new.key} reads "
                    "differently from what was written. Nothing counts yet: copy again"
                )

        def check(one: tuple[str, Sum]) -> None:
            check_copy(self._target, *one)

        for _ in map_many(at_once(self._target), check, self._sums.items()):
            self._step()

    def finish(self) -> CopyReport:
        """Make the target a store."""
        number = self._base.number
        if self._is_changed:
            base = self._copy
            generations.commit(self._target, base)
        else:
            base = self._base
            key = generations.manifest_key(number)
            self._target.put(key, self._source.get(key))
        generations.copy_marker(self._source, self._target)  # columns are as they are there
        self._target.delete(UNFINISHED)
        if self._total is not None:
            self._progress(self._total, self._total)
        return CopyReport(
            base,
            self._written,
            sum(found.size for found in self._sums.values()),
            self._kept,
            len(self._columns),
        )

    def _step(self) -> None:
        self._progress(self._done, self._total)
        self._done += 1


def _below(port: ObjectPort, prefix: str, live: set[str]) -> Iterator[str]:
    """The keys below a generation that belong to what is live, with their groups."""
    if not any(key.startswith(prefix + "/") for key in live):
        return
    levels = {prefix}
    for key in live:
        parts = key.split("/")
        levels.update("/".join(parts[:n]) for n in range(2, len(parts)))
    for key in port.walk(prefix):
        above, _, name = key.rpartition("/")
        if key in live or _within(key, live) or (above in levels and name == "zarr.json"):
            yield key


def _within(key: str, live: set[str]) -> bool:
    while "/" in key:
        key = key.rpartition("/")[0]
        if key in live:
            return True
    return False


def _higher_attempts_first(keys: Iterable[str]) -> Iterator[list[str]]:
    """Each item's segments, the highest attempt first: lower ones are cut by it."""

    def order(key: str) -> tuple[str, int, int]:
        folder, _, name = key.rpartition("/")
        item, _, rest = name.partition(".")
        attempt = rest.split(".")[0]
        return folder, int(item) if item.isdigit() else -1, -int(attempt or 0)

    for _, found in itertools.groupby(sorted(keys, key=order), _item_of):
        yield list(found)


def _item_of(key: str) -> tuple[str, str]:
    """What the segments of one item have in common."""
    folder, _, name = key.rpartition("/")
    return folder, name.partition(".")[0]


def _reads_as(port: ObjectPort, ref: ColumnRef, expected: int) -> bool:
    try:
        return content_sum(read_column(port, ref, encoded=True)) == expected
    except (NotFoundError, CorruptError):
        return False
