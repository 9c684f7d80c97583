"""`hpcflow store`: a store is looked into, checked, copied and deleted as a user does."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys

import pytest

from hpcflow.cli import progress
from hpcflow.cli.main import main
from hpcflow.cli.words import size
from tests.command_line import BESIDE, ROOT, environment, hpcflow

THREE_TASKS = ROOT / "tests/workflows/three_tasks/template.yaml"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A workflow that is made and not submitted."""
    folder = tmp_path_factory.mktemp("made")
    hpcflow("make", THREE_TASKS, "--path", folder / "w", folder=folder)
    return folder / "w"


@pytest.fixture
def workflow(made, tmp_path):
    shutil.copytree(made, tmp_path / "w")
    return tmp_path / "w"


def document(capsys, *arguments: object, code: int = 0) -> dict:
    assert main(["store", *map(str, arguments), "--json"]) == code
    out, _ = capsys.readouterr()
    found = json.loads(out)
    assert found["format"] == 1
    return found


def test_info(workflow, capsys):
    found = document(capsys, "info", workflow)
    assert found["generation"] == 1
    assert found["runs"]["pending"] == sum(found["ranges"].values())
    assert found["bytes"] == sum(part["bytes"] for part in found["parts"].values())
    assert main(["store", "info", str(workflow)]) == 0
    assert f"{size(found['bytes'])}, " in capsys.readouterr().out


def test_verify(workflow, capsys):
    assert document(capsys, "verify", workflow)["findings"] == []
    chunk = next(workflow.glob("gen/*/inputs/**/c/0"))
    chunk.unlink()
    found = document(capsys, "verify", workflow, code=1)
    ((severity, kind),) = {(f["severity"], f["kind"]) for f in found["findings"]}
    assert (found["clean"], severity, kind) == (False, "damage", "column")
    assert main(["store", "verify", str(workflow)]) == 1
    assert "1 case of damage; checked" in capsys.readouterr().out


def test_repair(workflow, capsys):
    (workflow / "store.json").write_text("{}")
    assert main(["show", str(workflow)]) == 7
    capsys.readouterr()
    found = document(capsys, "verify", "--repair", workflow)
    assert [f["kind"] for f in found["repaired"]] == ["marker"]
    assert found["moved"] == ["store.json"]
    assert main(["show", str(workflow)]) == 0


def test_rechunk(workflow, capsys):
    found = document(capsys, "rechunk", workflow, "--table", "parameters")
    assert found["generation"] == 2
    assert document(capsys, "verify", workflow)["clean"]
    assert main(["store", "rechunk", str(workflow), "--table", "runs"]) == 0
    assert "nothing is folded yet" in capsys.readouterr().out


def test_copy_and_delete(workflow, tmp_path, capsys):
    found = document(capsys, "copy", workflow, tmp_path / "b")
    assert found["objects"] > 10
    before, after = (document(capsys, "info", p) for p in (workflow, tmp_path / "b"))
    assert before["id"] == after["id"]
    assert document(capsys, "delete", tmp_path / "b", "--yes")["objects"] > 10
    assert not (tmp_path / "b").exists()


def test_a_folder_and_its_store_elsewhere_are_deleted_together(tmp_path, capsys):
    folder = tmp_path / "w"
    store = f"zarr:{tmp_path}/elsewhere"
    hpcflow("make", THREE_TASKS, "--path", folder, "--store", store, folder=tmp_path)
    (folder / "mine.txt").write_text("x")
    assert main(["store", "delete", str(folder), "--yes"]) == 7
    assert "mine.txt" in capsys.readouterr().err
    (folder / "mine.txt").unlink()
    assert main(["store", "delete", str(folder), "--yes"]) == 0
    assert not folder.exists()
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["info", "nothing"], 4, "not a job store"),
        (["verify", "."], 4, "not a job store"),
        (["delete", ".", "--yes"], 4, "not a job store"),
        (["copy", "w", "."], 5, "not empty"),
        (["copy", "w", "x.zip"], 7, "hpcflow zip"),
        (["rechunk", "w", "--table", "x"], 4, "no table 'x'"),
        (["rechunk", "w", "--chunk-rows", "0"], 2, "0 is not in the range"),
        (["delete", "w"], 2, "--yes"),
        (["verfy", "w"], 2, "Did you mean 'verify'?"),
    ],
)
def test_what_is_wrong_is_said_and_changes_nothing(
    workflow, arguments, code, message, capsys, monkeypatch
):
    monkeypatch.chdir(workflow.parent)
    before = sorted(workflow.rglob("*"))
    assert main(["store", *arguments]) == code
    assert message in capsys.readouterr().err
    left = [p for p in workflow.rglob("*") if "lease" not in p.parts]
    assert sorted(left) == [p for p in before if "lease" not in p.parts]


def test_active_jobs_keep_a_workflow_from_being_deleted(workflow, monkeypatch, capsys):
    from hpcflow.report.data import Phase

    class Active:
        phase = Phase.ACTIVE

    monkeypatch.setattr("hpcflow.app.workflow.Workflow.status", lambda _: Active)
    assert main(["store", "delete", str(workflow), "--yes"]) == 5
    assert "hpcflow cancel" in capsys.readouterr().err
    assert (workflow / "store.json").exists()


@pytest.mark.parametrize(("answer", "left"), [("n", True), ("y", False)])
def test_deleting_asks_on_a_terminal(workflow, answer, left):
    ours, theirs = pty.openpty()
    started = subprocess.Popen(
        [BESIDE / "hpcflow", "store", "delete", "w"],
        cwd=workflow.parent,
        env=environment(workflow.parent),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    os.write(ours, f"{answer}\n".encode())
    out, _ = started.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert b"Delete w and all that is in it?" in out
    assert started.returncode == 0
    assert (workflow / "store.json").exists() is left


@pytest.mark.parametrize(
    ("command", "operation", "message"),
    [
        (["copy", "w", "b"], "copy.copy", "b is no store yet. --resume goes on"),
        (["rechunk", "w"], "rechunk.rechunk", "the store is as it was"),
        (["delete", "w", "--yes"], "delete.delete", "store delete completes it"),
    ],
)
def test_an_interrupted_command_says_what_is_left(
    workflow, command, operation, message, monkeypatch, capsys
):
    def interrupt(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.chdir(workflow.parent)
    monkeypatch.setattr(f"jobstores.operations.{operation}", interrupt)
    assert main(["store", *command]) == 130
    assert message in capsys.readouterr().err


def test_a_bar_is_drawn_on_a_terminal_once_it_takes_long(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.Watched("copying", "") as watched:
        watched.progress(1, 10)
        assert watched._bar is None
        now[0] = 3.0
        watched.progress(2, 10)
        assert watched._bar.tasks[0].completed == 2
    with progress.Watched("copying", "", quiet=True) as watched:
        now[0] = 9.0
        watched.progress(1, 10)
        assert watched._bar is None


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1234, "1.23 kB"), (99_960_000, "100 MB"),
     (5 * 10**9, "5 GB"), (3 * 10**12, "3 TB")],
)  # fmt: skip
def test_sizes(number, text):
    assert size(number) == text


def test_ctrl_c_while_copying_leaves_no_store_and_is_resumed(workflow):
    script = (
        "import os, signal, sys\n"
        "from jobstores.operations import transfer\n"
        "import jobstores.operations.copy as copying\n"
        "count = [0]\n"
        "def slow(*args, **options):\n"
        "    count[0] += 1\n"
        "    if count[0] == 5: os.kill(os.getpid(), signal.SIGINT)\n"
        "    return transfer.transfer(*args, **options)\n"
        "copying.transfer = slow\n"
        "from hpcflow.cli.main import main\n"
        "sys.exit(main(['store', 'copy', 'w', 'b']))\n"
    )
    folder = workflow.parent
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 128 + signal.SIGINT
    assert "b is no store yet" in done.stderr
    hpcflow("show", "b", folder=folder, exit_code=4)
    hpcflow("store", "copy", "w", "b", folder=folder, exit_code=5)
    hpcflow("store", "copy", "w", "b", "--resume", folder=folder)
    hpcflow("store", "verify", "b", folder=folder)
