"""Reading what the commands of PBS and Torque print. Pure.

The text of `qstat -f` is read and not its JSON: every member of the family prints it,
and the JSON changes values and was not always valid.

Source: qstat(1B), pbs_job_attributes(7B), pbs_error.h of OpenPBS 23.06, and recorded
output, which the tests read (tests/fixtures/openpbs).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from schedulers.driver import Fault
from schedulers.errors import UnknownOutcomeError
from schedulers.job import EndCause, ItemStatus, JobPhase, Limits

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from schedulers.transport import Result


class Row(NamedTuple):
    """One block about an item, an array (is_array), or a plain job (item None)."""

    job_id: str  # without the server: "13", "13[]"
    item: int | None
    is_array: bool
    name: str
    status: ItemStatus


# -- states -------------------------------------------------------------------

_PHASES = {
    "Q": JobPhase.PENDING,
    "W": JobPhase.PENDING,
    "T": JobPhase.PENDING,
    "R": JobPhase.RUNNING,
    "B": JobPhase.RUNNING,
    "E": JobPhase.RUNNING,  # its processes may not be gone yet
    "S": JobPhase.SUSPENDED,
    "U": JobPhase.SUSPENDED,
}
_ENDED = "FXC"  # C is Torque's
_HELD_FOR_OTHERS = "22"  # substate: waits for a dependency
_TERMINATED, _NEVER_SATISFIED = "91", "92"
# Exit_status below zero. Source: job.h of OpenPBS; Torque's Administrator Guide.
_CAUSES = {
    -1: EndCause.NEVER_STARTED,
    -2: EndCause.NEVER_STARTED,
    -3: EndCause.NEVER_STARTED,
    -10: EndCause.OUT_OF_MEMORY,  # Torque
    -11: EndCause.TIME_LIMIT,  # Torque
    -12: EndCause.TIME_LIMIT,  # Torque: of the processor
    -20: EndCause.NODE_FAILURE,
    -26: EndCause.OUT_OF_MEMORY,
    -27: EndCause.OUT_OF_MEMORY,
    -28: EndCause.TIME_LIMIT,  # of the processor
    -29: EndCause.TIME_LIMIT,
}
_TERM = 256 + 15


def read_status(fields: Mapping[str, str], *, is_cancelled: bool = False) -> ItemStatus:
    """What the attributes of a job mean."""
    state = fields.get("job_state", "")
    reason = fields.get("comment", "")
    node = fields.get("exec_host", "").partition("/")[0]
    if state in tuple(_ENDED):
        return _read_end(fields, state, reason, node, is_cancelled=is_cancelled)
    phase = _PHASES.get(state, JobPhase.UNKNOWN)
    if state == "H":
        waits = fields.get("substate") == _HELD_FOR_OTHERS or "depend" in fields
        phase = JobPhase.PENDING if waits else JobPhase.BLOCKED
        reason = reason or ("it waits for other jobs" if waits else "held")
    elif state == "Q" and "Can Never Run" in reason:
        phase = JobPhase.BLOCKED
    return ItemStatus(phase, state, reason=reason, node=node)


def _read_end(
    fields: Mapping[str, str], state: str, reason: str, node: str, *, is_cancelled: bool
) -> ItemStatus:
    """How it ended. Without a host it never ran, whatever its Exit_status says."""
    text = fields.get("Exit_status", fields.get("exit_status", ""))
    number = int(text) if re.fullmatch(r"-?\d+", text) else None
    substate = fields.get("substate", "")
    native = f"{state} {substate}".strip()
    is_terminated = substate == _TERMINATED or (is_cancelled and number != 0)
    code: int | None = None
    if not node or fields.get("run_count") == "0":
        is_deleted = substate == _TERMINATED or is_cancelled
        cause = EndCause.CANCELLED if is_deleted else EndCause.NEVER_STARTED
        if cause is EndCause.NEVER_STARTED and substate == _NEVER_SATISFIED:
            reason = reason or "a job that it waits for did not end as it should"
    elif number is None:
        cause = EndCause.CANCELLED if is_terminated else EndCause.OTHER
    elif number < 0:
        cause = _CAUSES.get(number, EndCause.OTHER)
    elif is_terminated and number in (_TERM, 256 + 9, 128 + 15, 128 + 9):
        cause = EndCause.CANCELLED
    else:
        cause, reason = EndCause.EXITED, ""
        code = number - 128 if number > 256 else number  # 256 + N: killed by signal N
    return ItemStatus(JobPhase.ENDED, native, cause, code, reason, node)


# -- rows ---------------------------------------------------------------------

_BLOCK = re.compile(r"^Job Id: *(\d+)(\[(\d*)\])?\S*\s*$")
_FIELD = re.compile(r"^ {4}([A-Za-z_][\w.]*) = (.*)$")
# What counts stands once; a variable of the job's may hold text of the same form.
_COUNTED = frozenset(
    (
        *("Job_Name", "job_state", "substate", "Exit_status", "exit_status"),
        *("comment", "exec_host", "run_count", "depend"),
    )
)


def parse_qstat(text: str, cancelled: Iterable[str] = ()) -> list[Row]:
    """Read `qstat -f`: blocks of lines that are cut at 80 characters and go on."""
    gone = {short_id(job_id) for job_id in cancelled}
    rows = []
    for match, fields in _blocks(text):
        number, brackets, index = match
        job_id = f"{number}[]" if brackets else number
        status = read_status(fields, is_cancelled=job_id in gone)
        item = int(index) if index else None
        is_array = bool(brackets) and not index
        rows.append(Row(job_id, item, is_array, fields.get("Job_Name", ""), status))
    return rows


def _blocks(text: str) -> list[tuple[tuple[str, str, str], dict[str, str]]]:
    found: list[tuple[tuple[str, str, str], dict[str, str]]] = []
    last = ""
    for line in text.splitlines():
        if match := _BLOCK.match(line):
            found.append(((match[1], match[2] or "", match[3] or ""), {}))
            last = ""
        elif found and (match := _FIELD.match(line)):
            last = match[1] if match[1] in _COUNTED and match[1] not in found[-1][1] else ""
            if last:
                found[-1][1][last] = match[2]
        elif found and last and line.startswith("\t"):
            found[-1][1][last] += line[1:]
    return found


def spread(
    rows: Iterable[Row], job_ids: Mapping[str, range], names: Mapping[str, str]
) -> dict[str, dict[int, ItemStatus]]:
    """States by job and item.

    What an array says of itself holds for items that are not listed, and for queued
    ones while it is held; how it ended is its last item's end and says nothing.
    """
    known = {short_id(job_id): job_id for job_id in job_ids}
    found: dict[str, dict[int, ItemStatus]] = {job_id: {} for job_id in job_ids}
    arrays: dict[str, ItemStatus] = {}
    for row in rows:
        job_id = known.get(row.job_id)
        if job_id is None:
            continue
        if row.name and names.get(job_id, row.name) != row.name:
            continue
        own = job_ids[job_id]
        if row.is_array:
            arrays[job_id] = row.status
        elif row.item is None:
            found[job_id].update(dict.fromkeys(own[:1], row.status))
        elif row.item in own:
            found[job_id][row.item] = row.status
    for job_id, whole in arrays.items():
        if whole.phase is JobPhase.ENDED and whole.cause is not EndCause.CANCELLED:
            continue
        for item in job_ids[job_id]:
            status = found[job_id].get(item)
            is_queued = status is not None and status.phase is JobPhase.PENDING
            if status is None or (is_queued and whole.native == "H"):
                found[job_id][item] = whole
    return found


def short_id(job_id: str) -> str:
    """An id without its server."""
    return job_id.partition(".")[0]


# -- one-line answers ---------------------------------------------------------


def parse_job_id(stdout: str) -> str:
    """The id that `qsub` prints: `12.server`, `13[].server`.

    Raises:
        UnknownOutcomeError: there is none, though qsub was content.
    """
    for line in reversed(stdout.splitlines()):
        if re.fullmatch(r"\d+(\[\])?(\.\S+)?", line.strip()):
            return line.strip()
    raise UnknownOutcomeError(f"qsub reported no job id but {stdout!r}")


def parse_limits(text: str) -> Limits:
    """Limits from `qstat -Bf`: PBS counts an array as its size."""
    size = re.search(r"^\s+max_(?:job_)?array_size = (\d+)", text, re.MULTILINE)
    queued = re.search(r"^\s+max_queued = .*\[u:PBS_GENERIC=(\d+)\]", text, re.MULTILINE)
    return Limits(
        max_array_items=int(size[1]) if size else None,
        max_queued=int(queued[1]) if queued else None,
    )


def count_live(text: str) -> int:
    """How many items `qstat -t` lists that have not ended, arrays themselves left out."""
    found = 0
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 6 and re.match(r"\d+(\[\d+\])?(\.|$)", words[0]):
            found += words[-2] in tuple("QHWTRESU")
    return found


# -- faults -------------------------------------------------------------------

# The first that matches counts. Source: pbs_error.h of OpenPBS, and recorded output.
_FAULTS = (
    (r"would exceed .*limit", Fault.FULL),
    (
        r"cannot connect to server|Couldn't connect to cluster|Connection refused",
        Fault.DOWN,
    ),
    (r"could not connect to MOM|Communication failure", Fault.DOWN),
    (r"Premature end of message|End of File|Connection reset|[Tt]imed? ?out", Fault.LOST),
    (r"Server (is )?(too )?busy|try again|Server shutting down", Fault.BUSY),
)
_COMPILED_FAULTS = tuple((re.compile(text), fault) for text, fault in _FAULTS)
_GONE = re.compile(
    r"q(del|stat): (Unknown Job Id( Error)?|Job has finished|.* Job has finished).*"
)
_NO_HISTORY = "not configured to maintain job history"


def judge(result: Result) -> Fault | None:
    """What is wrong with an answer, or None: jobs that are gone are nothing wrong."""
    if result.exit_code == 0:
        return None
    for pattern, fault in _COMPILED_FAULTS:
        if pattern.search(result.stderr):
            return fault
    if result.exit_code < 0:
        return Fault.LOST
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    if lines and all(_GONE.fullmatch(line.strip()) for line in lines):
        return None
    return Fault.REFUSED


def has_no_history(result: Result) -> bool:
    """Whether the server keeps nothing of jobs that have ended."""
    return _NO_HISTORY in result.stderr


def unknown_ids(stderr: str) -> set[str]:
    """The jobs that the server does not know, without their server."""
    return {
        short_id(text) for text in re.findall(r"Unknown Job Id(?: Error)? (\S+)", stderr)
    }
