"""The cases that make several jobs, or jobs of several items, on a SLURM cluster.

All of them are in the queue at the same time, so that the cluster is never idle while
there is work, and it is asked for all of their jobs at once.
"""

from __future__ import annotations

import os
import shutil
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from hpcflow.app.workflow import Workflow
from hpcflow.compile.grouping import CompileOptions, compile_jobs
from hpcflow.errors import HpcflowError
from hpcflow.persist.workflow_record import WorkflowReader
from schedulers import load
from schedulers.job import JobPhase
from tests.language.cases import ALL_CASES, read_case, write_case
from tests.language.checks import check_ended

if TYPE_CHECKING:
    from tests.language.cases import Case

POLL_S = 2.0
WAIT_S = 200
GONE = (JobPhase.ENDED, JobPhase.ABSENT)


@dataclass(frozen=True, slots=True)
class Submitted:
    """A case's workflow, and its jobs at the cluster: id -> number of items."""

    case: Case
    workflow: Workflow
    jobs: dict[str, int]


@pytest.fixture
def sbatch_calls(tmp_path, monkeypatch):
    """How often `sbatch` was called: a program of that name before it on PATH counts."""
    folder, log = tmp_path / "counted", tmp_path / "calls"
    folder.mkdir()
    log.touch()
    program = folder / "sbatch"
    program.write_text(f'#!/bin/sh\necho >>{log}\nexec {shutil.which("sbatch")} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return lambda: log.read_text().count("\n")


@pytest.mark.slurm
def test_templates_of_several_jobs_or_items_give_the_same_values_on_slurm(
    shared_path, no_settings, monkeypatch, sbatch_calls
):
    submitted = []
    # Loops first: their many jobs wait for one another.
    paths = sorted(ALL_CASES, key=lambda path: path.parent.name != "loops")
    for index, path in enumerate(paths):
        case = read_case(path)
        if not (case.values or case.runs or case.kept):
            continue
        folder = shared_path / str(index)
        folder.mkdir()
        monkeypatch.chdir(folder)
        template = write_case(case, folder)
        workflow = Workflow.make(template, path=folder / "made", variables=case.var)
        if case.cluster or runs_on_several_items(workflow):
            submitted.append(submit(case, workflow))
    assert sbatch_calls() == sum(len(one.jobs) for one in submitted)
    wait_for_all(submitted)
    wrong = {}
    for one in submitted:
        try:
            check_ended(one.case, one.workflow, one.workflow.wait(timeout_s=0))
        except (AssertionError, HpcflowError):  # the others are checked, too
            wrong[one.case.name] = traceback.format_exc(limit=-1)
    assert not wrong, "\n".join(f"{name}: {why}" for name, why in wrong.items())


def runs_on_several_items(workflow):
    """Whether the cluster gets all of its jobs, and several of them, or several items."""
    store = workflow._opened.store
    plans = compile_jobs(
        WorkflowReader(store, store.base()).workflow(),
        submission=0,
        workflow_id=store.base().info["id"],
        options=CompileOptions(default_scheduler="slurm", local_cores=2),
    )
    return {plan.scheduler for plan in plans} == {"slurm"} and (
        sum(plan.num_items for plan in plans) > 1
    )


def submit(case, workflow):
    """Hand a workflow's jobs over."""
    workflow.submit(scheduler="slurm")
    return Submitted(
        case, workflow, {job.id: job.num_items for job in workflow.status(ask=False).jobs}
    )


def wait_for_all(submitted):
    """Wait until the cluster has no item of any workflow left."""
    left = {job: items for one in submitted for job, items in one.jobs.items()}
    slurm = load("slurm")
    deadline = time.monotonic() + WAIT_S
    while left and time.monotonic() < deadline:
        states = slurm.states(left)
        left = {
            job: left[job]
            for job, items in states.items()
            if not all(item.phase in GONE for item in items.values())
        }
        time.sleep(POLL_S)
    assert not left, f"still there after {WAIT_S} s: {left}"
