"""Where the job-store face keeps things, and which names may be used.

All keys lie below `jobstore/`, so that the face shares a store with anything else:

================================ ============================================
`jobstore/marker`                that there is a store: format, id, time made
`jobstore/jobs/G`                a group of jobs, see `groups`
`jobstore/batches/B`             while it exists, the groups of batch B count
`jobstore/early/JOB`             a file was written for a job not yet created
`jobstore/files/NAME`            a file of nobody
`jobstore/hinted/HINTS/files/..` a file of nobody, found by its hints
`jobstore/counters/DIGEST`       how many files with these hints there were
`jobstore/owned/JOB/NAME`        a file that is deleted with its job
`jobstore/shared/NAME`           a shared file
`jobstore/logs/new/W.N`          an unread log entry, the N-th of writer W
`jobstore/logs/read/N`           read log entries, packed
`jobstore/public/..`             plain copies that public URLs name
================================ ============================================
"""

from __future__ import annotations

import re
import secrets

from jobstores.errors import InvalidKeyError, NotFoundError
from jobstores.keys import check_key, is_part

ROOT = "jobstore"
MARKER = f"{ROOT}/marker"
JOBS = f"{ROOT}/jobs"
BATCHES = f"{ROOT}/batches"
EARLY = f"{ROOT}/early"
COUNTERS = f"{ROOT}/counters"
SHARED = f"{ROOT}/shared"
NEW_LOGS = f"{ROOT}/logs/new"
READ_LOGS = f"{ROOT}/logs/read"
PUBLIC = f"{ROOT}/public"
OWNED = "owned"
FREE = "files"
HINTED = "hinted"

_HINT_LENGTH = 40
_HINTS_LENGTH = 120
_BASENAME_LENGTH = 80
_RESERVED_HINTS = frozenset((".", "..", "files", "deleted"))
_JOB_ID = re.compile(r"[0-9a-f]{16}\.[0-9]{1,4}")
_FILE_ID = re.compile(r"(owned/[^/]+/[^/]+|files/[^/]+|hinted(/[^/]+)+/files/\d+/[^/]+)")


def fresh() -> str:
    """A name that nobody else has or will have: 64 random bits, as text."""
    return secrets.token_hex(8)


def group_of(job_id: str) -> tuple[str, str] | None:
    """The group and the number within it that a job's id names; None: it is no id."""
    if not _JOB_ID.fullmatch(job_id):
        return None
    group, _, number = job_id.partition(".")
    return group, number


def check_job_id(job_id: str) -> str:
    """The id itself.

    Raises:
        InvalidKeyError: `assign_job_id` never gave it.
    """
    if group_of(str(job_id)) is None:
        raise InvalidKeyError(f"{job_id!r} is no id that assign_job_id gave")
    return job_id


def shared_key(name: str) -> str:
    """The key of a shared file: the same check for writing and for reading.

    Raises:
        InvalidKeyError: the name is outside the grammar.
    """
    if not isinstance(name, str) or not is_part(name):
        raise InvalidKeyError(
            f"{name!r} is no name of a shared file: 1 to 255 letters, digits, '.', '_'"
            " or '-' were expected, and neither '.' nor '..'"
        )
    return f"{SHARED}/{name}"


def file_key(file_id: str) -> str:
    """The key of a file.

    Raises:
        NotFoundError: no file ever had such an id.
    """
    text = str(file_id)
    if not _FILE_ID.fullmatch(text):
        raise NotFoundError(f"there is no file {text!r}: no file ever had such an id")
    try:
        return check_key(f"{ROOT}/{text}")
    except InvalidKeyError as error:
        raise NotFoundError(f"there is no file {text!r}: {error}") from None


def owned_prefix(job_id: str) -> str:
    """The prefix of the files that go with a job."""
    return f"{ROOT}/{OWNED}/{job_id}"


def safe_basename(name: str | None) -> str:
    """A file's basename as far as it can be part of a key."""
    cleaned = re.sub(r"[^A-Za-z0-9._-]+", "_", name or "")[-_BASENAME_LENGTH:]
    return cleaned if is_part(cleaned) else "stream"


def safe_hints(hints: list[str] | None) -> list[str]:
    """What of the hints can be parts of a key; empty where nothing can."""
    kept: list[str] = []
    length = 0
    for hint in hints or ():
        cleaned = re.sub(r"[^A-Za-z0-9._-]+", "", hint)[:_HINT_LENGTH]
        if not is_part(cleaned) or cleaned in _RESERVED_HINTS:
            continue
        length += len(cleaned) + 1
        if length > _HINTS_LENGTH:
            break
        kept.append(cleaned)
    return kept
