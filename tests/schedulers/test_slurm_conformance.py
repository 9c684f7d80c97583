"""The conformance suite, and what only SLURM does, on a real SLURM cluster."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from schedulers import load
from schedulers.errors import RefusedError
from schedulers.job import (
    Dependency,
    DependencyKind,
    EndCause,
    Job,
    JobPhase,
    JobResources,
)
from schedulers.slurm.answers import SQUEUE_COLUMNS, SQUEUE_FORMAT
from schedulers.testing import Bench, SchedulerConformance
from schedulers.transport import Result
from tests.schedulers.clusters import AsUser, give

if TYPE_CHECKING:
    from pathlib import Path

    from schedulers.port import Scheduler

pytestmark = pytest.mark.slurm
MIB = 1024 * 1024


class TestSlurm(SchedulerConformance):
    poll_s = 0.2
    patience_s = 120.0
    resources = JobResources(walltime_s=300, memory_bytes=50 * MIB)

    @pytest.fixture
    def scheduler(self) -> Scheduler:
        return load("slurm", transport=AsUser())

    @pytest.fixture
    def folder(self, shared_path: Path) -> Path:
        odd = shared_path / "it's 100%j of (a) dir"
        give(shared_path)
        odd.mkdir()
        return give(odd)


@pytest.fixture
def bench(shared_path: Path):
    bench = Bench(
        load("slurm", transport=AsUser()),
        give(shared_path),
        patience_s=120.0,
        poll_s=0.2,
        resources=JobResources(walltime_s=300, memory_bytes=50 * MIB),
    )
    yield bench
    bench.scheduler.cancel(list(bench.submitted))


def asking(bench: Bench, body: str, num_items: int = 1, **resources: object) -> Job:
    bench.resources = JobResources(**{"walltime_s": 300, **resources})
    return bench.job(body, num_items)


def test_mpi_ranks_become_tasks_and_srun_has_what_the_job_has_set(bench):
    job = asking(
        bench, "export X=7; srun bash -c 'echo $SLURM_PROCID $X'", num_tasks=3, num_nodes=2
    )
    bench.wait_end(bench.submit(job))
    assert sorted(bench.output(job).splitlines()) == ["0 7", "1 7", "2 7"]


def test_cores_and_memory_are_those_of_the_whole_item(bench):
    job = asking(
        bench,
        'echo "$SLURM_JOB_NUM_NODES $SLURM_CPUS_PER_TASK $SLURM_MEM_PER_NODE"',
        num_cores=2,
        memory_bytes=100 * MIB + 1,
    )
    bench.wait_end(bench.submit(job))
    assert bench.output(job).split() == ["1", "2", "101"]


def test_raw_directives_with_blanks_and_quotes_reach_slurm(bench):
    comment = 'it\'s "two" words'
    job = asking(bench, "true", directives=(("comment", comment), ("hold", None)))
    job_id = bench.submit(job)
    assert bench.items(job_id)[0].phase is JobPhase.BLOCKED  # held: somebody must act
    printed = AsUser().run(
        ["squeue", "-h", "-j", job_id, "-o", "%k"], environment=os.environ, timeout_s=60
    )
    assert printed.stdout == f"{comment}\n"


def test_what_can_never_start_is_blocked_or_refused(bench):
    too_wide = asking(bench, "true", num_cores=64)
    assert bench.items(bench.submit(too_wide))[0].phase in (
        JobPhase.BLOCKED,
        JobPhase.PENDING,  # until the controller has looked at it
    )
    bench.wait(
        lambda: bench.items(next(iter(bench.submitted)))[0].phase is JobPhase.BLOCKED,
        "not blocked",
    )
    with pytest.raises(RefusedError, match="invalid partition"):
        bench.submit(asking(bench, "true", partition="nosuch"))
    largest = bench.scheduler.limits().max_array_items
    with pytest.raises(RefusedError, match="Invalid job array"):
        bench.submit(asking(bench, "true", largest + 1))


def test_the_largest_array_that_the_limits_allow_is_taken_and_its_states_come_at_once(
    bench,
):
    largest = bench.scheduler.limits().max_array_items
    first = bench.run("wait_for go")
    job_id = bench.submit(bench.job("true", largest), [Dependency(first)])
    items = bench.items(job_id)
    assert len(items) == largest
    assert {item.phase for item in items} == {JobPhase.PENDING}
    bench.scheduler.cancel([job_id])
    assert {item.cause for item in bench.wait_end(job_id)} == {EndCause.CANCELLED}


def test_dependencies_of_both_kinds_together(bench):
    first, other = bench.run("touch a.$ITEM", 2), bench.run("wait_for go; touch o")
    job = bench.job("[ -e o ] && [ -e a.$ITEM ]", 2)
    job_id = bench.submit(
        job, [Dependency(first, DependencyKind.ELEMENTWISE), Dependency(other)]
    )
    bench.wait_end(first)
    assert {item.phase for item in bench.items(job_id)} == {JobPhase.PENDING}
    bench.touch("go")
    assert [item.exit_code for item in bench.wait_end(job_id)] == [0, 0]


def test_jobs_that_the_controller_has_forgotten_are_known_from_accounting(
    bench, monkeypatch
):
    """The queue's part is taken away: what is left is what accounting says."""
    job_id = bench.run("exit $ITEM", 3)
    bench.wait_end(job_id)
    scheduler = load("slurm", transport=WithoutQueue())

    def is_complete() -> bool:  # accounting is seconds late
        states = scheduler.states({job_id: 3})[job_id]
        assert {item.phase for item in states.values()} <= {JobPhase.ENDED, JobPhase.ABSENT}
        return [item.exit_code for item in states.values()] == [0, 1, 2]

    bench.wait(is_complete, "accounting does not know it")


class WithoutQueue(AsUser):
    def run(self, argv, *, environment, timeout_s):
        if argv[0] == "squeue":
            return Result(1, "", "slurm_load_jobs error: Invalid job id specified")
        return super().run(argv, environment=environment, timeout_s=timeout_s)


def test_the_output_of_this_version_has_the_columns_that_are_read(bench):
    """A cut column or a missing one would be read as something else."""
    job = bench.job("wait_for go", 2)
    job_id = bench.submit(job)
    printed = AsUser().run(
        ["squeue", "-h", "-r", "-t", "all", "-j", job_id, "-O", SQUEUE_FORMAT],
        environment=os.environ,
        timeout_s=60,
    )
    rows = [line.split("|")[:-1] for line in printed.stdout.splitlines()]
    assert {len(row) for row in rows} == {len(SQUEUE_COLUMNS)}, json.dumps(rows)
    assert {(row[0], row[5]) for row in rows} == {(job_id, job.name)}
    assert {row[1] for row in rows} == {"0", "1"}
    bench.touch("go")
