"""One call of the local scheduler for a caller on another host.

PYTHON -I -S .../schedulers/local/calls.py < REQUEST

The request is one JSON document, and so is the answer. Standard library only,
Python 3.9: this runs where nothing is installed.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, os.path.abspath(f"{os.path.dirname(__file__)}/../.."))

from schedulers.errors import RefusedError, SchedulerError, UnavailableError
from schedulers.job import Dependency, DependencyKind, ItemStatus, Job, JobResources
from schedulers.local.adapter import LocalScheduler

FORMAT = 1


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Do what a request asks; what goes wrong is in the answer."""
    try:
        if request["format"] != FORMAT:
            raise UnavailableError(f"a request of format {request['format']}")
        scheduler = LocalScheduler(
            request["state_dir"],
            request["cores"],
            request["pass_environment"],
            names_are_unique=True,
        )
        return {"format": FORMAT, "answer": _call(scheduler, request)}
    except SchedulerError as error:
        kind = "refused" if isinstance(error, RefusedError) else "unavailable"
        return {"format": FORMAT, "error": kind, "message": str(error)}


def _call(scheduler: LocalScheduler, request: dict[str, Any]) -> Any:
    call = request["call"]
    if call == "submit":
        return scheduler.submit(
            read_job(request["job"]),
            [Dependency(job, DependencyKind(kind)) for job, kind in request["after"]],
        )
    if call == "find":
        return scheduler.find(request["names"])
    if call == "states":
        states = scheduler.states(
            request["jobs"],
            names=request["names"],
            adopt=request["adopt"],
        )
        return {
            job: [[item, write_status(status)] for item, status in items.items()]
            for job, items in states.items()
        }
    if call == "cancel":
        scheduler.cancel(request["jobs"])
        return None
    if call == "limits":
        return {"num_cores": scheduler.limits().num_cores}
    raise UnavailableError(f"no call {call!r}")


def read_job(document: dict[str, Any]) -> Job:
    """A job from its JSON."""
    resources = dict(document["resources"])
    resources["directives"] = tuple((n, v) for n, v in resources["directives"])
    part = None if document["part"] is None else range(*document["part"])
    return Job(**{**document, "part": part, "resources": JobResources(**resources)})


def write_status(status: ItemStatus) -> dict[str, Any]:
    """A state as JSON."""
    document = asdict(status)
    document["phase"] = status.phase.value
    document["cause"] = status.cause.value if status.cause is not None else None
    return document


def main() -> int:
    """Answer the request on stdin."""
    made = answer(json.loads(sys.stdin.buffer.read()))
    sys.stdout.write(json.dumps(made) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
