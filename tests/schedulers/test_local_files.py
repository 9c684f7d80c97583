"""The local scheduler's files, and what they mean: no supervisor here."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedulers.errors import RefusedError, UnavailableError, UnreadableAnswerError
from schedulers.job import EndCause, JobPhase
from schedulers.local import records, slots
from schedulers.local.eventlog import EventLog
from schedulers.local.processes import Place, is_alive, look, read_mark
from schedulers.local.records import End, Start, parse_events, parse_job, render_job
from schedulers.local.slots import Ledger, Room, Table, Use
from schedulers.local.view import View
from tests.schedulers.test_backlog import HERE, local_job

# -- jobs and events ------------------------------------------------------------


def test_a_job_survives_its_file():
    job = local_job(
        7, 3, after=(1, 2), elementwise=(3,), walltime_s=5, environment={"A": 'ä"\n'}
    )
    assert parse_job(render_job(job)) == job


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "not a local job"),
        (b"[]", "not a local job"),
        (b'{"format": 1}', "not a local job"),
        (b'{"format": 2}', "format 2; this version reads 1"),
    ],
)
def test_files_that_are_no_jobs_say_so(content, text):
    with pytest.raises(UnreadableAnswerError, match=text):
        parse_job(content)


LINES = [
    records.render_start(1, 0, Start(77, 1234, 5)),
    records.render_end(1, 0, End("exited", 3, "EXITED"), 6),
    records.render_end(1, 1, End("other", None, "LOST"), 7),
    records.render_void(2, "cancelled", 8),
]


def test_events_survive_their_lines():
    events = parse_events("".join(LINES))
    assert events.starts == {(1, 0): Start(77, 1234, 5)}
    assert events.ends == {
        (1, 0): End("exited", 3, "EXITED"),
        (1, 1): End("other", None, "LOST"),
    }
    assert events.voids == {2: "cancelled"}


@given(st.integers(0, sum(map(len, LINES))))
def test_a_torn_end_of_the_events_is_never_misread(length):
    text = "".join(LINES)
    whole, torn = parse_events(text), parse_events(text[:length])
    assert torn.starts.items() <= whole.starts.items()
    assert torn.ends.items() <= whole.ends.items()
    assert torn.voids.items() <= whole.voids.items()
    resumed = parse_events(f"{text[:length]}\n{text}")  # as EventLog goes on
    assert resumed.starts == whole.starts
    assert resumed.ends == whole.ends


def test_the_first_end_of_an_item_counts():
    events = parse_events("end 1 0 exited 0 EXITED 5\nend 1 0 other - LOST 6\n")
    assert events.ends[1, 0] == End("exited", 0, "EXITED")


def test_a_full_disk_keeps_lines_until_there_is_room(tmp_path):
    full = EventLog("/dev/full")
    full.add("start 1 0 1 1 1\n")
    full.add("end 1 0 exited 0 EXITED 1\n")
    assert not full.flush()
    assert not full.is_writable
    assert not full.is_clean
    full.drop_starts()
    assert not full.flush()


def test_lines_after_a_torn_one_begin_on_a_new_line(tmp_path):
    path = tmp_path / "events"
    path.write_text("end 1 0 exi")
    log = EventLog(str(path))
    log.add(LINES[1])
    assert log.flush()
    log.add(LINES[2])
    assert log.flush()
    assert path.read_text() == "end 1 0 exi\n" + LINES[1] + LINES[2]


# -- the view -------------------------------------------------------------------


def view(text="", jobs=None, *, here=HERE, served=True, alive=True):
    jobs = jobs or [local_job(1, 2)]
    return View(
        {job.number: job for job in jobs},
        parse_events(text),
        here,
        is_served=served,
        is_alive=lambda _: alive,
    )


STARTED = "start 1 0 77 1234 5\n"


def phases(looked: View, job=None) -> list[tuple[JobPhase, EndCause | None]]:
    job = job or local_job(1, 2)
    return [(s.phase, s.cause) for s in looked.items(job, 2).values()]


def test_items_wait_run_and_end():
    assert phases(view(STARTED)) == [(JobPhase.RUNNING, None), (JobPhase.PENDING, None)]
    ended = view(STARTED + "end 1 0 exited 137 SIGKILL 6\n").items(local_job(1, 2), 2)[0]
    assert (ended.phase, ended.exit_code, ended.native) == (JobPhase.ENDED, 137, "SIGKILL")


def test_without_a_supervisor_living_items_run_and_others_have_ended():
    assert phases(view(STARTED, served=False)) == [
        (JobPhase.RUNNING, None),
        (JobPhase.BLOCKED, None),
    ]
    assert phases(view(STARTED, served=False, alive=False))[0] == (
        JobPhase.ENDED,
        EndCause.OTHER,
    )


def test_after_a_reboot_all_that_had_not_ended_has_failed_with_its_node():
    rebooted = Place("host", "another boot", "pid:[1]")
    looked = view(STARTED + "end 1 0 exited 0 EXITED 6\n", here=rebooted)
    assert phases(looked) == [
        (JobPhase.ENDED, EndCause.EXITED),
        (JobPhase.ENDED, EndCause.NODE_FAILURE),
    ]
    assert looked.is_over(1)


def test_on_another_host_nothing_is_known_of_what_has_not_ended():
    elsewhere = Place("other", "another boot", "pid:[1]")
    looked = view(STARTED, here=elsewhere)
    assert phases(looked) == [(JobPhase.UNKNOWN, None)] * 2
    assert not looked.is_over(1)
    assert "host" in looked.items(local_job(1, 2), 1)[0].reason


def test_a_host_that_got_another_name_is_the_same_until_it_reboots():
    renamed = HERE._replace(host="laptop.lan")
    assert phases(view(STARTED, here=renamed))[0] == (JobPhase.RUNNING, None)


def test_items_that_never_start_have_the_cause_of_their_job():
    looked = view(STARTED + "void 1 cancelled 9\n")
    assert phases(looked) == [
        (JobPhase.RUNNING, None),
        (JobPhase.ENDED, EndCause.CANCELLED),
    ]
    assert not looked.is_over(1)
    looked = view(STARTED + "void 1 cancelled 9\nend 1 0 cancelled 143 SIGTERM 9\n")
    assert looked.is_over(1)


def test_the_reason_says_what_a_job_waits_for():
    second = local_job(2, after=(1,))
    looked = view("", [local_job(1), second])
    assert looked.items(second, 1)[0].reason == "Dependency"
    looked = view("end 1 0 exited 0 EXITED 6\n", [local_job(1), second])
    assert looked.items(second, 1)[0].reason == "Resources"


# -- processes --------------------------------------------------------------------


def test_a_process_is_known_by_its_pid_and_its_start():
    me = look(os.getpid())
    assert me is not None
    assert me.parent == os.getppid()
    assert is_alive(me.pid, me.start)
    assert not is_alive(me.pid, me.start + 1)
    assert look(2**22 + 1) is None


def test_marks_are_read_from_the_environment_a_process_started_with():
    assert read_mark(os.getpid()) == ""
    assert read_mark(2**22 + 1) == ""


# -- what workflows share -----------------------------------------------------------


def use(cores: int, memory_bytes: int = 0) -> Use:
    me = look(os.getpid())
    assert me is not None
    return Use(me.pid, me.start, cores, memory_bytes)


def test_room_is_within_the_own_limit_and_the_hosts(monkeypatch):
    monkeypatch.setenv("HPCFLOW_LOCAL_CORES", "8")
    assert Table([use(2)]).room(2, 0, 4) is Room.FREE
    assert Table([use(3)]).room(2, 0, 4) is Room.OWN_LIMIT
    assert Table([use(2)], [use(5)]).room(2, 0, 4) is Room.HOST_FULL
    assert Table([], [use(4)]).room(4, 0, 4) is Room.FREE


def test_memory_counts_where_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(slots, "host_memory_bytes", lambda: 100)
    assert Table([use(1, 60)]).room(1, 40, 4) is Room.FREE
    assert Table([use(1, 60)]).room(1, 41, 4) is Room.HOST_FULL
    assert Table([use(1, 60)], [use(1, 40)]).room(1, 1, 9) is Room.HOST_FULL
    assert Table([use(1, 100)]).room(1, 0, 4) is Room.FREE


def test_who_has_waited_longer_is_first():
    assert Table([], others_wait_since=5.0).room(1, 0, 4) is Room.HOST_FULL
    assert Table([], wait_since=6.0, others_wait_since=5.0).room(1, 0, 4) is Room.HOST_FULL
    assert Table([], wait_since=4.0, others_wait_since=5.0).room(1, 0, 4) is Room.FREE


def my_start() -> int:
    return use(1).start


def test_workflows_see_each_others_items_through_the_ledger(tmp_path):
    one, other = (Ledger(str(tmp_path), key, my_start()) for key in ("one", "other"))
    mine = Table([])
    with one.hold(mine, 1.0):
        mine.mine.append(use(3))
    seen = Table([])
    with other.hold(seen, 1.0):
        assert [u.cores for u in seen.others] == [3]
    with one.hold(mine, 2.0):
        assert mine.others == []


def test_what_dead_supervisors_left_counts_while_their_items_live(tmp_path):
    dead = Ledger(str(tmp_path), "dead", my_start() - 1)  # not this process's start
    table = Table([use(2), Use(2**22 + 1, 1, 4, 0)], wait_since=0.5)
    with dead.hold(table, 1.0):
        pass
    seen = Table([])
    with Ledger(str(tmp_path), "other", my_start()).hold(seen, 1.0):
        assert [u.cores for u in seen.others] == [2]
        assert seen.others_wait_since == float("inf")


def test_a_stopped_supervisor_holds_back_nobody_for_long(tmp_path):
    with Ledger(str(tmp_path), "one", my_start()).hold(Table([], wait_since=1.0), 1.0):
        pass
    for now, expected in ((2.0, 1.0), (60.0, float("inf"))):
        seen = Table([])
        with Ledger(str(tmp_path), "other", my_start()).hold(seen, now):
            assert seen.others_wait_since == expected


def test_a_torn_ledger_is_an_empty_one(tmp_path):
    (tmp_path / "ledger.json").write_text('{"boot": "x", "sup')
    with Ledger(str(tmp_path), "one", my_start()).hold(Table([]), 1.0):
        pass


def test_a_runtime_folder_of_somebody_else_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setenv("HPCFLOW_RUNTIME_DIR", str(tmp_path / "mine"))
    (tmp_path / "mine").mkdir(mode=0o777)
    assert slots.runtime_dir() == str(tmp_path / "mine")
    assert (tmp_path / "mine").stat().st_mode & 0o777 == 0o700
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "mine")
    monkeypatch.setenv("HPCFLOW_RUNTIME_DIR", str(link))
    with pytest.raises(UnavailableError, match="should be a directory of yours"):
        slots.runtime_dir()


def test_cores_from_the_environment(monkeypatch):
    monkeypatch.setenv("HPCFLOW_LOCAL_CORES", "3")
    assert slots.host_cores() == 3
    monkeypatch.setenv("HPCFLOW_LOCAL_CORES", "many")
    with pytest.raises(RefusedError, match="HPCFLOW_LOCAL_CORES is 'many'"):
        slots.host_cores()


def test_whoever_waited_for_a_removed_lock_takes_the_next_one(tmp_path):
    path = str(tmp_path / "lock")
    with slots.lock_file(path) as mine:
        assert mine
        with slots.lock_file(path, wait=False) as second:
            assert not second
        os.unlink(path)
        with slots.lock_file(path, wait=False) as fresh:
            assert fresh
