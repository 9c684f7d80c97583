"""SLURM's commands are on PATH, but its controller does not answer."""

from __future__ import annotations

import os

import pytest

TEMPLATE = """
name: one
template_components:
  task_schemas:
    - objective: say
      outputs: [{parameter: y}]
      actions:
        - commands: [{command: echo 5, stdout: <<int(parameter:y)>>}]
tasks:
  - schema: say
"""

# What the commands of SLURM 22.05 do then: scontrol ping says so at once (recorded in
# tests/fixtures/slurm/daemon-down.txt), the others hang for up to 38 s.
PING = "echo 'Slurmctld(primary) at login is DOWN'; exit 1"


@pytest.fixture
def calls(cli, monkeypatch):
    """The SLURM commands that were called, as a function."""
    folder, log = cli.folder / "down", cli.folder / "calls"
    folder.mkdir()
    log.touch()
    for name in ("sbatch", "squeue", "sacct", "scancel", "sinfo", "scontrol"):
        program = folder / name
        action = PING if name == "scontrol" else "sleep 300; exit 1"
        program.write_text(f"#!/bin/sh\necho {name} >>{log}\n{action}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return lambda: log.read_text().split()


def test_what_needs_no_slurm_never_calls_it(cli, calls):
    template = cli.template(TEMPLATE)
    cli("--version")
    cli("check", template)
    cli("go", template, "--path", "wk", "--wait")
    cli("show", "wk")
    cli("results", "wk")
    assert calls() == []


def test_submit_says_at_once_that_the_controller_is_down(cli, calls):
    cli("make", cli.template(TEMPLATE), "--path", "wk")
    answer = cli("submit", "wk", "--scheduler", "slurm", code=6)
    assert "DOWN" in answer.stderr or "does not answer" in answer.stderr
    assert set(calls()) == {"scontrol"}


def answering(cli, *, ping: str) -> None:
    """`scontrol` tells the cluster's limits, and of the controller what `ping` says."""
    (cli.folder / "down" / "scontrol").write_text(
        "#!/bin/sh\n"
        f"echo scontrol >>{cli.folder}/calls\n"
        f"case $1 in ping) {ping} ;;\n"
        "*) echo 'MaxArraySize            = 1001' ;; esac\n"
    )
    (cli.folder / "down" / "sinfo").write_text("#!/bin/sh\nexit 1\n")


def mend(cli) -> None:
    """The controller is back."""
    answering(cli, ping="echo 'Slurmctld(primary) at login is UP'")
    (cli.folder / "down" / "sbatch").write_text(
        f"#!/bin/sh\necho sbatch >>{cli.folder}/calls\necho 7\n"
    )


def test_what_was_not_planned_for_want_of_limits_is_submitted_when_they_are_there(
    cli, calls
):
    cli("make", cli.template(TEMPLATE), "--path", "wk")
    cli("submit", "wk", "--scheduler", "slurm", code=6)
    assert cli.json("show", "wk")["phase"] == "made"
    mend(cli)
    assert cli.json("submit", "wk", "--scheduler", "slurm")["submitted_jobs"] == [0]
    assert cli.json("submit", "wk")["submitted_jobs"] == []
    assert calls().count("sbatch") == 1


def test_submitting_goes_on_when_the_controller_is_back(cli, calls):
    cli("make", cli.template(TEMPLATE), "--path", "wk")
    seen = cli.folder / "seen"  # it goes down between the question for limits and sbatch
    up_once = f"[ -e {seen} ] && {{ {PING}; }}; touch {seen}; echo 'Slurmctld is UP'"
    answering(cli, ping=up_once)
    cli("submit", "wk", "--scheduler", "slurm", code=6)
    assert calls().count("sbatch") == 0
    mend(cli)
    assert cli.json("submit", "wk")["submitted_jobs"] == [0]  # where it was planned to go
    assert cli.json("submit", "wk")["submitted_jobs"] == []
    assert calls().count("sbatch") == 1
