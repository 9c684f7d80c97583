"""The SLURM adapter on a fake SLURM: which commands it runs, and what it makes of them."""

from __future__ import annotations

import time
from dataclasses import replace
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
from schedulers.job import (
    Dependency,
    DependencyKind,
    EndCause,
    Job,
    JobPhase,
    JobResources,
)
from tests.schedulers.fakes import FakeCommands
from tests.schedulers.recordings import recorded

if TYPE_CHECKING:
    from schedulers.slurm.adapter import SlurmScheduler

PROGRAM = Path(__file__).parent / "fake_slurm" / "command"
COMMANDS = ("sbatch", "squeue", "sacct", "scancel", "scontrol", "sinfo", "sacctmgr")
UP = "Slurmctld(primary) at vm is UP\n"


@pytest.fixture
def slurm(tmp_path, monkeypatch) -> FakeCommands:
    fake = FakeCommands(tmp_path / "bin", PROGRAM, COMMANDS)
    monkeypatch.setenv("PATH", fake.path)
    fake.says("scontrol", UP)
    fake.says("sbatch", "123\n")
    return fake


@pytest.fixture
def scheduler() -> SlurmScheduler:
    return load("slurm", waits_s=(0.0, 0.0), timeout_s=120.0)


@pytest.fixture
def job(tmp_path) -> Job:
    script = tmp_path / "job.sh"
    script.write_text("#!/bin/bash\n")
    return Job("hf-a-s0-j0", str(script), str(tmp_path / "logs" / "{item}.out"))


# -- submit ---------------------------------------------------------------------


def test_a_submission_is_one_sbatch_after_a_quick_look(slurm, scheduler, job):
    assert scheduler.submit(job, [Dependency("7")]) == "123"
    assert slurm.calls == [
        "scontrol ping",
        f"sbatch --parsable --dependency=afterany:7 {job.script}",
    ]


def test_the_quick_look_can_be_left_out(slurm, job):
    load("slurm", probe=False).submit(job)
    assert [call.split()[0] for call in slurm.calls] == ["sbatch"]


def test_the_folder_of_the_output_is_made(slurm, scheduler, job, tmp_path):
    """Else the job fails without any output: ExitCode 0:53."""
    scheduler.submit(job)
    assert (tmp_path / "logs").is_dir()


def test_jobs_get_a_chosen_environment(slurm, job, monkeypatch):
    for name in ("MY_TOKEN", "SLURM_JOB_ID", "SBATCH_ARRAY", "SSH_AUTH_SOCK", "MINE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("SBATCH_ACCOUNT", "p1")
    load("slurm", pass_environment=["MINE"]).submit(job)
    seen = slurm.environment("sbatch")
    assert not {"MY_TOKEN", "SLURM_JOB_ID", "SBATCH_ARRAY", "SSH_AUTH_SOCK"} & set(seen)
    assert (seen["PATH"], seen["SBATCH_ACCOUNT"], seen["MINE"]) == (slurm.path, "p1", "1")


def test_settings_of_the_shell_do_not_change_what_queries_print(slurm, job, monkeypatch):
    for name in ("SQUEUE_FORMAT", "SQUEUE_STATES", "SACCT_FORMAT", "SLURM_TIME_FORMAT"):
        monkeypatch.setenv(name, "%z")
    load("slurm").states({"1": 1})
    for command in ("squeue", "sacct"):
        seen = slurm.environment(command)
        assert {name for name in seen if name.startswith(("SQ", "SA"))} == set()
        assert seen["SLURM_BITSTR_LEN"] == "0"


def test_without_sbatch_the_advice_comes_at_once(job, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    for probe in (True, False):
        with pytest.raises(
            UnavailableError, match=r"not found on PATH; is this a login node\?"
        ):
            load("slurm", probe=probe).submit(job)


def test_a_dead_controller_is_told_before_sbatch_waits_for_it(slurm, scheduler, job):
    slurm.says("scontrol", recorded("slurm", "daemon-down", "scontrol ping"))
    with pytest.raises(UnavailableError, match="DOWN") as caught:
        scheduler.submit(job)
    assert caught.value.argv == ("scontrol", "ping")
    assert slurm.calls_of("sbatch") == []


def test_a_controller_that_dies_after_the_look_is_unavailable(slurm, scheduler, job):
    slurm.says("sbatch", recorded("slurm", "daemon-down", "sbatch -o /dev/null"))
    with pytest.raises(UnavailableError, match="connect failure"):
        scheduler.submit(job)
    assert len(slurm.calls_of("sbatch")) == 1


@pytest.mark.parametrize(
    ("name", "command", "text"),
    [
        ("submit-errors", "-p nosuch", "invalid partition"),
        ("submit-errors", "--mem 100G", "Memory specification"),
        ("submit-errors", "--bogus", "unrecognized option"),
        ("site-limits", "sbatch -a 1-10", "AssocMaxSubmitJobLimit"),
        ("job-submit-lua", "sbatch -o", "please give a time limit with --time"),
    ],
)
def test_a_refusal_is_said_once_in_slurms_words(slurm, scheduler, job, name, command, text):
    slurm.says("sbatch", recorded("slurm", name, command))
    with pytest.raises(RefusedError, match=text) as caught:
        scheduler.submit(job)
    assert caught.value.exit_code
    assert len(slurm.calls_of("sbatch")) == 1


def test_a_busy_controller_is_asked_again_until_it_takes_the_job(slurm, scheduler, job):
    busy = "sbatch: error: Batch job submission failed: Resource temporarily unavailable\n"
    slurm.says("sbatch", "", busy, 1)
    slurm.says("sbatch", "77\n", at=3)
    assert scheduler.submit(job) == "77"
    assert len(slurm.calls_of("sbatch")) == 3


def test_a_lost_answer_is_not_tried_again(slurm, scheduler, job):
    lost = "sbatch: error: Batch job submission failed: Socket timed out on send/recv\n"
    slurm.says("sbatch", "", lost, 1)
    with pytest.raises(UnknownOutcomeError, match="timed out"):
        scheduler.submit(job)
    assert len(slurm.calls_of("sbatch")) == 1


def test_an_sbatch_that_hangs_may_have_submitted(slurm, job):
    slurm.says("sbatch", "123\n", sleep=30)
    began = time.monotonic()
    with pytest.raises(UnknownOutcomeError, match=r"within 0\.3 s"):
        load("slurm", timeout_s=0.3).submit(job)
    assert time.monotonic() - began < 25


def test_success_without_an_id_may_have_submitted(slurm, scheduler, job):
    slurm.says("sbatch", "")
    with pytest.raises(UnknownOutcomeError, match="no job id"):
        scheduler.submit(job)


def test_what_the_port_forbids_never_reaches_slurm(slurm, scheduler, job):
    asked = Job("1", job.script, job.output, resources=JobResources())
    with pytest.raises(RefusedError, match="job name"):
        scheduler.submit(asked)
    assert slurm.calls == []


# -- find -------------------------------------------------------------------------


def test_a_job_is_found_in_the_queue_with_one_command(slurm, scheduler):
    slurm.says("squeue", "hf-a|112|2026-11-20T22:02:53\nhf-b|46|2026-11-20T21:50:50\n")
    assert scheduler.find(["hf-a", "hf-b"]) == {"hf-a": "112", "hf-b": "46"}
    (call,) = slurm.calls
    assert "-n hf-a,hf-b" in call
    assert "-t all" in call


def test_what_the_queue_has_forgotten_is_looked_up_in_accounting(slurm, scheduler):
    slurm.says("squeue", "hf-a|112|2026-11-20T22:02:53\n")
    slurm.says("sacct", "hf-b|46_1|2026-11-20T21:50:50\nhf-b|46_2|2026-11-20T21:50:50\n")
    assert scheduler.find(["hf-a", "hf-b"]) == {"hf-a": "112", "hf-b": "46"}
    (call,) = slurm.calls_of("sacct")
    assert "--name=hf-b " in call
    assert "-E now" in call  # without it nothing that has ended is shown


def test_without_accounting_the_queue_alone_answers(slurm, scheduler):
    slurm.says("sacct", recorded("slurm", "acct-filetxt", "sacct -j"))
    assert scheduler.find(["hf-a"]) == {}


def test_no_names_no_commands(slurm, scheduler):
    assert scheduler.find([]) == {}
    assert scheduler.states({}) == {}
    scheduler.cancel([])
    assert slurm.calls == []


# -- states -----------------------------------------------------------------------


def test_states_of_many_jobs_are_one_command(slurm, scheduler):
    slurm.says(
        "squeue",
        "1|N/A|RUNNING|0|n1|a|None|\n"
        "2|0|FAILED|768|n2|b|NonZeroExitCode|\n"
        "2|1|PENDING|0||b|Priority|\n",
    )
    states = scheduler.states({"1": 1, "2": 2})
    assert states["1"][0].phase is JobPhase.RUNNING
    assert states["2"][0].exit_code == 3
    assert states["2"][1].reason == "Priority"
    (call,) = slurm.calls
    assert call.startswith("squeue --me -h -r -t all -j 1,2 -O ")


def test_tasks_of_a_running_array_that_the_queue_forgot_are_looked_up(slurm, scheduler):
    """MinJobAge after its end a task is gone though others of its array run."""
    slurm.says("squeue", "2|1|RUNNING|0|n1|b|None|\n")
    slurm.says(
        "sacct", "2_0|b|COMPLETED|0:0|n1|2026-11-20T21:50:50\n2_1|b|PENDING|0:0||x\n"
    )
    states = scheduler.states({"2": 2})["2"]
    assert (states[0].cause, states[0].exit_code) == (EndCause.EXITED, 0)
    assert states[1].phase is JobPhase.RUNNING
    assert [call.split()[0] for call in slurm.calls] == ["squeue", "sacct"]


def test_accounting_never_overrides_the_queue(slurm, scheduler):
    slurm.says("squeue", "2|0|RUNNING|0|n1|b|None|\n")
    slurm.says("sacct", "2_0|b|FAILED|1:0|n1|x\n2_1|b|FAILED|1:0|n1|x\n")
    states = scheduler.states({"2": 2})["2"]
    assert [states[i].native for i in range(2)] == ["RUNNING", "FAILED"]


def test_one_unknown_job_alone_is_absent_though_squeue_fails(slurm, scheduler):
    slurm.says("squeue", recorded("slurm", "purged", "squeue -t all -j 1448"))
    slurm.says("sacct", recorded("slurm", "acct-filetxt", "sacct -j"))  # disabled
    assert scheduler.states({"1448": 2})["1448"][1].phase is JobPhase.ABSENT
    assert len(slurm.calls) == 2


def test_what_accounting_does_not_say_is_no_verdict(slurm, scheduler):
    slurm.says("sacct", recorded("slurm", "daemon-down", "sacct -j 113", 1))  # dbd down
    assert scheduler.states({"113": 1})["113"][0].phase is JobPhase.ABSENT


def test_a_queue_that_can_not_be_read_is_unavailable_not_absent(slurm, scheduler):
    slurm.says("squeue", recorded("slurm", "daemon-down", "timeout 60 squeue -j 113"))
    with pytest.raises(UnavailableError, match="connect failure"):
        scheduler.states({"113": 1})
    slurm.says("squeue", "", "squeue: error: something new\n", 1)
    with pytest.raises(UnavailableError, match="something new"):
        scheduler.states({"113": 1})
    assert slurm.calls_of("sacct") == []


def test_a_query_that_hangs_is_given_up_once_the_controller_is_known_down(slurm):
    """squeue -j takes 38 s to notice by itself."""
    slurm.says("squeue", "", sleep=30)
    slurm.says("scontrol", recorded("slurm", "daemon-down", "scontrol ping"))
    began = time.monotonic()
    with pytest.raises(UnavailableError, match="DOWN"):
        load("slurm", timeout_s=0.3).states({"113": 1})
    assert time.monotonic() - began < 25


def test_a_lost_answer_to_a_question_is_asked_again(slurm, scheduler):
    lost = "slurm_load_jobs error: Socket timed out on send/recv operation\n"
    slurm.says("squeue", "", lost, 1, at=1)
    slurm.says("squeue", "1|N/A|RUNNING|0|n1|a|None|\n")
    assert scheduler.states({"1": 1})["1"][0].phase is JobPhase.RUNNING
    assert len(slurm.calls_of("squeue")) == 2


def test_ids_that_are_none_are_absent_and_not_asked_for(slurm, scheduler):
    assert scheduler.states({"x": 1})["x"][0].phase is JobPhase.ABSENT
    assert slurm.calls == []


def test_tens_of_thousands_of_ids_go_in_lists_that_fit_an_argument(slurm, scheduler):
    ids = {str(10_000_000 + i): 1 for i in range(20_000)}
    slurm.says("squeue", "".join(f"{i}|N/A|RUNNING|0|n|a|None|\n" for i in ids))
    assert len(scheduler.states(ids)) == 20_000
    assert max(map(len, slurm.calls)) < 131_072
    assert len(slurm.calls) == 2


# -- cancel and limits --------------------------------------------------------------


def test_many_jobs_are_cancelled_with_one_command(slurm, scheduler):
    scheduler.cancel(["1", "2", "3"])
    assert slurm.calls == ["scancel 1 2 3"]


def test_jobs_that_are_gone_are_no_error(slurm, scheduler):
    slurm.says("scancel", recorded("slurm", "purged", "scancel 1448"))
    scheduler.cancel(["1448"])


def test_somebody_elses_job_is_refused(slurm, scheduler):
    slurm.says("scancel", recorded("slurm", "state-cancelled", "scancel 14"))
    with pytest.raises(RefusedError, match="Access/permission denied"):
        scheduler.cancel(["14"])


def test_cancelling_without_a_controller_is_unavailable(slurm, scheduler):
    slurm.says("scancel", recorded("slurm", "daemon-down", "timeout 60 scancel"))
    with pytest.raises(UnavailableError, match="connect failure"):
        scheduler.cancel(["113"])


def test_limits(slurm, scheduler):
    slurm.says("scontrol", recorded("slurm", "00-version", "scontrol show config"))
    assert scheduler.limits().max_array_items == 1001


def test_partitions_are_asked_for_and_accounts_where_the_site_insists(slurm, scheduler):
    slurm.says("sinfo", recorded("slurm", "00-version", "sinfo -h -o"))
    slurm.says("sacctmgr", recorded("slurm", "site-limits", "sacctmgr -nP show assoc"))
    slurm.says("scontrol", recorded("slurm", "00-version", "scontrol show config"))
    found = scheduler.limits()
    assert [one.name for one in found.partitions] == ["main", "short"]
    assert (found.accounts, slurm.calls_of("sacctmgr")) == ((), [])
    slurm.says("scontrol", "AccountingStorageEnforce = associations,limits\n")
    assert [one.name for one in scheduler.limits().accounts] == ["proj1"]


def test_a_site_that_tells_nothing_of_itself_still_takes_jobs(slurm, scheduler):
    slurm.says("sinfo", "", "slurm_load_partitions: Access/permission denied\n", 1)
    assert scheduler.limits().partitions == ()


# -- parts of arrays --------------------------------------------------------------


def test_a_part_of_an_array_is_submitted_by_its_own_name_and_indices(slurm, scheduler, job):
    part = replace(job, name="hf-a-s0-j0-i50", num_items=1000, part=range(50, 100))
    scheduler.submit(part, [Dependency("7", DependencyKind.ELEMENTWISE)])
    (call,) = slurm.calls_of("sbatch")
    assert call.split()[1:4] == ["--parsable", "--array=50-99", "--job-name=hf-a-s0-j0-i50"]
    assert "--dependency=aftercorr:7" in call
    throttled = replace(part, throttle=3, part=range(7, 8))
    scheduler.submit(throttled)
    assert "--array=7-7%3" in slurm.calls_of("sbatch")[1]


@pytest.mark.parametrize("part", [range(5, 5), range(1001), range(0, 10, 2)])
def test_what_is_no_part_of_the_array_is_refused(slurm, scheduler, job, part):
    with pytest.raises(RefusedError, match="no part of an array of 1000 items"):
        scheduler.submit(replace(job, num_items=1000, part=part))
    assert slurm.calls_of("sbatch") == []


def test_states_of_a_part_are_those_of_its_items(slurm, scheduler):
    slurm.says("squeue", "7|50|RUNNING|0|n1|a|None|\n7|51|PENDING|0||a|Resources|\n")
    states = scheduler.states({"7": range(50, 52)}, names={"7": "a"})["7"]
    assert {item: status.native for item, status in states.items()} == {
        50: "RUNNING",
        51: "PENDING",
    }
    assert slurm.calls_of("sacct") == []


def test_the_queue_is_counted_item_by_item(slurm, scheduler):
    """An array counts as its size: squeue -r gives a line for each of its items."""
    slurm.says("squeue", recorded("slurm", "array", "squeue -h -r -j 55 -t all"))
    assert scheduler.count_queued() == 1000
    assert slurm.calls == ["squeue --me -h -r -o %i"]


def test_a_full_queue_is_a_refusal_for_now(slurm, scheduler, job):
    slurm.says("sbatch", recorded("slurm", "site-limits", "sbatch -a 1-10"))
    with pytest.raises(QueueFullError, match="AssocMaxSubmitJobLimit"):
        scheduler.submit(job)
    assert len(slurm.calls_of("sbatch")) == 1


# -- sites without accounting ------------------------------------------------------


def test_without_accounting_what_the_queue_forgot_is_absent(slurm, scheduler):
    slurm.says("squeue", recorded("slurm", "purged", "squeue -t all -j 1448"))
    slurm.says("sacct", recorded("slurm", "acct-filetxt", "sacct"))
    status = scheduler.states({"1448": 1}, names={"1448": "hf-a-s0-j0"})["1448"][0]
    assert status.phase is JobPhase.ABSENT
    assert scheduler.find(["hf-a-s0-j0"]) == {}
