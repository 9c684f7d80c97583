"""The local scheduler with its supervisor: real processes, killed at will."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from schedulers import load
from schedulers.errors import RefusedError, UnavailableError
from schedulers.job import (
    Dependency,
    DependencyKind,
    EndCause,
    Job,
    JobPhase,
    JobResources,
)
from schedulers.local.adapter import LocalScheduler
from schedulers.local.eventlog import EventLog
from schedulers.local.processes import is_alive, look, scan, this_place
from schedulers.local.records import LocalJob
from schedulers.local.slots import Ledger
from schedulers.local.state import StateDir
from schedulers.local.watch import Watch
from schedulers.testing import Bench

ROOT = Path(__file__).parents[2]


def make_bench(folder: Path, cores: int = 4, **options: object) -> Bench:
    folder.mkdir(exist_ok=True)
    scheduler = LocalScheduler(folder / "state", cores, **options)
    return Bench(scheduler, folder, patience_s=120.0, poll_s=0.01)


@pytest.fixture
def bench(tmp_path):
    bench = make_bench(tmp_path / "bench")
    yield bench
    settle(bench)


def settle(bench: Bench) -> None:
    if StateDir(state_path(bench)).exists():
        bench.scheduler.cancel(list(bench.submitted))
        for job_id in bench.submitted:
            bench.wait_end(job_id)


def state_path(bench: Bench) -> str:
    return str(bench.folder / "state")


def supervisor(bench: Bench):
    return StateDir(state_path(bench)).supervisor()


def kill_supervisor(bench: Bench) -> None:
    found = supervisor(bench)
    os.kill(found.pid, signal.SIGKILL)
    bench.wait(lambda: not is_alive(found.pid, found.start), "the supervisor lives")


def supervisors_of(folder: Path) -> list[int]:
    """Supervisors whose state directory is somewhere in a folder."""
    found = []
    for process in scan():
        try:
            words = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if any("local/supervisor.py" in word for word in words) and any(
            word.startswith(str(folder)) for word in words
        ):
            found.append(process.pid)
    return found


def phase(bench: Bench, job_id: str, item: int = 0) -> JobPhase:
    return bench.items(job_id)[item].phase


def wait_phase(bench: Bench, job_id: str, expected: JobPhase, item: int = 0) -> None:
    bench.wait(lambda: phase(bench, job_id, item) is expected, f"{job_id} not {expected}")


def pid_in(bench: Bench, name: str) -> int:
    path = bench.folder / name
    bench.wait(lambda: path.exists() and path.read_text().endswith("\n"), f"no {name}")
    return int(path.read_text())


def lives(pid: int) -> bool:
    return any(process.pid == pid for process in scan())


# -- the supervisor -----------------------------------------------------------------


def test_the_supervisor_is_a_session_of_its_own_and_ends_when_nothing_is_left(bench):
    job_id = bench.run("wait_for go")
    found = supervisor(bench)
    (process,) = [each for each in scan() if each.pid == found.pid]
    assert process.session != os.getsid(0)
    assert process.parent != os.getpid()
    assert os.readlink(f"/proc/{found.pid}/fd/0") == "/dev/null"
    bench.touch("go")
    bench.wait_end(job_id)
    bench.wait(lambda: not is_alive(found.pid, found.start), "it does not end")


def test_an_ended_supervisor_leaves_no_locks_behind(bench, runtime_dir):
    bench.wait_end(bench.run("true"))
    bench.wait(lambda: not supervisors_of(bench.folder), "it does not end")
    assert {path.name for path in runtime_dir.iterdir()} == {"ledger.json", "ledger.lock"}
    assert json.loads((runtime_dir / "ledger.json").read_text())["supervisors"] == {}


def test_items_and_supervisor_outlive_the_submitting_process(bench):
    job = bench.job("wait_for go; touch done")
    code = textwrap.dedent(f"""
        import os, signal, sys
        sys.path.insert(0, {str(ROOT)!r})
        from schedulers import load
        from schedulers.job import Job
        scheduler = load("local", state_dir={state_path(bench)!r}, cores=4)
        job = Job({job.name!r}, {job.script!r}, {job.output!r})
        print(scheduler.submit(job), flush=True)
        os.killpg(0, signal.SIGKILL)  # as when a terminal is closed
    """)
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    job_id = done.stdout.strip()
    bench.submitted[job_id] = 1
    bench.touch("go")
    assert bench.wait_end(job_id)[0].exit_code == 0
    assert (bench.folder / "done").exists()


def test_many_processes_that_submit_at_once_get_one_supervisor_and_all_jobs_run(bench):
    job = bench.job("touch ran.$HPCFLOW_LOCAL_JOB_ID; wait_for go")
    code = textwrap.dedent(f"""
        import sys
        sys.path.insert(0, {str(ROOT)!r})
        from schedulers import load
        from schedulers.job import Job
        scheduler = load("local", state_dir={state_path(bench)!r}, cores=100)
        print(scheduler.submit(Job({job.name!r}, {job.script!r}, {job.output!r})))
    """)
    started = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    ids = [process.communicate()[0].strip() for process in started]
    assert sorted(ids, key=int) == [str(n) for n in range(1, 9)]
    bench.submitted |= dict.fromkeys(ids, 1)
    bench.wait_file(*(f"ran.{job_id}" for job_id in ids))
    assert supervisors_of(bench.folder) == [supervisor(bench).pid]
    bench.touch("go")
    assert [bench.wait_end(job_id)[0].exit_code for job_id in ids] == [0] * 8


def test_no_job_is_lost_between_a_supervisor_that_ends_and_the_next(bench):
    """Each submission meets a supervisor that is just about to find nothing left."""
    job = bench.job("true")
    for _ in range(12):
        job_id = bench.submit(job)
        while (now := phase(bench, job_id)) is not JobPhase.ENDED:
            assert now is not JobPhase.BLOCKED
            time.sleep(0.001)
    assert len(bench.submitted) == 12


def test_a_supervisor_that_takes_its_time_to_exit_serves_nobody(
    bench, runtime_dir, monkeypatch
):
    """It found nothing left and gave up its lock: the next job needs another one."""
    code = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from schedulers.local.supervisor import main
caller = os.getpid()
main(sys.argv[2])
if os.getpid() != caller:
    time.sleep(60)
"""
    slow = [sys.executable, "-I", "-S", "-c", code, str(ROOT), state_path(bench)]
    with monkeypatch.context() as patch:
        patch.setattr(
            LocalScheduler, "_start_supervisor", lambda _: subprocess.run(slow, check=True)
        )
        first = bench.run("wait_for go")
    leaving = supervisor(bench)
    bench.touch("go")
    bench.wait_end(first)
    bench.wait(lambda: not list(runtime_dir.glob("*.wake")), "it does not give up")
    assert is_alive(leaving.pid, leaving.start)
    bench.patience_s = 10.0
    try:
        bench.wait_end(bench.run("true"))
    finally:
        os.kill(leaving.pid, signal.SIGKILL)


def test_a_supervisor_started_by_hand_beside_another_steps_back(bench):
    bench.run("wait_for go")
    first = supervisor(bench)
    program = ROOT / "schedulers/local/supervisor.py"
    subprocess.run([sys.executable, "-I", "-S", program, state_path(bench)], check=True)
    time.sleep(0.05)
    assert supervisors_of(bench.folder) == [first.pid]


def test_a_lock_directory_that_was_swept_away_makes_no_second_supervisor(
    bench, runtime_dir
):
    """As cleaners of /tmp do."""
    bench.run("wait_for go")
    first = supervisor(bench)
    for path in runtime_dir.iterdir():
        path.unlink()
    second = bench.run("touch second")
    bench.wait_end(second)
    assert supervisors_of(bench.folder) == [first.pid]


def test_what_cannot_be_served_is_not_submitted(bench, monkeypatch):
    job = bench.job("true")
    blocked = bench.folder / "state"
    blocked.mkdir()
    (blocked / "log").mkdir()  # so the supervisor cannot open its log
    with pytest.raises(UnavailableError, match="the supervisor did not start"):
        bench.scheduler.submit(job)
    assert dict(bench.scheduler.find([job.name])) == {}


# -- death and revival ----------------------------------------------------------------


def test_without_its_supervisor_an_item_is_seen_by_its_own_process(bench):
    job_id = bench.run("echo $$ > pid.$ITEM; [ $ITEM = 0 ] && sleep 1000 || wait_for go", 2)
    waiting = bench.submit(bench.job("true"), [Dependency(job_id)])
    first = pid_in(bench, "pid.0")
    pid_in(bench, "pid.1")
    kill_supervisor(bench)
    assert phase(bench, job_id, 0) is JobPhase.RUNNING
    os.killpg(first, signal.SIGKILL)
    bench.wait(lambda: not lives(first), "it lives")
    lost = bench.items(job_id)[0]
    assert (lost.phase, lost.cause, lost.exit_code) == (
        JobPhase.ENDED,
        EndCause.OTHER,
        None,
    )
    assert phase(bench, job_id, 1) is JobPhase.RUNNING
    assert phase(bench, waiting) is JobPhase.BLOCKED
    bench.touch("go")


@pytest.mark.parametrize("how", ["revive", "states", "submit"])
def test_a_new_supervisor_adopts_what_lives_and_starts_the_rest_never_one_twice(bench, how):
    job_id = bench.run("echo $$ >> runs.$ITEM; wait_for go", 6)  # 4 cores: 2 wait
    for item in range(4):
        pid_in(bench, f"runs.{item}")
    kill_supervisor(bench)
    if how == "revive":
        assert bench.scheduler.revive()
    elif how == "states":
        bench.scheduler.states({job_id: 6}, adopt=True)
    else:
        bench.run("true")
    phases = [item.phase for item in bench.items(job_id)]
    assert phases == [JobPhase.RUNNING] * 4 + [JobPhase.PENDING] * 2
    bench.touch("go")
    ends = bench.wait_end(job_id)
    assert [item.cause for item in ends[:4]] == [EndCause.OTHER] * 4  # codes out of reach
    assert [item.exit_code for item in ends[4:]] == [0, 0]
    runs = [(bench.folder / f"runs.{i}").read_text().splitlines() for i in range(6)]
    assert [len(lines) for lines in runs] == [1] * 6


def test_with_nothing_left_there_is_nobody_to_revive(bench):
    bench.wait_end(bench.run("true"))
    assert not bench.scheduler.revive()


def test_supervisors_killed_again_and_again_run_every_item_once(bench):
    job_id = bench.run("echo run >> runs.$ITEM; sleep 0.02", 30)
    deaths = 0
    while deaths < 5 and bench.scheduler.revive():
        found = supervisor(bench)
        time.sleep(0.02)
        try:
            os.kill(found.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        deaths += 1
        bench.wait(lambda f=found: not is_alive(f.pid, f.start), "it lives")
    bench.scheduler.revive()
    ends = bench.wait_end(job_id)
    for item, end in enumerate(ends):
        path = bench.folder / f"runs.{item}"
        runs = len(path.read_text().splitlines()) if path.exists() else 0
        # killed between its record and its start, an item never runs, and is not called ok
        assert runs == 1 or (runs == 0 and end.cause is EndCause.OTHER)


def test_an_adopted_item_can_be_cancelled(bench):
    job_id = bench.run("sleep 1000 & echo $! > pid; wait")
    pid = pid_in(bench, "pid")
    kill_supervisor(bench)
    bench.scheduler.cancel([job_id])
    assert bench.wait_end(job_id)[0].cause is EndCause.CANCELLED
    assert not lives(pid)


def test_after_a_reboot_everything_unfinished_has_failed_with_its_node(bench):
    job_id = bench.run("wait_for go", 6)
    wait_phase(bench, job_id, JobPhase.RUNNING)
    kill_supervisor(bench)
    change_place(bench, boot="0" * 36)
    assert {item.cause for item in bench.items(job_id)} == {EndCause.NODE_FAILURE}
    assert not bench.scheduler.revive()
    bench.wait_end(bench.run("true"))  # writes it down
    assert {item.cause for item in bench.items(job_id)} == {EndCause.NODE_FAILURE}
    events = StateDir(state_path(bench)).events()
    assert events.voids == {int(job_id): "node_failure"}
    bench.touch("go")


def test_jobs_of_another_host_are_left_to_it(bench):
    job_id = bench.run("wait_for go")
    kill_supervisor(bench)
    change_place(bench, boot="0" * 36, host="elsewhere")
    assert phase(bench, job_id) is JobPhase.UNKNOWN
    for act in (lambda: bench.run("true"), lambda: bench.scheduler.cancel([job_id])):
        with pytest.raises(UnavailableError, match="submitted on host elsewhere"):
            act()
    change_place(bench, **this_place()._asdict())
    bench.touch("go")


def change_place(bench: Bench, **fields: str) -> None:
    for path in Path(state_path(bench), "jobs").glob("*.json"):
        document = json.loads(path.read_text())
        document["place"] |= fields
        path.write_text(json.dumps(document))


def test_a_state_directory_that_is_removed_takes_its_jobs_with_it(bench):
    bench.run("sleep 1000 & echo $! > pid; wait")
    pid = pid_in(bench, "pid")
    os.rename(state_path(bench), bench.folder / "away")
    bench.wait(lambda: not lives(pid), "the item goes on")
    bench.wait(lambda: not supervisors_of(bench.folder), "the supervisor goes on")


class FullDisk(EventLog):
    """Has no room until it is told."""

    is_full = True

    def flush(self) -> bool:
        if self.is_full:
            self.is_writable = False
            return False
        return super().flush()


@pytest.fixture
def many_descriptors():
    """More than a process has by default; an item's must not inherit one."""
    held = [os.dup(0) for _ in range(300)]
    yield
    for descriptor in held:
        os.close(descriptor)


@pytest.mark.usefixtures("runtime_dir", "many_descriptors")
def test_nothing_runs_whose_start_could_not_be_put_on_record(bench, tmp_path):
    job = bench.job("echo ran >> runs.$ITEM", 2)
    state = StateDir(state_path(bench))
    state.make()
    (bench.folder / "output").mkdir()
    me = look(os.getpid())
    state.add_job(
        LocalJob(
            1, job.name, job.script, job.output, 2, 1, 4, this_place(),
            environment={"PATH": os.environ["PATH"]},
        )
    )  # fmt: skip
    log = FullDisk(state.events_path)
    served = Watch(state, log, Ledger(str(tmp_path), "key", me.start), "key")
    served.recover()
    for _ in range(3):
        served.step()
    assert state.events().starts == {}
    assert not list(bench.folder.glob("runs.*"))
    log.is_full = False
    while not served.is_idle:
        served.step()
        time.sleep(0.005)
    assert [(bench.folder / f"runs.{i}").read_text() for i in range(2)] == ["ran\n"] * 2
    assert [end.exit_code for end in state.events().ends.values()] == [0, 0]


# -- ends -------------------------------------------------------------------------------


def test_an_item_that_somebody_kills_has_ended_at_once_and_its_children_too(bench):
    job_id = bench.run(
        "setsid sleep 1000 & echo $! > child; sleep 1001 & echo $$ > pid; wait"
    )
    pid, child = pid_in(bench, "pid"), pid_in(bench, "child")
    os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    (end,) = bench.wait_end(job_id)
    assert time.monotonic() - began < 4.0
    assert (end.cause, end.exit_code, end.native) == (EndCause.EXITED, 137, "SIGKILL")
    bench.wait(lambda: not lives(child), "its child lives")


def test_what_an_item_leaves_in_the_background_is_killed_at_its_end(bench):
    job_id = bench.run("sleep 1000 & echo $! > pid; exit 3")
    pid = pid_in(bench, "pid")
    assert bench.wait_end(job_id)[0].exit_code == 3
    bench.wait(lambda: not lives(pid), "it lives")


def test_cancel_reaches_processes_that_left_the_session_and_kills_what_ignores_term(bench):
    body = """
    setsid bash -c 'echo $$ > a; exec sleep 1000' &
    (setsid setsid bash -c 'echo $$ > b; sleep 1001' &)
    bash -c 'trap "" TERM; echo $$ > c; while :; do sleep 0.1; done' &
    trap "echo stopped > trapped; exit 7" TERM
    wait
    """
    job_id = bench.run(body)
    pids = [pid_in(bench, name) for name in "abc"]
    began = time.monotonic()
    bench.scheduler.cancel([job_id])
    bench.wait(lambda: not lives(pids[0]) and not lives(pids[1]), "TERM did not reach them")
    assert time.monotonic() - began < 4.5
    (end,) = bench.wait_end(job_id)
    assert time.monotonic() - began > 4.5  # TERM, 5 s, KILL
    assert (end.cause, end.exit_code) == (EndCause.CANCELLED, 7)
    assert not any(lives(pid) for pid in pids)
    assert (bench.folder / "trapped").exists()


def test_a_cancel_tells_the_leader_alone_first(bench):
    body = """
    bash -c 'trap "touch early" TERM; echo $$ > pid; until [ -e go ]; do sleep 0.1; done' &
    trap 'sleep 0.7; [ -e early ] || touch in_order; touch go; wait; exit 0' TERM
    wait
    """
    job_id = bench.run(body)
    pid_in(bench, "pid")
    bench.scheduler.cancel([job_id])
    bench.wait_end(job_id)
    assert (bench.folder / "in_order").exists()


def test_a_time_limit_stops_an_item(bench):
    bench.resources = JobResources(walltime_s=1)
    job_id = bench.run("sleep 1000")
    (end,) = bench.wait_end(job_id)
    assert (end.cause, end.native) == (EndCause.TIME_LIMIT, "SIGTERM")


def test_an_item_whose_output_cannot_be_opened_never_starts(bench):
    job = bench.job("touch ran")
    (bench.folder / "output").mkdir()
    Path(job.output.replace("{item}", "0")).mkdir()
    (end,) = bench.wait_end(bench.submit(job))
    assert (end.cause, end.native) == (EndCause.NEVER_STARTED, "NO_OUTPUT")
    assert not (bench.folder / "ran").exists()


def test_a_cancelled_array_ends_what_runs_and_what_waits(bench):
    job_id = bench.run("sleep 1000", 50)
    wait_phase(bench, job_id, JobPhase.RUNNING, 3)
    bench.scheduler.cancel([job_id])
    ends = bench.wait_end(job_id)
    assert {end.cause for end in ends} == {EndCause.CANCELLED}
    starts = StateDir(state_path(bench)).events().starts
    assert len([key for key in starts if key[0] == int(job_id)]) == 4


# -- what a host has --------------------------------------------------------------------


def test_cores_are_shared_by_all_workflows_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("HPCFLOW_LOCAL_CORES", "3")
    one, other = (make_bench(tmp_path / name, cores=3) for name in ("one", "other"))
    first = one.run("wait_for go", 2)
    wait_phase(one, first, JobPhase.RUNNING, 1)
    second = other.run("wait_for go", 2)
    wait_phase(other, second, JobPhase.RUNNING, 0)
    time.sleep(0.3)
    assert phase(other, second, 1) is JobPhase.PENDING
    one.touch("go")
    wait_phase(other, second, JobPhase.RUNNING, 1)
    other.touch("go")
    settle(one)
    settle(other)


def test_cores_of_items_whose_supervisor_died_stay_taken_until_they_end(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("HPCFLOW_LOCAL_CORES", "1")
    one, other = (make_bench(tmp_path / name, cores=1) for name in ("one", "other"))
    one.run("touch up; wait_for go")
    one.wait_file("up")
    kill_supervisor(one)
    second = other.run("true")
    time.sleep(0.3)
    assert phase(other, second) is JobPhase.PENDING
    one.touch("go")
    assert other.wait_end(second)[0].exit_code == 0


def test_a_wide_job_is_not_starved_by_narrow_ones_of_another_workflow(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("HPCFLOW_LOCAL_CORES", "2")
    one, other = (make_bench(tmp_path / name, cores=2) for name in ("one", "other"))
    narrow = one.run("sleep 0.1", 60)
    wait_phase(one, narrow, JobPhase.RUNNING)
    other.resources = JobResources(num_cores=2)
    other.wait_end(other.run("true"))
    assert JobPhase.PENDING in {item.phase for item in one.items(narrow)}
    settle(one)


def test_wide_items_run_alone(bench):
    bench.resources = JobResources(num_cores=3)
    job_id = bench.run("mkdir alone || exit 1; sleep 0.05; rmdir alone", 3)
    assert [end.exit_code for end in bench.wait_end(job_id)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("resources", "text"),
    [
        ({"num_cores": 5}, "asks for 5 cores; there are 4"),
        ({"num_tasks": 3, "cores_per_task": 2}, "asks for 6 cores; there are 4"),
        ({"memory_bytes": 2**60}, f"wants {2**60} bytes of memory; there are"),
        ({"num_nodes": 2}, "asks for 2 nodes; there is 1"),
    ],
)
def test_what_this_host_will_never_have_is_refused_with_both_numbers(
    bench, resources, text
):
    bench.resources = JobResources(**resources)
    with pytest.raises(RefusedError, match=text):
        bench.run("true")
    assert not supervisors_of(bench.folder)


def test_a_missing_script_is_refused(bench):
    with pytest.raises(RefusedError, match="there is no script /nowhere"):
        bench.scheduler.submit(Job("a", "/nowhere", str(bench.folder / "out")))


def test_dependencies_on_what_is_not_here_or_does_not_match_are_refused(bench):
    two = bench.run("true", 2)
    for job_id, kind, text in (
        ("77", DependencyKind.AFTER_END, "depends on job 77, which is not here"),
        ("x", DependencyKind.AFTER_END, "depends on job x"),
        (two, DependencyKind.ELEMENTWISE, "3 items and depends item by item"),
    ):
        with pytest.raises(RefusedError, match=text):
            bench.submit(bench.job("true", 3), [Dependency(job_id, kind)])


def test_a_dependency_on_a_job_that_has_ended_is_met(bench):
    first = bench.run("exit 1")
    bench.wait_end(first)
    second = bench.submit(bench.job("true"), [Dependency(first)])
    assert bench.wait_end(second)[0].exit_code == 0


def test_cores_default_to_what_this_process_may_use(tmp_path, monkeypatch):
    assert load("local", state_dir=tmp_path).limits().num_cores == len(
        os.sched_getaffinity(0)
    )
    monkeypatch.setenv("HPCFLOW_LOCAL_CORES", "7")
    assert load("local", state_dir=tmp_path).limits().num_cores == 7


# -- what an item finds -----------------------------------------------------------------


def test_an_item_starts_fresh_with_nothing_of_the_supervisors(bench):
    job = bench.job(
        "pwd; ls /proc/self/fd | wc -l; readlink /proc/self/fd/0\n"
        "grep -E 'Sig(Blk|Ign)' /proc/self/status; cut -d ' ' -f 6 /proc/$$/stat; echo $$"
    )
    lines = job.script and Path(job.script).read_text().replace(
        f"cd '{bench.folder}'", "true"
    )
    Path(job.script).write_text(lines)
    bench.wait_end(bench.submit(job))
    folder, num_open, stdin, blocked, ignored, session, pid = bench.output(job).splitlines()
    assert folder == str(Path(job.script).parent)
    assert int(num_open) == 4  # 0, 1, 2 and the listing's own
    assert stdin == "/dev/null"
    assert int(blocked.split()[1], 16) == 0
    # but for signals 32 and 33: glibc's own, which its posix_spawn leaves ignored
    assert int(ignored.split()[1], 16) & ~0x1_8000_0000 == 0
    assert session == pid


def test_named_variables_go_along(tmp_path, monkeypatch):
    monkeypatch.setenv("MINE", "yes")
    bench = make_bench(tmp_path / "bench", pass_environment=["MINE"])
    job = bench.job('echo "$MINE"')
    bench.wait_end(bench.submit(job))
    assert bench.output(job) == "yes\n"


def test_looking_imports_the_standard_library_only_and_is_quick(bench):
    job_id = bench.run("true", 3)
    bench.wait_end(job_id)
    code = textwrap.dedent(f"""
        import sys, time
        sys.path.insert(0, {str(ROOT)!r})
        from schedulers import load
        scheduler = load("local", state_dir={state_path(bench)!r})
        began = time.process_time()
        states = scheduler.states({{{job_id!r}: 3}})
        assert [s.exit_code for s in states[{job_id!r}].values()] == [0, 0, 0]
        print(time.process_time() - began)
        ours = {{n for n in sys.modules if n.startswith("schedulers")}}
        assert not ours & {{"schedulers.local.slots", "schedulers.local.supervisor"}}, ours
        assert "subprocess" not in sys.modules
        print(sorted({{n.split(".")[0] for n in sys.modules}} - sys.stdlib_module_names))
    """)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True
    )
    assert done.stderr == ""
    elapsed, foreign = done.stdout.splitlines()
    assert eval(foreign) in (["schedulers"], ["__main__", "schedulers"])
    assert float(elapsed) < 0.1


def test_states_of_ten_thousand_items_are_read_in_a_moment(bench):
    state = StateDir(state_path(bench))
    job_id = bench.run("true")
    bench.wait_end(job_id)
    bench.wait(lambda: not supervisors_of(bench.folder), "it would run what follows")
    document = json.loads(Path(state_path(bench), "jobs/000001.json").read_text())
    many = document | {"number": 2, "num_items": 10_000}
    Path(state_path(bench), "jobs/000002.json").write_text(json.dumps(many))
    with open(state.events_path, "a") as file:
        for item in range(10_000):
            print(f"start 2 {item} 77 1234 5\nend 2 {item} exited 0 EXITED 6", file=file)
    began = time.process_time()
    states = bench.scheduler.states({"2": 10_000})["2"]
    assert time.process_time() - began < 1.0
    assert {item.exit_code for item in states.values()} == {0}
