"""Checks of what jobs recorded: segments, packs, what of them is folded, and values."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, NamedTuple

from jobstores import generations, packs, segments
from jobstores.backends.many import at_once, map_many
from jobstores.decisions import header_of, is_withdrawn
from jobstores.errors import CorruptError, NotFoundError
from jobstores.operations.findings import Finding, damage, leftover, note
from jobstores.operations.transfer import stored_sum
from jobstores.references import is_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from jobstores.generations import Base
    from jobstores.port import ObjectPort
    from jobstores.records import Parsed


class _Job(NamedTuple):
    submission: int
    job: int

    @property
    def name(self) -> str:
        return f"{self.submission}/{self.job}"


class Segment(NamedTuple):
    """What a check remembers of a segment: its bytes' sum, its header's cuts.

    prefix: its first bytes' CRC-32, as many as a generation says are folded.
    """

    size: int
    crc32: int
    valid_bytes: int
    cuts: Mapping[int, int]
    prefix: int | None


def broken_records(data: bytes) -> Iterator[tuple[int, str]]:
    """Damage in the middle of a segment: the number of a record, and what is wrong.

    What follows the last line break is a torn tail, and a line that ends with `#` was
    spoiled by its writer, who wrote it again: both are as they should be.
    """
    expected, last = 0, b""
    for line in data.split(b"\n")[:-1]:
        if line.endswith(b"#"):
            continue
        seq = _number_of(line)
        if seq is None:
            yield expected, f"record {expected} fails its checksum"
            expected += 1
        elif seq == expected - 1 and line == last:
            continue
        elif seq != expected:
            yield expected, f"record {seq} stands where record {expected} was expected"
            expected = seq + 1
        else:
            expected += 1
        last = line


def _number_of(line: bytes) -> int | None:
    """A line's record number; None where its checksum fails."""
    try:
        head, crc, body = line.split(b" ", 2)
        fits = int(crc, 16) == zlib.crc32(head + b" " + body)
        return int(head) if fits else None
    except ValueError:
        return None


class ItemCheck:
    """Checks of segments and packs against each other and against a generation.

    keys: all below `segments/` and `packs/`.
    done: called once for each segment and pack that was read.
    """

    def __init__(
        self, port: ObjectPort, base: Base, keys: Iterable[str], done: Callable[[], None]
    ) -> None:
        self._port = port
        self._base = base
        self._keys = sorted(keys)
        self._done = done
        self._segments: dict[str, Segment] = {}
        self.references: dict[str, tuple[int, int]] = {}
        """By key, size and CRC-32 of the value objects that records name."""

    def findings(self, bases: Sequence[Base]) -> list[Finding]:
        """Everything; `bases` are all committed generations, the newest last."""
        found: list[Finding] = []
        keys = [key for key in self._keys if key.startswith("segments/")]
        for key, data in _segments(self._port, keys):
            self._done()
            if data is not None:
                found += self._segment(key, data)
        packed = self._packs(bases, found)
        found += self._unnamed_packs(bases)
        found += self._consumed()
        found += self._attempts(packed)
        return found

    # --- segments

    def _segment(self, key: str, data: bytes) -> list[Finding]:
        found = [
            damage("segment", key, text, row=row) for row, text in broken_records(data)
        ]
        parsed = segments.parse(data)
        header = header_of(parsed) or {}
        cuts = {int(k): int(size) for k, size in header.get("cuts", {}).items()}
        known = self._base.consumed.get(key)
        prefix = None if known is None else zlib.crc32(data[: known.size])
        self._segments[key] = Segment(
            len(data), zlib.crc32(data), parsed.valid_bytes, cuts, prefix
        )
        self._collect(parsed)
        return found

    def _collect(self, parsed: Parsed) -> None:
        for record in parsed.records:
            for value in (record.get("out") or {}).values():
                if is_reference(value):
                    self.references[value["$object"]] = (value["bytes"], value["crc32"])

    def _consumed(self) -> Iterator[Finding]:
        manifest = generations.manifest_key(self._base.number)
        for key, known in self._base.consumed.items():
            there = self._segments.get(key)
            if there is None:
                text = f"it is missing; {known.size} bytes of it are folded by {manifest}"
                yield damage("folded_segment", key, text)
            elif there.size < known.size or there.prefix != known.crc32:
                yield damage(
                    "folded_segment",
                    key,
                    f"its first {known.size} bytes are not those that were folded",
                )
            elif there.size > known.size and not known.open:
                more = there.size - known.size
                text = f"it grew by {more} bytes after its item was folded as closed"
                yield note("grown", key, text)

    def _attempts(self, packed: Mapping[str, object]) -> Iterator[Finding]:
        """Attempts without lower ones, and cuts beyond what lower ones hold."""
        by_item: dict[str, dict[int, Segment]] = {}
        for key, segment in self._segments.items():
            folder, _, name = key.rpartition("/")
            item, _, attempt = name.partition(".")
            if attempt.isdigit() and _job_of(key).name not in packed:
                by_item.setdefault(f"{folder}/{item}", {})[int(attempt)] = segment
        for item, attempts in sorted(by_item.items()):
            for number in set(range(max(attempts))) - attempts.keys():
                text = f"it is missing, and attempt {max(attempts)} is there"
                yield damage("attempt", f"{item}.{number}", text)
            for number, segment in attempts.items():
                for lower, size in segment.cuts.items():
                    other = attempts.get(lower)
                    if other is not None and other.valid_bytes < size:
                        text = f"attempt {number} saw {size} bytes of it"
                        yield damage("cut", f"{item}.{lower}", f"it is shorter: {text}")

    # --- packs

    def _packs(self, bases: Sequence[Base], found: list[Finding]) -> dict[str, object]:
        """Check packs; the jobs that any generation calls packed."""
        checked: dict[str, object] = {}
        named = sorted({item for base in bases for item in base.packs.items()})
        indexes = map_many(at_once(self._port), self._pack, [key for _, key in named])
        for (name, key), index in zip(named, indexes, strict=True):
            self._done()
            checked[name] = key
            if isinstance(index, str):
                repair = "" if name in bases[-1].packs else "nothing counts on it"
                found.append(damage("pack", key, index, repair))
                continue
            count = bases[-1].jobs.get(name)
            if count is not None and count != len(index):
                text = f"it has {len(index)} items, and the job {count}"
                found.append(damage("pack", key, text))
            if name in bases[-1].packs:
                found += self._packed_job(name, index)
        return checked

    def _pack(self, key: str) -> Mapping[int, Mapping[int, tuple[int, int]]] | str:
        """What a pack holds, or what is wrong with it."""
        try:
            return packs.verify_pack(self._port, key)
        except NotFoundError:
            return "it is missing"
        except CorruptError as error:
            return str(error)

    def _packed_job(
        self, name: str, index: Mapping[int, Mapping[int, tuple[int, int]]]
    ) -> Iterator[Finding]:
        submission, job = map(int, name.split("/"))
        fence = segments.fence_key(submission, job)
        if fence not in self._segments:
            text = "it is missing: an item that is requeued late would start afresh"
            yield damage("fence", fence, text, "it is written anew")
        for item, attempts in index.items():
            for attempt, known in attempts.items():
                key = segments.segment_key(submission, job, item, attempt)
                there = self._segments.get(key)
                if there is None or (there.size, there.crc32) == known:
                    continue
                if is_withdrawn(segments.read_segment(self._port, key)):
                    continue  # it came late to a job that was not needed: see `needless`
                if there.size > known[0]:
                    text = "it holds more than the job's pack, which counts"
                    yield note("grown", key, text)
                else:
                    text = "it is not what the job's pack, which counts, has of it"
                    repair = "it is moved below damaged/: the pack has it whole"
                    yield damage("packed_segment", key, text, repair)

    def _unnamed_packs(self, bases: Sequence[Base]) -> Iterator[Finding]:
        named = {key for base in bases for key in base.packs.values()}
        for key in self._keys:
            if key.startswith("packs/") and key not in named:
                text = "no generation names it: a fold was cut short, or is under way"
                yield leftover("pack", key, text, "a sweep removes it in time")


def _job_of(key: str) -> _Job:
    _, submission, job, *_ = key.split("/")
    return _Job(int(submission), int(job))


# --- other segments, and values ------------------------------------


def _segments(port: ObjectPort, keys: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
    """Segments' contents; None: it was swept meanwhile."""

    def read(key: str) -> tuple[str, bytes | None]:
        try:
            return key, port.read_segment(key)
        except NotFoundError:
            return key, None

    return map_many(at_once(port), read, keys)


def framing_findings(port: ObjectPort, keys: Iterable[str], kind: str) -> list[Finding]:
    """Damage within segments of which nothing but the framing is known."""
    found = []
    for key, data in _segments(port, sorted(keys)):
        repair = "it is moved below damaged/" if kind == "lease" else ""
        for row, text in broken_records(data or b""):
            found.append(damage(kind, key, text, repair, row))
    return found


def value_findings(
    port: ObjectPort,
    references: Mapping[str, tuple[int, int]],
    done: Callable[[], None],
) -> Iterator[Finding]:
    """Value objects that are named and gone, or fail their checksum."""
    wanted = sorted(references.items())
    sums = map_many(at_once(port), lambda one: stored_sum(port, one[0]), wanted)
    for (key, expected), found in zip(wanted, sums, strict=True):
        done()
        if found is None:
            yield damage("value", key, "it is missing, and a record names it")
        elif found != expected:
            yield damage(
                "value",
                key,
                f"it fails its checksum: {found.size} bytes are there, {expected[0]} "
                "were written",
            )
