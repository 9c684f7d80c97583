"""What a workflow's info says of its submissions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def submitted_tasks(info: Mapping[str, Any]) -> int:
    """How many of the workflow's tasks, from the first on, belong to a submission."""
    submissions = info["submissions"]
    if not submissions:
        return 0
    last = submissions[-1]
    if "tasks" in last:
        count: int = last["tasks"]
        return count
    steps = [step for record in last["jobs"] for step in record["steps"]]
    return 1 + max((task for task, _ in steps), default=-1)


def loops_left(info: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the last submission left of loops: None where it is through with all.

    `after`: the first of the loops' tasks, and the last task and iteration with jobs.
    `tasks`: how many tasks were to be submitted. `scheduler`: for those that name none.
    """
    submissions = info["submissions"]
    return submissions[-1].get("left") if submissions else None


def home_of_local_jobs(info: Mapping[str, Any], submission: int, root: str) -> int:
    """The submission in whose folder the local scheduler keeps a submission's jobs.

    Jobs wait for those of earlier submissions, so all of one place are kept together:
    with the first. A copy of the workflow does not go on with the original's.

    root: where a submission that is not recorded yet is made.
    """
    submissions = info["submissions"]
    places = [record.get("path", root) for record in submissions]
    own = places[submission] if submission < len(places) else root
    return places.index(own) if own in places else submission
