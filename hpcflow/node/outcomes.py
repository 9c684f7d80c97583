"""Why a run is not executed: for good, not in this attempt, or not yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpcflow.node.outputs import shortened

if TYPE_CHECKING:
    from hpcflow.node.manifest import Step
    from jobstores.records import Record

REASON_BYTES = 300


class Skip(Exception):  # noqa: N818 - an outcome, not an error
    """The run will not be executed, for good; the message says why."""


class Defer(Exception):  # noqa: N818 - an outcome, not an error
    """The run can't be executed in this attempt; another one may."""


class NotYet(Exception):  # noqa: N818 - an outcome, not an error
    """What the run needs is not there now; it is worth a little waiting."""


def reason(step: Step, run: int, record: Record) -> str:
    """Why a run that needs this one is skipped: the first cause, by its task."""
    why = record.get("why") or f"exit status {record.get('exit')}"
    if record["t"] == "skip":
        return str(why)  # it names the first cause already
    where = f"task {step.task_name!r}, element {step.element_of(run)}"
    return shortened(f"{where} failed: {why}", REASON_BYTES)
