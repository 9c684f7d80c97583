"""What Grid Engine's recorded output means: every way in which it misleads."""

from __future__ import annotations

import pytest

from schedulers.driver import Fault
from schedulers.errors import UnknownOutcomeError, UnreadableAnswerError
from schedulers.job import EndCause, JobPhase
from schedulers.sge.accounting import parse_names, parse_qacct, qacct_argv
from schedulers.sge.queue import (
    judge,
    parse_job_id,
    parse_limits,
    parse_qstat,
    read_state,
    read_tasks,
    spread,
)
from schedulers.transport import Result
from tests.schedulers.recordings import all_of, recorded, session


def ended(name: str, command: str, nth: int = 0, cancelled: tuple[str, ...] = ()):
    rows = parse_qacct(recorded("sge", name, command, nth).stdout, cancelled)
    return [(row.items, row.status.cause, row.status.exit_code) for row in rows]


# -- the queue ---------------------------------------------------------------------


def test_an_array_is_listed_in_parts_that_count_from_one():
    rows = parse_qstat(recorded("sge", "array", "qstat -xml").stdout)
    assert [row.items for row in rows] == [(0,), (1,), (2, 3, 4, 5)]
    states = spread(rows, {"48": range(6)}, {"48": "arr"})["48"]
    assert [states[i].phase for i in range(6)] == [JobPhase.RUNNING] * 2 + [
        JobPhase.PENDING
    ] * 4
    assert states[0].node == "vm"
    assert spread(rows, {"48": range(6)}, {"48": "other"})["48"] == {}
    assert list(spread(rows, {"48": range(4, 6)}, {})["48"]) == [4, 5]


def test_every_recorded_document_is_read():
    found = all_of("sge", "qstat -xml")
    assert len(found) > 5
    for _, recording in found:
        for row in parse_qstat(recording.stdout):
            assert row.status.phase is not JobPhase.UNKNOWN, row


def test_a_job_that_could_not_be_started_is_blocked_for_ever_and_never_ran():
    """Its accounting record says exit_status 0."""
    (row,) = parse_qstat(recorded("sge", "error-state", "qstat -xml").stdout)
    assert (row.status.native, row.status.phase) == ("Eqw", JobPhase.BLOCKED)
    records = [r for _, r in all_of("sge", "qacct -j") if "-/-" in r.stdout]
    assert len(records) >= 2
    causes = {
        (row.status.cause, row.status.exit_code, row.status.reason)
        for r in (recorded("sge", "error-state", f"qacct -j {i}") for i in (37, 38))
        for row in parse_qacct(r.stdout)
    }
    assert causes == {
        (EndCause.NEVER_STARTED, None, "opening input/output file"),
        (EndCause.NEVER_STARTED, None, "changing into working directory"),
    }


@pytest.mark.parametrize(
    ("letters", "phase"),
    [
        ("qw", JobPhase.PENDING),
        ("t", JobPhase.RUNNING),
        ("r", JobPhase.RUNNING),
        ("dr", JobPhase.RUNNING),  # for ever, where its host is lost
        ("Rr", JobPhase.RUNNING),
        ("Rq", JobPhase.PENDING),
        ("s", JobPhase.SUSPENDED),
        ("Sr", JobPhase.SUSPENDED),
        ("Eqw", JobPhase.BLOCKED),
        ("Ehqw", JobPhase.BLOCKED),
        ("hqw", JobPhase.BLOCKED),
        ("Yqw", JobPhase.UNKNOWN),  # a letter that nobody has seen
        ("", JobPhase.UNKNOWN),
    ],
)
def test_what_the_letters_mean(letters, phase):
    assert read_state(letters).phase is phase


def test_a_job_that_waits_for_others_is_pending_and_one_that_is_held_is_blocked():
    (held,) = [
        row
        for row in parse_qstat(recorded("sge", "running", "qstat -xml -r").stdout)
        if row.status.native == "hqw"
    ]
    assert held.status.phase is JobPhase.BLOCKED
    waiting = (
        "<job_info><job_list><JB_job_number>2</JB_job_number><state>hqw</state>"
        "<tasks>1-5:2</tasks><predecessor_jobs_req>1</predecessor_jobs_req>"
        "</job_list></job_info>"
    )
    (row,) = parse_qstat(waiting)
    assert (row.items, row.status.phase) == ((0, 2, 4), JobPhase.PENDING)


def test_ended_jobs_that_are_still_listed_say_nothing():
    text = "<a><job_list><JB_job_number>2</JB_job_number><state>z</state></job_list></a>"
    assert parse_qstat(text) == []


@pytest.mark.parametrize("text", ["", "<a>", "<a><job_list/></a>"])
def test_an_answer_of_another_form_is_said_to_be_one(text):
    with pytest.raises(UnreadableAnswerError, match="qstat"):
        parse_qstat(text)
    with pytest.raises(UnreadableAnswerError, match="tasks"):
        read_tasks("1-x")


# -- accounting --------------------------------------------------------------------


def test_exit_codes_are_each_tasks_own_and_deleted_tasks_have_no_record():
    assert ended("array", "qacct -j 48") == [
        ((0,), EndCause.EXITED, 0),
        ((1,), EndCause.EXITED, 0),
        ((2,), EndCause.EXITED, 4),
        ((3,), EndCause.EXITED, 0),
    ]


@pytest.mark.parametrize(
    ("name", "job", "cause", "code"),
    [
        ("failed", 29, EndCause.EXITED, 3),
        ("failed", 30, EndCause.EXITED, 139),  # "139                  (Segmentation fault)"
        ("failed", 31, EndCause.EXITED, 127),
        ("timeout", 32, EndCause.TIME_LIMIT, None),  # h_rt
        ("timeout", 33, EndCause.EXITED, 138),  # s_rt is a signal, no limit
        ("oom", 34, EndCause.EXITED, 0),  # beyond h_vmem malloc fails: nobody is killed
        ("oom", 35, EndCause.EXITED, 1),
        ("cancelled", 40, EndCause.EXITED, 137),  # qdel looks like any kill
    ],
)
def test_how_a_job_ended(name, job, cause, code):
    assert ended(name, f"qacct -j {job}") == [(None, cause, code)]


def test_a_cancelled_job_is_told_from_a_killed_one_by_who_asked_for_it():
    assert ended("cancelled", "qacct -j 40", cancelled=("40",)) == [
        (None, EndCause.CANCELLED, None)
    ]
    # asked for too late: it had ended by itself
    assert ended("failed", "qacct -j 29", cancelled=("29",)) == [(None, EndCause.EXITED, 3)]


def test_a_job_that_was_taken_off_by_force_is_no_success():
    """`qdel -f` of a job on a lost host: failed 0, exit_status 0."""
    assert "exit_status  0 " in recorded("sge", "node-fail", "qacct -j 77").stdout
    assert ended("node-fail", "qacct -j 77") == [(None, EndCause.OTHER, None)]


def test_a_success_that_took_no_time_is_one():
    assert ended("cancelled", "qacct -j 44") == [(None, EndCause.EXITED, 0)]


def test_a_run_that_was_rescheduled_is_no_end():
    """exit 99, qmod -rj, a lost host with -r y: another record follows."""
    assert ended("error-state", "qacct -j 39") == []


def test_exit_100_is_an_end_though_the_job_stays_in_the_queue():
    assert (None, EndCause.EXITED, 100) in ended("error-state", "qacct -j 36")


def test_a_job_deleted_before_it_started_has_no_record():
    assert ended("deleted-pending", "qacct -j 74") == []


def test_accounting_is_asked_once_however_many_jobs_there_are():
    """`qacct -j` takes one id or pattern; of two -j the last counts."""
    names = {"1": "hf-ab-s0-j0", "2": "hf-ab-s0-j12"}
    assert qacct_argv(["1"], names) == ["qacct", "-j", "1"]
    assert qacct_argv(["1", "2"], names) == [
        *("qacct", "-E", "-d", "30", "-j", "hf-ab-s0-j*")
    ]
    assert qacct_argv(["1", "2", "3"], names) == ["qacct", "-E", "-d", "30", "-j"]


def test_ids_are_found_by_name():
    text = recorded("sge", "array", "qacct -j 48").stdout
    assert parse_names(text, {"arr", "other"}) == {"arr": "48"}


# -- one-line answers and faults ------------------------------------------------------


def test_ids_of_plain_jobs_and_arrays():
    terse = [r for r in session("sge", "submit") if "-terse" in r.command]
    assert [parse_job_id(r.stdout) for r in terse] == ["3", "5"]
    with pytest.raises(UnknownOutcomeError, match="no job id"):
        parse_job_id("")


def test_limits_are_the_sites():
    text = recorded("sge", "00-version", "qconf -sconf").stdout
    assert parse_limits(text).max_array_items == 75000
    assert parse_limits("").max_array_items is None


def fault(recording) -> Fault | None:
    return judge(Result(recording.exit_code, recording.stdout, recording.stderr))


@pytest.mark.parametrize("command", ["qstat", "qstat -j 79", "qsub", "qdel 79"])
def test_a_qmaster_that_is_down_is_told_from_a_job_that_is_gone(command):
    """Both exit with 1."""
    found = recorded("sge", "master-down", f"timeout 60 {command}")
    assert fault(found) is Fault.DOWN
    assert fault(recorded("sge", "cancelled", "qstat -j 40")) is Fault.REFUSED


@pytest.mark.parametrize(
    "command", ["qdel 999999", "qdel 40", "qdel 44", "qdel nosuchname"]
)
def test_cancelling_what_is_gone_is_no_fault(command):
    assert fault(recorded("sge", "cancelled", command)) is None


@pytest.mark.parametrize(
    "text", ["-q nosuch.q", "-pe nosuch", "-l nosuch", "-t 0-3", "-t 1-75001", "-N 1bad"]
)
def test_a_refusal_is_one(text):
    assert fault(recorded("sge", "submit-errors", text)) is Fault.REFUSED


def test_a_user_who_has_enough_in_the_queue_is_told_from_a_refusal():
    assert fault(recorded("sge", "limits", "qsub")) is Fault.FULL


def test_somebody_elses_job_is_refused():
    assert fault(recorded("sge", "limits", "qdel 35")) is Fault.REFUSED


def test_root_is_refused_where_the_site_wants_users():
    assert fault(recorded("sge", "submit", "cd /tmp; qsub")) is Fault.REFUSED
