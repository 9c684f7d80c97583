"""The conformance suite, and what only Grid Engine does, on a real Grid Engine."""

from __future__ import annotations

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
from schedulers.testing import Bench, SchedulerConformance
from tests.schedulers.clusters import AsUser, give

if TYPE_CHECKING:
    from pathlib import Path

    from schedulers.port import Scheduler

pytestmark = pytest.mark.sge
MIB = 1024 * 1024


class TestSge(SchedulerConformance):
    poll_s = 0.2
    patience_s = 120.0
    resources = JobResources(walltime_s=300, memory_bytes=500 * MIB)

    @pytest.fixture
    def scheduler(self) -> Scheduler:
        return load("sge", transport=AsUser())

    @pytest.fixture
    def folder(self, shared_path: Path) -> Path:
        odd = shared_path / "it's 100$TASK_ID:of, (a) dir"
        give(shared_path)
        odd.mkdir()
        return give(odd)


@pytest.fixture
def bench(shared_path: Path):
    bench = Bench(
        load("sge", transport=AsUser()), give(shared_path), patience_s=120.0, poll_s=0.2
    )
    yield bench
    bench.cancel(list(bench.submitted))


def test_slots_and_memory_are_those_of_the_whole_item_and_both_dependencies_go_together(
    bench,
):
    first, other = bench.run("touch a.$ITEM", 2), bench.run("wait_for go; touch o")
    bench.resources = JobResources(
        num_cores=2, parallel_env="smp", memory_bytes=1000 * MIB, walltime_s=60
    )
    job = bench.job('[ -e o ] && [ -e a.$ITEM ] && echo "$NSLOTS $(ulimit -v)"', 2)
    job_id = bench.submit(
        job, [Dependency(first, DependencyKind.ELEMENTWISE), Dependency(other)]
    )
    bench.wait_end(first)
    assert {item.phase for item in bench.items(job_id)} == {JobPhase.PENDING}
    bench.touch("go")
    assert [item.exit_code for item in bench.wait_end(job_id)] == [0, 0]
    assert bench.output(job).split() == ["2", str(1000 * 1024)]  # of both slots


def test_a_time_limit_is_told_from_a_kill_and_what_can_not_be_asked_for_is_refused(bench):
    bench.resources = JobResources(walltime_s=2)
    job_id = bench.run("sleep 60")
    bench.resources = JobResources(partition="nosuch.q")
    with pytest.raises(RefusedError, match="unknown queue"):
        bench.run("true")
    bench.resources = JobResources(directives=(("h", None),))
    held = bench.run("true")
    assert bench.items(held)[0].phase is JobPhase.BLOCKED
    assert bench.wait_end(job_id)[0].cause is EndCause.TIME_LIMIT


def test_parts_of_an_array_are_jobs_of_their_own(bench):
    assert bench.scheduler.limits().max_array_items == 75000
    whole = bench.job("wait_for go; echo item $ITEM; exit $ITEM", 4)
    ids = {}
    for part in (range(3), range(3, 4)):
        name = f"{whole.name}-i{part.start}"
        job = Job(name, whole.script, whole.output, 4, whole.resources, part=part)
        job_id = bench.scheduler.submit(job)
        bench.submitted[job_id] = 4
        ids[job_id] = part
    assert bench.scheduler.count_queued() >= 4
    bench.touch("go")

    def ends() -> dict[int, tuple[JobPhase, int | None]]:
        states = bench.scheduler.states(ids)
        return {
            item: (status.phase, status.exit_code)
            for job_id in ids
            for item, status in states[job_id].items()
        }

    bench.wait(lambda: all(p is JobPhase.ENDED for p, _ in ends().values()), "not ended")
    assert ends() == {item: (JobPhase.ENDED, item) for item in range(4)}
    assert [bench.output(whole, i) for i in range(4)] == [f"item {i}\n" for i in range(4)]
