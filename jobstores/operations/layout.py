"""What each key of a store is, by its name alone; and the mark of unfinished work."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from jobstores.errors import NotFoundError
from jobstores.generations import MARKER

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobstores.port import ObjectPort

    Progress = Callable[[int, int | None], None]
    """Called with how much is done, and of how much, where that is known."""

UNFINISHED = "unfinished.json"
"""Present while a store is being copied to this place, or is being deleted."""


class Part(StrEnum):
    """What a key belongs to."""

    MARKER = "marker"
    MANIFEST = "manifests"
    GENERATION = "generations"
    SEGMENT = "segments"
    PACK = "packs"
    VALUE = "values"
    ARTIFACT = "artifacts"
    ABORT = "aborts"
    SUBMISSION = "submissions"
    LOG = "logs"
    SCRATCH = "execute"
    LEASE = "lease"
    PROBE = "probe"
    UNFINISHED = "unfinished"
    DAMAGED = "damaged"
    JOB_STORE = "jobstore"
    FOREIGN = "foreign"


_NUMBER = r"\d+"
_PATTERNS = (
    (Part.SEGMENT, rf"segments/{_NUMBER}/{_NUMBER}/(fence|\d+/\d+\.\d+(\.side\.\d+)?)"),
    (Part.GENERATION, r"gen/\d{6,}\.[0-9a-f]+/.+"),
    (Part.VALUE, r"values/.+"),
    (Part.ARTIFACT, r"artifacts/.+"),
    (Part.ABORT, rf"aborts/{_NUMBER}"),
    (Part.LOG, r"logs/.+"),
    (Part.SCRATCH, r"execute/.+"),
    (Part.SUBMISSION, rf"submissions/{_NUMBER}/.+"),
    (Part.PACK, rf"packs/{_NUMBER}/\d+\.[0-9a-f]+\.pack"),
    (Part.LEASE, r"lease/\d+"),
    (Part.MANIFEST, r"gen/\d{6,}\.commit"),
    (Part.MARKER, re.escape(MARKER)),
    (Part.UNFINISHED, re.escape(UNFINISHED)),
    (Part.PROBE, r"probe/.+"),
    (Part.DAMAGED, r"damaged/.+"),
    (Part.JOB_STORE, r"jobstore/.+"),  # of the job-store face, with checks of its own
)
_LAYOUT = tuple((part, re.compile(pattern)) for part, pattern in _PATTERNS)
_JOURNAL = re.compile(r"submissions/\d+/journal")

TREES = (
    *("gen", "segments", "packs", "values", "artifacts", "submissions", "logs"),
    *("execute", "aborts"),
    *("jobstore", "probe", "damaged", "lease"),
)
"""The prefixes at the top of a store."""


def part_of(key: str) -> Part:
    """What a key belongs to, by its name alone."""
    for part, pattern in _LAYOUT:
        if pattern.fullmatch(key):
            return part
    return Part.FOREIGN


def is_segment(key: str) -> bool:
    """Whether a key names a segment, not an object."""
    return part_of(key) in (Part.SEGMENT, Part.LEASE) or bool(_JOURNAL.fullmatch(key))


def silent(done: int, total: int | None) -> None:
    """A progress that nobody watches."""


# --- unfinished work -------------------------------------


def mark_unfinished(port: ObjectPort, what: str, **more: Any) -> None:
    """Say, durably, that a copy to this place or its deletion was begun."""
    document = {"format": 1, "what": what, **more}
    port.put(UNFINISHED, json.dumps(document).encode() + b"\n")


def read_unfinished(port: ObjectPort) -> dict[str, Any] | None:
    """What was begun at this place and not finished; None where nothing was.

    A mark that can't be read counts as one that says nothing.
    """
    try:
        data = port.get(UNFINISHED)
    except NotFoundError:
        return None
    try:
        document = json.loads(data)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
