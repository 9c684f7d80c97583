"""Runs Toil's commands as a user does, with our plug-in where Toil finds plug-ins."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import uuid
from pathlib import Path

import psutil

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BESIDE = Path(sys.executable).parent
TIMEOUT_S = 200
FAMILY = "TEST_FAMILY"  # in the environment of a command and all that it starts
FIFTY = [sys.executable, HERE / "workflow_of_fifty.py"]
OURS = [sys.executable, "-m", "jobstores.toil_plugin"]
TOIL = [BESIDE / "toil"]
CWL = [BESIDE / "toil-cwl-runner"]


def environment(folder):
    """No history and no settings of the user's; the plug-in as a wheel would put it."""
    return {
        **os.environ,
        "HOME": str(folder),
        "TOIL_HISTORY": "off",
        "TOIL_WORKDIR": str(folder),
        "PATH": f"{BESIDE}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
        "TERM": "dumb",
    }


def started(*arguments, folder):
    family = uuid.uuid4().hex
    process = subprocess.Popen(
        [*map(str, arguments)],
        cwd=folder,
        env={**environment(folder), FAMILY: family},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    process.family = family
    return process


def run(*arguments, folder, exit_code=0):
    """The command's output; fails if it does not exit as expected (None: any)."""
    process = started(*arguments, folder=folder)
    try:
        output, _ = process.communicate(timeout=TIMEOUT_S)
    except BaseException:
        kill(process)
        raise
    assert exit_code is None or process.returncode == exit_code, output[-5000:]
    return output


def kill(leader):
    """End a leader that was started here with -9, then, as if its host had died, the
    workers that it started, whatever they start meanwhile."""
    leader.kill()
    while family := [process for process in psutil.process_iter() if _of(process, leader)]:
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, timeout=5)
    leader.communicate()


def _of(process, leader):
    """Whether a process lives, and the leader or a worker of it started it."""
    try:
        return process.environ().get(FAMILY) == leader.family
    except psutil.Error:
        return False
