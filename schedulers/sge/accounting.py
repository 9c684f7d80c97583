"""Reading what `qacct -j` says about jobs that have ended. Pure.

Source: accounting(5), sge_status(5) of Son of Grid Engine 8.1.9, and recorded output.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from schedulers.job import EndCause, ItemStatus, JobPhase
from schedulers.sge.queue import Row, read_tasks

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

REMEMBERED_DAYS = 30  # how far back accounting is read when it can't be narrowed down
_KILLED = 137  # 128 + SIGKILL: what Grid Engine ends jobs with
_NEVER = "-/-"
# `failed` in accounting, and what it means.
_NONE, _RESCHEDULED, _EXIT_100, _LIMIT, _AFTER_JOB = 0, 25, 30, 37, 100


def parse_qacct(text: str, cancelled: Collection[str] = ()) -> list[Row]:
    """The ends that `qacct -j` lists, in the order in which they were written.

    A record of a run that was rescheduled is no end and is left out. cancelled: ids
    of jobs whose end was asked for: a record does not tell that from a kill.
    """
    rows = []
    for record in _records(text):
        status = read_record(record, is_cancelled=record.get("jobnumber", "") in cancelled)
        if status is not None:
            items = read_tasks(record.get("taskid", ""))
            name = record.get("jobname", "")
            rows.append(Row(record.get("jobnumber", ""), items, name, status))
    return rows


def _records(text: str) -> Iterator[dict[str, str]]:
    for block in re.split(r"^=+$", text, flags=re.MULTILINE):
        pairs = (line.partition(" ") for line in block.splitlines())
        record = {key: value.strip() for key, _, value in pairs if key}
        if "jobnumber" in record:
            yield record


def read_record(record: Mapping[str, str], *, is_cancelled: bool) -> ItemStatus | None:
    """What became of one task; None where it was run again."""
    failed, why = _number(record.get("failed", "")), record.get("failed", "")
    exit_code = _number(record.get("exit_status", ""))
    reason = why.partition(":")[2].strip()
    node = record.get("hostname", "")
    if failed == _RESCHEDULED:
        return None
    cause = EndCause.EXITED
    if record.get("start_time", _NEVER) == _NEVER:
        cause = EndCause.NEVER_STARTED  # though exit_status is 0
    elif failed == _LIMIT:
        cause = _which_limit(record)
    elif is_cancelled and exit_code != 0:
        cause = EndCause.CANCELLED if exit_code == _KILLED else EndCause.EXITED
    elif failed == _NONE and exit_code == 0 and _has_no_usage(record):
        cause, reason = EndCause.OTHER, "taken off the queue by force: its host was lost"
    elif failed not in (_NONE, _EXIT_100, _AFTER_JOB):
        cause = EndCause.OTHER
    code = exit_code if cause is EndCause.EXITED else None
    if cause is EndCause.EXITED:
        reason = ""
    return ItemStatus(JobPhase.ENDED, why or "ended", cause, code, reason, node)


def _which_limit(record: Mapping[str, str]) -> EndCause:
    """One code stands for the limits of time and of memory."""
    asked = dict(re.findall(r"(h_rt|h_vmem)=([^,\s]+)", record.get("category", "")))
    if "h_vmem" not in asked:
        return EndCause.TIME_LIMIT
    limit = _number(asked.get("h_rt", ""))
    lasted = _number(record.get("ru_wallclock", ""))
    is_early = limit is not None and lasted is not None and lasted < limit
    return EndCause.OUT_OF_MEMORY if is_early or limit is None else EndCause.TIME_LIMIT


def _has_no_usage(record: Mapping[str, str]) -> bool:
    """Whether the record was made up by the qmaster: it lasted, and used nothing.

    That is what `qdel -f` leaves of a job whose host is lost: failed 0, exit_status 0.
    """
    lasted = _time(record.get("end_time", "")) - _time(record.get("start_time", ""))
    used = [_number(record.get(key, "")) for key in ("ru_wallclock", "ru_maxrss", "cpu")]
    return lasted > 1 and used == [0, 0, 0]


def _number(text: str) -> int | None:
    """The number at the beginning: `137    (Killed)`, `100 : assumedly after job`."""
    match = re.match(r"-?\d+(?:\.\d+)?", text)
    return None if match is None else int(-(-float(match[0]) // 1))


def _time(text: str) -> float:
    try:
        return datetime.strptime(text, "%a %b %d %H:%M:%S %Y").timestamp()  # noqa: DTZ007
    except ValueError:
        return 0.0


def qacct_argv(job_ids: Sequence[str], names: Mapping[str, str]) -> list[str]:
    """The one command that lists the ends of these jobs, and as few others as can be.

    `qacct -j` takes one id, name or pattern, and reads the site's whole file.
    """
    if len(job_ids) == 1:
        return ["qacct", "-j", job_ids[0]]
    known = [names[job_id] for job_id in job_ids if job_id in names]
    prefix = _common(known) if len(known) == len(job_ids) else ""
    pattern = [f"{prefix}*"] if prefix else []
    return ["qacct", "-E", "-d", str(REMEMBERED_DAYS), "-j", *pattern]


def _common(names: Sequence[str]) -> str:
    """The letters that all of some names begin with."""
    first, last = min(names), max(names)
    same = (i for i, (a, b) in enumerate(zip(first, last)) if a != b)  # noqa: B905 - 3.9
    return first[: next(same, min(len(first), len(last)))]


def parse_names(text: str, names: Collection[str]) -> dict[str, str]:
    """Ids by name, of those in `names`; of several, the one that ended last."""
    return {
        record["jobname"]: record["jobnumber"]
        for record in _records(text)
        if record.get("jobname") in names
    }
