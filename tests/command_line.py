"""Calls `hpcflow` as a user does: a process, its output and its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

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
) -> subprocess.CompletedProcess[str]:
    """Run one command in `folder`; fail if it does not exit as expected (None: any)."""
    done = subprocess.run(
        [BESIDE / "hpcflow", *map(str, arguments)],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    command = " ".join(map(str, arguments))
    assert exit_code in (None, done.returncode), (
        f"hpcflow {command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    )
    return done


def columns(workflow: Path, task: str) -> dict[str, list[Any]]:
    """A task's table, by column."""
    done = hpcflow("results", workflow, "--task", task, "--json", folder=workflow.parent)
    table: dict[str, list[Any]] = json.loads(done.stdout)["columns"]
    return table


def run_counts(workflow: Path) -> dict[str, dict[str, int]]:
    """Runs by state, by task."""
    done = hpcflow("show", workflow, "--json", folder=workflow.parent)
    return {task["name"]: task["states"] for task in json.loads(done.stdout)["tasks"]}
