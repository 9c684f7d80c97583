"""What PBS's recorded output means: every way in which it misleads."""

from __future__ import annotations

import pytest

from schedulers.driver import Fault
from schedulers.errors import UnknownOutcomeError
from schedulers.job import EndCause, JobPhase
from schedulers.pbs.answers import (
    count_live,
    has_no_history,
    judge,
    parse_job_id,
    parse_limits,
    parse_qstat,
    read_status,
    spread,
    unknown_ids,
)
from schedulers.transport import Result
from tests.schedulers.recordings import all_of, recorded, session


def status(name: str, command: str, nth: int = 0, cancelled: tuple[str, ...] = ()):
    return parse_qstat(recorded("openpbs", name, command, nth).stdout, cancelled)[0].status


def end(name: str, command: str, nth: int = 0):
    found = status(name, command, nth)
    return found.phase, found.cause, found.exit_code


def ended(cause: EndCause, code: int | None = None):
    return JobPhase.ENDED, cause, code


@pytest.mark.parametrize(
    ("name", "job", "cause", "code"),
    [
        ("completed", "62", EndCause.EXITED, 0),
        ("failed", "63", EndCause.EXITED, 3),
        ("failed", "64", EndCause.EXITED, 139),
        ("failed", "65", EndCause.EXITED, 127),
        ("timeout", "69", EndCause.TIME_LIMIT, None),  # -29
        ("oom", "71", EndCause.OUT_OF_MEMORY, None),  # -27
        ("cancelled", "72", EndCause.CANCELLED, None),  # 271
        ("cancelled", "79", EndCause.CANCELLED, None),  # no Exit_status: it never ran
        ("node-fail", "132", EndCause.NODE_FAILURE, None),  # -20
        ("dependency", "93", EndCause.NEVER_STARTED, None),  # substate 92, as a success
        ("rerun", "86", None, None),
    ],
)
def test_how_a_job_ended(name, job, cause, code):
    if cause is None:
        assert status(name, f"qstat -x -f {job}.").phase is JobPhase.RUNNING
        assert end(name, f"qstat -x -f {job}.", 1) == ended(EndCause.EXITED, 0)
    else:
        assert end(name, f"qstat -x -f {job}.") == ended(cause, code)


def test_a_signal_of_its_own_is_told_with_256_or_128():
    ran = {"job_state": "F", "exec_host": "n1/0", "substate": "93"}
    assert read_status({**ran, "Exit_status": "265"}).exit_code == 137
    assert read_status({**ran, "Exit_status": "137"}).exit_code == 137


def test_a_job_whose_host_was_lost_is_queued_with_an_exit_status():
    """-20, while it waits to be run again."""
    found = status("node-fail", "qstat -x -f 131.")
    assert (found.phase, found.exit_code) == (JobPhase.PENDING, None)


def test_what_can_never_run_is_blocked_and_says_why():
    found = status("pending", "qstat -x -f 79.")
    assert found.phase is JobPhase.BLOCKED
    assert "Insufficient amount of resource: ncpus" in found.reason


def test_held_by_somebody_and_held_for_another_job_are_told_apart():
    assert status("pending", "qstat -x -f 77.").phase is JobPhase.BLOCKED
    rows = parse_qstat(recorded("openpbs", "dependency-2", "1015.pbs1 | grep").stdout)
    states = {row.job_id: row.status.phase for row in rows}
    # their predecessor was deleted before it ran: they wait for ever, and say nothing
    assert {states[i] for i in ("1013", "1014", "1015")} == {JobPhase.PENDING}


def test_waiting_and_suspended_jobs():
    assert status("pending", "qstat -x -f 78.").phase is JobPhase.PENDING  # W
    assert status("suspend", "qstat -x -f 83.").phase is JobPhase.SUSPENDED


def test_a_state_that_was_never_seen_is_unknown():
    for letter in ("M", "?", ""):  # M: moved to another server
        assert read_status({"job_state": letter}).phase is JobPhase.UNKNOWN


# -- arrays ------------------------------------------------------------------------


def items(name: str, command: str, job_id: str, num: range, nth: int = 0):
    rows = parse_qstat(recorded("openpbs", name, command, nth).stdout)
    found = spread(rows, {f"{job_id}[].pbs1": num}, {})[f"{job_id}[].pbs1"]
    return {item: (s.phase, s.cause, s.exit_code) for item, s in found.items()}


def test_an_arrays_own_exit_status_is_its_last_items_and_says_nothing():
    """0, though item 3 exited with 4."""
    text = "qstat -x -t -f '88[].pbs1'"
    found = items("array", text, "88", range(1, 7))
    assert found[3] == ended(EndCause.EXITED, 4)
    assert {found[i] for i in (1, 2, 4)} == {ended(EndCause.EXITED, 0)}
    assert "    Exit_status = 0\n" in recorded("openpbs", "array", text).stdout[:300]


def test_a_queued_item_that_was_deleted_did_not_succeed():
    """Its Exit_status is 0; it has no host."""
    found = items("array-2", "qstat -x -t -f", "1019", range(1, 7))
    assert found[6] == ended(EndCause.CANCELLED)
    assert found[1] == ended(EndCause.CANCELLED)  # 271
    assert found[3] == ended(EndCause.EXITED, 4)
    deleted = {"job_state": "F", "substate": "93", "comment": "Subjob finished"}
    again = read_status({**deleted, "Exit_status": "0"})
    assert (again.cause, again.exit_code) == (EndCause.NEVER_STARTED, None)
    asked = read_status({**deleted, "Exit_status": "0"}, is_cancelled=True)
    assert asked.cause is EndCause.CANCELLED


def test_items_of_a_running_array_run_or_wait():
    rows = parse_qstat(
        "Job Id: 88[].pbs1\n    job_state = B\nJob Id: 88[1].pbs1\n    job_state = R\n"
    )
    found = spread(rows, {"88[].pbs1": range(1, 3)}, {})["88[].pbs1"]
    assert {s.phase for s in found.values()} == {JobPhase.RUNNING}


def test_items_of_a_held_array_are_listed_as_queued_but_are_held():
    """Recorded: `89[].pbs1 H`, and `89[0].pbs1 Q`."""
    rows = parse_qstat(
        "Job Id: 89[].pbs1\n    job_state = H\n    substate = 20\n"
        "Job Id: 89[0].pbs1\n    job_state = Q\nJob Id: 89[1].pbs1\n    job_state = X\n"
        "    substate = 91\n"
    )
    found = spread(rows, {"89[].pbs1": range(2)}, {})["89[].pbs1"]
    assert found[0].phase is JobPhase.BLOCKED
    assert found[1].cause is EndCause.CANCELLED


# -- the text ------------------------------------------------------------------------


def test_every_recorded_block_is_read():
    seen = 0
    for _, recording in all_of("openpbs", "qstat -x -f"):
        if "json" not in recording.command:
            for row in parse_qstat(recording.stdout):
                assert row.status.phase is not JobPhase.UNKNOWN, recording.command
                seen += 1
    assert seen > 30


def test_lines_that_were_cut_are_put_together_and_variables_are_not_taken_for_fields():
    text = recorded("openpbs", "cancelled", "qstat -x -f 72.pbs1").stdout
    (row,) = parse_qstat(text)
    assert row.status.reason.endswith("and terminated by alice@pbs1")
    evil = text.replace(
        "    comment =", "    Variable_List = A=1\n    job_state = R\n    comment ="
    )
    assert parse_qstat(evil) == [row]


def test_a_name_stays_the_text_that_it_is():
    """JSON made 7 of a variable 007 and 100000 of 1e5."""
    (row,) = parse_qstat("Job Id: 1.s\n    Job_Name = 007\n    job_state = Q\n")
    assert row.name == "007"
    assert spread([row], {"1": range(1)}, {"1": "7"})["1"] == {}
    assert spread([row], {"1": range(1)}, {"1": "007"})["1"]


def test_torques_blocks_are_of_the_same_form():
    """From its documentation: C for what has ended, exit_status in small letters."""
    rows = parse_qstat(
        "Job Id: 7[2].head\n    Job_Name = a-2\n    job_state = C\n"
        "    exec_host = n1/0\n    exit_status = 3\n"
        "Job Id: 8.head\n    Job_Name = b\n    job_state = C\n    exec_host = n1/0\n"
        "    exit_status = -11\n"
    )
    assert [(r.job_id, r.item, r.status.cause, r.status.exit_code) for r in rows] == [
        ("7[]", 2, EndCause.EXITED, 3),
        ("8", None, EndCause.TIME_LIMIT, None),
    ]


# -- one-line answers and faults ------------------------------------------------------


def test_ids_of_plain_jobs_and_arrays():
    ids = [parse_job_id(r.stdout) for r in session("openpbs", "submit")[:3]]
    assert ids == ["42.pbs1", "43.pbs1", "44[].pbs1"]
    with pytest.raises(UnknownOutcomeError, match="no job id"):
        parse_job_id("")


def test_limits_are_the_servers():
    limits = parse_limits(recorded("openpbs", "00-version", "qstat -Bf").stdout)
    assert (limits.max_array_items, limits.max_queued) == (10000, None)
    limited = "    max_queued = [u:PBS_GENERIC=50]\n"
    assert parse_limits(limited).max_queued == 50


def test_items_in_the_queue_are_counted():
    assert count_live(recorded("openpbs", "pending", "qstat -w -u alice").stdout) == 8
    # of an array that is held or has begun only the items that are left
    assert count_live(recorded("openpbs", "array", "qstat -t '88").stdout) == 6
    assert count_live(recorded("openpbs", "array", "qstat -t '89", 1).stdout) == 7


def fault(recording) -> Fault | None:
    return judge(Result(recording.exit_code, recording.stdout, recording.stderr))


@pytest.mark.parametrize("command", ["qstat", "qstat -x -f", "qsub", "qdel"])
def test_a_server_that_is_down_is_no_verdict_on_a_job(command):
    assert fault(recorded("openpbs", "server-down", f"timeout 60 {command}")) is Fault.DOWN


def test_a_job_that_is_gone_is_no_fault_whatever_the_exit_code():
    assert fault(recorded("openpbs", "cancelled", "qdel 72.pbs1", 1)) is None  # 35
    assert fault(recorded("openpbs", "cancelled", "qdel 999999")) is None  # 153
    assert fault(recorded("openpbs", "cancelled", "qstat 72.pbs1", 1)) is None
    mixed = recorded("openpbs", "completed", "qstat -x 62.pbs1 999999")
    assert fault(mixed) is None
    assert unknown_ids(mixed.stderr) == {"999999"}


def test_somebody_elses_job_and_a_lost_host_are_faults_of_their_own():
    assert fault(recorded("openpbs", "cancelled", "qdel 80.pbs1")) is Fault.REFUSED
    assert fault(recorded("openpbs", "node-fail", "qdel 133.pbs1")) is Fault.DOWN


def test_a_server_without_history_says_so_with_exit_code_0():
    found = recorded("openpbs", "history-off", "qstat -x 130.pbs1")
    assert found.exit_code == 0
    assert has_no_history(Result(0, found.stdout, found.stderr))


def test_a_full_queue_is_told_from_a_refusal():
    assert fault(recorded("openpbs", "limits", "qsub -J 1-10 ")) is Fault.FULL
    for command in ("qsub -l walltime=2", "qsub -J 1-100 "):
        assert fault(recorded("openpbs", "limits", command)) is Fault.REFUSED
    assert fault(recorded("openpbs", "hooks", "qsub")) is Fault.REFUSED


@pytest.mark.parametrize(
    "text", ["-q nosuch", "-l nosuch", "walltime=abc", "-J 1-1", "-J 1,3,5", "crlf", "nnnn"]
)
def test_a_refusal_is_one(text):
    assert fault(recorded("openpbs", "submit-errors", text)) is Fault.REFUSED


def test_values_that_qsub_can_not_pass_on_are_refused_so_no_list_is_given():
    """-V passes on what -v Q refuses: recorded in env-traps.txt."""
    assert fault(recorded("openpbs", "env-traps", "qsub -v Q")) is Fault.REFUSED
    assert fault(recorded("openpbs", "env-traps", "qsub -V -h")) is None
