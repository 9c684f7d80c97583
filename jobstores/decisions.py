"""What an item's attempts add up to: pure, from what its segments hold.

The lowest tombstone, else the highest claim, decides. Its results are its own
records, and those of the nearest lower attempt whose header lies inside its
cuts, and so on down: what a ghost appends later lies outside of every cut.

Standard library only, Python 3.9 syntax: this runs on compute nodes.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Dict, List, Mapping, NamedTuple, Optional, Tuple

from jobstores.records import Parsed, Record

_TERMINAL = ("end", "skip", "defer")


class Item(NamedTuple):
    """One item of a job: what one attempt at a time executes."""

    submission: int
    job: int
    item: int


class Decision(NamedTuple):
    """What one item's attempts add up to, once and for all up to now.

    attempt: the deciding attempt; header: its header.
    records: by run, the accepted `end`, `skip` or `defer`.
    running: by run, the `start` of what was started and not ended: by the
        deciding attempt while it is open, by any accepted attempt after. A run is
        in `records` or in `running`, never in both.
    closed: nothing more is expected (closed, or fenced by a tombstone).
    why: the reason the item was closed for.
    last_at: the time of the last accepted record (microseconds since 1970).
    signalled: whether the deciding attempt was told to stop.
    lower: the attempt a record came from, for runs that the deciding attempt
        took over from a lower one.
    """

    attempt: int
    header: Record
    records: Dict[int, Record]
    running: Dict[int, Record]
    closed: bool
    why: Optional[str]
    last_at: int
    signalled: bool
    lower: Dict[int, int]

    @property
    def tombstone(self) -> bool:
        """Whether the item was fenced."""
        return self.header.get("kind") == "tombstone"


def is_final(record: Record) -> bool:
    """Whether a later attempt of the item leaves the run alone."""
    kind = record["t"]
    return kind == "skip" or (kind == "end" and (record.get("ok") or not record.get("int")))


def resolve(attempts: Mapping[int, Parsed]) -> Optional[Decision]:
    """Decide an item by the contents of all its segments, or None: undecided.

    Pure: the same bytes give the same decision, in a segment or in a pack.
    """
    if not attempts or len(attempts) != max(attempts) + 1:
        return None  # some were removed, as their job is packed
    decider = deciding_attempt(attempts)
    if decider is None:
        return None
    return _sum_up(decider, _chain(attempts, decider))


def so_far(attempts: Mapping[int, Parsed]) -> Optional[Decision]:
    """What an undecided item's attempts add up to, below the claims without a header.

    For those who look, while a process that claimed the item has not yet said who it
    is, or died before it could. Not a decision: nothing may be accepted by it, as the
    next header's cuts may leave out what a ghost appended last. None: nothing is known.
    """
    if not attempts or len(attempts) != max(attempts) + 1:
        return None
    known = {k for k, parsed in attempts.items() if header_of(parsed) is not None}
    lower = {k: parsed for k, parsed in attempts.items() if k <= max(known, default=-1)}
    decision = resolve(lower)
    return None if decision is None else decision._replace(closed=False, why=None)


def deciding_attempt(attempts: Mapping[int, Parsed]) -> Optional[int]:
    """The lowest tombstone, else the highest claim, if that has its header.

    A claim that was withdrawn (its attempt found the fence) counts for nothing.
    """
    standing = [k for k in sorted(attempts) if not is_withdrawn(attempts[k])]
    for number in standing:
        if is_tombstone(attempts[number]):
            return number
    if not standing or header_of(attempts[standing[-1]]) is None:
        return None
    return standing[-1]


def header_of(parsed: Parsed, limit: Optional[int] = None) -> Optional[Record]:
    """The attempt's header, if it has one (within its first `limit` bytes)."""
    if not parsed.records or parsed.records[0]["t"] != "header":
        return None
    return parsed.records[0] if limit is None or parsed.ends[0] <= limit else None


def is_tombstone(parsed: Parsed) -> bool:
    """Whether the claim is a fence's, not an attempt's."""
    header = header_of(parsed)
    return header is not None and header.get("kind") == "tombstone"


def is_withdrawn(parsed: Parsed) -> bool:
    """Whether the claim's attempt gave up before its header: it found the fence."""
    return bool(parsed.records) and parsed.records[0]["t"] == "close"


def accepted_before(attempts: Mapping[int, Parsed], header: Record) -> Dict[int, Record]:
    """What an attempt with this header takes over from the lower ones."""
    number = int(header["attempt"])
    seen = {**attempts, number: Parsed([header], [0], 0, False)}
    return _sum_up(number, _chain(seen, number)).records


def _chain(attempts: Mapping[int, Parsed], top: int) -> List[Tuple[int, List[Record]]]:
    """The accepted attempts, lowest first, each with its records within the cuts."""
    chain: List[Tuple[int, List[Record]]] = []
    number: Optional[int] = top
    limit: Optional[int] = None
    while number is not None:
        parsed = attempts[number]
        records = parsed.records
        if limit is not None:
            records = records[: bisect_right(parsed.ends, limit)]
        chain.append((number, records))
        cuts = {int(j): int(size) for j, size in records[0].get("cuts", {}).items()}
        lower = range(number - 1, -1, -1)
        number = next((j for j in lower if header_of(attempts[j], cuts.get(j, 0))), None)
        limit = None if number is None else cuts[number]
    chain.reverse()
    return chain


def _sum_up(decider: int, chain: List[Tuple[int, List[Record]]]) -> Decision:
    records: Dict[int, Record] = {}
    lower: Dict[int, int] = {}
    started: Dict[int, Record] = {}
    earlier: Dict[int, Record] = {}
    close: Optional[Record] = None
    signalled = False
    last_at = 0
    for number, part in chain:
        own = number == decider
        opened = started if own else earlier
        for record in part:
            kind = record["t"]
            if kind in _TERMINAL:
                run = record["run"]
                known = records.get(run)
                if known is None or not known.get("ok"):
                    records[run] = record
                    if not own:
                        lower[run] = number
                    elif lower:
                        lower.pop(run, None)
                opened.pop(run, None)
            elif kind == "start":
                opened[record["run"]] = record
            elif kind == "close":
                close = record if own else None
            elif kind == "signal":
                signalled = own
        last_at = max(last_at, int(part[-1].get("at", 0)))
    header = chain[-1][1][0]
    tombstone = header.get("kind") == "tombstone"
    closed = tombstone or close is not None
    if closed:
        started = {**earlier, **started}
    for run in list(started):
        known = records.get(run)
        if known is not None and (closed or is_final(known)):
            del started[run]
        elif known is not None:
            del records[run]  # it is executed again
    return Decision(
        attempt=decider,
        header=header,
        records=records,
        running=started,
        closed=closed,
        why=(header if tombstone else close or {}).get("why"),
        last_at=last_at,
        signalled=signalled,
        lower=lower,
    )
