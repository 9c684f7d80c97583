"""What SLURM printed, in recorded sessions, and what it means."""

from __future__ import annotations

import pytest

from schedulers.driver import Fault
from schedulers.errors import UnknownOutcomeError, UnreadableAnswerError
from schedulers.job import EndCause, ItemStatus, JobPhase
from schedulers.slurm import answers
from schedulers.slurm.answers import (
    judge,
    parse_job_id,
    parse_limits,
    parse_names,
    parse_sacct,
    parse_squeue,
    read_status,
    spread,
)
from schedulers.transport import Result
from tests.schedulers.recordings import Recording, all_of, recorded, session

LONG = "squeue -h -r -j"
SACCT = "sacct -X -n -P -j"


def result(recording: Recording) -> Result:
    return Result(recording.exit_code, recording.stdout, recording.stderr)


def queue_state(name: str, command: str, nth: int = 0) -> ItemStatus:
    recording = recorded("slurm", name, command, nth)
    (row,) = parse_squeue(recording.stdout, recording.columns)
    return row.status


def accounted(name: str, command: str, nth: int = 0) -> list[answers.Row]:
    recording = recorded("slurm", name, command, nth)
    return parse_sacct(recording.stdout, recording.columns)


LISTS = [
    (name, each)
    for name, each in all_of("slurm", "squeue -h")
    if "%F" in each.command and "%r" in each.command and "%N" in each.command
]


@pytest.mark.parametrize(
    ("name", "recording"), LISTS, ids=[f"{name}-{n}" for n, (name, _) in enumerate(LISTS)]
)
def test_every_recorded_queue_is_understood(name, recording):
    if recording.exit_code:
        assert recording.stderr
        return
    rows = parse_squeue(recording.stdout, recording.columns)
    assert len(rows) == len(recording.stdout.splitlines())
    assert JobPhase.UNKNOWN not in {row.status.phase for row in rows}


def test_every_recorded_accounting_row_is_understood():
    seen = 0
    for _, recording in all_of("slurm", "sacct -X -n -P -j"):
        if "ExitCode" in recording.command and not recording.exit_code:
            rows = parse_sacct(recording.stdout, recording.columns)
            assert {row.status.phase for row in rows} <= {JobPhase.ENDED}
            seen += len(rows)
    assert seen > 50


@pytest.mark.parametrize(
    ("name", "command", "nth", "phase", "cause"),
    [
        ("state-completed", f"{LONG} 3", 0, JobPhase.ENDED, EndCause.EXITED),
        ("state-failed", f"{LONG} 4", 0, JobPhase.ENDED, EndCause.EXITED),
        ("state-cancelled", f"{LONG} 11", 0, JobPhase.ENDED, EndCause.CANCELLED),
        ("state-timeout", f"{LONG} 41", 0, JobPhase.ENDED, EndCause.TIME_LIMIT),
        ("state-oom", f"{LONG} 1459", 0, JobPhase.ENDED, EndCause.OUT_OF_MEMORY),
        ("state-node-fail", f"{LONG} 100", 0, JobPhase.ENDED, EndCause.NODE_FAILURE),
        ("preempt", f"{LONG} 1446", 0, JobPhase.ENDED, EndCause.PREEMPTED),
        ("deadline", f"{LONG} 44", 0, JobPhase.ENDED, EndCause.NEVER_STARTED),
        ("state-running", f"{LONG} 11", 0, JobPhase.RUNNING, None),
        ("state-node-fail", f"{LONG} 103", 0, JobPhase.RUNNING, None),  # COMPLETING
        ("requeue", "-j 111", 0, JobPhase.RUNNING, None),  # COMPLETING, ignores TERM
        ("suspend-hold", f"{LONG} 97", 0, JobPhase.SUSPENDED, None),
        ("state-pending", f"{LONG} 19", 0, JobPhase.PENDING, None),  # Resources
        ("state-pending", f"{LONG} 20", 0, JobPhase.PENDING, None),  # Priority
        ("state-pending", f"{LONG} 13", 0, JobPhase.PENDING, None),  # BeginTime
        ("state-pending", f"{LONG} 12", 0, JobPhase.BLOCKED, None),  # JobHeldUser
        ("requeue", f"{LONG} 108", 0, JobPhase.PENDING, None),  # requeued: again pending
        ("requeue", "-j 109", 0, JobPhase.BLOCKED, None),  # "job requeued in held state"
        ("preempt", f"{LONG} 1443", 0, JobPhase.PENDING, None),  # preempted, requeued
        ("dependency", f"{LONG} 59", 0, JobPhase.PENDING, None),
        ("dependency", f"{LONG} 61", 0, JobPhase.BLOCKED, None),  # never satisfied
        ("dependency", f"{LONG} 62", 0, JobPhase.ENDED, EndCause.NEVER_STARTED),
    ],
)
def test_states_in_the_queue(name, command, nth, phase, cause):
    recording = next(
        each
        for each in session("slurm", name)
        if command in each.command and each.command.count("%") > 5 and each.stdout
    )
    (row,) = parse_squeue(recording.stdout, recording.columns)
    assert (row.status.phase, row.status.cause) == (phase, cause)


@pytest.mark.parametrize(
    ("name", "job", "cause", "exit_code", "native"),
    [
        ("state-completed", 3, EndCause.EXITED, 0, "COMPLETED"),
        ("state-failed", 4, EndCause.EXITED, 3, "FAILED"),
        ("state-failed", 5, EndCause.EXITED, 139, "FAILED"),  # its own SIGSEGV
        ("state-failed", 7, EndCause.NEVER_STARTED, None, "FAILED"),  # no output folder
        ("state-failed", 9, EndCause.EXITED, 127, "FAILED"),
        ("state-failed", 10, EndCause.EXITED, 2, "FAILED"),  # bad interpreter
        ("state-cancelled", 11, EndCause.CANCELLED, None, "CANCELLED"),  # by 1001
        ("state-cancelled", 13, EndCause.CANCELLED, None, "CANCELLED"),  # by 0
        ("state-timeout", 41, EndCause.TIME_LIMIT, None, "TIMEOUT"),  # says 0:0
        ("state-oom", 1459, EndCause.OUT_OF_MEMORY, None, "OUT_OF_MEMORY"),
        ("state-node-fail", 100, EndCause.NODE_FAILURE, None, "NODE_FAIL"),  # says 0:0
        ("preempt", 1446, EndCause.PREEMPTED, None, "PREEMPTED"),  # says 0:0
    ],
)
def test_states_in_accounting(name, job, cause, exit_code, native):
    (row,) = accounted(name, f"{SACCT} {job} ")
    assert row.status.phase is JobPhase.ENDED
    assert (row.status.cause, row.status.exit_code) == (cause, exit_code)
    assert row.status.native == native


def test_a_state_that_was_never_seen_is_unknown_and_no_crash():
    status = read_status("TELEPORTING", "0:0", "None", "n1")
    assert (status.phase, status.native, status.exit_code) == (
        JobPhase.UNKNOWN,
        "TELEPORTING",
        None,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("768", 3),
        ("0", 0),
        ("9", 137),
        ("3:0", 3),
        ("0:11", 139),
        ("", None),
        ("N/A", None),
    ],
)
def test_exit_codes_as_squeue_and_as_sacct_write_them(text, expected):
    assert read_status("FAILED", text, "", "n1").exit_code == expected


# -- arrays -------------------------------------------------------------------


def test_a_task_that_ended_keeps_its_state_beside_the_bracket_row_of_the_others():
    """46_[5,10%2] CANCELLED stands next to 46_5 COMPLETED."""
    recording = recorded("slurm", "array", f"{SACCT} 46 ", -1)
    assert "46_[5,10%2]|46|CANCELLED by 1001" in recording.stdout
    rows = parse_sacct(recording.stdout, recording.columns)
    states = spread(rows, {"46": 11}, {})["46"]
    assert states[10].cause is EndCause.CANCELLED
    exact = {row.items: row.status.native for row in rows if row.is_exact}
    if (5,) in exact:
        assert states[5].native == exact[(5,)]


def test_exact_rows_win_in_whatever_order_they_come():
    text = "46_5|46|COMPLETED|0:0\n46_[5,10%2]|46|CANCELLED by 1001|0:0\n"
    columns = ["JobID", "JobIDRaw", "State", "ExitCode"]
    backwards = "".join(reversed(text.splitlines(keepends=True)))
    for lines in (text, backwards):
        states = spread(parse_sacct(lines, columns), {"46": 11}, {})["46"]
        assert {i: s.native for i, s in states.items()} == {5: "COMPLETED", 10: "CANCELLED"}


def test_a_thousand_pending_tasks_in_one_line():
    recording = recorded("slurm", "array", "squeue -h -j 55 -t all")
    states = spread(parse_squeue(recording.stdout, recording.columns), {"55": 1001}, {})[
        "55"
    ]
    assert sorted(states) == list(range(1, 1001))


def test_a_thousand_pending_tasks_in_a_line_each():
    recording = recorded("slurm", "array", "squeue -h -r -j 55 -t all")
    states = spread(parse_squeue(recording.stdout, recording.columns), {"55": 1001}, {})[
        "55"
    ]
    assert sorted(states) == list(range(1, 1001))


def test_a_list_of_indices_that_was_cut_short_means_all_that_have_no_row():
    columns = ["ArrayJobID", "ArrayTaskID", "State", "Reason", "NodeList", "Name"]
    text = "7|1,3,5,...|PENDING|Priority||x\n7|2|RUNNING|None|n1|x\n"
    states = spread(parse_squeue(text, columns), {"7": 4}, {})["7"]
    assert [states[i].native for i in range(4)] == [
        "PENDING",
        "PENDING",
        "RUNNING",
        "PENDING",
    ]


def test_steps_and_throttles_in_lists_of_indices():
    text = "8_[1-6:2,10%2]|8|CANCELLED|0:0\n"
    (row,) = parse_sacct(text, ["JobID", "JobIDRaw", "State", "ExitCode"])
    assert row.items == (1, 3, 5, 10)


def test_indices_of_a_form_never_seen_are_an_error_of_their_own():
    with pytest.raises(UnreadableAnswerError, match="indices"):
        parse_sacct("8_[a-b]|8|FAILED|1:0\n", ["JobID", "JobIDRaw", "State", "ExitCode"])


def test_a_line_that_is_too_short_is_an_error_of_its_own():
    with pytest.raises(UnreadableAnswerError, match="expected 7 fields"):
        parse_squeue("slurm_load_jobs: hello\n")


# -- accounting lags and lies ---------------------------------------------------


def test_accounting_that_says_pending_or_running_says_nothing():
    """It may be old by seconds (state-running) or for ever (daemon-down: a runaway)."""
    running = recorded("slurm", "state-running", f"{SACCT} 11 ")
    assert "PENDING" in running.stdout
    assert parse_sacct(running.stdout, running.columns) == []
    lost = recorded("slurm", "daemon-down", f"{SACCT} 113", -1)
    assert "PENDING" in lost.stdout
    assert parse_sacct(lost.stdout, lost.columns) == []
    for nth in (0, 1):
        requeued = recorded("slurm", "requeue", f"{SACCT} 108 ", nth)
        assert parse_sacct(requeued.stdout, requeued.columns) == []


def test_a_task_without_a_row_in_accounting_is_not_in_the_result():
    recording = recorded("slurm", "array", f"{SACCT} 46_5 ")
    assert recording.exit_code == 0
    assert parse_sacct(recording.stdout, recording.columns) == []


def test_rows_of_another_name_are_of_another_job():
    """Ids are given out again after slurmctld lost its memory (daemon-down)."""
    recording = recorded("slurm", "daemon-down", "squeue -h -u alice -n nodbd")
    rows = parse_squeue(recording.stdout, recording.columns)
    assert rows[0].job_id == "112"
    assert spread(rows, {"112": 1}, {"112": "nodbd"})["112"][0].native == "COMPLETED"
    assert spread(rows, {"112": 1}, {"112": "hf-mine"})["112"] == {}


def test_of_two_jobs_of_one_name_the_later_one_is_found():
    lines = "hf-a|112|2026-11-20T22:02:53\nhf-a|99_1|2026-11-20T21:00:00\n"
    assert parse_names(lines) == {"hf-a": "112"}
    assert parse_names("".join(reversed(lines.splitlines(keepends=True)))) == {
        "hf-a": "112"
    }


# -- submission -----------------------------------------------------------------


def test_ids_of_parsable_submissions():
    plain = recorded("slurm", "submit-ok", "sbatch --parsable -o")
    federated = recorded("slurm", "submit-ok", "sbatch --parsable -M")
    chatty = recorded("slurm", "job-submit-lua", "sbatch --parsable")
    assert chatty.stderr
    ids = [parse_job_id(each.stdout) for each in (plain, federated, chatty)]
    assert ids == ["31", "36", "18"]
    assert [judge(result(each)) for each in (plain, federated, chatty)] == [None] * 3


def test_a_submission_without_an_id_may_have_happened():
    silent = recorded("slurm", "submit-ok", "sbatch -Q")
    with pytest.raises(UnknownOutcomeError, match="no job id"):
        parse_job_id(silent.stdout)


REFUSALS = [
    each
    for name in ("submit-errors", "site-limits", "job-submit-lua")
    for each in session("slurm", name)
    if each.command.startswith("sbatch") and each.exit_code
]


@pytest.mark.parametrize("recording", REFUSALS, ids=[each.command for each in REFUSALS])
def test_every_recorded_refusal_is_one(recording):
    full = "AssocMaxSubmitJobLimit" in recording.stderr  # a refusal for now
    assert judge(result(recording)) is (Fault.FULL if full else Fault.REFUSED)


AWAY = [
    each
    for each in session("slurm", "daemon-down")
    if each.exit_code and "Invalid job id" not in each.stderr and each.stderr
]


@pytest.mark.parametrize("recording", AWAY, ids=[each.command for each in AWAY])
def test_every_recorded_absence_of_a_daemon_is_one(recording):
    assert judge(result(recording)) is Fault.DOWN


@pytest.mark.parametrize(
    "text",
    [
        "Batch job submission failed: Socket timed out on send/recv operation",
        "Batch job submission failed: Zero Bytes were transmitted or received",
        "Batch job submission failed: Unable to contact slurm controller (receive failure)",
        "Batch job submission failed: Unexpected message received",
    ],
)
def test_answers_that_got_lost_on_the_way(text):
    """Source: slurm_errno.c; the request had been sent."""
    assert judge(Result(1, "", f"sbatch: error: {text}\n")) is Fault.LOST


def test_a_command_that_was_killed_may_have_done_it():
    assert judge(Result(-9, "", "")) is Fault.LOST


def test_load_is_not_a_refusal():
    text = "sbatch: error: Batch job submission failed: Resource temporarily unavailable"
    assert judge(Result(1, "", text)) is Fault.BUSY


def test_an_unknown_job_alone_is_no_failure_of_squeue():
    recording = recorded("slurm", "purged", "squeue -t all -j 1448")
    assert recording.exit_code == 1
    assert answers.is_unknown_job(recording.stderr)


# -- the controller -------------------------------------------------------------


def test_ping_tells_a_dead_controller_at_once():
    assert answers.is_known_down(recorded("slurm", "daemon-down", "scontrol ping").stdout)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Slurmctld(primary) at a is UP\n", False),
        ("Slurmctld(primary) at a is DOWN\nSlurmctld(backup) at b is UP\n", False),
        ("Slurmctld(primary) at a is DOWN\nSlurmctld(backup) at b is DOWN\n", True),
        ("who knows\n", False),
    ],
)
def test_a_backup_controller_will_do(text, expected):
    assert answers.is_known_down(text) is expected


def test_limits_from_the_recorded_configuration():
    recording = recorded("slurm", "00-version", "scontrol show config")
    limits = parse_limits(recording.stdout)
    assert (limits.max_array_items, limits.max_queued) == (1001, 20000)


def test_a_site_without_arrays():
    assert parse_limits("MaxArraySize            = 0\n").max_array_items == 1
    assert parse_limits("").max_array_items is None
