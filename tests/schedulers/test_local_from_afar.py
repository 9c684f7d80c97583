"""The local scheduler of another host, and the programs that are sent there.

Where a Python 3.9 is known (HPCFLOW_TEST_PYTHON39, or on PATH), it plays the other
host's: older ones are not supported.
"""

from __future__ import annotations

import ast
import glob
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest

from hpcflow.remote import there
from hpcflow.remote.bundle import node_bundle, packed
from schedulers.local.remote import RemoteLocalScheduler
from schedulers.testing import SchedulerConformance
from schedulers.transport import Answer

if TYPE_CHECKING:
    from pathlib import Path

    from schedulers.port import Scheduler


def oldest_python() -> str:
    """A Python 3.9, else this one."""
    known = [
        os.environ.get("HPCFLOW_TEST_PYTHON39"),
        shutil.which("python3.9"),
        *glob.glob(os.path.expanduser("~/.pyenv/versions/3.9.*/bin/python3.9")),
        sys.executable,
    ]
    return next(path for path in known if path and _starts(path))


def _starts(path: str) -> bool:
    """A shim of a version manager may be there, and start nothing."""
    try:
        done = subprocess.run([path, "-I", "-S", "-c", ""], capture_output=True)
    except OSError:
        return False
    return done.returncode == 0


PYTHON = oldest_python()


class BesideUs:
    """A host that is this one, with nothing but what was sent there."""

    def run_bytes(self, argv, *, environment, timeout_s, stdin=b""):
        done = subprocess.run(
            argv,
            input=stdin,
            env=dict(environment),
            cwd="/",
            capture_output=True,
            timeout=timeout_s,
        )
        return Answer(done.returncode, done.stdout, done.stderr.decode())


@pytest.fixture(scope="module")
def sent(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sent")
    _, archive = node_bundle()
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # of 3.11.4
        tar.extractall(folder, **safe)
    return folder


class TestLocalFromAfar(SchedulerConformance):
    @pytest.fixture
    def scheduler(self, tmp_path: Path, sent: Path) -> Scheduler:
        return RemoteLocalScheduler(
            BesideUs(),
            environ=os.environ,
            python=PYTHON,
            packages=str(sent),
            state_dir=str(tmp_path / "state"),
            cores=4,
        )

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        odd = tmp_path / 'it\'s 100%j of (a) "dir"'
        odd.mkdir()
        return odd

    def test_a_job_that_is_handed_over_again_is_the_same_job(self, bench) -> None:
        job = bench.job("echo once >>runs")
        job_id = bench.submit(job)
        bench.wait_end(job_id)
        assert bench.scheduler.submit(job) == job_id
        bench.wait_end(bench.run("true"))
        assert (bench.folder / "runs").read_text() == "once\n"


def test_what_is_sent_is_written_for_python_3_9_and_starts_there(sent):
    for path in sent.rglob("*.py"):
        ast.parse(path.read_text(), str(path), feature_version=(3, 9))
    for program in ("hpcflow/node/__main__.py", "schedulers/local/supervisor.py"):
        done = subprocess.run(
            [PYTHON, "-I", "-S", sent / program], capture_output=True, text=True, cwd="/"
        )
        assert "Error" not in done.stderr.replace("IndexError", ""), done.stderr


def call(sent: Path, name: str, request: dict[str, object], code: int = 0) -> bytes:
    done = subprocess.run(
        [PYTHON, "-I", "-S", sent / "hpcflow/remote/there.py", name],
        input=json.dumps(request).encode(),
        capture_output=True,
    )
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def test_files_are_unpacked_listed_sent_and_removed_there(sent, tmp_path):
    root = tmp_path / "work" / "wk"
    seen = json.loads(call(sent, "look", {"work": str(root.parent), "asked": ["wk"]}))
    assert (seen["work"], seen["there"]) == (str(root.parent), [False])
    archive = tmp_path / "archive"
    for made in (True, False):
        archive.write_bytes(packed({"jobs/0/a": b"one", "remote.id": b'{"id": "x"}'}))
        request = {
            "archive": str(archive), "target": str(root), "folders": [f"{root}-logs/0"]
        }  # fmt: skip
        assert json.loads(call(sent, "unpack", request)) == {"made": made}
        assert not archive.exists()
    assert (root.parent / "wk-logs/0").is_dir()
    names = json.loads(call(sent, "names", {"root": str(root), "prefix": ""}))["names"]
    assert names == ["jobs/", "remote.id"]
    for name, text in (("0.0", "abc"), ("0.10", "d"), ("0.2", ""), ("~x", "no")):
        (root / "segments/0").mkdir(parents=True, exist_ok=True)
        (root / "segments/0" / name).write_text(text)
    request = {
        "root": str(root),
        "prefixes": ["segments", "absent"],
        "known": {"segments/0/0.0": 1, "segments/0/0.2": 0},
        "skip": [],
    }
    # later attempts first; of what is known, only what was added
    assert call(sent, "fetch", request).splitlines() == [
        b'{"key": "segments/0/0.10", "start": 0, "size": 1}',
        b'd{"key": "segments/0/0.0", "start": 1, "size": 2}',
        b'bc{"end": true}',
    ]
    request["skip"] = ["segments/0"]
    assert call(sent, "fetch", request) == b'{"end": true}\n'
    for _ in range(2):
        line = {"root": str(root), "key": "segments/1/fence", "text": "x\n"}
        call(sent, "append", line)
    assert (root / "segments/1/fence").read_text() == "x\nx\n"
    gone = {"root": str(root), "mark": "remote.id", "id": "y"}
    assert b"is another workflow" in call(sent, "remove", gone, code=1)
    call(sent, "remove", {**gone, "id": "x"})
    call(sent, "remove", {**gone, "id": "x"})
    assert not root.exists()
    assert there.main("names", {"root": str(root), "prefix": ""}) == 0
