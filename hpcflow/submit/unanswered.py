"""Jobs whose submission was begun and never answered: were they accepted?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hpcflow.errors import SchedulerAwayError
from hpcflow.persist.journal import Part, part_name
from hpcflow.submit.context import Clock
from jobstores import segments
from schedulers.errors import SchedulerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hpcflow.persist.journal import JournalState, JournalWriter
    from jobstores.port import ObjectPort
    from schedulers.port import Scheduler

# A command outlives the `hpcflow` that was killed: longer than `sbatch` tries for,
# and than a command is given (60 s).
SETTLE_S = 70.0
_LOOK_AGAIN_S = 5.0


def look_up_unanswered(
    port: ObjectPort,
    submission: int,
    records: Iterable[Mapping[str, Any]],
    journal: JournalState,
    schedulers: Mapping[str, Scheduler],
    writer: JournalWriter,
    clock: Clock | None = None,
) -> None:
    """Find out, and write down, the ids of such jobs; all others were not accepted.

    A job counts as not accepted once it is unknown to its scheduler `SETTLE_S` after
    it was begun. The local scheduler takes a job within the caller: what is not
    there when its caller is gone never will be.

    records: the submission's jobs.

    Raises:
        SubmissionError: a scheduler does not answer.
    """
    clock = clock or Clock()
    begun = clock.monotonic()
    ages = {job: max(0.0, clock.now() - at) for job, at in journal.intents.items()}
    open_jobs = [r for r in records if r["index"] in journal.intents]
    for name in dict.fromkeys(record["scheduler"] for record in open_jobs):
        asked = {
            part_name(r["name"], journal.intended.get(r["index"])): r["index"]
            for r in open_jobs
            if r["scheduler"] == name
        }
        while True:
            found = {
                **_find(schedulers[name], list(asked)),
                **_ran(port, submission, asked, journal),
            }
            for job_name, job_id in found.items():
                index = asked.pop(job_name)
                part = journal.intended.get(index)
                items = {} if part is None else {"items": [part.start, part.stop]}
                writer.add("submitted", job=index, id=job_id, **items)
                known = (0, None) if part is None else (part.start, part.stop)
                journal.add_part(index, Part(job_id, clock.now(), *known))
            if not asked or name == "local":
                break
            age = min(ages[job] for job in asked.values()) + clock.monotonic() - begun
            if age >= SETTLE_S:
                break
            clock.sleep(min(_LOOK_AGAIN_S, SETTLE_S - age + 0.001))


def _find(scheduler: Scheduler, names: list[str]) -> Mapping[str, str]:
    try:
        return scheduler.find(names)
    except SchedulerError as error:
        raise SchedulerAwayError(f"{scheduler.name} does not answer: {error}") from error


def _ran(
    port: ObjectPort, submission: int, asked: Mapping[str, int], journal: JournalState
) -> dict[str, str]:
    """Ids of jobs that have left records: their scheduler may have forgotten them."""
    found = {}
    for name, job in asked.items():
        prefix = segments.job_prefix(submission, job)
        for block in port.list(prefix):
            if not block.endswith("/"):
                continue
            for segment in port.list(f"{prefix}/{block[:-1]}"):
                items = journal.intended.get(job)
                if items is not None and int(segment.split(".")[0]) not in items:
                    continue
                records = segments.read_segment(port, f"{prefix}/{block}{segment}").records
                ids = records[0].get("ids") if records else None
                if ids and name not in found:
                    found[name] = _job_id(ids)
    return found


def _job_id(ids: Mapping[str, str]) -> str:
    """The job's id among the variables that an item recorded: an array's, if it has one."""
    arrays = [value for name, value in ids.items() if name.endswith("ARRAY_JOB_ID")]
    found = (arrays or list(ids.values()))[0]
    return re.sub(r"\[\d+\]", "[]", found)  # of an item of an array of PBS's family
