"""Each error is one message, and with --json one document; never a traceback."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys

import pytest

from hpcflow.cli import main as cli
from schedulers.errors import RefusedError
from tests.command_line import ROOT, environment, hpcflow

THREE_TASKS = ROOT / "tests/workflows/three_tasks/template.yaml"


@pytest.fixture(scope="module")
def workflow(tmp_path_factory):
    """A workflow that is made and not submitted."""
    folder = tmp_path_factory.mktemp("made")
    hpcflow("make", THREE_TASKS, "--path", folder / "w", folder=folder)
    return folder / "w"


def error(done) -> dict:
    assert "Traceback" not in done.stderr
    document = json.loads(done.stdout)  # one document, nothing beside it
    assert document["format"] == 1
    return document["error"]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "kind", "message"),
    [
        (["show", "nothing"], 4, "not_a_workflow", "there is nothing of that name"),
        (["show", "ww"], 4, "not_a_workflow", "of that name. There is: w."),
        (["show", "."], 4, "not_a_workflow", "Workflows in it: w."),
        (["show", THREE_TASKS], 4, "not_a_workflow", "hpcflow go "),
        (["results", "w", "--task", "x"], 4, "no_such_part", "this workflow has multiply"),
        (["results", "w", "--column", "x"], 4, "no_such_part", "it has element"),
        (["logs", "w", "multiply", "999"], 4, "no_such_part", "elements 0 to"),
        (["logs", "w", "multiply"], 4, "no_such_part", "is not submitted"),
        (["go"], 2, "usage", "Missing argument 'TEMPLATE'"),
        (["show", "--bad"], 2, "usage", "--bad"),
        (["shw"], 2, "usage", "Did you mean 'show'?"),
        (["submit", "w", "--scheduler", "lsf"], 2, "usage", "there are: local, pbs, sge"),
        (["wait", "w", "--timeout", "-1"], 2, "usage", "not in the range"),
        (["go", "nothing.yaml"], 3, "invalid_template", "No such file"),
        (["make", THREE_TASKS, "--path", "w"], 5, "exists", "exists already"),
        (["make", THREE_TASKS, "--store", "s3"], 7, "storage", "s3: expected zarr or file"),
        (["make", THREE_TASKS, "--store", "xy:z"], 7, "storage", "unknown kind of store"),
        (["make", THREE_TASKS, "--store", "memory:x"], 7, "storage", "memory:x: expected"),
        (["make", THREE_TASKS, "--store", "s3://"], 7, "storage", "s3://BUCKET/PREFIX"),
        (["make", THREE_TASKS, "--store", "zarr:w"], 5, "exists", "is a job store already"),
        (["show", "xy:z"], 7, "storage", "unknown kind of store xy:"),
        (["unzip", "nothing.zip"], 4, "not_a_workflow", "No such file"),
        (["unzip", THREE_TASKS, "--path", "u"], 7, "storage", "not a whole zip file"),
    ],
)
def test_a_wrong_command_is_one_message(workflow, arguments, exit_code, kind, message):
    done = hpcflow(*arguments, "--json", folder=workflow.parent, exit_code=exit_code)
    found = error(done)
    assert found["kind"] == kind
    assert message in found["message"]


def test_no_arguments_print_the_help(tmp_path):
    assert "Commands:" in hpcflow(folder=tmp_path, exit_code=2).stderr


@pytest.mark.parametrize("damaged", ["store.json", "gen/000001.commit"])
def test_a_damaged_store_is_said_to_be(workflow, tmp_path, damaged):
    copy = tmp_path / "copy"
    shutil.copytree(workflow, copy)
    (copy / damaged).write_bytes(b"")
    found = error(hpcflow("show", copy, "--json", folder=tmp_path, exit_code=7))
    assert damaged in found["message"]
    assert "backup" in found["message"]
    assert "`hpcflow store verify`" in found["message"]


def test_what_may_only_be_read_is_shown_and_not_changed(workflow, tmp_path, monkeypatch):
    from hpcflow import Workflow
    from hpcflow.errors import StorageError

    monkeypatch.setattr("os.access", lambda path, mode: False)  # tests may run as root
    opened = Workflow.open(workflow)
    assert opened.status().num_runs > 0
    assert len(opened.results()) > 0
    for change in (opened.submit, opened.fold, opened.cancel, opened.zip):
        with pytest.raises(StorageError, match="can't be written by you"):
            change()


class Failing:
    """Makes `hpcflow show` fail in some way."""

    def __init__(self, monkeypatch, capsys):
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, failure: BaseException, *arguments: str):
        def fail(*_args, **_options):
            raise failure

        self._monkeypatch.setattr("hpcflow.app.workflow.Workflow.open", fail)
        code = cli.main(["show", *arguments])
        return code, *self._capsys.readouterr()


@pytest.fixture
def failing(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return Failing(monkeypatch, capsys)


def test_a_defect_is_one_line_and_a_file(failing, tmp_path):
    code, out, err = failing(KeyError("x\ny"))
    assert (code, out, err.count("\n")) == (70, "", 1)
    assert "this is a defect of hpcflow: KeyError" in err
    (written,) = tmp_path.glob("hpcflow-defect-*.txt")
    assert str(written) in err
    assert "Traceback" in written.read_text()


def test_a_defect_in_json(failing):
    code, out, _ = failing(KeyError("x"), "--json")
    assert (code, json.loads(out)["error"]["kind"]) == (70, "defect")


def test_a_defect_is_raised_for_whoever_debugs(failing, monkeypatch):
    monkeypatch.setenv("HPCFLOW_DEBUG", "1")
    with pytest.raises(KeyError):
        failing(KeyError("x"))


def test_a_full_disk_is_no_defect(failing):
    code, _, err = failing(OSError(errno.ENOSPC, "No space left on device", "/w"))
    assert (code, err) == (7, "hpcflow: [Errno 28] No space left on device: '/w'\n")


def test_interrupting_is_no_error(failing):
    assert failing(KeyboardInterrupt())[0] == 130


def test_a_scheduler_that_refuses_leaves_the_workflow_to_try_again(tmp_path, monkeypatch):
    def refuse(*_args, **_options):
        raise RefusedError("no quotes")

    monkeypatch.setattr("hpcflow.submit.submit.submit_workflow", refuse)
    from click.testing import CliRunner

    path = tmp_path / "w w"
    result = CliRunner().invoke(
        cli.group, ["go", str(THREE_TASKS), "--path", str(path)], standalone_mode=False
    )
    assert result.exception.exit_code == 6
    (note,) = result.exception.__notes__
    assert "hpcflow submit '" in note
    assert path.is_dir()


@pytest.mark.parametrize("command", ["results w --task multiply --csv", "show w", "--help"])
def test_a_reader_that_has_enough_is_no_error(workflow, command):
    script = f"hpcflow {command} | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=workflow.parent,
        env=environment(workflow.parent),
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


HEAVY = {"numpy", "zarr", "jinja2", "cattrs", "rich", "yaml", "psutil", "asyncio"}


@pytest.mark.parametrize("command", [["--help"], ["show", "w"], ["show", "w", "--json"]])
def test_looking_is_quick_as_it_imports_little(workflow, command):
    code = (
        "import sys; from hpcflow.cli.main import main; main(sys.argv[1:]);"
        "print(*sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command],
        cwd=workflow.parent,
        env=environment(workflow.parent),
        capture_output=True,
        text=True,
        check=True,
    )
    assert not HEAVY & set(done.stderr.splitlines()[-1].split())
