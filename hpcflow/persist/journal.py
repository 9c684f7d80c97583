"""A submission's journal: what was asked of schedulers, line by line.

Only the holder of the store's lease appends. An intent is recorded, and made
durable, before each call to a scheduler, and the answer after it, so that a crash
between the two is known: the job's unique name is then looked up before anything
is submitted again.

Records ("t"): `intent` (job, name, at), `submitted` (job, id, at), `refused`
(job, why, at), `full` (job, why, at), `limit` (max_queued, at), `ended` (job, item,
cause, at: what a scheduler said of an item that did not end by itself), `cancel` (at),
`cancel_failed` (why, at). `intent` and `submitted` of a part of an array say which
`items` it has, as [first, last + 1]. Described in docs/reference/store-format.md.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from jobstores.errors import NotFoundError
from jobstores.records import parse_records
from jobstores.segments import SegmentWriter

if TYPE_CHECKING:
    from types import TracebackType

    from jobstores.port import ObjectPort


def journal_key(submission: int) -> str:
    """Where a submission's journal is."""
    return f"submissions/{submission}/journal"


@dataclass(frozen=True, slots=True)
class Part:
    """Items of a job that one call handed over; `stop` None: to its last.

    id: the scheduler's; at: when (Unix, s).
    """

    id: str
    at: float
    start: int = 0
    stop: int | None = None

    def items(self, num_items: int) -> range:
        """Which items these are, of a job with so many."""
        return range(self.start, num_items if self.stop is None else self.stop)


@dataclass(slots=True)
class JournalState:
    """What a journal says.

    ids: scheduler's id of each job that was accepted, of its first part where it was
        handed over in parts.
    submitted_at: when (Unix, s).
    parts: what was accepted, by job, in order.
    intents: when (Unix, s) the submission of a job was begun, of those with no answer.
    intended: of these, the items, where it was a part of the job.
    refused: the scheduler's words, by job.
    full: the same, where the job was refused for now only.
    max_queued: how many items the user may have queued, where that was said.
    ends: the cause of items' ends, by job and item; see `hpcflow.submit.ends`.
    cancelled: whether the user cancelled the submission.
    """

    ids: dict[int, str] = field(default_factory=dict)
    parts: dict[int, list[Part]] = field(default_factory=dict)
    intended: dict[int, range] = field(default_factory=dict)
    full: dict[int, str] = field(default_factory=dict)
    max_queued: int | None = None
    ends: dict[int, dict[int, str]] = field(default_factory=dict)
    submitted_at: dict[int, float] = field(default_factory=dict)
    intents: dict[int, float] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)
    cancelled: bool = False

    @property
    def in_parts(self) -> bool:
        """Whether its jobs go into their queues as far as there is room."""
        return (
            self.max_queued is not None
            or bool(self.full)
            or any(part.stop is not None for parts in self.parts.values() for part in parts)
        )

    @property
    def waits_for_room(self) -> bool:
        """Whether what was not handed over goes on by itself when there is room."""
        return self.in_parts and not self.refused and not self.cancelled

    def handed_over(self, job: int, num_items: int) -> int:
        """How many of a job's items were accepted: always the first ones."""
        parts = self.parts.get(job)
        return parts[-1].items(num_items).stop if parts else 0

    def add_part(self, job: int, part: Part) -> None:
        """Note that items were accepted."""
        self.intents.pop(job, None)
        self.intended.pop(job, None)
        self.full.pop(job, None)
        self.parts.setdefault(job, []).append(part)
        if job not in self.ids:
            self.ids[job] = part.id
            self.submitted_at[job] = part.at


def part_name(name: str, items: range | None) -> str:
    """The name of a part of a job, unique as the job's is; of the job itself for None."""
    return name if items is None else f"{name}-i{items.start}"


def read_journal(port: ObjectPort, submission: int) -> JournalState:
    """The state that a journal's trusted records lead to; empty where there is none."""
    try:
        data = port.read_segment(journal_key(submission))
    except NotFoundError:
        return JournalState()
    state = JournalState()
    for record in parse_records(data).records:
        _apply(state, record)
    return state


def _apply(state: JournalState, record: dict[str, Any]) -> None:
    kind, job = record["t"], record.get("job")
    if kind == "cancel":
        state.cancelled = True
    elif kind == "cancel_failed":
        state.cancelled = False
    elif kind == "limit":
        state.max_queued = record["max_queued"]
    elif job is None:
        return
    elif kind == "ended":
        state.ends.setdefault(job, {})[record["item"]] = record["cause"]
    elif kind == "intent":
        state.intents[job] = record["at"] / 1e6
        state.refused.pop(job, None)
        state.intended.pop(job, None)
        if "items" in record:
            state.intended[job] = range(*record["items"])
    elif kind == "submitted":
        items = record.get("items", (0, None))
        state.add_part(job, Part(record["id"], record["at"] / 1e6, *items))
    elif kind in ("refused", "full"):
        state.intents.pop(job, None)
        state.intended.pop(job, None)
        (state.refused if kind == "refused" else state.full)[job] = record["why"]


class JournalWriter:
    """Appends to a submission's journal; each record is durable when `add` returns."""

    def __init__(self, port: ObjectPort, submission: int) -> None:
        key = journal_key(submission)
        try:
            parsed = parse_records(port.read_segment(key))
        except NotFoundError:
            parsed = parse_records(b"")
        handle = port.append_segment(key)
        if parsed.torn:
            handle.append(b"\n")
        self._writer = SegmentWriter(handle, first_seq=len(parsed.records))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.close()

    def add(self, kind: str, **fields: Any) -> None:
        """Append one record with the time of now, and sync."""
        self._writer.append({"t": kind, "at": time.time_ns() // 1000, **fields})
        self._writer.sync()
