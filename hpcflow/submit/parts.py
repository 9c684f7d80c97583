"""Which items of a job are handed over next, and what they wait for.

Where a queue takes only so many items, an array goes into it in parts, each an
array of its own with a range of the items. They are handed over in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpcflow.errors import SubmissionError
from schedulers.job import Dependency, DependencyKind
from schedulers.port import TakesParts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hpcflow.persist.journal import JournalState, Part
    from schedulers.port import Scheduler

    Record = Mapping[str, Any]
    Closed = Callable[[], Mapping[int, set[int]]]  # by job, items that have ended

_FEWEST = 4  # a part has at least this share of what may be queued: fewer, larger arrays
LOCAL = "local"  # its queue takes any number


class Room:
    """How many items a scheduler takes now.

    With `max_queued` the user's items in the queue are counted, once. Without, it is
    tried: a refusal for a full queue halves what is asked for, until some are taken.

    largest: of the parts that were taken before, so that no more than twice that is tried.
    """

    def __init__(
        self, scheduler: Scheduler, max_queued: int | None, largest: int = 0
    ) -> None:
        self.takes_parts = isinstance(scheduler, TakesParts)
        if max_queued is not None and not self.takes_parts and scheduler.name != LOCAL:
            raise SubmissionError(
                f"--max-queued: arrays can't be handed over to {scheduler.name} in parts"
            )
        self._scheduler = scheduler
        self._max_queued = max_queued if self.takes_parts else None
        self._left: int | None = None
        # what to try, once more was refused
        self._most: int | None = 2 * largest or None
        self._taken = largest  # the most that were taken at once

    def size(self, wanted: int, throttle: int | None, in_queue: bool) -> int:
        """How many of the wanted items to try; 0: none now.

        throttle: of a job whose items may only run so many at a time; `in_queue`: a
        part of it is not over, and another one would not know of it.
        """
        if throttle is not None and in_queue:
            return 0
        size = wanted if self._most is None else min(wanted, self._most)
        if self._max_queued is None:
            return size
        if self._left is None:
            assert isinstance(self._scheduler, TakesParts)
            self._left = self._max_queued - self._scheduler.count_queued()
        fewest = min(wanted, max(1, self._max_queued // _FEWEST))
        return min(size, self._left) if self._left >= fewest else 0

    def taken(self, count: int) -> None:
        """So many were taken."""
        self._taken = max(self._taken, count)
        if self._left is not None:
            self._left -= count

    def refused(self, count: int) -> bool:
        """So many were too many: whether to try fewer."""
        self._most = count // 2
        if not self.takes_parts or 0 < count <= self._taken:
            self._most = 0
        return self._most > 0


def next_items(
    record: Record,
    records: Sequence[Record],
    journal: JournalState,
    closed: Closed,
    takes_parts: bool,
) -> range | None:
    """The items that may be handed over next, at once; None: none yet.

    They end where what they wait for, item by item, is another part.

    records: of all jobs of the submission.
    """
    start = journal.handed_over(record["index"], record["items"])
    stop: int = record["items"]
    for job, elementwise in record["depends"]:
        upstream = records[job]["items"]
        handed = journal.handed_over(job, upstream)
        if not elementwise:
            if handed < upstream:
                return None
            continue
        if handed <= start:
            return None
        cut = _cut(journal.parts[job], upstream, start, closed, job)
        stop = min(stop, cut)
    return range(start, stop) if takes_parts or stop - start == record["items"] else None


def _cut(parts: list[Part], num_items: int, start: int, closed: Closed, job: int) -> int:
    """Where items from `start` on wait for something else than item `start` does."""
    if len(parts) == 1 and parts[0].stop is None:
        return num_items
    over = closed().get(job, set())
    if start in over:
        return next(
            (item for item in range(start, num_items) if item not in over), num_items
        )
    return next(p.items(num_items).stop for p in parts if start in p.items(num_items))


def items_to_wait_for(
    record: Record,
    part: range | None,
    records: Sequence[Record],
    journal: JournalState,
    closed: Closed,
) -> list[Dependency]:
    """The jobs of its submission that these items wait for, but those that are over.

    part: the items; None: all of the job's.
    """
    found = []
    mine = range(record["items"]) if part is None else part
    for job, elementwise in record["depends"]:
        num_items = records[job]["items"]
        parts = journal.parts[job]
        whole = len(parts) == 1 and parts[0].stop is None
        over = set() if whole and part is None else closed().get(job, set())
        for one in parts:
            items = one.items(num_items)
            if elementwise:
                needed = range(max(items.start, mine.start), min(items.stop, mine.stop))
            else:
                needed = items
            if needed and not over.issuperset(needed):
                kind = DependencyKind.ELEMENTWISE if elementwise else None
                found.append(Dependency(one.id, kind or DependencyKind.AFTER_END))
    return found
