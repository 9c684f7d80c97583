"""The Grid Engine adapter on a fake one: its commands, and what it makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from schedulers import load
from schedulers.errors import (
    QueueFullError,
    RefusedError,
    UnavailableError,
    UnknownOutcomeError,
)
from schedulers.job import Dependency, EndCause, Job, JobPhase
from tests.schedulers.fakes import FakeCommands
from tests.schedulers.recordings import recorded

if TYPE_CHECKING:
    from schedulers.sge.adapter import SgeScheduler

PROGRAM = Path(__file__).parent / "fake_slurm" / "command"  # says what it is told to
NONE = "<job_info><queue_info/><job_info/></job_info>"


@pytest.fixture
def sge(tmp_path, monkeypatch) -> FakeCommands:
    fake = FakeCommands(tmp_path / "bin", PROGRAM, ("qsub", "qstat", "qacct", "qdel"))
    monkeypatch.setenv("PATH", fake.path)
    fake.says("qsub", "123\n")
    fake.says("qstat", NONE)
    return fake


@pytest.fixture
def scheduler() -> SgeScheduler:
    return load("sge", waits_s=(0.0, 0.0))


@pytest.fixture
def job(tmp_path) -> Job:
    return Job("hf-a-s0-j0", str(tmp_path / "job.sh"), str(tmp_path / "logs" / "0.out"))


def test_a_submission_is_one_qsub_with_a_chosen_environment(
    sge, scheduler, job, monkeypatch, tmp_path
):
    monkeypatch.setenv("MY_TOKEN", "1")
    monkeypatch.setenv("SGE_ROOT", "/sge")
    assert scheduler.submit(job, [Dependency("7")]) == "123"
    assert sge.calls == [f"qsub -terse -hold_jid 7 {job.script}"]
    assert (tmp_path / "logs").is_dir()  # else the job would be in error for ever
    seen = sge.environment("qsub")
    assert "MY_TOKEN" not in seen
    assert seen["SGE_ROOT"] == "/sge"


def test_what_went_wrong_with_a_submission_is_told_apart(sge, scheduler, job):
    for name, command, error in (
        ("submit-errors", "-q nosuch.q", RefusedError),
        ("limits", "qsub", QueueFullError),
        ("master-down", "timeout 60 qsub", UnavailableError),
    ):
        sge.says("qsub", recorded("sge", name, command))
        with pytest.raises(error):
            scheduler.submit(job)
    sge.says("qsub", "")
    with pytest.raises(UnknownOutcomeError, match="no job id"):
        scheduler.submit(job)
    assert len(sge.calls) == 4  # nothing was tried again


def test_states_are_one_qstat_and_one_qacct_for_what_it_lacks(sge, scheduler):
    sge.says("qstat", recorded("sge", "array", "qstat -xml"))
    states = scheduler.states({"48": 6}, names={"48": "arr"})["48"]
    assert [states[i].phase for i in (0, 5)] == [JobPhase.RUNNING, JobPhase.PENDING]
    assert sge.calls == ["qstat -xml -r"]
    sge.says("qstat", NONE)
    sge.says("qacct", recorded("sge", "array", "qacct -j 48"))
    states = scheduler.states({"48": 6}, names={"48": "arr"}, cancelled={"48"})["48"]
    assert [states[i].exit_code for i in range(4)] == [0, 0, 4, 0]
    # deleted before they started: no record, but somebody asked for it
    assert {states[i].cause for i in (4, 5)} == {EndCause.CANCELLED}
    assert sge.calls[1:] == ["qstat -xml -r", "qacct -j 48"]


def test_a_job_in_error_is_blocked_though_accounting_has_a_record(sge, scheduler):
    sge.says("qstat", recorded("sge", "error-state", "qstat -xml"))
    assert scheduler.states({"36": 1})["36"][0].phase is JobPhase.BLOCKED
    assert sge.calls == ["qstat -xml -r"]


def test_what_nobody_knows_is_absent_and_a_qmaster_that_is_down_no_verdict(sge, scheduler):
    sge.says("qacct", recorded("sge", "deleted-pending", "qacct -j 74"))
    assert scheduler.states({"74": 1})["74"][0].phase is JobPhase.ABSENT
    sge.says("qacct", "", "/sge/default/common/accounting: No such file or directory", 1)
    assert scheduler.states({"74": 1})["74"][0].phase is JobPhase.ABSENT
    sge.says("qstat", recorded("sge", "master-down", "timeout 60 qstat"))
    for ask in (lambda: scheduler.states({"74": 1}), lambda: scheduler.find(["a"])):
        with pytest.raises(UnavailableError, match="Connection refused"):
            ask()


def test_one_qdel_ends_many_jobs_and_those_that_are_gone_are_no_error(sge, scheduler):
    sge.says("qdel", recorded("sge", "cancelled", "qdel 999999"))
    scheduler.cancel(["1", "999999", "no-id"])
    assert sge.calls == ["qdel 1 999999"]
    sge.says("qdel", recorded("sge", "limits", "qdel 35"))
    with pytest.raises(RefusedError, match="privileges"):
        scheduler.cancel(["35"])
    sge.says("qdel", recorded("sge", "master-down", "timeout 60 qdel"))
    with pytest.raises(UnavailableError):
        scheduler.cancel(["79"])
