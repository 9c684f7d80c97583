"""Lay columns out anew, in few large objects: the next generation has the same rows.

A fold writes the columns that change anew, in chunks of a fixed number of rows. This
chooses the number by the data. Nothing is changed in place: the new columns are
written, read back, compared, and then named by one commit. What they replace stays
until a sweep; the document `rechunk` says where, so that `verify` can go back to it.
"""

from __future__ import annotations

import json
import secrets
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from jobstores import generations
from jobstores.backends.many import map_many
from jobstores.columns import ColumnRef, columns_at_once, read_column, write_column
from jobstores.errors import CorruptError, JobStoreError, NotFoundError
from jobstores.operations.layout import silent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobstores.generations import Base
    from jobstores.operations.layout import Progress
    from jobstores.port import ObjectPort
    from jobstores.workflow_store import WorkflowStore

DOCUMENT = "rechunk"
GOAL_BYTES = 600_000
"""What a chunk should have, compressed: one request's worth, and quickly decoded."""
MOST_BYTES = 64 << 20
"""What a chunk may have in memory, however well it compresses."""
_SAMPLES = 8
_SAMPLE_ROWS = 4_000
_ANY = ("all", "runs", "parameters")


@dataclass(frozen=True, slots=True)
class RechunkReport:
    """What was done.

    base: the newest generation after it.
    columns: how many columns were written; rows: of each table, how many it has.
    chunk_rows: by table and column, the rows of each chunk.
    """

    base: Base
    rows: Mapping[str, int]
    chunk_rows: Mapping[str, Mapping[str, int]]

    @property
    def columns(self) -> int:
        """How many columns were written."""
        return sum(map(len, self.chunk_rows.values()))


def rechunk(
    store: WorkflowStore,
    table: str = "all",
    *,
    chunk_rows: int | None = None,
    backup: bool = True,
    wait_s: float = 10.0,
    progress: Progress = silent,
) -> RechunkReport:
    """Write tables anew, as the next generation.

    table: "all", "runs", "parameters" (`outputs/...` and `inputs/...`), or a name.
    chunk_rows: rows of a chunk; None: of each column as many as make a few hundred
        kilobytes, compressed.
    backup: read what was written back and compare it before it counts, and remember
        what it replaces. Without it the new columns are trusted.
    progress: told how many columns are done.

    Killed at any moment, the store is as before or as after.

    Raises:
        NotFoundError: there is no such table.
        CorruptError: a column is damaged, or reads back differently; nothing changed.
        BusyError, LeaseLostError, ConflictError: as `WorkflowStore.commit`.
    """
    if chunk_rows is not None and chunk_rows < 1:
        raise ValueError(f"a chunk has at least one row, not {chunk_rows}")
    with store.lease(wait_s) as lease:
        base = store.base()
        chosen = chosen_tables(store.port, base, table)
        if not chosen:
            return RechunkReport(base, {}, {})
        now_us = time.time_ns() // 1000
        new = base.successor(secrets.token_hex(4), max(now_us, base.at))
        compression = base.info.get("compression")
        writer = _Writer(store.port, new.prefix, chunk_rows, compression, backup=backup)
        try:
            writer.write({name: base.tables[name] for name in chosen}, progress)
        except (Exception, KeyboardInterrupt):
            with suppress(JobStoreError):
                store.port.delete_tree(new.prefix)
            raise
        new = replace(new, tables={**base.tables, **writer.tables})
        documents = {name: ref for name, ref in base.documents.items() if name != DOCUMENT}
        if backup:
            given = {DOCUMENT: json.dumps(writer.replaced).encode()}
            documents |= generations.write_documents(store.port, new.prefix, given)
        new = store.publish(lease, replace(new, documents=documents))
    rows = {name: _length(columns) for name, columns in writer.tables.items()}
    return RechunkReport(new, rows, writer.chunk_rows)


def chosen_tables(port: ObjectPort, base: Base, table: str) -> list[str]:
    """The names of a generation's tables that a word, or a name, stands for.

    Raises:
        NotFoundError: there is no table of that name.
    """
    if table == "all":
        return sorted(base.tables)
    if table == "parameters":
        return sorted(n for n in base.tables if n.startswith(("outputs/", "inputs/")))
    if table in base.tables:
        return [table]
    if table in _ANY:
        return []  # nothing is folded yet
    known = ", ".join(sorted(base.tables)) or "none"
    raise NotFoundError(
        f"{port.locator}: no table {table!r} (there are: {known}; or say {', '.join(_ANY)})"
    )


class _Writer:
    """Writes tables below a prefix; afterwards holds what is where."""

    def __init__(
        self,
        port: ObjectPort,
        prefix: str,
        chunk_rows: int | None,
        compression: Mapping[str, Any] | None,
        *,
        backup: bool,
    ) -> None:
        self._port = port
        self._prefix = prefix
        self._given = chunk_rows
        self._compression = compression
        self._backup = backup
        self.tables: dict[str, dict[str, ColumnRef]] = {}
        self.chunk_rows: dict[str, dict[str, int]] = {}
        self.replaced: dict[str, Any] = {}

    def write(
        self, tables: Mapping[str, Mapping[str, ColumnRef]], progress: Progress
    ) -> None:
        """Write tables, column by column, of which few are in memory at a time."""
        paths = generations.table_paths(tables)
        wanted = [
            (name, column, ref, f"{paths[name]}/{column}")
            for name, columns in tables.items()
            for column, ref in columns.items()
        ]
        self.tables = {name: {} for name in tables}
        self.chunk_rows = {name: {} for name in tables}
        progress(0, len(wanted))
        parallel = columns_at_once(self._port)

        def write_one(one: tuple[str, str, ColumnRef, str]) -> tuple[ColumnRef, int, int]:
            return self._column(*one[2:])

        for done, written in enumerate(map_many(parallel, write_one, wanted)):
            table, column, old, _ = wanted[done]
            new, rows, expected = written
            self.tables[table][column] = new
            self.chunk_rows[table][column] = rows
            if self._backup:
                self.replaced[new.key] = [old.to_json(), expected]
            progress(done + 1, len(wanted))

    def _column(self, old: ColumnRef, path: str) -> tuple[ColumnRef, int, int]:
        """Write one: what it is, the rows of its chunks, and its content's checksum."""
        data = read_column(self._port, old, encoded=True)
        rows = self._given or best_chunk_rows(data)
        new = write_column(
            self._port,
            self._prefix,
            path,
            data,
            old.kind,
            chunk_rows=rows,
            encoded=True,
            compression=self._compression,
        )
        expected = content_sum(data) if self._backup else 0
        if self._backup:
            back = read_column(self._port, new, encoded=True)
            if content_sum(back) != expected:
                raise CorruptError(
                    f"{self._port.locator}: the column {new.key} reads back differently "
                    "from what was written; nothing was changed. Check the storage"
                )
        return new, min(rows, max(1, old.length)), expected


def _length(columns: Mapping[str, ColumnRef]) -> int:
    return next((ref.length for ref in columns.values()), 0)


def content_sum(data: Any) -> int:
    """A checksum of a column's rows as `read_column(..., encoded=True)` gives them."""
    if hasattr(data, "tobytes"):
        return zlib.crc32(data.tobytes())
    crc32 = 0
    for text in data:
        raw = text.encode()
        crc32 = zlib.crc32(raw, zlib.crc32(b"%d " % len(raw), crc32))
    return crc32


def best_chunk_rows(data: Any) -> int:
    """The rows of a chunk by which a column has few objects of the right size.

    data: as `read_column(..., encoded=True)` gives it.
    """
    count = len(data)
    if not count:
        return 1
    plain, packed = _bytes_per_row(data)
    most = max(1, int(min(GOAL_BYTES / packed, MOST_BYTES / plain)))
    chunks = -(-count // most)
    return -(-count // chunks)


def _bytes_per_row(data: Any) -> tuple[float, float]:
    """In memory, and compressed: of rows taken from all over the column."""
    count = len(data)
    if count <= _SAMPLES * _SAMPLE_ROWS:
        pieces = [_bytes(data)]
        rows = count
    else:
        step = (count - _SAMPLE_ROWS) // (_SAMPLES - 1)
        pieces = [_bytes(data[n * step : n * step + _SAMPLE_ROWS]) for n in range(_SAMPLES)]
        rows = _SAMPLES * _SAMPLE_ROWS
    plain = sum(map(len, pieces))
    packed = sum(len(zlib.compress(piece, 1)) for piece in pieces)
    return max(plain / rows, 1e-3), max(packed / rows, 1e-3)


def _bytes(data: Any) -> bytes:
    if hasattr(data, "tobytes"):
        raw: bytes = data.tobytes()
        return raw
    texts: Sequence[str] = data
    return "\n".join(texts).encode()
