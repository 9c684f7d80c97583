"""What is surprising about SLURM: each trap, where it is recorded, and its tests.

`TRAPS` is the list; the tests below are of those that have none elsewhere.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hpcflow.persist.journal import JournalState, Part
from hpcflow.submit.parts import items_to_wait_for
from schedulers.job import EndCause, Job, JobPhase
from schedulers.slurm.answers import parse_names, parse_sacct, parse_squeue, spread
from schedulers.slurm.directives import render_directives
from tests.schedulers.recordings import FOLDER, recorded

# the trap; the recorded session; the test that reads it, or does what avoids it
TRAPS = [
    (
        "one unknown id alone fails squeue",
        "purged",
        "test_an_unknown_job_alone_is_no_failure_of_squeue",
    ),
    (
        "unknown ids among known ones are left out",
        "purged",
        "test_what_accounting_does_not_say_is_no_verdict",
    ),
    (
        "a site without accounting",
        "acct-filetxt",
        "test_without_accounting_what_the_queue_forgot_is_absent",
    ),
    ("reasons that waiting does not mend", "dependency", "test_states_in_the_queue"),
    (
        "a time or size that is accepted and never starts",
        "submit-errors",
        "test_what_is_accepted_and_never_starts_is_blocked",
    ),
    ("COMPLETING is not over", "state-node-fail", "test_states_in_the_queue"),
    (
        "a missing output folder fails without output",
        "state-failed",
        "test_the_folder_of_the_output_is_made",
    ),
    (
        "a missing working folder runs in /tmp and succeeds",
        "state-failed",
        "test_a_job_starts_in_the_folder_of_its_script",
    ),
    ("CANCELLED by UID", "state-cancelled", "test_states_in_accounting"),
    ("a timeout says 0:0", "state-timeout", "test_states_in_accounting"),
    ("OUT_OF_MEMORY though the script went on", "state-oom", "test_states_in_accounting"),
    (
        "a memory kill without cgroups is FAILED 0:9",
        "state-oom",
        "test_a_memory_kill_without_cgroups_is_a_signal",
    ),
    ("NODE_FAIL, with ghosts", "state-node-fail", "test_states_in_accounting"),
    (
        "a requeued job is pending again under its id",
        "requeue",
        "test_accounting_that_says_pending_or_running_says_nothing",
    ),
    ("requeued in held state: a reason with blanks", "requeue", "test_states_in_the_queue"),
    ("preempted", "preempt", "test_states_in_the_queue"),
    ("a deadline that passed before the start", "deadline", "test_states_in_the_queue"),
    ("suspended", "suspend-hold", "test_states_in_the_queue"),
    (
        "accounting lags: no row, or PENDING of what runs",
        "state-running",
        "test_accounting_that_says_pending_or_running_says_nothing",
    ),
    (
        "accounting calls a job `allocation` at first",
        "daemon-down",
        "test_a_job_that_accounting_calls_allocation_has_no_verdict",
    ),
    (
        "an array's bracket row stays beside exact ones",
        "array",
        "test_a_task_that_ended_keeps_its_state_beside_the_bracket_row_of_the_others",
    ),
    (
        "what was never eligible is in no time window",
        "sacct-windows",
        "test_what_was_never_eligible_is_not_found_by_name",
    ),
    (
        "ids are given out again",
        "daemon-down",
        "test_rows_of_another_name_are_of_another_job",
    ),
    ("comments are not kept", "comment", "test_comments_are_not_relied_on"),
    (
        "commands hang for 19 s when the controller is down",
        "daemon-down",
        "test_a_dead_controller_is_told_before_sbatch_waits_for_it",
    ),
    (
        "the database, or munge, is down",
        "daemon-down",
        "test_every_recorded_absence_of_a_daemon_is_one",
    ),
    (
        "sbatch that says nothing may have submitted",
        "submit-ok",
        "test_a_submission_without_an_id_may_have_happened",
    ),
    (
        "plugins write to stderr on success",
        "job-submit-lua",
        "test_ids_of_parsable_submissions",
    ),
    ("refusals", "submit-errors", "test_every_recorded_refusal_is_one"),
    (
        "an array counts as its size",
        "site-limits",
        "test_a_full_queue_is_a_refusal_for_now",
    ),
    (
        "accounts and QOS count where they are enforced",
        "site-limits",
        "test_accounts_are_only_looked_at_where_the_site_insists_on_them",
    ),
    ("MaxArraySize", "00-version", "test_limits_from_the_recorded_configuration"),
    (
        "a dependency that can't be met waits, or is cancelled",
        "dependency",
        "test_states_in_the_queue",
    ),
    (
        "... by the site's kill_invalid_depend",
        "job-submit-lua",
        "test_a_dependent_that_the_site_cancels_never_started",
    ),
    (
        "a forgotten predecessor counts as met",
        "purged",
        "test_what_has_ended_is_not_depended_on",
    ),
    ("scancel of what is gone is silent", "purged", "test_jobs_that_are_gone_are_no_error"),
    ("somebody else's job", "state-cancelled", "test_somebody_elses_job_is_refused"),
    ("the whole environment is exported", "env", "test_jobs_get_a_chosen_environment"),
    ("too many GPUs", "gres", "test_every_recorded_refusal_of_gpus_is_one"),
    ("squeue --json takes no filter", "json", "test_json_is_not_asked_for"),
]


@pytest.mark.parametrize(("trap", "session", "test"), TRAPS, ids=[t[0] for t in TRAPS])
def test_every_trap_is_recorded_and_has_a_test(trap, session, test):
    assert (FOLDER / "slurm" / f"{session}.txt").exists(), trap
    tests = "\n".join(p.read_text() for p in Path(__file__).parent.glob("test_s*.py"))
    assert re.search(rf"^def {test}\(", tests, re.MULTILINE), trap


def test_every_recorded_session_shows_a_trap():
    shown = {session for _, session, _ in TRAPS} | {"state-completed", "state-pending"}
    recorded_ones = {path.stem for path in (FOLDER / "slurm").glob("*.txt")}
    assert recorded_ones - shown <= {"timings"}


def test_what_is_accepted_and_never_starts_is_blocked():
    shown = recorded("slurm", "submit-errors", "squeue --me").stdout
    for reason in ("PartitionConfig", "PartitionTimeLimit"):
        assert f"({reason})" in shown
        line = f"21|N/A|PENDING|0||wrap|{reason}|\n"
        assert parse_squeue(line)[0].status.phase is JobPhase.BLOCKED


def test_a_job_starts_in_the_folder_of_its_script():
    job = Job("hf-a", "/work/wk/job.sh", "/work/wk/out")
    assert "#SBATCH --chdir=/work/wk" in render_directives(job)


def test_a_memory_kill_without_cgroups_is_a_signal():
    columns = ["JobID", "JobName", "State", "ExitCode", "NodeList", "Submit"]
    (row,) = parse_sacct("43|wrap|FAILED|0:9|n1|2026-11-20T22:00:00\n", columns)
    assert (row.status.cause, row.status.exit_code) == (EndCause.EXITED, 137)


def test_a_job_that_accounting_calls_allocation_has_no_verdict():
    found = recorded("slurm", "daemon-down", "sacct -j 113 -P")
    columns = found.columns
    lines = [line for line in found.stdout.splitlines() if line.startswith("113|")]
    assert "|allocation|PENDING|" in lines[0]
    assert parse_sacct("\n".join(lines), columns) == []
    ended = lines[0].replace("PENDING", "COMPLETED")
    assert spread(parse_sacct(ended, columns), {"113": 1}, {"113": "hf-a"}) == {"113": {}}


def test_what_was_never_eligible_is_not_found_by_name():
    found = recorded("slurm", "sacct-windows", "--name wf-42-step")
    assert found.exit_code == 0
    assert parse_names(found.stdout) == {}


def test_comments_are_not_relied_on():
    assert recorded("slurm", "comment", "--name wf-42-step").stdout == ""
    job = Job("hf-a", "/work/wk/job.sh", "/work/wk/out")
    assert not any("comment" in line for line in render_directives(job))


def test_a_dependent_that_the_site_cancels_never_started():
    found = recorded("slurm", "job-submit-lua", "squeue -h -t all -j 19,20")
    assert "20|CANCELLED|DependencyNeverSatisfied|" in found.stdout
    (row,) = parse_squeue("20|N/A|CANCELLED|0||x|DependencyNeverSatisfied|\n")
    assert row.status.cause is EndCause.NEVER_STARTED


def test_what_has_ended_is_not_depended_on():
    """SLURM takes a job that it has forgotten for met, whatever became of it."""
    late = recorded("slurm", "purged", "squeue -h -u alice -n late-afterok")
    assert "|COMPLETED|" in late.stdout
    records = [{"index": 0, "items": 4}, {"index": 1, "items": 4, "depends": [[0, False]]}]
    journal = JournalState()
    journal.add_part(0, Part("7", 0.0, 0, 2))
    journal.add_part(0, Part("8", 0.0, 2, 4))
    waits = items_to_wait_for(records[1], range(2), records, journal, lambda: {0: {0, 1}})
    assert [dependency.job_id for dependency in waits] == ["8"]


def test_every_recorded_refusal_of_gpus_is_one():
    found = recorded("slurm", "gres", "--gres=gpu:3")
    assert (found.exit_code, "not available" in found.stderr) == (1, True)


def test_json_is_not_asked_for():
    source = Path(__file__).parents[2] / "schedulers" / "slurm"
    assert all("--json" not in path.read_text() for path in source.glob("*.py"))
