"""Jobs of earlier submissions: what they execute, and which of them are to be awaited."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcflow.compile.earlier import EarlierJob, EarlierStep, tasks_read
from hpcflow.errors import SchedulerAwayError, StorageError
from hpcflow.node import manifest as manifests
from hpcflow.submit.home import check_home
from hpcflow.submit.reconcile import ABSENT_GRACE_S, ask_schedulers, job_views
from schedulers.job import JobPhase

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hpcflow.compile.plan import LoopsLeft
    from hpcflow.model.workflow import Workflow
    from hpcflow.submit.context import SubmitContext
    from hpcflow.submit.reconcile import JobView
    from jobstores.workflow_store import WorkflowStore

Key = tuple[int, int]  # of a submission, and a job in it


def earlier_jobs(
    root: str,
    info: Mapping[str, Any],
    workflow: Workflow,
    first_task: int,
    *,
    resume: LoopsLeft | None = None,
) -> tuple[EarlierJob, ...]:
    """The jobs that make what tasks from `first_task` on take of those before it.

    root: of the workflow; what jobs execute is read from their directories.
    resume: loops that begin with `first_task`; their jobs are among those given.

    Raises:
        StorageError: a directory is missing or damaged.
    """
    wanted = tasks_read(workflow, first_task) if first_task else set()
    if resume is not None:
        around = (loop.last for loop in workflow.loops if loop.first == first_task)
        wanted.update(range(first_task, max(around) + 1))
    return tuple(
        _read(root, submission, record["index"])
        for submission, one in enumerate(info["submissions"] if wanted else ())
        for record in one["jobs"]
        if any(task in wanted for task, _ in record["steps"])
    )


def _read(root: str, submission: int, job: int) -> EarlierJob:
    directory = f"{root}/submissions/{submission}/jobs/{job}"
    try:
        manifest = manifests.load(directory)
        with open(os.path.join(directory, "job.json"), "rb") as stream:
            steps = json.load(stream)["steps"]
        columns = {step["task"]: step["element_column"] for step in steps}
        places = list(columns.values())
        cells = [
            [row[place] for place in places]
            for row in manifests.rows(manifest, 0, manifest.rows)
        ]
    except manifests.BrokenJobError as error:
        raise StorageError(
            f"{error}; new tasks read values of this job, so nothing was submitted"
        ) from error
    table = np.array(cells, dtype=np.int64).reshape(len(cells), len(places))
    return EarlierJob(
        submission,
        job,
        tuple(EarlierStep(step["task"], step["action"]) for step in steps),
        {task: table[:, k] for k, task in enumerate(columns)},
        manifest.items,
        next((step["iteration"] for step in steps if "iteration" in step), None),
    )


def live_jobs(
    store: WorkflowStore, context: SubmitContext, wanted: Iterable[Key]
) -> dict[Key, JobView]:
    """Those of some jobs that have not ended, and so are to be awaited.

    Raises:
        SubmissionError: a scheduler does not answer, or the jobs belong to the workflow
            that this one is a copy of.
    """
    asked = set(wanted)
    if not asked:
        return {}
    view = store.view()
    jobs = [
        job
        for job in job_views(store.port, view)
        if (job.submission, job.record["index"]) in asked and not job.ended
    ]
    for job in jobs:
        check_home(view.base.info["submissions"][job.submission], context.root)
    troubles = ask_schedulers(jobs, context.load)
    if troubles:
        why = "; ".join(f"{name} does not answer: {why}" for name, why in troubles.items())
        raise SchedulerAwayError(f"it can't be said which earlier jobs still run: {why}")
    return {(job.submission, job.record["index"]): job for job in jobs if _is_live(job)}


def _is_live(job: JobView) -> bool:
    """Whether the scheduler has items of it that did not end.

    One that it does not list yet counts as such: it was submitted just now.
    """
    now = time.time()
    return job.id is not None and any(
        now - job.submitted_when(item) < ABSENT_GRACE_S
        if status.phase is JobPhase.ABSENT
        else status.phase is not JobPhase.ENDED
        for item, status in job.statuses.items()
        if item not in job.closed
    )
