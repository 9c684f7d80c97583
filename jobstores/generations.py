"""Generations: the base's states, each published by one create-only manifest.

`gen/NNNNNN.NONCE/...` holds what a generation wrote, `gen/NNNNNN.commit` is its
manifest, and the newest generation is the highest manifest in a fresh listing.
A manifest may name arrays and documents of older generations.

Reading a base costs one listing and one object. Nothing here imports NumPy or
Zarr.
"""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from jobstores.columns import FORMATS, ZARR, ColumnRef
from jobstores.errors import (
    AlreadyExistsError,
    ConflictError,
    CorruptError,
    NotFoundError,
    UnsupportedError,
)
from jobstores.foreign import foreign_store
from jobstores.keys import MARKER as MARKER
from jobstores.keys import is_part

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jobstores.port import ObjectPort

FORMAT = 1
ROOT = "gen"
_COMMIT = re.compile(r"(\d{6,})\.commit")
_LINEAGE = 100

Summary = dict[str, dict[int, int]]


class IdRange(NamedTuple):
    """Run ids that belong together for ever: `first` up to `first + count`.

    outputs: the names of the values that its runs may record.
    """

    name: str
    first: int
    count: int  # type: ignore[assignment] # hides tuple.count
    outputs: tuple[str, ...]


class Consumed(NamedTuple):
    """What of a segment is in the base.

    open: it was folded while it might still grow, so readers look again.
    signalled: its item was told to stop, so the scheduler may run it again.
    """

    size: int
    crc32: int
    open: bool = False
    signalled: bool = False


class DocumentRef(NamedTuple):
    """A document's object, its size and checksum."""

    key: str
    size: int
    crc32: int


@dataclass(frozen=True, slots=True)
class Base:
    """One generation, as its manifest says.

    info: small JSON of the caller's; `compression` in it says how columns are compressed.
    consumed: by segment key; a packed job's segments are all consumed, and not
        listed here.
    packs: by "S/J", the pack of a finished job.
    jobs: by "S/J", how many items a job has.
    summary: by range name and run state, how many runs; ids without a row count
        as pending.
    lineage: the nonces of the latest generations up to this one, by number.
    """

    number: int
    nonce: str
    store_id: str
    at: int
    info: dict[str, Any] = field(default_factory=dict)
    documents: Mapping[str, DocumentRef] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, ColumnRef]] = field(default_factory=dict)
    ranges: tuple[IdRange, ...] = ()
    summary: Summary = field(default_factory=dict)
    jobs: Mapping[str, int] = field(default_factory=dict)
    packs: Mapping[str, str] = field(default_factory=dict)
    consumed: Mapping[str, Consumed] = field(default_factory=dict)
    lineage: Mapping[int, str] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        """Below it lies what this generation wrote."""
        return f"{ROOT}/{self.number:06d}.{self.nonce}"

    def successor(self, nonce: str, at: int, **changes: Any) -> Base:
        """The next generation: what is not changed stays."""
        number = self.number + 1
        lineage = {**self.lineage, number: nonce}
        lineage = {n: lineage[n] for n in sorted(lineage)[-_LINEAGE:]}
        return replace(self, number=number, nonce=nonce, at=at, lineage=lineage, **changes)

    def live_keys(self) -> set[str]:
        """Every object and array that this generation names."""
        keys = {ref.key for ref in self.documents.values()}
        for columns in self.tables.values():
            keys.update(ref.key for ref in columns.values())
        return keys


# --- the store's marker ----------------------------------------------------------------


def write_marker(port: ObjectPort, store_id: str, at: int) -> None:
    """Mark a place as a store.

    Raises:
        AlreadyExistsError: it is one already.
    """
    document = {"format": FORMAT, "id": store_id, "created": at}
    port.put(MARKER, _marker_data(port, document), create=True)


def copy_marker(source: ObjectPort, target: ObjectPort) -> None:
    """Mark a place as a copy of another store; what it says of columns is its own.

    Raises:
        NotFoundError: the source is no store.
        AlreadyExistsError: the target is one already.
        CorruptError, UnsupportedError: as `check_marker`.
    """
    document = _marker(source)
    if document is None:
        raise NotFoundError(f"{source.locator} is not a job store: it has no {MARKER}")
    target.put(MARKER, _marker_data(target, document), create=True)


def _marker_data(port: ObjectPort, document: Mapping[str, Any]) -> bytes:
    plain = {name: value for name, value in document.items() if name != "columns"}
    if port.column_format != ZARR:
        plain["columns"] = port.column_format
    return json.dumps(plain).encode() + b"\n"


def check_marker(port: ObjectPort) -> str:
    """The store's id.

    Raises:
        NotFoundError: this is no store; the message says what is there.
        CorruptError: the marker is damaged.
        UnsupportedError: a newer version wrote it, or hpcflow 0.2.
    """
    document = _marker(port)
    if document is None:
        other = foreign_store(port)
        if other is not None:
            raise UnsupportedError(other)
        found = sorted(port.list(""))
        what = ", ".join(found[:5]) + (", ..." if len(found) > 5 else "")
        where = f"found there: {what}" if found else "nothing is there"
        raise NotFoundError(
            f"{port.locator} is not a job store: it has no {MARKER}; {where}"
        )
    return str(document.get("id", ""))


def marked_columns(port: ObjectPort) -> str | None:
    """How a store lays new columns out, as its marker says; None where no store is.

    Raises:
        CorruptError, UnsupportedError: as `check_marker`.
    """
    document = _marker(port)
    return None if document is None else str(document.get("columns", ZARR))


def _marker(port: ObjectPort) -> dict[str, Any] | None:
    try:
        data = port.get(MARKER)
    except NotFoundError:
        return None
    document = _json_object(data, f"{port.locator}: {MARKER}")
    _check_format(document, port.locator)
    layout = document.get("columns", ZARR)
    if layout not in FORMATS:
        raise UnsupportedError(
            f"{port.locator}: its columns are of the format {layout!r}, and this version "
            f"knows {' and '.join(FORMATS)}: open it with a newer version of hpcflow"
        )
    return document


def _check_format(document: Mapping[str, Any], where: str) -> None:
    number = document.get("format")
    if isinstance(number, int) and number > FORMAT:
        needed = document.get("needs", f"that reads store format {number}")
        raise UnsupportedError(
            f"{where} has store format {number}, and this version reads up to {FORMAT}: "
            f"open it with an hpcflow version {needed} (or newer)"
        )
    if number != FORMAT:
        raise CorruptError(f"{where}: the format number is {number!r}, expected {FORMAT}")


def _json_object(data: bytes, where: str) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except ValueError as error:
        raise CorruptError(f"{where} is damaged: not JSON: {error}") from error
    if not isinstance(document, dict):
        raise CorruptError(f"{where} is damaged: not a JSON object")
    return document


# --- reading ---------------------------------------


def numbers(port: ObjectPort) -> list[int]:
    """The committed generations, rising, in a fresh listing."""
    matches = (_COMMIT.fullmatch(name) for name in port.list(ROOT))
    return sorted(int(match.group(1)) for match in matches if match)


def newest(port: ObjectPort) -> Base:
    """The newest generation.

    Raises:
        NotFoundError: the store has none (its creation was cut short).
        CorruptError, UnsupportedError: see `read`.
    """
    last = 0
    while True:
        found = numbers(port)
        if not found:
            raise NotFoundError(
                f"{port.locator} has no committed generation: its creation was cut short; "
                "remove it and create it again"
            )
        try:
            return read(port, found[-1])
        except NotFoundError:
            if found[-1] == last:
                raise
            last = found[-1]  # swept between listing and reading: list again


def manifest_key(number: int) -> str:
    """The key of a generation's manifest."""
    return f"{ROOT}/{number:06d}.commit"


def read(port: ObjectPort, number: int) -> Base:
    """One generation by its manifest.

    Raises:
        NotFoundError: there is no such generation.
        CorruptError: the manifest is damaged.
        UnsupportedError: a newer version wrote it.
    """
    key = manifest_key(number)
    where = f"{port.locator}: {key}"
    document = _json_object(port.get(key), where)
    _check_format(document, where)
    crc32 = document.pop("crc32", None)
    if crc32 != _checksum(document):
        raise CorruptError(f"{where} is damaged: its checksum does not fit")
    try:
        base = _from_json(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptError(f"{where} is damaged: {error!r}") from error
    if base.number != number:
        raise CorruptError(f"{where} is damaged: it says it is generation {base.number}")
    return base


def read_document(port: ObjectPort, ref: DocumentRef) -> bytes:
    """A document's bytes, checked."""
    data = port.get(ref.key)
    if len(data) != ref.size or zlib.crc32(data) != ref.crc32:
        raise CorruptError(f"{port.locator}: {ref.key} fails its checksum")
    return data


# --- writing ---------------------------------------


def write_documents(
    port: ObjectPort, prefix: str, documents: Mapping[str, bytes]
) -> dict[str, DocumentRef]:
    """Write documents below a generation's prefix; `commit` makes them durable."""
    refs = {}
    for index, (name, data) in enumerate(documents.items()):
        key = f"{prefix}/documents/{index}-{key_part(name)}"
        port.put(key, data, durable=False)
        refs[name] = DocumentRef(key, len(data), zlib.crc32(data))
    return refs


def table_paths(names: Iterable[str]) -> dict[str, str]:
    """Where tables lie below a generation's prefix: their names, where they can be."""
    paths: dict[str, str] = {}
    for index, name in enumerate(names):
        parts = name.split("/")
        nested = any(_is_below(name, other) or _is_below(other, name) for other in paths)
        plain = parts[0] != "documents" and not nested and all(map(is_part, parts))
        paths[name] = name if plain else f"{index}-{key_part(name)}"
    return paths


def _is_below(name: str, other: str) -> bool:
    return name.startswith(other + "/")


def key_part(name: str) -> str:
    """A name as part of a key: for people who look; the manifest knows the truth."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:64] or "_"


def commit(port: ObjectPort, base: Base) -> Base:
    """Publish a generation whose objects are all written.

    Raises:
        ConflictError: its number is taken; the store is as the other left it.
    """
    port.sync_tree(base.prefix)
    document = json.loads(json.dumps(_to_json(base)))  # as a reader will see it
    document["crc32"] = _checksum(document)
    data = json.dumps(document, separators=(",", ":")).encode() + b"\n"
    try:
        port.put(manifest_key(base.number), data, create=True)
    except AlreadyExistsError as error:
        raise ConflictError(
            f"{port.locator}: generation {base.number} was committed by another process; "
            "reload and try again"
        ) from error
    return base


def is_in_lineage(port: ObjectPort, base: Base) -> bool:
    """Whether a committed generation is the newest, or one the newest grew from.

    A writer that was paused for long may find its number free, since the store
    has gone on and swept it: then its commit did not count.
    """
    return newest(port).lineage.get(base.number) == base.nonce


def _checksum(document: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(document, sort_keys=True, separators=(",", ":")).encode())


def _to_json(base: Base) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "number": base.number,
        "nonce": base.nonce,
        "store_id": base.store_id,
        "at": base.at,
        "info": base.info,
        "documents": {name: list(ref) for name, ref in base.documents.items()},
        "tables": {
            table: {name: ref.to_json() for name, ref in columns.items()}
            for table, columns in base.tables.items()
        },
        "ranges": [[r.name, r.first, r.count, list(r.outputs)] for r in base.ranges],
        "summary": {
            name: {str(state): count for state, count in counts.items()}
            for name, counts in base.summary.items()
        },
        "jobs": dict(base.jobs),
        "packs": dict(base.packs),
        "consumed": {
            key: [c.size, c.crc32, *([c.open + 2 * c.signalled] if any(c[2:]) else [])]
            for key, c in base.consumed.items()
        },
        "lineage": {str(number): nonce for number, nonce in base.lineage.items()},
    }


def _from_json(document: Mapping[str, Any]) -> Base:
    return Base(
        number=int(document["number"]),
        nonce=document["nonce"],
        store_id=document["store_id"],
        at=int(document["at"]),
        info=document["info"],
        documents={name: DocumentRef(*ref) for name, ref in document["documents"].items()},
        tables={
            table: {name: ColumnRef.from_json(ref) for name, ref in columns.items()}
            for table, columns in document["tables"].items()
        },
        ranges=tuple(
            IdRange(name, first, count, tuple(outputs))
            for name, first, count, outputs in document["ranges"]
        ),
        summary={
            name: {int(state): count for state, count in counts.items()}
            for name, counts in document["summary"].items()
        },
        jobs=document["jobs"],
        packs=document["packs"],
        consumed={
            key: Consumed(size, crc32, bool(sum(flags) & 1), bool(sum(flags) & 2))
            for key, (size, crc32, *flags) in document["consumed"].items()
        },
        lineage={int(number): nonce for number, nonce in document["lineage"].items()},
    )
