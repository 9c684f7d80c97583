"""The conformance suite on a fake PBS that says what a real one was recorded to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from schedulers import load
from schedulers.job import Dependency, EndCause, Job, JobPhase
from schedulers.testing import Bench, SchedulerConformance
from tests.schedulers.fake_pbs_server import FakePbs

if TYPE_CHECKING:
    from pathlib import Path

    from schedulers.port import Scheduler


@pytest.fixture
def pbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePbs:
    fake = FakePbs(tmp_path / "pbs")
    monkeypatch.setenv("PATH", fake.path)
    return fake


class TestPbs(SchedulerConformance):
    poll_s = 0.05

    @pytest.fixture
    def scheduler(self, pbs: FakePbs) -> Scheduler:
        return load("pbs")

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        odd = tmp_path / "it's 100% of, (a) $dir"
        odd.mkdir()
        return odd


@pytest.fixture
def bench(pbs: FakePbs, tmp_path: Path) -> Bench:
    return Bench(load("pbs"), tmp_path, poll_s=0.05)


def test_a_dependent_that_a_server_without_history_deletes_is_submitted_without_it(
    bench, pbs
):
    """It has an id and is gone, as the job it waits for has ended: env of recorded
    history-off.txt and dependency-2.txt."""
    pbs.keep_no_history()
    first = bench.run("true")
    bench.wait(lambda: bench.items(first)[0].phase is JobPhase.ABSENT, "not forgotten")
    second = bench.submit(bench.job("touch ran"), [Dependency(first)])
    bench.wait_file("ran")
    assert second != first
    assert pbs.calls.count("qsub") == 3  # of which one was deleted


def test_a_job_that_was_cancelled_and_forgotten_ends_as_cancelled(bench, pbs):
    """Without history nothing else says what became of it."""
    pbs.keep_no_history()
    job_id = bench.run("wait_for never")
    bench.wait(lambda: bench.items(job_id)[0].phase is JobPhase.RUNNING, "not running")
    bench.cancel([job_id])
    assert bench.wait_end(job_id)[0].cause is EndCause.CANCELLED


def test_parts_of_an_array_are_jobs_of_their_own_and_one_item_is_no_array(bench):
    """PBS refuses `-J 3-3`."""
    whole = bench.job("echo item $ITEM; exit $ITEM", 4)
    ids = {}
    for part in (range(3), range(3, 4)):
        name = f"{whole.name}-i{part.start}"
        job = Job(name, whole.script, whole.output, 4, whole.resources, part=part)
        ids[bench.scheduler.submit(job)] = part

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
