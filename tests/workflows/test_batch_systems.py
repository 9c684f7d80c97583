"""Whole workflows on Grid Engine, and on a PBS that says what a real one said."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.command_line import columns, hpcflow, run_counts
from tests.schedulers.fake_pbs_server import FakePbs

FOLDER = Path(__file__).parent
SCHEDULERS = ["pbs", pytest.param("sge", marks=pytest.mark.sge)]


class Counted:
    """The commands of the family, counted, with their arguments."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "calls"
        self.log.touch()
        programs = folder / "counted"
        programs.mkdir()
        for name in ("qsub", "qstat", "qacct", "qdel", "qconf"):
            real = shutil.which(name) or "/bin/false"
            program = programs / name
            program.write_text(
                f'#!/bin/bash\necho "{name} $*" >>{self.log}\nexec {real} "$@"\n'
            )
            program.chmod(0o755)
        self.path = f"{programs}{os.pathsep}{os.environ['PATH']}"

    def calls(self, name: str) -> list[str]:
        lines = self.log.read_text().splitlines()
        return [line for line in lines if line.split()[0] == name]


@pytest.fixture(params=SCHEDULERS)
def scheduler(request, shared_path, monkeypatch) -> str:
    if request.param == "pbs":
        monkeypatch.setenv("PATH", FakePbs(shared_path / "pbs").path)
    return request.param


@pytest.fixture
def counted(scheduler, shared_path, monkeypatch) -> Counted:
    found = Counted(shared_path)
    monkeypatch.setenv("PATH", found.path)
    return found


def test_two_hundred_elements_go_through_four_jobs_with_one_submission_each(
    scheduler, counted, shared_path
):
    workflow = shared_path / "workflow"
    template = FOLDER / "four_tasks" / "template.yaml"
    made = ("go", template, "--path", workflow, "--scheduler", scheduler)
    report = json.loads(hpcflow(*made, "--json", folder=shared_path).stdout)
    assert report["jobs"] == len(counted.calls("qsub")) == 4
    held = " ".join(counted.calls("qsub"))
    if scheduler == "sge":
        assert held.count("-hold_jid_ad") == 2  # item by item
        assert held.count("-hold_jid ") == 1  # the one that takes all
    else:
        assert held.count("depend=afterany:") == 3  # PBS knows whole arrays alone
        counted.log.write_text("")
    before = len(counted.calls("qstat"))
    hpcflow("show", workflow, folder=shared_path)
    assert len(counted.calls("qstat")) == before + 1  # one question for all jobs
    hpcflow("wait", workflow, "--timeout", 180, folder=shared_path)
    assert columns(workflow, "double")["r"] == [2 * (x * x + 1) for x in range(200)]
    assert columns(workflow, "total")["sum"] == [5_293_800]
    done = {"succeeded": 200}
    assert run_counts(workflow) == {
        "square": done,
        "increment": done,
        "double": done,
        "total": {"succeeded": 1},
    }
    assert len(counted.calls("qsub")) == (4 if scheduler == "sge" else 0)
    assert counted.calls("qdel") == []


@pytest.mark.sge
def test_one_failing_element_fails_alone_on_grid_engine(shared_path):
    workflow = shared_path / "workflow"
    template = FOLDER / "three_tasks" / "template.yaml"
    expected = json.loads((FOLDER / "three_tasks" / "expected.json").read_text())
    for failing, which in ((0, "all_well"), (1, "one_failing")):
        hpcflow(
            *(
                "go",
                template,
                "--path",
                f"{workflow}{failing}",
                "--var",
                "failing",
                failing,
            ),
            *("--scheduler", "sge", "--wait"),
            folder=shared_path,
            exit_code=failing,
        )
        assert run_counts(Path(f"{workflow}{failing}")) == expected[which]["runs"]
    totals = columns(Path(f"{workflow}0"), "total")["total"]
    assert totals == expected["all_well"]["total"]["total"]


NAP = """
name: nap
tasks:
  - schema: nap
    sequences: [{path: inputs.s, values: [61, 62]}]
template_components:
  task_schemas:
    - objective: nap
      inputs: [{parameter: s}]
      actions:
        - commands: [{command: sleep <<parameter:s>>}]
"""


def test_what_is_cancelled_is_said_to_be(scheduler, shared_path):
    """Neither tells a cancelled job from a killed one by itself, where it forgets."""
    workflow, template = shared_path / "nap", shared_path / "nap.yaml"
    template.write_text(NAP)
    made = ("go", template, "--path", workflow, "--scheduler", scheduler)
    hpcflow(*made, folder=shared_path)
    hpcflow("cancel", workflow, folder=shared_path)
    hpcflow("wait", workflow, "--timeout", 90, folder=shared_path, exit_code=None)
    states = run_counts(workflow)["nap"]
    assert set(states) <= {"cancelled", "deferred"}, states
