"""Attempts and fences: who may execute an item, and whose results count.

The protocol is described in docs/reference/store-protocols.md. In short: an
attempt claims the item's next number by creating its segment, then reads the
job's fence, then records in its header how many bytes of each lower attempt it
saw (the cuts). The lowest tombstone, else the highest claim, decides; its
results are those it can see through its cuts, and its own. So whatever a ghost
appends later changes nothing.

Standard library only, Python 3.9 syntax: this runs on compute nodes.
"""

from __future__ import annotations

from typing import (
    TYPE_CHECKING,
    Callable,
    Collection,
    Dict,
    Iterable,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
)

from jobstores.decisions import (
    Decision,
    Item,
    accepted_before,
    header_of,
    is_final,
    is_tombstone,
    is_withdrawn,
    resolve,
)
from jobstores.errors import AlreadyExistsError, BusyError, JobStoreError, NotFoundError
from jobstores.process_identity import proven_dead
from jobstores.records import Parsed, Record
from jobstores.segments import (
    SegmentWriter,
    append_serialised,
    attempts_in,
    directory_prefix,
    exists,
    fence_key,
    parse,
    read_item_segments,
    segment_key,
)

if TYPE_CHECKING:
    from jobstores.port import ObjectPort

__all__ = [
    "Attempt",
    "Decision",
    "Duplicate",
    "Fenced",
    "Item",
    "decide",
    "fence",
    "start",
]

Clock = Callable[[], float]
Sleep = Callable[[float], None]


class Duplicate(Exception):  # noqa: N818 - an outcome, not an error
    """Another attempt of the item is alive: this one has nothing to do."""


class Fenced(Exception):  # noqa: N818 - an outcome, not an error
    """The job is fenced or finished: no further attempt may start."""


# --- reading ---------------------------------------


def attempts_of(port: ObjectPort, item: Item) -> List[int]:
    """The numbers of an item's attempts, rising, in a fresh listing."""
    return attempts_in(port.list(directory_prefix(*item))).get(item.item, [])


def read_attempts(
    port: ObjectPort, item: Item, numbers: Iterable[int]
) -> Dict[int, Parsed]:
    """The contents of an item's segments.

    Raises:
        NotFoundError: one was removed meanwhile: its job is packed.
    """
    data = read_item_segments(port, *item, numbers)
    return {k: parse(found) for k, found in data.items()}


def decide(port: ObjectPort, item: Item) -> Optional[Decision]:
    """The item's decision by its segments.

    None: undecided. It has no attempt, the latest has no header yet, or another
    claim came in between (ask again), or the job is packed (see `packs.read_item`).
    """
    numbers = attempts_of(port, item)
    if not numbers:
        return None
    try:
        attempts = read_attempts(port, item, numbers)
    except NotFoundError:
        return None
    if attempts_of(port, item) != numbers:
        return None  # what was read may have been superseded before it was read
    return resolve(attempts)


# --- starting an attempt ---------------------------------------


class Attempt:
    """A started attempt: its number, its segment, and what it need not execute.

    accepted: the runs that are final by earlier attempts, with their records.
    """

    def __init__(
        self, port: ObjectPort, item: Item, number: int, writer: SegmentWriter
    ) -> None:
        self.item = item
        self.number = number
        self.writer = writer
        self.accepted: Dict[int, Record] = {}
        self._port = port

    def superseded(self) -> bool:
        """Whether a higher claim or the job's fence exists now: then stop.

        Two look-ups by name. An attempt that was superseded may finish nothing
        that counts, whatever this says (a file system may show names late).
        """
        item = self.item
        return exists(self._port, segment_key(*item, self.number + 1)) or exists(
            self._port, fence_key(item.submission, item.job)
        )


def start(
    port: ObjectPort,
    item: Item,
    header: Record,
    *,
    silence_s: float,
    monotonic: Clock,
    sleep: Sleep,
) -> Attempt:
    """Claim the item's next attempt and write its header, durably.

    `header` is what to record beside attempt, kind and cuts: the time, the
    fields of `process_identity.identity()`, what the scheduler calls the job.
    An earlier attempt that isn't closed is watched for `silence_s` first,
    unless it is proven dead.

    Raises:
        Duplicate: another attempt is alive.
        Fenced: the job is fenced, or packed.
    """
    at_least = -1
    while True:
        top = _wait_until_quiet(port, item, at_least, silence_s, monotonic, sleep)
        try:
            handle = port.create_segment(segment_key(*item, top + 1))
            break
        except AlreadyExistsError:
            at_least = top + 1  # it is there, even where the listing is late
    attempt = Attempt(port, item, top + 1, SegmentWriter(handle))
    try:
        _enter(port, attempt, header)
    except BaseException:
        attempt.writer.close()
        raise
    return attempt


def _enter(port: ObjectPort, attempt: Attempt, header: Record) -> None:
    """After the claim: check the fence, take the cuts, write the header."""
    item = attempt.item
    if _fenced(port, item):
        _withdraw(attempt.writer, header)
        raise Fenced(f"the job of {item} is fenced or finished")
    lower = _read_lower(port, item, attempt.number)
    if any(is_tombstone(parsed) for parsed in lower.values()):
        _withdraw(attempt.writer, header)
        raise Fenced(f"{item} is fenced")
    full = _header_record(header, attempt.number, "run", lower)
    attempt.writer.append(full)
    attempt.writer.sync()
    known = accepted_before(lower, full)
    attempt.accepted = {run: record for run, record in known.items() if is_final(record)}


def _fenced(port: ObjectPort, item: Item) -> bool:
    return exists(port, fence_key(item.submission, item.job))


def _read_lower(port: ObjectPort, item: Item, number: int) -> Dict[int, Parsed]:
    try:
        return read_attempts(port, item, range(number))
    except NotFoundError:
        raise Fenced(f"the job of {item} is finished and packed") from None


def _header_record(
    header: Record, number: int, kind: str, lower: Mapping[int, Parsed]
) -> Record:
    cuts = {str(j): parsed.valid_bytes for j, parsed in lower.items()}
    return {**header, "t": "header", "attempt": number, "kind": kind, "cuts": cuts}


def _withdraw(writer: SegmentWriter, header: Record) -> None:
    """Mark a claim that will never get a header, so that nobody waits for it."""
    try:
        writer.append({"t": "close", "at": header.get("at", 0), "why": "fenced"})
        writer.sync()
    except JobStoreError:
        pass  # it only spares a later fence a tombstone


def _wait_until_quiet(
    port: ObjectPort,
    item: Item,
    at_least: int,
    silence_s: float,
    monotonic: Clock,
    sleep: Sleep,
) -> int:
    """The highest attempt, once it is closed, proven dead or silent long enough.

    Raises:
        Duplicate: it is alive.
        Fenced: it is a tombstone, or found the fence.
    """
    while True:
        top = max([at_least, *attempts_of(port, item)])
        if top < 0:
            return top
        watch = _Watch(port, item, top)
        if watch.fenced:
            raise Fenced(f"{item} is fenced")
        if watch.needless:
            return top
        if not _silent([watch], silence_s, monotonic, sleep):
            raise Duplicate(f"attempt {top} of {item} is alive")
        if max([at_least, *attempts_of(port, item)]) == top:
            return top


class _Watch:
    """The bytes of one open attempt, watched for growth."""

    def __init__(self, port: ObjectPort, item: Item, number: int) -> None:
        self.item = item
        self.number = number
        self._port = port
        self._key = segment_key(*item, number)
        try:
            data = port.read_segment(self._key)
        except NotFoundError:
            data = b""  # a late listing, or packed: the claim will tell
        self.size = len(data)
        parsed = parse(data)
        header = header_of(parsed)
        self.fenced = is_tombstone(parsed) or is_withdrawn(parsed)
        closed = self.fenced or any(record["t"] == "close" for record in parsed.records)
        self.needless = closed or (header is not None and proven_dead(header))

    def grew(self) -> bool:
        try:
            return bool(self._port.read_segment(self._key, self.size))
        except NotFoundError:
            return False


def _silent(
    watches: Sequence[_Watch], silence_s: float, monotonic: Clock, sleep: Sleep
) -> bool:
    """Whether none of the watched attempts grows for `silence_s`, by our clock."""
    begun = monotonic()
    while True:
        now = monotonic()  # before reading: what is read is at least as late
        if any(watch.grew() for watch in watches):
            return False
        if now - begun >= silence_s:
            return True
        sleep(max(0.01, min(5.0, silence_s / 14, silence_s - (now - begun))))


# --- fencing ---------------------------------------


def fence(
    port: ObjectPort,
    items: Collection[Item],
    *,
    silence_s: float,
    monotonic: Clock,
    sleep: Sleep,
    header: Record,
    claim_unstarted: bool = True,
) -> Dict[Item, Decision]:
    """End a job's items for ever: no attempt may start, no ghost's words count.

    The caller holds the lease and gives all items of one job. `header` is what
    to record in the tombstones: at, why, who. Open attempts must be silent for
    `silence_s` (unless proven dead), whatever the scheduler says of them. Items
    that never started get a tombstone too, as a file system may show the fence
    to a starting attempt late, but never lets it claim a taken number; without
    `claim_unstarted` they are missing from what is returned. Idempotent: after
    a crash or an error, do it again.

    Raises:
        BusyError: an attempt is alive. The fence may be there already.
    """
    jobs = {(item.submission, item.job) for item in items}
    if len(jobs) != 1:
        raise ValueError(f"a fence is for the items of one job, not of {sorted(jobs)}")
    (submission, job), *_ = jobs
    quiet = _all_silent(port, items, {}, silence_s, monotonic, sleep)
    mark = {"t": "fence", "at": header.get("at", 0), "why": header.get("why")}
    append_serialised(port, fence_key(submission, job), mark)
    _all_silent(port, items, quiet, silence_s, monotonic, sleep)  # came in between
    decisions: Dict[Item, Decision] = {}
    for item, top in _tops(port, items).items():
        if top >= 0 or claim_unstarted:
            decisions[item] = _entomb(port, item, top, header)
    return decisions


def _tops(port: ObjectPort, items: Collection[Item]) -> Dict[Item, int]:
    """The highest attempt of each item (-1: none), by one listing a directory."""
    directories = {directory_prefix(*item) for item in items}
    listed = {prefix: attempts_in(port.list(prefix)) for prefix in directories}
    return {
        item: max(listed[directory_prefix(*item)].get(item.item, [-1]))
        for item in sorted(items)
    }


def _all_silent(
    port: ObjectPort,
    items: Collection[Item],
    quiet: Mapping[Item, Tuple[int, int]],
    silence_s: float,
    monotonic: Clock,
    sleep: Sleep,
) -> Dict[Item, Tuple[int, int]]:
    """Wait until all open attempts are quiet; for each its number and size.

    Those that still are as in `quiet` were watched before.
    """
    tops = _tops(port, items)
    watches = [_Watch(port, item, top) for item, top in tops.items() if top >= 0]
    open_ones = [
        watch
        for watch in watches
        if not watch.needless and quiet.get(watch.item) != (watch.number, watch.size)
    ]
    if open_ones and not _silent(open_ones, silence_s, monotonic, sleep):
        alive = sorted(watch.item for watch in open_ones if watch.grew())
        raise BusyError(f"still alive, so not fenced: {alive}; cancel the job first")
    return {watch.item: (watch.number, watch.size) for watch in watches}


def _entomb(port: ObjectPort, item: Item, top: int, header: Record) -> Decision:
    """Put a tombstone above an item's attempts, unless it is closed already."""
    decision = resolve(read_attempts(port, item, range(top + 1)))
    if decision is not None and decision.closed:
        return decision
    number = top + 1
    while True:
        try:
            writer = SegmentWriter(port.create_segment(segment_key(*item, number)))
            break
        except AlreadyExistsError:
            number += 1
    try:
        lower = read_attempts(port, item, range(number))
        full = _header_record(header, number, "tombstone", lower)
        writer.append(full)
        writer.sync()
    finally:
        writer.close()
    buried = resolve({**lower, number: Parsed([full], [0], 0, False)})
    assert buried is not None
    return buried
