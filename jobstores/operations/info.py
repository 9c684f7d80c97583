"""What a store consists of: counts, sizes by part, and how its columns are laid out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jobstores import generations
from jobstores.backends.many import at_once, map_many
from jobstores.errors import NotFoundError
from jobstores.operations.layout import Part, is_segment, part_of, silent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobstores.generations import Base
    from jobstores.operations.layout import Progress
    from jobstores.port import ObjectPort

_EVERY = 256  # keys between two calls of progress


@dataclass(slots=True)
class Size:
    """How many objects (or segments), and how many bytes they have together."""

    objects: int = 0
    bytes: int = 0

    def add(self, size: int) -> None:
        """One more object."""
        self.objects += 1
        self.bytes += size


@dataclass(slots=True)
class TableInfo:
    """A table of the newest generation.

    rows: of the longest column. formats: of its columns. chunks: of all its columns
    together. size: of all objects of its columns.
    """

    rows: int
    columns: int
    formats: tuple[str, ...]
    chunks: int = 0
    size: Size = field(default_factory=Size)


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """A whole store.

    format: of the store. generation: the newest; generations: how many there are.
    runs: by state's number, as of the newest generation: what is not folded counts as
        pending. ranges: by name, how many runs.
    jobs: how many are known; packed: how many of them are packs.
    parts: by part, its size ("columns" and "documents" are those of any generation).
    """

    locator: str
    id: str
    format: int
    generation: int
    generations: int
    column_format: str
    ranges: Mapping[str, int]
    runs: Mapping[int, int]
    jobs: int
    packed: int
    parts: Mapping[str, Size]
    tables: Mapping[str, TableInfo]

    @property
    def total(self) -> Size:
        """Everything together."""
        parts = self.parts.values()
        return Size(sum(p.objects for p in parts), sum(p.bytes for p in parts))

    @property
    def num_runs(self) -> int:
        """All runs that the store knows."""
        return sum(self.ranges.values())

    @property
    def bytes_per_run(self) -> float | None:
        """Of all its bytes; None where it has no runs."""
        return self.total.bytes / self.num_runs if self.num_runs else None


def info(port: ObjectPort, progress: Progress = silent) -> StoreInfo:
    """Count what is in a store. It reads names and sizes, and the newest manifest.

    progress: told how many keys were looked at.

    Raises:
        NotFoundError, CorruptError, UnsupportedError: it can't be opened.
    """
    store_id = generations.check_marker(port)
    base = generations.newest(port)
    tables = {name: _table(base, name) for name in sorted(base.tables)}
    owners = {
        ref.key: tables[name]
        for name, columns in base.tables.items()
        for ref in columns.values()
    }
    documents = {ref.key for ref in base.documents.values()}
    parts: dict[str, Size] = {}
    done = 0
    for key, size in map_many(at_once(port), lambda k: (k, _size(port, k)), port.walk("")):
        if size is None:
            continue
        parts.setdefault(_name(key, documents), Size()).add(size)
        table = _owner(key, owners)
        if table is not None:
            table.size.add(size)
            table.chunks += key.rpartition("/")[2] not in ("zarr.json", "column.json")
        if done % _EVERY == 0:
            progress(done, None)
        done += 1
    progress(done, done)
    return StoreInfo(
        locator=port.locator,
        id=store_id,
        format=generations.FORMAT,
        generation=base.number,
        generations=len(generations.numbers(port)),
        column_format=port.column_format,
        ranges={r.name: r.count for r in base.ranges},
        runs=_states(base),
        jobs=len(base.jobs),
        packed=len(base.packs),
        parts=dict(sorted(parts.items())),
        tables=tables,
    )


def _table(base: Base, name: str) -> TableInfo:
    refs = base.tables[name].values()
    rows = max((ref.length for ref in refs), default=0)
    return TableInfo(rows, len(refs), tuple(sorted({ref.format for ref in refs})))


def _states(base: Base) -> dict[int, int]:
    counts: Counter[int] = Counter()
    for by_state in base.summary.values():
        counts.update(by_state)
    return dict(sorted(counts.items()))


def _size(port: ObjectPort, key: str) -> int | None:
    found = port.stat(key)
    if found is not None:
        return found.size
    if not is_segment(key):
        return None  # gone meanwhile
    try:
        return len(port.read_segment(key))
    except NotFoundError:
        return None


def _name(key: str, documents: set[str]) -> str:
    part = part_of(key)
    if part is not Part.GENERATION:
        return str(part)
    return "documents" if key in documents or "/documents/" in key else "columns"


def _owner(key: str, owners: Mapping[str, TableInfo]) -> TableInfo | None:
    while "/" in key:
        key = key.rpartition("/")[0]
        if key in owners:
            return owners[key]
    return None
