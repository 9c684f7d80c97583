"""A submission's journal: what was asked of schedulers, line by line.

Only the holder of the store's lease appends. An intent is recorded, and made
durable, before each call to a scheduler, and the answer after it, so that a crash
between the two is known: the job's unique name is then looked up before anything
is submitted again.

Records ("t"): `intent` (job, name, at), `submitted` (job, id, at), `refused`
(job, why, at), `cancel` (at), `cancel_failed` (why, at). Described in
docs/reference/store-format.md.
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


@dataclass(slots=True)
class JournalState:
    """What a journal says.

    ids: scheduler's id and time (Unix, s) of each job that was accepted.
    intents: when (Unix, s) the submission of a job was begun, of those with no answer.
    refused: the scheduler's words, by job.
    cancelled: whether the user cancelled the submission.
    """

    ids: dict[int, str] = field(default_factory=dict)
    submitted_at: dict[int, float] = field(default_factory=dict)
    intents: dict[int, float] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)
    cancelled: bool = False


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
    elif job is None:
        return
    elif kind == "intent":
        state.intents[job] = record["at"] / 1e6
        state.refused.pop(job, None)
    elif kind == "submitted":
        state.intents.pop(job, None)
        state.ids[job] = record["id"]
        state.submitted_at[job] = record["at"] / 1e6
    elif kind == "refused":
        state.intents.pop(job, None)
        state.refused[job] = record["why"]


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
