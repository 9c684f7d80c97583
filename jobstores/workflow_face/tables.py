"""One state of the face's tables and documents: a generation, and changes to it.

A `Snapshot` is what a generation holds, read as it is needed and kept while later
generations name the same columns. A `Work` is a snapshot and uncommitted changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jobstores import values
from jobstores.columns import read_column
from jobstores.errors import NotFoundError
from jobstores.generations import read_document
from jobstores.workflow_face.layout import (
    DOCUMENTS,
    MADE_FIRST,
    STATE_OF,
    TABLES,
    document_name,
    table_name,
)
from jobstores.workflow_face.made_layout import MadeLayout

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from jobstores.columns import ColumnRef
    from jobstores.generations import Base, DocumentRef
    from jobstores.port import ObjectPort

_DTYPES: Mapping[str, Any] = {"int": np.int64, "bool": np.bool_, "json": object}
_EMPTY: Mapping[str, str] = {
    "workflow": "{}",
    "template": "{}",
    "components": "{}",
    "tasks": "[]",
    "loops": "[]",
    "submissions": '{"$dict":[]}',
}


class Snapshot:
    """A generation's columns and documents, each read once."""

    def __init__(
        self, port: ObjectPort, base: Base, before: Snapshot | None = None
    ) -> None:
        self.port = port
        self.base = base
        self.columns: dict[ColumnRef, Any] = {}
        self.documents: dict[DocumentRef, str] = {}
        if before is not None:
            live = {ref for columns in base.tables.values() for ref in columns.values()}
            named = set(base.documents.values())
            self.columns = {r: v for r, v in before.columns.items() if r in live}
            self.documents = {r: v for r, v in before.documents.items() if r in named}

    def adopt(self, work: Work) -> None:
        """Take over the columns that a commit of `work` has just written."""
        for name, columns in work.changed_tables().items():
            for column, (_, data) in columns.items():
                self.columns[self.base.tables[name][column]] = data

    def column(self, table: str, column: str) -> Any:
        """A column by its name in the store: an array, or a list of (JSON) texts.

        Raises:
            NotFoundError: the generation has no such column.
        """
        ref = self.base.tables.get(table, {}).get(column)
        if ref is None:
            raise NotFoundError(f"{self.port.locator}: no column {column!r} in {table!r}")
        if ref not in self.columns:
            self.columns[ref] = read_column(self.port, ref, encoded=True)
        return self.columns[ref]

    def document(self, name: str) -> str | None:
        """A document's text by its name in the store, or None."""
        ref = self.base.documents.get(name)
        if ref is None:
            return None
        if ref not in self.documents:
            self.documents[ref] = read_document(self.port, ref).decode()
        return self.documents[ref]


@dataclass(slots=True)
class Table:
    """A table in memory; its arrays may be longer than it is, so that rows are cheap.

    committed: how many of its rows are in the store.
    """

    columns: dict[str, Any]
    length: int
    committed: int
    changed: bool = False

    def __getitem__(self, column: str) -> NDArray[Any]:
        data: NDArray[Any] = self.columns[column][: self.length]
        return data

    def append(self, count: int, columns: Mapping[str, Any]) -> None:
        """Add rows, given by column as a sequence or as one value for all."""
        self._own(self.length + count)
        for name, given in columns.items():
            self.columns[name][self.length : self.length + count] = given
        self.length += count

    def put(self, rows: NDArray[np.int64], columns: Mapping[str, Any]) -> None:
        """Replace the values of some rows."""
        self._own(self.length)
        for name, given in columns.items():
            self.columns[name][rows] = given

    def _own(self, needed: int) -> None:
        """Make the arrays ours to write to, with room for so many rows."""
        for name, data in self.columns.items():
            if not self.changed or len(data) < needed:
                room = len(data) if needed <= len(data) else max(needed, len(data) * 3 // 2)
                grown = np.empty(room, dtype=data.dtype)
                grown[: self.length] = data[: self.length]
                self.columns[name] = grown
        self.changed = True


class Work:
    """A snapshot with changes: what reads see, and what a commit writes."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.base = snapshot.base
        self.is_made = "model" in snapshot.base.documents
        self.made = MadeLayout(snapshot.base.info if self.is_made else {})
        self.first = MADE_FIRST if self.is_made else 0
        self.run_rows: dict[str, tuple[str, Any]] | None = None  # of a made workflow
        self.observed: list[Any] = []
        self._tables: dict[str, Table] = {}
        self._documents: dict[str, Any] = {}
        self._changed_documents: set[str] = set()
        self._added: dict[int, int] | None = None
        self._children: dict[str, tuple[int, NDArray[np.int64], NDArray[np.int64]]] = {}

    # --- tables ------------------------

    def table(self, name: str) -> Table:
        """A table of `layout.TABLES`."""
        if name not in self._tables:
            self._tables[name] = self._read(name)
        return self._tables[name]

    def _read(self, name: str) -> Table:
        kinds = TABLES[name]
        if table_name(name) not in self.base.tables:
            return Table({c: np.empty(0, _DTYPES[k]) for c, k in kinds.items()}, 0, 0)
        columns = {
            column: np.asarray(
                self.snapshot.column(table_name(name), column), dtype=_DTYPES[kind]
            )
            for column, kind in kinds.items()
        }
        length = len(next(iter(columns.values())))
        return Table(columns, length, length)

    def add(self, name: str, count: int, columns: Mapping[str, Any], **state: Any) -> range:
        """Add rows, and those of the table of their states; their ids."""
        table = self.table(name)
        first = self.first + table.length
        table.append(count, columns)
        if name in STATE_OF:
            self.table(STATE_OF[name]).append(count, state)
        return range(first, first + count)

    def count(self, name: str) -> int:
        """How many rows a table has."""
        return self.table(name).length

    def added(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which ids are of rows added through the face, not made of a template."""
        return ids >= self.first if self.is_made else np.ones(len(ids), dtype=bool)

    def rows(self, name: str, ids: Iterable[int], what: str) -> NDArray[np.int64]:
        """The rows of ids that were added through the face.

        Raises:
            NotFoundError: one is not there; the message says which ids are.
        """
        rows = as_ids(ids) - self.first
        count = self.count(name)
        bad = (rows < 0) | (rows >= count)
        if bad.any():
            first = int(rows[np.flatnonzero(bad)[0]]) + self.first
            known = f"{self.first} to {self.first + count - 1} are" if count else "none is"
            where = self.snapshot.port.locator
            raise NotFoundError(f"{where}: there is no {what} {first}; {known} there")
        return rows

    def set_rows(
        self, name: str, rows: NDArray[np.int64], columns: Mapping[str, Any]
    ) -> None:
        """Replace values of rows, noting what was there: another writer may change it."""
        table = self.table(name)
        self.observed.append([table[column][rows].tolist() for column in columns])
        table.put(rows, columns)

    def is_pending(self, name: str, row: int) -> bool:
        """Whether a row was added and not committed."""
        return row >= self.table(name).committed

    def children(self, name: str, column: str, parents: Sequence[int]) -> list[list[int]]:
        """For each parent, the ids of the rows of a table that name it in a column."""
        table = self.table(name)
        known = self._children.get(name)
        if known is None or known[0] != table.length:
            order = np.argsort(table[column], kind="stable")
            known = self._children[name] = (table.length, order, table[column][order])
        _, order, sorted_parents = known
        wanted = as_ids(parents)
        firsts = np.searchsorted(sorted_parents, wanted, "left").tolist()
        lasts = np.searchsorted(sorted_parents, wanted, "right").tolist()
        ids = order + self.first
        return [ids[a:b].tolist() for a, b in zip(firsts, lasts, strict=True)]

    def num_added(self, task: int) -> int:
        """How many elements were added to a task."""
        if self._added is None:
            tasks, counts = np.unique(self.table("elements")["task"], return_counts=True)
            self._added = dict(zip(tasks.tolist(), counts.tolist(), strict=True))
        return self._added.get(task, 0)

    def note_added(self, task: int, count: int) -> None:
        """Count elements that are about to be added to a task."""
        added = self.num_added(task) + count
        if self._added is not None:
            self._added[task] = added

    # --- documents ------------------------

    def document(self, name: str) -> Any:
        """A document of `layout.DOCUMENTS`; whoever changes it calls `touch`."""
        if name not in self._documents:
            text = self.snapshot.document(document_name(name))
            self._documents[name] = values.loads(_EMPTY[name] if text is None else text)
        return self._documents[name]

    def touch(self, name: str) -> Any:
        """A document that the caller changes."""
        self._changed_documents.add(name)
        return self.document(name)

    def replace_document(self, name: str, content: Any) -> None:
        """Put another document in a document's place."""
        self._changed_documents.add(name)
        self._documents[name] = content

    def committed(self, name: str) -> int:
        """How many entries a document had when it was committed."""
        text = self.snapshot.document(document_name(name))
        return 0 if text is None else len(values.loads(text))

    def num_tasks(self) -> int:
        """How many tasks are committed."""
        return len(self.made.tasks) + self.committed("tasks")

    def num_runs(self) -> int:
        """How many runs are committed, or have an id in a made workflow."""
        return self.made.num_runs + self.table("runs").committed

    def root(self) -> dict[str, Any]:
        """All documents by name, as they are."""
        return {name: self.document(name) for name in DOCUMENTS}

    # --- what a commit writes ------------------------

    def changed_tables(self) -> dict[str, dict[str, tuple[str, Any]]]:
        """Tables to write, by their names in the store."""
        changed = {
            table_name(name): {
                column: (kind, _plain(kind, table[column]))
                for column, kind in TABLES[name].items()
            }
            for name, table in self._tables.items()
            if table.changed
        }
        if self.run_rows is not None:
            changed["runs"] = self.run_rows
        return changed

    def changed_documents(self) -> dict[str, bytes]:
        """Documents to write, by their names in the store.

        Raises:
            UnstorableError: one holds what can't be stored.
        """
        return {
            document_name(name): values.dumps(self._documents[name], name).encode()
            for name in sorted(self._changed_documents)
        }


def _plain(kind: str, data: NDArray[Any]) -> Any:
    return data.tolist() if kind == "json" else data.copy()


def as_ids(ids: Iterable[int]) -> NDArray[np.int64]:
    """Ids as an array.

    Raises:
        TypeError: they are no integers.
    """
    array = ids if isinstance(ids, np.ndarray) else np.array(list(ids))
    if not array.size:
        return np.empty(0, dtype=np.int64)
    if array.dtype.kind not in "iu":
        raise TypeError(f"ids are integers, not {array.tolist()[0]!r}")
    return array.astype(np.int64, copy=False).reshape(-1)


def texts(items: Iterable[Any], name: str) -> NDArray[Any]:
    """Values as an array of their JSON texts; equal ones in a row are encoded once.

    Raises:
        UnstorableError: one of them can't be stored.
    """
    found: list[str] = []
    last: Any = found  # equal to nothing
    for row, item in enumerate(list(items)):
        if item is not last:
            text, last = values.dumps(item, f"{name}[{row}]"), item
        found.append(text)
    data = np.empty(len(found), dtype=object)
    data[:] = found
    return data


def text(item: Any, name: str) -> str:
    """One value's JSON text."""
    return values.dumps(item, name)
