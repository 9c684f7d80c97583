"""Checks of what is merged: the marker, manifests, documents, columns, and the summary."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from jobstores import generations
from jobstores.backends.many import at_once, map_many
from jobstores.columns import ZARR, ColumnRef, columns_at_once, read_column
from jobstores.errors import CorruptError, NotFoundError
from jobstores.generations import MARKER
from jobstores.operations.findings import Finding, damage, note
from jobstores.records import RunState
from jobstores.references import is_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from jobstores.generations import Base, DocumentRef, IdRange
    from jobstores.port import ObjectPort

RUNS = "runs"
GROUP = {"zarr_format": 3, "node_type": "group", "attributes": {}}
_MARKER_REPAIR = "it is written anew, with the id that the manifests have"


def marker_findings(port: ObjectPort, bases: Sequence[Base]) -> list[Finding]:
    """What is wrong with `store.json`.

    Raises:
        UnsupportedError: a newer version wrote it.
    """
    repair = _MARKER_REPAIR if bases else ""
    try:
        store_id = generations.check_marker(port)
    except NotFoundError:
        return [damage("marker", MARKER, "it is missing", repair)]
    except CorruptError as error:
        return [damage("marker", MARKER, str(error), repair)]
    if bases and store_id != bases[-1].store_id:
        text = f"it has the id {store_id!r}, and the manifests {bases[-1].store_id!r}"
        return [damage("marker", MARKER, text, repair)]
    return []


def read_manifests(port: ObjectPort) -> tuple[list[Base], list[Finding]]:
    """The generations whose manifests are whole, rising, and what is wrong with others.

    Raises:
        UnsupportedError: a newer version wrote one.
    """
    bases: list[Base] = []
    broken: list[tuple[int, str]] = []
    numbers = generations.numbers(port)
    for number in numbers:
        try:
            bases.append(generations.read(port, number))
        except CorruptError as error:
            broken.append((number, str(error)))
        except NotFoundError:
            continue  # swept meanwhile
    found = [_broken(number, text, numbers[-1], bases) for number, text in broken]
    if not numbers:
        text = "no generation is committed: the store's creation was cut short"
        found.append(damage("no_generation", generations.ROOT, text))
    return bases, [*found, *_lineage(numbers, bases)]


def _broken(number: int, text: str, last: int, bases: Sequence[Base]) -> Finding:
    key = generations.manifest_key(number)
    if not bases:
        return damage("manifest", key, text)
    if number < last:
        return damage("manifest", key, text, "it is moved below damaged/: nobody needs it")
    repair = (
        "it is moved below damaged/; the store is then as generation "
        f"{bases[-1].number} was, and what segments and packs hold beyond it is folded "
        "again"
    )
    return damage("newest_manifest", key, text, repair)


def _lineage(numbers: Sequence[int], bases: Sequence[Base]) -> Iterator[Finding]:
    for before, after in pairwise(numbers):
        if after != before + 1:
            missing = generations.manifest_key(before + 1)
            yield note("gap", missing, f"generation {before + 1} has no manifest any more")
    for base in bases[:-1]:
        if bases[-1].lineage.get(base.number) not in (None, base.nonce):
            key = generations.manifest_key(base.number)
            yield note("stray", key, "it is of a writer whose commit did not count")


class BaseCheck:
    """Checks documents and columns, each once however many generations name it.

    done: called once for each that was checked.
    """

    def __init__(self, port: ObjectPort, done: Callable[[], None]) -> None:
        self._port = port
        self._done = done
        self._columns: dict[ColumnRef, list[Finding]] = {}
        self._documents: dict[DocumentRef, list[Finding]] = {}
        self._levels: set[str] = set()
        self.references: dict[str, tuple[int, int]] = {}
        """By key, size and CRC-32 of the value objects that the columns name."""

    def findings(self, base: Base) -> list[Finding]:
        """What is wrong with what a generation names."""
        found: list[Finding] = []
        for document in base.documents.values():
            found += self.document(document)
        self._look(ref for columns in base.tables.values() for ref in columns.values())
        for table in base.tables:
            found += self.table(base, table)
        return found

    def document(self, ref: DocumentRef) -> list[Finding]:
        """What is wrong with a document."""
        if ref not in self._documents:
            self._documents[ref] = []
            try:
                generations.read_document(self._port, ref)
            except NotFoundError:
                self._documents[ref] = [damage("document", ref.key, "it is missing")]
            except CorruptError as error:
                self._documents[ref] = [damage("document", ref.key, str(error))]
            self._done()
        return self._documents[ref]

    def table(self, base: Base, table: str) -> list[Finding]:
        """What is wrong with a table's columns, and between them."""
        columns = base.tables[table]
        self._look(columns.values())
        found = [f for ref in columns.values() for f in self._columns[ref]]
        lengths = {name: ref.length for name, ref in columns.items()}
        if len(set(lengths.values())) > 1:
            key = next(iter(columns.values())).key
            found.append(damage("lengths", key, f"the columns of {table} have {lengths}"))
        return found

    def _look(self, refs: Iterable[ColumnRef]) -> None:
        """Check the columns that were not checked before, and the levels above them."""
        new = [ref for ref in dict.fromkeys(refs) if ref not in self._columns]
        for ref, found in zip(new, self._groups(new), strict=True):
            self._columns[ref] = found

        def check(ref: ColumnRef) -> tuple[ColumnRef, list[Finding]]:
            return ref, list(self._checked(ref))

        for ref, found in map_many(columns_at_once(self._port), check, new):
            self._columns[ref] += found
            self._done()

    def _checked(self, ref: ColumnRef) -> Iterator[Finding]:
        try:
            data = read_column(self._port, ref, encoded=True)
        except NotFoundError:
            yield damage("column", ref.key, "it is missing")
            return
        except CorruptError as error:
            yield damage("column", ref.key, str(error))
            return
        if ref.kind != "json":
            return
        for row, text in enumerate(data):
            try:
                value = json.loads(text)
            except ValueError as error:
                yield damage("column", ref.key, f"row {row} is not JSON: {error}", row=row)
                return
            if is_reference(value):
                self.references[str(value["$object"])] = (value["bytes"], value["crc32"])

    def _groups(self, refs: Sequence[ColumnRef]) -> list[list[Finding]]:
        """Of each column, about levels above Zarr arrays: other programs walk by them."""
        found: list[list[Finding]] = [[] for _ in refs]
        levels: dict[str, list[Finding]] = {}
        for ref, own in zip(refs, found, strict=True):
            parts = ref.key.split("/") if ref.format == ZARR else []
            for count in range(2, len(parts)):
                key = "/".join([*parts[:count], "zarr.json"])
                if key not in self._levels:
                    self._levels.add(key)
                    levels[key] = own

        def look(key: str) -> tuple[str, str]:
            return key, _wrong_group(self._port, key)

        for key, wrong in map_many(at_once(self._port), look, levels):
            if wrong:
                levels[key].append(damage("group", key, wrong, "it is written anew"))
        return found


def _wrong_group(port: ObjectPort, key: str) -> str:
    """What is wrong with a group's description; empty where nothing is."""
    try:
        document = json.loads(port.get(key))
    except NotFoundError:
        return "it is missing; hpcflow does without, other programs don't"
    except ValueError:
        document = None
    return "" if document == GROUP else "it describes no Zarr group"


# --- what the rows say --------------------------------------


def row_findings(port: ObjectPort, base: Base) -> list[Finding]:
    """What is wrong with run ids, states and the summary, where columns are whole.

    Raises:
        NotFoundError, CorruptError: a column isn't.
    """
    found: list[Finding] = []
    columns = base.tables.get(RUNS)
    if columns is None:
        return _summary_findings(base, {})
    ids, states = (read_column(port, columns[name]) for name in ("id", "state"))
    found += _id_findings(columns["id"], ids, base.ranges)
    known = {state.value for state in RunState}
    bad = [row for row, state in enumerate(states.tolist()) if state not in known]
    if bad:
        text = f"row {bad[0]} has the state {int(states[bad[0]])}, which is none"
        found.append(damage("state", columns["state"].key, text, row=bad[0]))
    if not found:
        from jobstores.run_rows import summarise

        found += _summary_findings(base, summarise(base.ranges, ids, states))
    for table, output in base.tables.items():
        if table.startswith("outputs/") and "run" in output:
            ranges = [r for r in base.ranges if r.name == table.split("/")[1]]
            runs = read_column(port, output["run"])
            found += _id_findings(output["run"], runs, ranges)
    return found


def _id_findings(ref: ColumnRef, ids: Any, ranges: Sequence[IdRange]) -> list[Finding]:
    import numpy as np

    down = np.flatnonzero(np.diff(ids) <= 0)
    if len(down):
        row = int(down[0]) + 1
        text = f"run {int(ids[row])} in row {row} follows run {int(ids[row - 1])}"
        return [damage("ids", ref.key, text, row=row)]
    inside = np.zeros(len(ids), dtype=bool)
    for r in ranges:
        inside |= (ids >= r.first) & (ids < r.first + r.count)
    out = np.flatnonzero(~inside)
    if len(out):
        row = int(out[0])
        text = f"run {int(ids[row])} in row {row} is in no range that it may be in"
        return [damage("ids", ref.key, text, row=row)]
    return []


def _summary_findings(
    base: Base, counted: Mapping[str, Mapping[int, int]]
) -> list[Finding]:
    """Where the manifest's counts are not those of the rows."""
    pending = {r.name: {int(RunState.PENDING): r.count} for r in base.ranges}
    expected = _without_zeros({**pending, **counted})
    if _without_zeros(base.summary) == expected:
        return []
    return [
        damage(
            "summary",
            generations.manifest_key(base.number),
            f"its counts of runs by state are {_without_zeros(base.summary)}, and those "
            f"of the run table {expected}",
            "a new generation has the counts of the run table",
        )
    ]


def _without_zeros(summary: Mapping[str, Mapping[int, int]]) -> dict[str, dict[int, int]]:
    kept = {
        name: {state: count for state, count in counts.items() if count}
        for name, counts in summary.items()
    }
    return {name: counts for name, counts in kept.items() if counts}
