"""Closing jobs that need not start: as if each item had been executed, and did nothing.

A job is fenced first, so that nothing of it starts any more, and then packed at once:
its pack holds an attempt of each item that has a header and an end, and no run. So one
object for each job says to everybody, nodes included, that nothing more will come.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from jobstores import packs, segments
from jobstores.records import encode_record
from jobstores.view import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from jobstores.generations import Base
    from jobstores.port import ObjectPort

Job = tuple[int, int]  # its submission, and its number there
_OF_RUNS = ("start", "end", "skip", "defer")


def close_needless(
    port: ObjectPort,
    base: Base,
    jobs: Collection[Job],
    why: str,
    now_us: int,
    nonce: str,
    publish: Callable[[Base], Base],
) -> tuple[Job, ...]:
    """Close those of some jobs of which nothing was executed; gives them.

    A job of which something has begun is left alone. One of which something begins at
    this moment finds the fence, and ends: to be called again for it.

    base: the newest generation. publish: commits a generation, if the lease is held.
    """
    new = base.successor(nonce, now_us)
    packed: dict[str, str] = {}
    closed: list[Job] = []
    for job in sorted(jobs):
        name = f"{job[0]}/{job[1]}"
        if name in base.packs:
            continue
        if not segments.exists(port, segments.fence_key(*job)):
            if listed(port, base, [job]):
                continue
            mark = {"t": "fence", "at": now_us, "why": why}
            segments.append_serialised(port, segments.fence_key(*job), mark)
        held = _without_runs(port, base, job)
        if held is None:
            continue
        key = packs.pack_key(*job, nonce)
        _write(port, key, base.jobs[name], held, why, now_us)
        packed[name] = key
        closed.append(job)
    if packed:
        publish(replace(new, packs={**base.packs, **packed}))
    return tuple(closed)


def _without_runs(
    port: ObjectPort, base: Base, job: Job
) -> dict[int, dict[int, bytes]] | None:
    """The segments of a fenced job's items, all of which have ended without a run.

    None: they have not, or not yet.
    """
    held: dict[int, dict[int, bytes]] = {}
    for item, attempts in listed(port, base, [job]).items():
        held[item.item] = segments.read_item_segments(port, *item, attempts)
        parsed = {k: segments.parse(data) for k, data in held[item.item].items()}
        kinds = [[record["t"] for record in one.records] for one in parsed.values()]
        if any(kind in known for known in kinds for kind in _OF_RUNS):
            return None
        if "close" not in [record["t"] for record in parsed[max(parsed)].records]:
            return None
    return held


def _write(
    port: ObjectPort,
    key: str,
    count: int,
    held: Mapping[int, Mapping[int, bytes]],
    why: str,
    now_us: int,
) -> None:
    """Write the pack of a job whose items get one attempt more, with nothing in it."""
    content: dict[int, dict[int, bytes]] = {}
    for item in range(count):
        lower = held.get(item, {})
        cuts = {str(attempt): len(data) for attempt, data in lower.items()}
        top = {"t": "header", "attempt": len(lower), "kind": "run", "cuts": cuts}
        top |= {"at": now_us, "why": why}
        lines = encode_record(0, top) + encode_record(
            1, {"t": "close", "at": now_us, "why": "done"}
        )
        content[item] = {**lower, len(lower): lines}
    sizes = {
        item: [len(attempts[k]) for k in sorted(attempts)]
        for item, attempts in content.items()
    }
    packs.write_pack(
        port,
        key,
        count,
        sizes,
        ((i, k, content[i][k]) for i in range(count) for k in sorted(content[i])),
    )
