"""The view: the newest base and what its segments say beyond it, consistently.

Segments are read while jobs append and folds commit; a view starts again when a
generation was committed meanwhile, and decides an item again when a new attempt
of it appeared.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobstores import generations, segments
from jobstores.backends.many import at_once, map_many
from jobstores.decisions import Decision, Item, resolve, so_far
from jobstores.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from jobstores.generations import Base
    from jobstores.port import ObjectPort

Claims = dict[Item, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class View:
    """The base, and the decisions of all items that it doesn't hold completely.

    tail: by item, rising. Of an item that is undecided (its latest attempt has claimed
        its number and not yet said who it is) what the attempts below recorded, as of
        an item that is open; None where there are none.
    """

    base: Base
    tail: dict[Item, Decision | None]


def read_view(port: ObjectPort) -> View:
    """The store as it is now.

    Raises:
        NotFoundError, CorruptError, UnsupportedError: see `generations.newest`.
    """
    while True:
        base = generations.newest(port)
        try:
            with collector_paused():
                tail = _tail(port, base)
        except NotFoundError:
            continue  # swept meanwhile
        if generations.numbers(port)[-1:] == [base.number]:
            return View(base, tail)


@contextmanager
def collector_paused() -> Iterator[None]:
    """Many records and no cycles among them: the collector would search in vain."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _tail(port: ObjectPort, base: Base) -> dict[Item, Decision | None]:
    claims = unconsumed(port, base, listed(port, base))
    tail = dict(decide_all(port, claims))
    while True:
        again = unconsumed(port, base, listed(port, base))
        changed = {i: claim for i, claim in again.items() if claims.get(i) != claim}
        if claims.keys() - again.keys():
            raise NotFoundError("segments were removed while they were read")
        if not changed:
            return {item: tail[item] for item in sorted(tail)}
        tail.update(decide_all(port, changed))
        claims = again


def listed(
    port: ObjectPort, base: Base, jobs: Collection[tuple[int, int]] | None = None
) -> Claims:
    """The attempts of every item that has any, of jobs that aren't packed."""

    def of_job(job: tuple[int, int]) -> Claims:
        prefix = segments.job_prefix(*job)
        found: Claims = {}
        for name in port.list(prefix):
            if not name.endswith("/"):
                continue  # the fence
            names = port.list(f"{prefix}/{name[:-1]}")
            for item, attempts in segments.attempts_in(names).items():
                found[Item(*job, item)] = tuple(attempts)
        return found

    asked = [
        job
        for job in (_jobs(port) if jobs is None else sorted(jobs))
        if f"{job[0]}/{job[1]}" not in base.packs
    ]
    claims: Claims = {}
    for found in map_many(at_once(port), of_job, asked):
        claims.update(found)
    return claims


def _jobs(port: ObjectPort) -> Iterator[tuple[int, int]]:
    for submission in port.list(segments.ROOT):
        if submission.rstrip("/").isdigit():
            for job in port.list(f"{segments.ROOT}/{submission.rstrip('/')}"):
                if job.rstrip("/").isdigit():
                    yield int(submission.rstrip("/")), int(job.rstrip("/"))


def unconsumed(port: ObjectPort, base: Base, claims: Claims) -> Claims:
    """Of these items, those with anything that is not in the base."""
    found: set[Item] = set()
    open_keys: list[tuple[Item, str]] = []
    for item, attempts in claims.items():
        keys = [segments.segment_key(*item, attempt) for attempt in attempts]
        if any(key not in base.consumed for key in keys):
            found.add(item)
        else:
            open_keys += [(item, key) for key in keys if base.consumed[key].open]

    def has_grown(one: tuple[Item, str]) -> bool:
        return bool(port.read_segment(one[1], base.consumed[one[1]].size))

    answers = map_many(at_once(port), has_grown, open_keys)
    found.update(one[0] for one, grown in zip(open_keys, answers, strict=True) if grown)
    return {item: attempts for item, attempts in claims.items() if item in found}


def decide_all(port: ObjectPort, claims: Claims) -> Iterator[tuple[Item, Decision | None]]:
    """Decide items by the attempts that were listed; the caller lists again after."""

    def read(item: Item) -> tuple[Item, dict[int, bytes]]:
        return item, segments.read_item_segments(port, *item, claims[item])

    for item, data in map_many(at_once(port), read, claims):
        found = {attempt: segments.parse(held) for attempt, held in data.items()}
        yield item, resolve(found) or so_far(found)
