"""What stands in a local scheduler's state directory. Pure: text in, data out.

    jobs/000001.json   one job, create-only; the number is its id and its turn
    cancel/1           there once the job's end was asked for
    events             what happened, one line each, appended by the supervisor
    supervisor.json    the supervisor that serves this directory, or was killed
    log                what supervisors had to say

A line of `events` is one of

    start JOB ITEM PID START TIME
    end JOB ITEM CAUSE EXIT NATIVE TIME
    void JOB CAUSE TIME          items that have not started never will

with START in clock ticks since boot, TIME in microseconds since 1970, EXIT a
number or `-`. Lines of another form (torn by a full disk) mean nothing.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

from schedulers.errors import UnreadableAnswerError
from schedulers.local.processes import Place

FORMAT = 1


@dataclass(frozen=True)
class LocalJob:
    """A job as it was handed over. Frozen in its file."""

    number: int
    name: str
    script: str
    output: str
    num_items: int
    cores: int
    core_limit: int  # of the host, as the submitter knew it
    place: Place
    memory_bytes: int | None = None
    walltime_s: int | None = None
    throttle: int | None = None
    after: tuple[int, ...] = ()
    elementwise: tuple[int, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)


def job_file_name(number: int) -> str:
    """The name of a job's file; names sort as numbers do."""
    return f"{number:06d}.json"


def render_job(job: LocalJob) -> bytes:
    """The content of a job's file."""
    document = {"format": FORMAT, **asdict(job), "place": job.place._asdict()}
    return json.dumps(document, indent=1).encode() + b"\n"


def parse_job(content: bytes) -> LocalJob:
    """Read a job's file.

    Raises:
        UnreadableAnswerError: not a job, or of a newer format.
    """
    try:
        document = json.loads(content)
        version = document.pop("format")
        if version != FORMAT:
            raise UnreadableAnswerError(
                f"a local job of format {version}; this version reads {FORMAT}"
            )
        document["place"] = Place(**document["place"])
        document["after"] = tuple(document["after"])
        document["elementwise"] = tuple(document["elementwise"])
        return LocalJob(**document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableAnswerError(f"not a local job: {error}") from error


class Start(NamedTuple):
    """The process that an item began as."""

    pid: int
    start: int
    time_us: int


class End(NamedTuple):
    """How an item ended. `cause` is the value of an `EndCause`."""

    cause: str
    exit_code: int | None
    native: str


@dataclass
class Events:
    """All that happened, by job and item."""

    starts: dict[tuple[int, int], Start] = field(default_factory=dict)
    ends: dict[tuple[int, int], End] = field(default_factory=dict)
    voids: dict[int, str] = field(default_factory=dict)  # cause by job


def render_start(job: int, item: int, start: Start) -> str:
    """The line that says that an item is about to run."""
    return f"start {job} {item} {start.pid} {start.start} {start.time_us}\n"


def render_end(job: int, item: int, end: End, time_us: int) -> str:
    """The line that says how an item ended."""
    code = "-" if end.exit_code is None else end.exit_code
    return f"end {job} {item} {end.cause} {code} {end.native} {time_us}\n"


def render_void(job: int, cause: str, time_us: int) -> str:
    """The line that says that a job's unstarted items never will."""
    return f"void {job} {cause} {time_us}\n"


def parse_events(text: str) -> Events:
    """Read the events. The first end of an item counts."""
    events = Events()
    for line in text.split("\n")[:-1]:  # the last has no line break: torn, or empty
        try:
            _read_event(line.split(" "), events)
        except ValueError:
            continue
    return events


def _read_event(words: list[str], events: Events) -> None:
    kind, number = words[0], len(words)
    if kind == "start" and number == 6:
        _, job, item, pid, start, time = words
        events.starts[int(job), int(item)] = Start(int(pid), int(start), int(time))
    elif kind == "end" and number == 7:
        _, job, item, cause, code, native, _ = words
        exit_code = None if code == "-" else int(code)
        events.ends.setdefault((int(job), int(item)), End(cause, exit_code, native))
    elif kind == "void" and number == 4:
        events.voids.setdefault(int(words[1]), words[2])
