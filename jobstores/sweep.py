"""Sweep: remove what no live generation needs any more.

Live are the newest two generations, and every one that was the newest within the
last `min_age_s` seconds by the storage's own clock. A job's segments are removed
when the generation before the newest names its pack, and the pack was read whole.
Its fence stays, so that no late attempt starts it afresh.
"""

from __future__ import annotations

import secrets
import zlib
from typing import TYPE_CHECKING

from jobstores import generations, packs, segments
from jobstores.backends.many import at_once, map_many
from jobstores.columns import FIRST_OBJECTS
from jobstores.decisions import is_withdrawn
from jobstores.errors import NotFoundError

if TYPE_CHECKING:
    from jobstores.generations import Base
    from jobstores.port import ObjectPort

PROBE = "probe"


def sweep(port: ObjectPort, min_age_s: float) -> int:
    """Remove leftovers; how many. The caller holds the lease."""
    now = storage_time(port)
    live = _live_generations(port, now - min_age_s)
    if len(live) < 2:
        return 0
    newest, previous = live[-1], live[-2]
    removed = 0
    for name, key in sorted(previous.packs.items()):
        if newest.packs.get(name) == key and _older(port, key, now - min_age_s):
            removed += _sweep_job(port, name, key)
    removed += _sweep_packs(port, live, now - min_age_s)
    return removed + _sweep_generations(port, live, now - min_age_s)


def storage_time(port: ObjectPort) -> float:
    """The storage's clock: the time of what it was just given."""
    key = f"{PROBE}/{secrets.token_hex(8)}"
    port.put(key, b"", durable=False)
    found = port.stat(key)
    port.delete(key)
    if found is None:
        raise NotFoundError(f"{port.locator}: {key} is gone as soon as written")
    return found.mtime


def _older(port: ObjectPort, key: str, limit: float) -> bool:
    found = port.stat(key)
    return found is not None and found.mtime < limit


def _live_generations(port: ObjectPort, limit: float) -> list[Base]:
    """The live generations, rising: the last two, and those superseded only lately."""
    numbers = generations.numbers(port)
    keep = numbers[-2:]
    for number, successor in zip(numbers[-3::-1], numbers[-2:0:-1], strict=False):
        if _older(port, generations.manifest_key(successor), limit):
            break
        keep.insert(0, number)
    return [generations.read(port, number) for number in keep]


def _sweep_job(port: ObjectPort, name: str, key: str) -> int:
    """Remove the segments that a pack holds.

    Lower attempts first: a reader that finds some missing and others there must
    see that it can't decide by them.
    """
    submission, job = map(int, name.split("/"))
    prefix = segments.job_prefix(submission, job)
    directories = [entry[:-1] for entry in port.list(prefix) if entry.endswith("/")]
    if not any(port.list(f"{prefix}/{directory}") for directory in directories):
        return 0
    index = packs.verify_pack(port, key)
    removed = 0
    for directory in directories:
        claims = segments.attempts_in(port.list(f"{prefix}/{directory}"))
        whole = True
        there = [(i, attempt) for i, found in sorted(claims.items()) for attempt in found]

        def look(one: tuple[int, int]) -> tuple[bool, int, str]:
            item, attempt = one
            segment = segments.segment_key(submission, job, item, attempt)
            packed = index.get(item, {}).get(attempt)
            return _is_kept(port, segment, packed), item, segment

        for kept, item, segment in map_many(at_once(port), look, there):
            if kept:
                whole = False
            elif len(claims[item]) > 1:
                port.delete(segment)
                removed += 1
        if whole:
            removed += sum(len(attempts) == 1 for attempts in claims.values())
            port.delete_tree(f"{prefix}/{directory}")
    return removed


def _is_kept(port: ObjectPort, segment: str, packed: tuple[int, int] | None) -> bool:
    """Whether a segment holds what the pack doesn't: kept for people to look at."""
    data = port.read_segment(segment)
    if packed == (len(data), zlib.crc32(data)):
        return False
    return packed is not None or not is_withdrawn(segments.parse(data))


def _sweep_packs(port: ObjectPort, live: list[Base], limit: float) -> int:
    """Remove second packs of jobs that have one: of folds that were cut short."""
    removed = 0
    named = {key for base in live for key in base.packs.values()}
    for submission in {name.split("/")[0] for name in live[-1].packs}:
        for entry in port.list(f"{packs.ROOT}/{submission}"):
            key = f"{packs.ROOT}/{submission}/{entry}"
            job = f"{submission}/{entry.split('.')[0]}"
            if job in live[-1].packs and key not in named and _older(port, key, limit):
                port.delete(key)
                removed += 1
    return removed


def _sweep_generations(port: ObjectPort, live: list[Base], limit: float) -> int:
    """Remove old manifests, then what no live one names."""
    kept_numbers = {base.number for base in live}
    keys = {key for base in live for key in base.live_keys()}
    removed = 0
    for number in generations.numbers(port):
        if number not in kept_numbers and number < live[-1].number:
            port.delete(generations.manifest_key(number))
            removed += 1
    for entry in port.list(generations.ROOT):
        # higher numbers are of folds cut short, or slow: once taken, they can't commit
        if entry.endswith("/") and int(entry.split(".")[0]) <= live[-1].number:
            removed += _sweep_level(port, f"{generations.ROOT}/{entry[:-1]}", keys, limit)
    return removed


def _sweep_level(port: ObjectPort, prefix: str, keys: set[str], limit: float) -> int:
    """Remove what lies below a prefix and is neither named nor young."""
    if prefix in keys:
        return 0
    if not any(key.startswith(prefix + "/") for key in keys):
        found = list(port.walk(prefix))
        if not all(map_many(at_once(port), lambda key: _older(port, key, limit), found)):
            return 0
        for key in found:
            if key.rpartition("/")[2] in FIRST_OBJECTS:
                port.delete(key)
        port.delete_tree(prefix)
        return 1
    removed = 0
    for entry in port.list(prefix):
        if entry.endswith("/"):
            removed += _sweep_level(port, f"{prefix}/{entry[:-1]}", keys, limit)
        elif entry == "zarr.json":
            continue  # the group that named arrays lie in
        elif f"{prefix}/{entry}" not in keys and _older(port, f"{prefix}/{entry}", limit):
            port.delete(f"{prefix}/{entry}")
            removed += 1
    return removed
