"""What takes room in a store and counts for nothing, and what is none of it."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

from jobstores.generations import MARKER
from jobstores.operations.findings import Finding, leftover, note
from jobstores.operations.layout import UNFINISHED, Part, part_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from jobstores.generations import Base
    from jobstores.port import ObjectPort

SWEPT = "a sweep removes it in time"
_SHOWN = 5


def leftover_findings(
    port: ObjectPort, bases: Sequence[Base], keys: Collection[str]
) -> Iterator[Finding]:
    """Leftovers among a store's keys, and among the files that no key names."""
    yield from _generations(bases, keys)
    for key in sorted(keys):
        part = part_of(key)
        if part is Part.PROBE:
            yield leftover("probe", key, "it asked the storage for the time", "removed")
        elif part is Part.UNFINISHED:
            text = "a copy to here was completed, or a deletion was begun and did nothing"
            yield leftover("unfinished", UNFINISHED, text, "removed")
    yield from _counted(keys, Part.DAMAGED, "that repairs moved out of the way")
    yield from _counted(keys, Part.FOREIGN, "that are none of the store's")
    yield from _unnamed_jobs(bases, keys)
    yield from hidden_findings(port)


def _generations(bases: Sequence[Base], keys: Collection[str]) -> Iterator[Finding]:
    live = {key for base in bases for key in base.live_keys()}
    levels = {"/".join(k.split("/")[:n]) for k in live for n in range(2, k.count("/") + 1)}
    unnamed: Counter[str] = Counter()
    for key in keys:
        if part_of(key) is Part.GENERATION and not _is_live(key, live, levels):
            unnamed["/".join(key.split("/")[:2])] += 1
    newest = bases[-1].number if bases else 0
    whole = {base.number for base in bases}
    broken = {int(k[4:-7]) for k in keys if part_of(k) is Part.MANIFEST} - whole
    for prefix, count in sorted(unnamed.items()):
        number = int(prefix.split("/")[1].split(".")[0])
        if number in broken:
            continue  # its manifest is damage, and said to be
        why = "no generation names them any more"
        if number > newest:
            why = "of a commit that was cut short, or is under way"
        yield leftover("generation", prefix, f"{count} objects, {why}", SWEPT)


def _is_live(key: str, live: Collection[str], levels: Collection[str]) -> bool:
    above, _, name = key.rpartition("/")
    if key in live or (name == "zarr.json" and above in levels):
        return True
    while above:
        if above in live:
            return True
        above = above.rpartition("/")[0]
    return False


def _counted(keys: Collection[str], part: Part, what: str) -> Iterator[Finding]:
    found = sorted(key for key in keys if part_of(key) is part)
    if found:
        shown = ", ".join(found[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")
        yield note(str(part), found[0], f"{len(found)} objects {what}: {shown}")


def _unnamed_jobs(bases: Sequence[Base], keys: Collection[str]) -> Iterator[Finding]:
    """Segments of jobs that the newest generation does not know."""
    jobs = {tuple(k.split("/")[1:3]) for k in keys if part_of(k) is Part.SEGMENT}
    for submission, job in sorted(jobs):
        if bases and f"{submission}/{job}" not in bases[-1].jobs:
            key = f"segments/{submission}/{job}"
            text = "no generation says how many items this job has: it is never packed"
            yield note("unknown_job", key, text)


def hidden_files(port: ObjectPort) -> list[str]:
    """The payloads (`~t.*`) that killed writers left, where the backend keeps files."""
    marker = port.path(MARKER)
    if marker is None:
        return []
    return [
        os.path.join(folder, name)
        for folder, _, names in os.walk(os.path.dirname(marker))
        for name in names
        if name.startswith("~t.")
    ]


def hidden_findings(port: ObjectPort) -> Iterator[Finding]:
    """One finding for all payloads that were never published."""
    found = hidden_files(port)
    if found:
        text = f"{len(found)} files that were being written, and never got their names"
        yield leftover("payload", "~t.*", text, "those older than a day are removed")
