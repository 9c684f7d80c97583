"""The conformance suite: what every adapter must do, tried on a real batch system.

Derive from `SchedulerConformance`, override `scheduler` and `folder`, and run it
with pytest. Jobs tell their stories through files in `folder`.
"""

from __future__ import annotations

import os
import secrets
import shlex
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from schedulers.errors import RefusedError
from schedulers.job import (
    Dependency,
    DependencyKind,
    EndCause,
    ItemStatus,
    Job,
    JobPhase,
    JobResources,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from schedulers.port import Scheduler

ENDED_OK = (JobPhase.ENDED, EndCause.EXITED, 0)


@dataclass
class Bench:
    """A scheduler, a folder that its jobs can write to, and how long to wait."""

    scheduler: Scheduler
    folder: Path
    patience_s: float = 60.0
    poll_s: float = 0.02
    resources: JobResources = field(default_factory=JobResources)
    submitted: dict[str, int] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)

    def job(self, body: str, num_items: int = 1, *, throttle: int | None = None) -> Job:
        """A job of a new name whose script is `body`, run in the folder.

        `$ITEM` is its index; `wait_for FILE` waits for a file in the folder.
        """
        name = f"t{secrets.token_hex(6)}"
        script = self.folder / f"{name}.sh"
        output = str(self.folder / "output" / (f"{name}.{{item}}.out"))
        job = Job(name, str(script), output, num_items, self.resources, throttle)
        lines = [
            "#!/bin/bash",
            *self.scheduler.directives(job),
            f"ITEM={self.scheduler.item_index_shell}",
            f"cd {shlex.quote(str(self.folder))} || exit 99",
            'wait_for() { until [ -e "$1" ]; do sleep 0.02; done; }',
            body,
        ]
        script.write_text("\n".join(lines) + "\n")
        script.chmod(0o755)
        return job

    def submit(self, job: Job, dependencies: Sequence[Dependency] = ()) -> str:
        """Submit a job; it is cancelled after the test."""
        job_id = self.scheduler.submit(job, dependencies)
        self.submitted[job_id] = job.num_items
        return job_id

    def run(self, body: str, num_items: int = 1) -> str:
        """Submit a script."""
        return self.submit(self.job(body, num_items))

    def items(self, job_id: str) -> list[ItemStatus]:
        """States of a job's items."""
        num_items = self.submitted[job_id]
        states = self.scheduler.states({job_id: num_items}, cancelled=self.cancelled)[
            job_id
        ]
        return [states[item] for item in range(num_items)]

    def cancel(self, job_ids: Sequence[str]) -> None:
        """Cancel jobs, and remember it as the port's callers must."""
        self.cancelled |= {*job_ids}
        self.scheduler.cancel(job_ids)

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until a condition holds, or fail."""
        give_up = time.monotonic() + self.patience_s
        while not condition():
            if time.monotonic() > give_up:
                pytest.fail(f"after {self.patience_s:g} s: {what}")
            time.sleep(self.poll_s)

    def wait_end(self, job_id: str) -> list[ItemStatus]:
        """Wait until all items of a job have ended."""
        items: list[ItemStatus] = []

        def is_over() -> bool:
            items[:] = self.items(job_id)
            return all(item.phase is JobPhase.ENDED for item in items)

        self.wait(is_over, f"job {job_id} has not ended")
        return items

    def wait_file(self, *names: str) -> None:
        """Wait until files are in the folder."""
        for name in names:
            path = self.folder / name
            self.wait(path.exists, f"{name} is not there")

    def touch(self, name: str) -> None:
        """Make a file in the folder."""
        (self.folder / name).touch()

    def output(self, job: Job, item: int = 0) -> str:
        """What an item printed."""
        path = job.output.replace("{item}", str(item))
        with open(path, encoding="utf-8") as file:
            return file.read()


def _story(item: ItemStatus) -> tuple[JobPhase, EndCause | None, int | None]:
    return item.phase, item.cause, item.exit_code


def _is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


class SchedulerConformance:
    """Tests of one adapter."""

    patience_s = 60.0
    poll_s = 0.02
    resources = JobResources()

    @pytest.fixture
    def scheduler(self) -> Scheduler:
        """The adapter under test. Override."""
        raise NotImplementedError

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A folder that jobs see under the same path and can write to."""
        return tmp_path

    @pytest.fixture
    def bench(self, scheduler: Scheduler, folder: Path) -> Iterator[Bench]:
        """What the tests use; jobs that are left are cancelled."""
        bench = Bench(scheduler, folder, self.patience_s, self.poll_s, self.resources)
        yield bench
        bench.cancel(list(bench.submitted))
        for job_id in bench.submitted:
            bench.wait_end(job_id)

    def test_a_job_runs_and_its_output_and_exit_code_arrive(self, bench: Bench) -> None:
        """The plainest job: printed text in `output`, ENDED with 0."""
        job = bench.job("echo out; echo err >&2; echo index=$ITEM")
        items = bench.wait_end(bench.submit(job))
        assert [_story(item) for item in items] == [ENDED_OK]
        assert bench.output(job).splitlines() == ["out", "err", "index=0"]

    def test_every_item_of_an_array_has_its_index_its_output_and_its_exit_code(
        self, bench: Bench
    ) -> None:
        """Exit codes are the items' own."""
        job = bench.job("echo item $ITEM; exit $((ITEM * 7))", 4)
        items = bench.wait_end(bench.submit(job))
        assert [item.exit_code for item in items] == [0, 7, 14, 21]
        assert {item.cause for item in items} == {EndCause.EXITED}
        assert [bench.output(job, i) for i in range(4)] == [f"item {i}\n" for i in range(4)]

    def test_the_job_is_named_in_the_environment(self, bench: Bench) -> None:
        """`id_variables` are set; what one is must hold the id."""
        names = bench.scheduler.id_variables
        job = bench.job("".join(f'echo "${{{name}-}}"\n' for name in names), 2)
        job_id = bench.submit(job)
        bench.wait_end(job_id)
        assert job_id in bench.output(job, 1).split()

    def test_secrets_of_the_submitting_shell_stay_there_and_path_goes_along(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A chosen environment."""
        monkeypatch.setenv("MY_TOKEN", "hunter2")
        monkeypatch.setenv("PATH", f"/opt/of-mine:{os.environ['PATH']}")
        job = bench.job('echo "${MY_TOKEN-none}"; echo "$PATH"')
        bench.wait_end(bench.submit(job))
        token, path = bench.output(job).splitlines()
        assert token == "none"  # noqa: S105
        # Grid Engine puts its own folder of the job before it.
        assert "/opt/of-mine" in path.split(":")[:2]

    def test_a_dependent_starts_after_all_items_have_ended_whatever_their_result(
        self, bench: Bench
    ) -> None:
        """AFTER_END is not "after success"."""
        first = bench.run("wait_for go; touch done.$ITEM; exit $ITEM", 2)
        check = "[ -e done.0 ] && [ -e done.1 ]"
        second = bench.submit(bench.job(check), [Dependency(first)])
        bench.wait(
            lambda: bench.items(second)[0].phase is JobPhase.PENDING, "it does not wait"
        )
        bench.touch("go")
        assert _story(bench.wait_end(second)[0]) == ENDED_OK
        assert [item.exit_code for item in bench.wait_end(first)] == [0, 1]

    def test_an_elementwise_dependent_waits_for_its_own_partner_only(
        self, bench: Bench
    ) -> None:
        """Item 0 runs while item 1's partner still does."""
        first = bench.run('[ "$ITEM" = 0 ] || wait_for go; touch a.$ITEM', 2)
        second = bench.submit(
            bench.job("[ -e a.$ITEM ] && touch b.$ITEM", 2),
            [Dependency(first, DependencyKind.ELEMENTWISE)],
        )
        if bench.scheduler.has_elementwise:
            bench.wait_file("b.0")
        else:
            bench.wait_file("a.0")
            assert not (bench.folder / "b.0").exists()
        assert not (bench.folder / "b.1").exists()
        assert bench.items(first)[1].phase is not JobPhase.ENDED
        bench.touch("go")
        assert [_story(item) for item in bench.wait_end(second)] == [ENDED_OK] * 2

    def test_a_failed_partner_stops_the_dependent_item_only_where_the_adapter_says_so(
        self, bench: Bench
    ) -> None:
        """`elementwise_needs_success`, and nothing waits for ever."""
        first = bench.run("exit $ITEM", 2)
        second = bench.submit(
            bench.job("true", 2), [Dependency(first, DependencyKind.ELEMENTWISE)]
        )
        stories = [_story(item) for item in bench.wait_end(second)]
        assert stories[0] == ENDED_OK
        if bench.scheduler.elementwise_needs_success:
            assert stories[1] == (JobPhase.ENDED, EndCause.NEVER_STARTED, None)
        else:
            assert stories[1] == ENDED_OK

    def test_at_most_as_many_items_run_as_the_throttle_says(self, bench: Bench) -> None:
        """Throttle 1: no two at a time."""
        job = bench.job("mkdir alone || exit 1; sleep 0.1; rmdir alone", 3, throttle=1)
        items = bench.wait_end(bench.submit(job))
        assert [_story(item) for item in items] == [ENDED_OK] * 3

    def test_states_of_many_jobs_come_together_and_strangers_are_absent(
        self, bench: Bench
    ) -> None:
        """Every id and every item is in the answer."""
        jobs = {bench.run("true", num_items): num_items for num_items in (1, 3)}
        for job_id in jobs:
            bench.wait_end(job_id)
        asked = {**jobs, "99999999": 2}
        states = bench.scheduler.states(asked)
        assert {job_id: len(items) for job_id, items in states.items()} == asked
        assert {item.phase for item in states["99999999"].values()} == {JobPhase.ABSENT}
        assert {item.phase for job_id in jobs for item in states[job_id].values()} == {
            JobPhase.ENDED
        }

    def test_a_job_of_another_name_is_not_ours_though_it_has_the_id(
        self, bench: Bench
    ) -> None:
        """Ids are given out again; names are not."""
        job = bench.job("true")
        job_id = bench.submit(job)
        ask = {job_id: 1}
        bench.wait_end(job_id)
        ours = bench.scheduler.states(ask, names={job_id: job.name})[job_id][0]
        theirs = bench.scheduler.states(ask, names={job_id: "other"})[job_id][0]
        assert (ours.phase, theirs.phase) == (JobPhase.ENDED, JobPhase.ABSENT)

    def test_jobs_are_found_by_name_while_they_wait_run_and_have_ended(
        self, bench: Bench
    ) -> None:
        """After a lost answer the name tells whether the job is there."""
        first, second = bench.job("wait_for go"), bench.job("true", 2)
        ids = {first.name: bench.submit(first)}
        ids[second.name] = bench.submit(second, [Dependency(ids[first.name])])
        names = [first.name, second.name, "never-submitted"]
        assert dict(bench.scheduler.find(names)) == ids
        bench.touch("go")
        bench.wait_end(ids[second.name])
        assert dict(bench.scheduler.find(names)) == ids

    def test_a_waiting_job_that_is_cancelled_never_starts(self, bench: Bench) -> None:
        """Its items end as CANCELLED, and the job before it is left alone."""
        first = bench.run("wait_for go")
        second = bench.submit(bench.job("touch ran.$ITEM", 2), [Dependency(first)])
        bench.cancel([second])
        causes = {item.cause for item in bench.wait_end(second)}
        assert causes == {EndCause.CANCELLED}
        bench.touch("go")
        assert _story(bench.wait_end(first)[0]) == ENDED_OK
        assert not list(bench.folder.glob("ran.*"))

    def test_cancelling_a_running_job_leaves_none_of_its_processes(
        self, bench: Bench
    ) -> None:
        """Not its children and theirs either, in the background or not."""
        job_id = bench.run("(sleep 1000 & echo $! > pid.1; sleep 1001) &\nsleep 1002")
        bench.wait_file("pid.1")
        bench.wait(lambda: bool((bench.folder / "pid.1").read_text()), "no pid")
        pid = int((bench.folder / "pid.1").read_text())
        bench.wait(
            lambda: bench.items(job_id)[0].phase is JobPhase.RUNNING, "it does not run"
        )
        bench.cancel([job_id])
        assert bench.wait_end(job_id)[0].cause is EndCause.CANCELLED
        bench.wait(lambda: not _is_alive(pid), f"process {pid} is alive")

    def test_cancelling_what_is_gone_is_no_error(self, bench: Bench) -> None:
        """Ended jobs and strangers."""
        job_id = bench.run("true")
        bench.wait_end(job_id)
        bench.cancel([job_id, "99999999"])
        bench.cancel([])
        assert _story(bench.items(job_id)[0]) == ENDED_OK

    def test_an_item_that_is_killed_ends_with_137(self, bench: Bench) -> None:
        """128 + 9, as a shell says it."""
        job_id = bench.run("kill -9 $$")
        assert _story(bench.wait_end(job_id)[0]) == (JobPhase.ENDED, EndCause.EXITED, 137)

    @pytest.mark.parametrize("name", ["", "1job", "a b", "a/b", "a,b", "ä", "x" * 61])
    def test_names_that_some_scheduler_would_not_take_are_refused(
        self, bench: Bench, name: str
    ) -> None:
        """By every adapter alike, so that a template works everywhere."""
        job = bench.job("true")
        with pytest.raises(RefusedError, match="job name"):
            bench.scheduler.submit(Job(name, job.script, job.output))

    def test_items_may_not_share_one_output_file(self, bench: Bench) -> None:
        """`{item}` is needed where there are several."""
        job = bench.job("true")
        with pytest.raises(RefusedError, match="item"):
            bench.scheduler.submit(Job(job.name, job.script, "/tmp/same", 2))  # noqa: S108
