"""Which items go into a queue next, how many, and what they wait for."""

from __future__ import annotations

from typing import Any

import pytest

from hpcflow.errors import SubmissionError
from hpcflow.persist.journal import JournalState, Part
from hpcflow.submit.parts import Room, items_to_wait_for, next_items
from schedulers.job import DependencyKind

ARRAY = {"index": 0, "items": 10, "depends": []}
ITEMWISE = {"index": 1, "items": 10, "depends": [[0, True]]}
AFTER = {"index": 1, "items": 10, "depends": [[0, False]]}
RECORDS = [ARRAY, ITEMWISE]


class Queue:
    """A scheduler of which only the queue counts."""

    name = "slurm"

    def __init__(self, queued: int) -> None:
        self.queued = queued
        self.asked = 0

    def count_queued(self) -> int:
        self.asked += 1
        return self.queued


class Whole:
    name = "other"


def journal(*parts: tuple[int, int | None], of: int = 0) -> JournalState:
    state = JournalState()
    for number, (start, stop) in enumerate(parts):
        state.add_part(of, Part(str(70 + number), 0.0, start, stop))
    return state


@pytest.mark.parametrize(
    ("record", "parts", "over", "expected"),
    [
        (ARRAY, [], set(), range(10)),
        (ARRAY, [(0, 4)], set(), range(4, 10)),
        (AFTER, [(0, 4)], set(), None),
        (AFTER, [(0, 4), (4, 10)], set(), range(10)),
        (ITEMWISE, [], set(), None),
        (ITEMWISE, [(0, None)], set(), range(10)),
        (ITEMWISE, [(0, 4)], set(), range(4)),
        (ITEMWISE, [(0, 4), (4, 10)], set(), range(4)),
        (ITEMWISE, [(0, 4), (4, 10)], {0, 1, 2}, range(3)),  # these wait for nothing
        (ITEMWISE, [(0, 4), (4, 10)], set(range(10)), range(10)),
    ],
)
def test_items_are_handed_over_in_order_and_wait_for_one_part(
    record: Any, parts: Any, over: set[int], expected: range | None
) -> None:
    found = next_items(
        record, RECORDS, journal(*parts), lambda: {0: over}, takes_parts=True
    )
    assert found == expected


def test_a_scheduler_that_takes_no_parts_gets_a_job_whole_or_not() -> None:
    parts = journal((0, 4), (4, 10))
    assert (
        next_items(ITEMWISE, RECORDS, parts, lambda: {0: set()}, takes_parts=False) is None
    )
    whole = journal((0, None))
    found = next_items(ITEMWISE, RECORDS, whole, lambda: {0: set()}, takes_parts=False)
    assert found == range(10)


def test_a_part_waits_for_the_part_of_the_same_items_and_for_nothing_that_is_over() -> None:
    parts = journal((0, 4), (4, 10))
    waits = items_to_wait_for(ITEMWISE, range(2, 4), RECORDS, parts, lambda: {0: {0}})
    assert [(w.job_id, w.kind) for w in waits] == [("70", DependencyKind.ELEMENTWISE)]
    over = {0: set(range(4))}
    assert items_to_wait_for(ITEMWISE, range(2, 4), RECORDS, parts, lambda: over) == []
    waits = items_to_wait_for(AFTER, None, RECORDS, parts, lambda: over)
    assert [(w.job_id, w.kind) for w in waits] == [("71", DependencyKind.AFTER_END)]


def test_room_is_what_the_user_has_left_counted_once() -> None:
    queue = Queue(45)
    room = Room(queue, 50)  # type: ignore[arg-type]
    assert room.size(100, None, in_queue=False) == 0  # less than a quarter: worth no array
    assert room.size(5, None, in_queue=False) == 5
    room.taken(5)
    assert room.size(1, None, in_queue=False) == 0
    assert queue.asked == 1
    assert Room(Queue(0), 50).size(100, None, in_queue=False) == 50  # type: ignore[arg-type]


def test_without_a_number_refusals_halve_what_is_asked_for_until_some_are_taken() -> None:
    room = Room(Queue(0), None)  # type: ignore[arg-type]
    tried = []
    while (size := room.size(100, None, in_queue=False)) > 20:
        tried.append(size)
        assert room.refused(size)
    assert tried == [100, 50, 25]
    room.taken(size)
    assert not room.refused(size)  # as many were taken just before: the queue is full
    later = Room(Queue(0), None, largest=12)  # type: ignore[arg-type]
    assert later.size(100, None, in_queue=False) == 24


def test_a_job_with_a_throttle_has_one_part_in_the_queue() -> None:
    room = Room(Queue(0), None)  # type: ignore[arg-type]
    assert room.size(10, 2, in_queue=True) == 0
    assert room.size(10, 2, in_queue=False) == 10


def test_a_number_is_refused_where_arrays_go_whole() -> None:
    with pytest.raises(SubmissionError, match="handed over to other in parts"):
        Room(Whole(), 50)  # type: ignore[arg-type]
    room = Room(Whole(), None)  # type: ignore[arg-type]
    assert not room.refused(10)
