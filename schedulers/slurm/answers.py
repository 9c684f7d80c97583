"""Reading what SLURM's commands print. Pure.

Source: squeue(1), sacct(1), sbatch(1) of SLURM 22.05, and recorded output, which
the tests read (tests/fixtures/slurm).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from schedulers.driver import Fault
from schedulers.errors import UnknownOutcomeError, UnreadableAnswerError
from schedulers.job import EndCause, ItemStatus, JobPhase, Limits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from schedulers.transport import Result

# -O has exit codes, -o has not. With a suffix and no width, columns are not cut.
SQUEUE_COLUMNS = (
    "ArrayJobID",
    "ArrayTaskID",
    "State",
    "exit_code",
    "NodeList",
    "Name",
    "Reason",
)
SQUEUE_FORMAT = ",".join(f"{column}:|" for column in SQUEUE_COLUMNS)
SACCT_COLUMNS = ("JobID", "JobName", "State", "ExitCode", "NodeList", "Submit")
SACCT_FORMAT = ",".join(SACCT_COLUMNS)

# -- states -------------------------------------------------------------------

_PHASES = {
    "PENDING": JobPhase.PENDING,
    "REQUEUED": JobPhase.PENDING,
    "REQUEUE_FED": JobPhase.PENDING,
    "CONFIGURING": JobPhase.RUNNING,
    "RUNNING": JobPhase.RUNNING,
    "COMPLETING": JobPhase.RUNNING,  # its processes may not be gone yet
    "STOPPED": JobPhase.RUNNING,
    "SIGNALING": JobPhase.RUNNING,
    "STAGE_OUT": JobPhase.RUNNING,
    "RESIZING": JobPhase.RUNNING,
    "SUSPENDED": JobPhase.SUSPENDED,
    "REQUEUE_HOLD": JobPhase.BLOCKED,
    "RESV_DEL_HOLD": JobPhase.BLOCKED,
    "SPECIAL_EXIT": JobPhase.BLOCKED,
}
_CAUSES = {
    "COMPLETED": EndCause.EXITED,
    "FAILED": EndCause.EXITED,
    "CANCELLED": EndCause.CANCELLED,
    "TIMEOUT": EndCause.TIME_LIMIT,
    "DEADLINE": EndCause.TIME_LIMIT,
    "OUT_OF_MEMORY": EndCause.OUT_OF_MEMORY,
    "NODE_FAIL": EndCause.NODE_FAILURE,
    "BOOT_FAIL": EndCause.NODE_FAILURE,
    "PREEMPTED": EndCause.PREEMPTED,
    "LAUNCH_FAILED": EndCause.NEVER_STARTED,
    "REVOKED": EndCause.OTHER,
}
_NEVER_SATISFIED = "DependencyNeverSatisfied"
# Reasons of pending jobs that waiting does not mend: a person has to do something.
_BLOCKED_REASON = re.compile(
    rf"{_NEVER_SATISFIED}|Partition(Config|TimeLimit|NodeLimit)|BadConstraints"
    r"|(Assoc|QOS)Max\w*PerJob\w*|Invalid(Account|QOS)|AccountNotAllowed|QOSNotAllowed"
    r"|JobHeld(User|Admin)|.*\bheld\b.*",
    re.IGNORECASE,
)
_SIGNAL_NO_OUTPUT = 53  # slurmstepd's mark: it could not open the output file


def read_status(state: str, exit_text: str, reason: str, node: str) -> ItemStatus:
    """What a state means. `exit_text` is `3:0` (sacct) or a wait status (squeue)."""
    native = state.split()[0] if state.split() else ""  # "CANCELLED by 1001"
    reason = "" if reason in ("None", "(null)") else reason
    node = "" if node in ("None assigned", "(null)", "n/a") else node
    phase = _PHASES.get(native)
    if phase is JobPhase.PENDING and _BLOCKED_REASON.fullmatch(reason):
        phase = JobPhase.BLOCKED
    if phase is not None:
        return ItemStatus(phase, native, reason=reason, node=node)
    cause = _CAUSES.get(native)
    if cause is None:
        return ItemStatus(JobPhase.UNKNOWN, native, reason=reason, node=node)
    exit_code, number = _read_exit(exit_text)
    if cause is EndCause.EXITED and number == _SIGNAL_NO_OUTPUT:
        cause, reason = EndCause.NEVER_STARTED, "its output file could not be opened"
    elif (native == "CANCELLED" and reason == _NEVER_SATISFIED) or (
        native == "DEADLINE" and not node
    ):
        cause = EndCause.NEVER_STARTED
    if cause is not EndCause.EXITED:
        exit_code = None  # SLURM says 0:0 for most of these, whatever the script did
    return ItemStatus(JobPhase.ENDED, native, cause, exit_code, reason, node)


def _read_exit(text: str) -> tuple[int | None, int]:
    """An exit code, 128 + the signal for signals, and the signal."""
    match = re.fullmatch(r"(\d+)(?::(\d+))?", text)
    if match is None:
        return None, 0
    if match[2] is None:
        code, number = int(match[1]) >> 8, int(match[1]) & 0x7F
    else:
        code, number = int(match[1]), int(match[2])
    return (128 + number if number else code), number


# -- rows ---------------------------------------------------------------------


class Row(NamedTuple):
    """One line about items (None: all of the job's).

    A line about those of an array that had not started (`46_[5,10%2]`) is not
    exact: it stays as it was when some of them have a line of their own.
    """

    job_id: str
    items: tuple[int, ...] | None
    is_exact: bool
    name: str
    status: ItemStatus


def parse_squeue(text: str, columns: Sequence[str] = SQUEUE_COLUMNS) -> list[Row]:
    """Read `squeue -h -r` with these columns, separated by `|`.

    Raises:
        UnreadableAnswerError: a line has fewer fields.
    """
    rows = []
    for fields in _split(text, columns, "squeue"):
        status = read_status(
            fields["State"],
            fields.get("exit_code", ""),
            fields["Reason"],
            fields["NodeList"],
        )
        text = fields["ArrayTaskID"]
        items, is_exact = _read_indices(text), text.isdigit() or text == "N/A"
        rows.append(Row(fields["ArrayJobID"], items, is_exact, fields["Name"], status))
    return rows


def parse_sacct(text: str, columns: Sequence[str] = SACCT_COLUMNS) -> list[Row]:
    """Read `sacct -X -n -P`: what has ended, last, as accounting lags and lies.

    A pending or running row is no verdict (it may be old, or for ever) and is
    left out.

    Raises:
        UnreadableAnswerError: a line has fewer fields.
    """
    rows = []
    for fields in _split(text, columns, "sacct"):
        status = read_status(
            fields["State"],
            fields["ExitCode"],
            fields.get("Reason", ""),
            fields.get("NodeList", ""),
        )
        if status.phase is JobPhase.ENDED:
            job_id, _, index = fields["JobID"].partition("_")
            is_exact = not index or index.isdigit()
            name = fields.get("JobName", "")
            rows.append(Row(job_id, _read_indices(index), is_exact, name, status))
    return rows


def _split(text: str, columns: Sequence[str], command: str) -> Iterator[dict[str, str]]:
    for line in text.splitlines():
        fields = line.split("|")
        if len(fields) < len(columns):
            raise UnreadableAnswerError(
                f"{command}: expected {len(columns)} fields ({', '.join(columns)}), found"
                f" {line!r}"
            )
        yield dict(zip(columns, fields, strict=False))


def _read_indices(text: str) -> tuple[int, ...] | None:
    """`5` or `[1,3-9:2%4]`; None for a plain job, and where the list was cut short."""
    text = text.strip("[]").partition("%")[0]
    if text in ("", "N/A") or "..." in text:
        return None
    indices: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+)(?::(\d+))?)?", part)
        if match is None:
            raise UnreadableAnswerError(f"array indices {text!r}")
        first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
        indices += range(first, last + 1, step)
    return tuple(indices)


def spread(
    rows: Iterable[Row], job_ids: Mapping[str, int | range], names: Mapping[str, str]
) -> dict[str, dict[int, ItemStatus]]:
    """States by job and item. Exact rows count for more than others.

    job_ids: by id, the number of items, or the indices of those of a part.

    Rows whose name is not that of `names` are of another job: ids are given out
    again after a controller lost its memory. (Accounting calls a job `allocation`
    until it knows more; for seconds it then says nothing.)
    """
    found: dict[str, dict[int, ItemStatus]] = {job_id: {} for job_id in job_ids}
    rough: dict[str, dict[int, ItemStatus]] = {job_id: {} for job_id in job_ids}
    for row in rows:
        if row.job_id not in job_ids:
            continue
        expected = names.get(row.job_id)
        if expected and row.name and row.name != expected:
            continue
        known = job_ids[row.job_id]
        own = range(known) if isinstance(known, int) else known
        into = found if row.is_exact else rough
        for item in own if row.items is None else row.items:
            if item in own:
                into[row.job_id][item] = row.status
    return {job_id: {**rough[job_id], **found[job_id]} for job_id in job_ids}


def parse_names(text: str) -> dict[str, str]:
    """Ids by name, of lines `NAME|ID|SUBMITTED`; of several, the one submitted last."""
    latest: dict[str, tuple[str, str]] = {}
    for line in text.splitlines():
        fields = line.split("|")
        if len(fields) < 3:
            raise UnreadableAnswerError(f"expected NAME|ID|TIME, found {line!r}")
        name, job_id, submitted = fields[0], fields[1].partition("_")[0], fields[2]
        latest[name] = max(latest.get(name, ("", "")), (submitted, job_id))
    return {name: job_id for name, (_, job_id) in latest.items()}


# -- one-line answers ---------------------------------------------------------


def parse_job_id(stdout: str) -> str:
    """The id from `sbatch --parsable`: `123` or `123;cluster`.

    Raises:
        UnknownOutcomeError: there is none, though sbatch was content.
    """
    for line in reversed(stdout.splitlines()):
        match = re.fullmatch(r"(\d+)(?:;\S*)?", line.strip())
        if match:
            return match[1]
    raise UnknownOutcomeError(f"sbatch reported no job id but {stdout!r}")


def parse_limits(text: str) -> Limits:
    """Limits from `scontrol show config`. Indices go from 0 to MaxArraySize - 1."""
    values = dict(
        re.findall(r"^(MaxArraySize|MaxJobCount)\s*=\s*(\d+)", text, re.MULTILINE)
    )
    array, count = values.get("MaxArraySize"), values.get("MaxJobCount")
    return Limits(
        max_array_items=max(int(array), 1) if array else None,
        max_queued=int(count) if count else None,
    )


def is_known_down(ping: str) -> bool:
    """Whether `scontrol ping` names controllers and none of them is up."""
    states = re.findall(r"\bis (UP|DOWN)\b", ping)
    return bool(states) and "UP" not in states


# -- faults -------------------------------------------------------------------

# The first that matches counts. Source: slurm/slurm_errno.c, and recorded output.
_FAULTS = (
    # AssocMaxSubmitJobLimit, QOSMaxSubmitJobPerUserLimit, QOSGrpSubmitJobsLimit, ...
    (r"\b(Assoc|QOS)\w*Submit\w*Limit\b", Fault.FULL),
    (r"Unable to contact slurm controller \(connect failure\)", Fault.DOWN),
    (
        r"authentication error|Munge \w+ failed|Invalid authentication credential",
        Fault.DOWN,
    ),
    (r"Communication connection failure|standby mode", Fault.DOWN),
    (r"Unable to contact slurm controller", Fault.LOST),  # send, receive failure
    (
        r"Socket timed out|Zero Bytes were transmitted|Message (send|receive) failure",
        Fault.LOST,
    ),
    (r"Unexpected message received|Transport endpoint|Connection reset", Fault.LOST),
    (r"temporarily un(able|available)|try again later|too many (RPC|request)", Fault.BUSY),
    (r"Problem talking to the database|persistent connection", Fault.DOWN),
)
_COMPILED_FAULTS = tuple(
    (re.compile(text, re.IGNORECASE), fault) for text, fault in _FAULTS
)


def judge(result: Result) -> Fault | None:
    """What is wrong with an answer, or None."""
    if result.exit_code == 0:
        return None
    for pattern, fault in _COMPILED_FAULTS:
        if pattern.search(result.stderr):
            return fault
    return Fault.LOST if result.exit_code < 0 else Fault.REFUSED


def is_unknown_job(stderr: str) -> bool:
    """Whether squeue complains that it knows none of the jobs: no failure."""
    return "Invalid job id specified" in stderr
