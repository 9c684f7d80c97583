"""Performs one command on copies of a place, each killed at another point.

    python -m tests.submit.command_crasher COMMAND ROOT

ROOT/start is the place: the workflow `wk` in it, and what its scheduler took. It is
copied to ROOT/now, where the command is killed (jobs hold absolute paths), and
then moved to ROOT/1, ROOT/2, ... Points are calls of the port that change something (to die
before a read is to die after the change before it) and of the scheduler.
Prints how many there are. Columns are plain objects: a fork without Zarr's threads is
a quick one.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import hpcflow.submit.make
import jobstores.fold
import jobstores.workflow_store
from hpcflow.app.archive import zip_workflow
from hpcflow.app.config import Config
from hpcflow.app.context import OpenWorkflow
from hpcflow.submit.advance import fold_workflow
from hpcflow.submit.cancel import cancel_workflow
from hpcflow.submit.grow import grow_workflow
from hpcflow.submit.make import make_workflow
from hpcflow.submit.submit import submit_workflow
from jobstores.backends.posix import PosixPort
from jobstores.open import parse_locator
from tests.jobstores.store_doubles import HookedPort
from tests.jobstores.store_scenes import plain_column, plain_columns
from tests.submit.scenes import FileScheduler, context, more_tasks, opened, workflow

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


READS = ("get", "list", "stat", "read_segment", "path", "walk", "sync")


def _column(port: Any, ref: Any, *, encoded: bool = False) -> Any:
    column = plain_column(port, ref, encoded=encoded)
    return np.asarray(column) if ref.kind in ("int", "float", "bool") else column


def use_plain_columns(patch: pytest.MonkeyPatch | None = None) -> None:
    put = setattr if patch is None else patch.setattr
    put(jobstores.workflow_store, "write_columns", plain_columns)
    put(jobstores.workflow_store, "read_column", _column)
    put(jobstores.fold, "read_column", _column)


def _port(root: Path, point: Callable[[str], None]) -> Any:
    def before(method: str, key: str) -> None:
        if method in READS:
            return
        if "/runs/" not in key or key.endswith(("/id", "/log_end")):
            point(f"{method} {key}")

    return HookedPort(PosixPort(str(root)), before)


def make(place: Path, point: Callable[[str], None]) -> None:
    def open_port(locator: str) -> Any:
        return _port(Path(parse_locator(locator).name), point)

    publish = hpcflow.submit.make._publish

    def published(scratch: Path, target: Path) -> None:
        point("rename")
        publish(scratch, target)
        point("renamed")

    hpcflow.submit.make.open_port = open_port
    hpcflow.submit.make._publish = published
    make_workflow(workflow(place), place / "wk")


def add(place: Path, point: Callable[[str], None]) -> None:
    grow_workflow(opened(place / "wk", _port(place / "wk", point)), more_tasks(place))


def submit(place: Path, point: Callable[[str], None]) -> None:
    store = opened(place / "wk", _port(place / "wk", point))
    submit_workflow(
        store, context(place / "wk", FileScheduler(place / "taken", step=point))
    )


def cancel(place: Path, point: Callable[[str], None]) -> None:
    scheduler = FileScheduler(place / "taken", step=point)
    cancel_workflow(opened(place / "wk", _port(place / "wk", point)), lambda *_: scheduler)


def fold(place: Path, point: Callable[[str], None]) -> None:
    scheduler = FileScheduler(place / "taken", step=point)
    fold_workflow(opened(place / "wk", _port(place / "wk", point)), lambda *_: scheduler)


def archive(place: Path, point: Callable[[str], None]) -> None:
    store = opened(place / "wk", _port(place / "wk", point))
    zip_workflow(
        OpenWorkflow(store, str(place / "wk"), Config()), place / "wk.zip", scratch=False
    )


COMMANDS = {
    "make": make,
    "add": add,
    "submit": submit,
    "cancel": cancel,
    "fold": fold,
    "zip": archive,
}


def main(command: str, root: Path) -> None:
    """Kill the command at its first point, its second, and so on."""
    use_plain_columns()
    number, status = 0, -1
    while status:
        number += 1
        shutil.copytree(root / "start", root / "now")
        child = os.fork()
        if not child:
            left = [number]

            def point(_: str, left: list[int] = left) -> None:
                left[0] -= 1
                if not left[0]:
                    os.kill(os.getpid(), signal.SIGKILL)

            COMMANDS[command](root / "now", point)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        if os.WIFEXITED(status) and os.WEXITSTATUS(status):
            raise SystemExit(f"{command} failed at point {number}: {status}")
        (root / "now").rename(root / str(number))
    print(number)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
