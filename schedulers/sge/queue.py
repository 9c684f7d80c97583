"""Reading what Grid Engine's `qsub`, `qstat`, `qdel` and `qconf` print. Pure.

Source: qstat(1), submit(1), sge_conf(5) of Son of Grid Engine 8.1.9, and recorded
output, which the tests read (tests/fixtures/sge).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree as ET

from schedulers.driver import Fault
from schedulers.errors import UnknownOutcomeError, UnreadableAnswerError
from schedulers.job import ItemStatus, JobPhase, Limits

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from schedulers.transport import Result


class Row(NamedTuple):
    """One line about items of a job (None: it is no array)."""

    job_id: str
    items: tuple[int, ...] | None
    name: str
    status: ItemStatus


# -- states -------------------------------------------------------------------

_LETTERS = frozenset("dEhqrRstSTwNPz")


def read_state(state: str, *, follows: bool = False, node: str = "") -> ItemStatus:
    """What the letters mean. `follows`: it waits for other jobs.

    A job whose host is lost stays `r`, and `dr` once it is cancelled: only the
    queue's own state tells.
    """
    letters = set(state)
    if not letters or letters - _LETTERS:
        phase = JobPhase.UNKNOWN
    elif "E" in letters:
        phase = JobPhase.BLOCKED
    elif letters & set("sSTN"):
        phase = JobPhase.SUSPENDED
    elif letters & set("rt"):
        phase = JobPhase.RUNNING
    elif "h" in letters and not follows:
        phase = JobPhase.BLOCKED
    elif letters & set("qwh"):
        phase = JobPhase.PENDING
    else:
        phase = JobPhase.UNKNOWN
    reason = ""
    if phase is JobPhase.BLOCKED:
        reason = "it could not be started, or exited with 100" if "E" in state else "held"
    return ItemStatus(phase, state, reason=reason, node=node)


def parse_qstat(text: str) -> list[Row]:
    """Read `qstat -xml -r`. Ended jobs (`z`) are left out: they have no result here.

    Raises:
        UnreadableAnswerError: it is no such document.
    """
    try:
        root = ET.fromstring(text)  # noqa: S314 - of the site's own scheduler
    except ET.ParseError as error:
        raise UnreadableAnswerError(f"qstat -xml: {error}: {text[:200]!r}") from error
    rows = []
    for job in root.iter("job_list"):
        job_id, state = job.findtext("JB_job_number"), job.findtext("state")
        if job_id is None or state is None:
            raise UnreadableAnswerError("qstat -xml: a job without a number or a state")
        if "z" in state:
            continue
        follows = any("predecessor_jobs" in part.tag for part in job)
        node = (job.findtext("queue_name") or "").partition("@")[2]
        name = job.findtext("full_job_name") or job.findtext("JB_name") or ""
        items = read_tasks(job.findtext("tasks") or "")
        rows.append(Row(job_id, items, name, read_state(state, follows=follows, node=node)))
    return rows


def read_tasks(text: str) -> tuple[int, ...] | None:
    """The items of `1,4,6-10:2`: tasks count from 1. None for none."""
    if not text or text == "undefined":
        return None
    items: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+)(?::(\d+))?)?", part.strip())
        if match is None:
            raise UnreadableAnswerError(f"array tasks {text!r}")
        first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
        items += range(first - 1, last, step)
    return tuple(items)


def spread(
    rows: Iterable[Row], job_ids: Mapping[str, range], names: Mapping[str, str]
) -> dict[str, dict[int, ItemStatus]]:
    """States by job and item; rows of another name are of somebody else's job."""
    found: dict[str, dict[int, ItemStatus]] = {job_id: {} for job_id in job_ids}
    for row in rows:
        if row.job_id not in found or names.get(row.job_id, row.name) != row.name:
            continue
        own = job_ids[row.job_id]
        for item in own[:1] if row.items is None else row.items:
            if item in own:
                found[row.job_id][item] = row.status
    return found


# -- one-line answers ---------------------------------------------------------


def parse_job_id(stdout: str) -> str:
    """The id from `qsub -terse`: `12`, or `5.1-5:1` for an array.

    Raises:
        UnknownOutcomeError: there is none, though qsub was content.
    """
    for line in reversed(stdout.splitlines()):
        match = re.fullmatch(r"(\d+)(?:\.\d+-\d+:\d+)?", line.strip())
        if match:
            return match[1]
    raise UnknownOutcomeError(f"qsub reported no job id but {stdout!r}")


def parse_limits(text: str) -> Limits:
    """Limits from `qconf -sconf`; 0 is none.

    `max_u_jobs` counts an array as one job, so it says nothing about items.
    """
    match = re.search(r"^max_aj_tasks\s+(\d+)", text, re.MULTILINE)
    return Limits(max_array_items=int(match[1]) or None if match else None)


# -- faults -------------------------------------------------------------------

# Source: messages of Son of Grid Engine 8.1.9 (gdi, commlib), and recorded output.
# All say that nothing reached the qmaster, except those that are LOST.
_FAULTS = (
    (r"only \d+ jobs are allowed (per user|in total|per cluster)", Fault.FULL),
    (r"got (read|receive) error|failed receiving gdi request", Fault.LOST),
    (r"got (select|send) error|unable to (send message to|contact) qmaster", Fault.DOWN),
    (
        r"can't (resolve|connect to) .*(qmaster|sge_qmaster)|qmaster .*not running",
        Fault.DOWN,
    ),
    (
        r"gdi request.* timeout|got sync(h)?ron receive timeout|commlib .*timeout",
        Fault.LOST,
    ),
    (r"too many requests|try again later", Fault.BUSY),
)
_COMPILED_FAULTS = tuple(
    (re.compile(text, re.IGNORECASE), fault) for text, fault in _FAULTS
)
# Lines of qdel that are no failure. It prints them to stdout, and exits with 1 when one
# job of many is gone. Source: recorded.
_GONE = re.compile(
    r'denied: job "[^"]*" does not exist|job "[^"]*" task "[^"]*" does not exist'
    r"|.* has (deleted|registered) .*|job \S+ is already in deletion"
    r"|The job \S+ of user\(s\) \S+ does not exist"
)


def judge(result: Result) -> Fault | None:
    """What is wrong with an answer, or None. qstat and qdel say the rest of it."""
    if result.exit_code == 0:
        return None
    said = f"{result.stderr}\n{result.stdout}"
    for pattern, fault in _COMPILED_FAULTS:
        if pattern.search(said):
            return fault
    if result.exit_code < 0:
        return Fault.LOST
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if lines and all(_GONE.fullmatch(line) for line in lines):
        return None
    return Fault.REFUSED
