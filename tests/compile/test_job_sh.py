"""`job.sh`, executed with a small program in place of the node side."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace

import pytest

from hpcflow.compile.grouping import compile_jobs
from hpcflow.compile.jobscript import render_job
from tests.compile.workflows import ID, SETTINGS, SLURM, WorkflowBuilder, column, echo

TELL = """
import json, os, sys
print(json.dumps([sys.argv[1:], os.getcwd(), sys.flags.isolated, sys.flags.no_site]))
"""
WAIT = """
import os, signal, sys, time
def obey(number, frame):
    os.write(1, b"got %s\\n" % signal.Signals(number).name.encode())
    if number == signal.SIGTERM:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        time.sleep(0.3)
        os._exit(7)
for name in ("TERM", "INT", "HUP", "USR1", "USR2", "XCPU"):
    signal.signal(getattr(signal, "SIG" + name), obey)
print("ready", flush=True)
while True:
    time.sleep(60)
"""
# Dies leaving behind: a child, one in a session of its own, one that ignores TERM.
KILLED = """
import os, signal, subprocess, sys, time
sleep = ["sleep", "600"]
deaf = ["bash", "-c", "trap '' TERM; while :; do sleep 600; done"]
runs = [
    subprocess.Popen(sleep),
    subprocess.Popen(sleep, start_new_session=True),
    subprocess.Popen(deaf, process_group=0),
]
null = subprocess.DEVNULL
other = subprocess.Popen(sleep, env={"PATH": os.environ["PATH"]}, stdout=null, stderr=null)
print(*(run.pid for run in runs), other.pid, flush=True)
time.sleep(0.5)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def job(tmp_path):
    """Writes a job's directory; gives what runs its `job.sh`."""

    def make(node_source, rows=3, **settings):
        root = tmp_path / 'it\'s a "$HOME" folder'
        node = tmp_path / "node side.py"
        node.write_text(node_source)
        changed = {
            "python": sys.executable,
            "node_main": str(node),
            "workflow_path": str(root),
            **settings,
        }
        built = WorkflowBuilder()
        built.add("t", rows, [echo("y", "x")], {"x": column(list(range(rows)))})
        workflow = built.workflow()
        plans = compile_jobs(workflow, submission=4, workflow_id=ID, options=SLURM)
        files = render_job(workflow, plans, plans[0], replace(SETTINGS, **changed))
        folder = root / "submissions/4/jobs/0"
        folder.mkdir(parents=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return folder / "job.sh"

    return make


def run(script, *arguments, **variables):
    return subprocess.run(
        ["bash", script, *arguments],
        env={"PATH": os.environ["PATH"], **variables},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
    )


def started(script):
    # whatever starts these tests may ignore SIGHUP (nohup) or SIGINT (a job in background)
    process = subprocess.Popen(
        ["env", "--default-signal", "bash", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stream:
            return stream.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# -- starting


@pytest.mark.parametrize(
    ("arguments", "variables", "item"),
    [
        ([], {}, "0"),
        ([], {"SLURM_ARRAY_TASK_ID": "2"}, "2"),
        (["--item", "1"], {"SLURM_ARRAY_TASK_ID": "2"}, "1"),
    ],
)
def test_the_node_side_is_started_for_the_item(job, arguments, variables, item):
    script = job(TELL)
    done = run(script, *arguments, **variables)
    root = str(script.parents[4])
    told = [["item", str(script.parent), item], root, 1, 1]
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == told


def test_the_exit_status_is_the_node_sides(job):
    assert run(job("import sys; sys.exit(65)")).returncode == 65


def test_files_are_made_with_the_given_umask(job, tmp_path):
    script = job("import sys; open(sys.argv[2] + '/made', 'w')", umask=0o037)
    assert run(script).returncode == 0
    assert (script.parent / "made").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("item", ["3", "", "x", "-1", "1 2", "$(echo 1)"])
def test_an_item_that_is_none(job, item):
    done = run(job(TELL), "--item", item)
    assert done.returncode == 64
    assert done.stderr.startswith("hpcflow: ")
    assert done.stdout == ""


def test_a_workflow_that_is_not_there(job):
    script = job(TELL)
    root = script.parents[4]
    elsewhere = root.with_name("moved")
    root.rename(elsewhere)
    done = run(elsewhere / "submissions/4/jobs/0/job.sh")
    assert done.returncode == 66
    assert done.stderr.startswith(f"hpcflow: the workflow is not at {root} on ")
    (elsewhere / "submissions/4/jobs/0/job.json").unlink()
    elsewhere.rename(root)
    done = run(script)
    assert (done.returncode, "job.json can't be read" in done.stderr) == (66, True)


def test_a_python_that_is_not_there(job):
    done = run(job(TELL, python="/no/such/python3"))
    assert done.returncode == 69
    assert done.stderr.startswith("hpcflow: there is no /no/such/python3 on ")


# -- signals


def test_signals_reach_the_node_side(job):
    process = started(job(WAIT))
    for name in ("USR1", "USR2", "XCPU", "INT", "HUP", "TERM"):
        process.send_signal(getattr(signal, f"SIG{name}"))
        assert process.stdout.readline() == f"got SIG{name}\n"
    assert process.wait(120) == 7
    assert process.communicate() == ("", "")


def test_many_signals_at_once(job):
    process = started(job(WAIT))
    deadline = time.monotonic() + 120
    while process.poll() is None:  # bash may miss one as its wait begins, until the next
        for _ in range(20):
            process.send_signal(signal.SIGUSR1)
            process.send_signal(signal.SIGTERM)
        assert time.monotonic() < deadline
        with suppress(subprocess.TimeoutExpired):
            process.wait(1)
    assert process.returncode == 7
    process.communicate()


@pytest.mark.parametrize("delay_s", [0.01, 0.02, 0.04])
def test_a_signal_at_the_very_start_ends_the_item(job, delay_s):
    script = job("import time; time.sleep(600)")
    process = subprocess.Popen(["bash", script], stderr=subprocess.PIPE)
    time.sleep(delay_s)  # before the traps, before the child, or after
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) in (128 + signal.SIGTERM, -signal.SIGTERM)
    process.communicate()


# -- a node side that is killed


def test_what_a_killed_node_side_leaves_behind_is_ended(job):
    begun = time.monotonic()
    done = run(job(KILLED))
    *runs, other = map(int, done.stdout.split())
    try:
        assert done.returncode == 128 + signal.SIGKILL
        assert not [pid for pid in runs if alive(pid)]
        assert alive(other), "a process of somebody else"
        assert "was ended by signal 9; ending its runs: " in done.stderr
        assert time.monotonic() - begun < 30
    finally:
        for pid in (*runs, other):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
