"""Calls `hpcflow` as a user does: a command line, its output and its exit code.

A process that imports the program costs more than most commands do. So commands are
called in this process, with the environment, the folder and the streams that one of its
own would have; a thorough run starts a process for each.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from contextlib import ExitStack, chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

from hpcflow.cli.main import main
from tests.effort import THOROUGH

ROOT = Path(__file__).parents[1]
BESIDE = Path(sys.executable).parent
TIMEOUT_S = 200


def environment(home: Path) -> dict[str, str]:
    """The commands beside this interpreter first, and no setting of the user's."""
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith("HPCFLOW_")},
        "PATH": f"{BESIDE}:{os.environ['PATH']}",
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_STATE_HOME": str(home / ".local" / "state"),
        "HPCFLOW_LOCAL_CORES": "2",
        "HPCFLOW_RUNTIME_DIR": str(home / ".runtime"),  # else tests wait for each other
        "COLUMNS": "100",
        "TERM": "dumb",
        "TZ": "UTC",
    }


def hpcflow(
    *arguments: object,
    folder: Path,
    exit_code: int | None = 0,
    timeout_s: float = TIMEOUT_S,
    in_process: bool = not THOROUGH,
) -> subprocess.CompletedProcess[str]:
    """Run one command in `folder`; fail if it does not exit as expected (None: any).

    in_process: false where the test is of the process, or calls from several threads.
    """
    words = list(map(str, arguments))
    if in_process and threading.current_thread() is threading.main_thread():
        done = called(words, folder)
    else:
        done = _started(words, folder, timeout_s)
    assert exit_code in (None, done.returncode), (
        f"hpcflow {' '.join(words)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    )
    return done


def _started(
    words: list[str], folder: Path, timeout_s: float
) -> subprocess.CompletedProcess[str]:
    """In a process of its own."""
    return subprocess.run(
        [BESIDE / "hpcflow", *words],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )


def called(
    words: list[str], folder: Path, *, merged: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run one command in this process. merged: what it writes to stderr is in `stdout`."""
    out = _stream()
    err = out if merged else _stream()
    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, environment(folder), clear=True))
        stack.enter_context(chdir(folder))
        nothing = stack.enter_context(open(os.devnull))
        stack.enter_context(mock.patch.object(sys, "stdin", nothing))
        stack.enter_context(mock.patch.object(sys, "argv", ["hpcflow", *words]))
        stack.enter_context(redirect_stdout(out))
        stack.enter_context(redirect_stderr(err))
        code = main(words)
    errors = "" if merged else _text(err)
    return subprocess.CompletedProcess(words, code, _text(out), errors)


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


def _text(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


def columns(workflow: Path, task: str) -> dict[str, list[Any]]:
    """A task's table, by column."""
    done = hpcflow("results", workflow, "--task", task, "--json", folder=workflow.parent)
    table: dict[str, list[Any]] = json.loads(done.stdout)["columns"]
    return table


def run_counts(workflow: Path) -> dict[str, dict[str, int]]:
    """Runs by state, by task."""
    done = hpcflow("show", workflow, "--json", folder=workflow.parent)
    return {task["name"]: task["states"] for task in json.loads(done.stdout)["tasks"]}
