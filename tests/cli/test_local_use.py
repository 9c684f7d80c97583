"""What a user meets with real jobs on this machine."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import time

import pytest

from tests.command_line import BESIDE, environment, hpcflow

SWEEP = """\
tasks:
  - schema: s
    resources: {{any: {{elements_per_job: 2}}}}
    sequences:
      - path: inputs.x
        values: {values}
template_components:
  task_schemas:
    - objective: s
      inputs: [{{parameter: x}}]
      outputs: [{{parameter: y}}]
      actions:
        - commands:
            - command: '{command}'
              stdout: <<str(parameter:y)>>
"""


def template(folder, command: str, values: str = "[1, 2, 3, 4]"):
    path = folder / "t.yaml"
    path.write_text(SWEEP.format(command=command, values=values))
    return path


def wait_for(condition, timeout_s: float = 120.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def slow(tmp_path):
    """A workflow whose runs have begun and last; cancelled in the end."""
    go = template(tmp_path, "echo begin >&2; sleep 60; echo <<parameter:x>>")
    hpcflow("go", go, "--path", "w", folder=tmp_path)
    yield tmp_path / "w"
    hpcflow("cancel", "w", folder=tmp_path)


def test_a_path_with_spaces_and_quotes_works(tmp_path):
    go = template(tmp_path, "echo <<parameter:x>>; test <<parameter:x>> != 2")
    path = 'p q\'s "x" é'
    done = hpcflow("go", go, "--path", path, "--wait", folder=tmp_path, exit_code=1)
    (line,) = [line for line in done.stdout.splitlines() if "next:" in line]
    typed = line.split("next:")[1].strip()
    again = subprocess.run(
        ["bash", "-c", typed], cwd=tmp_path, env=environment(tmp_path), capture_output=True
    )
    assert again.returncode == 0, again.stderr
    assert "inputs:  x = 2" in done.stdout
    assert "test 2 != 2" in done.stdout


def test_an_archive_shows_the_failures_output(tmp_path):
    go = template(tmp_path, "echo whatever >&2; test <<parameter:x>> = 2", "[1]")
    hpcflow("go", go, "--path", "w", "--wait", "-q", folder=tmp_path, exit_code=1)
    hpcflow("zip", "w", folder=tmp_path)
    assert "| whatever" in hpcflow("show", "w.zip", folder=tmp_path).stdout


def test_the_log_of_a_running_run_is_what_it_wrote_so_far(slow, tmp_path):
    def log():
        return hpcflow("logs", slow, "s", "0", folder=tmp_path, exit_code=None)

    wait_for(lambda: log().stdout == "begin\n")
    later = hpcflow("logs", slow, "s", "3", folder=tmp_path, exit_code=4)
    assert "no start is recorded" in later.stderr
    shown = hpcflow("show", slow, folder=tmp_path).stdout
    assert "job 0: local 1, 2 items: 2 running" in shown


def test_interrupting_the_wait_leaves_the_jobs(slow, tmp_path):
    waiting = subprocess.Popen(
        [BESIDE / "hpcflow", "wait", slow],
        cwd=tmp_path,
        env=environment(tmp_path),
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(1.5)
    waiting.send_signal(signal.SIGINT)
    _, err = waiting.communicate(timeout=120)
    assert waiting.returncode == 130
    assert "jobs go on" in err
    assert "hpcflow show w --watch" in err
    document = json.loads(hpcflow("show", slow, "--json", folder=tmp_path).stdout)
    assert document["phase"] == "active"


def test_giving_up_says_how_to_wait_again(slow, tmp_path):
    done = hpcflow("wait", slow, "--timeout", "0.1", folder=tmp_path, exit_code=8)
    assert "Wait again: hpcflow wait w" in done.stderr
    done = hpcflow("wait", slow, "--timeout", "0", "--json", folder=tmp_path, exit_code=8)
    assert json.loads(done.stdout)["phase"] == "active"


def test_cancelling_twice_is_no_error(slow, tmp_path):
    assert "1 job (1)" in hpcflow("cancel", slow, folder=tmp_path).stdout
    hpcflow("cancel", slow, folder=tmp_path)
    deadline = time.monotonic() + 120
    said = ""
    while "no job" not in said:  # once a fold has heard from the scheduler that it is gone
        assert time.monotonic() < deadline, said
        hpcflow("wait", slow, folder=tmp_path, exit_code=1)
        said = hpcflow("cancel", slow, folder=tmp_path).stdout
    shown = hpcflow("show", slow, folder=tmp_path).stdout
    assert sum(line.endswith(": cancelled") for line in shown.splitlines()) == 1


def test_a_killed_item_says_which_elements_are_lost(tmp_path):
    go = template(
        tmp_path, "[ <<parameter:x>> = 1 ] && kill -9 $PPID; echo <<parameter:x>>"
    )
    hpcflow("go", go, "--path", "w", "--wait", "-q", folder=tmp_path, exit_code=1)
    document = json.loads(hpcflow("show", "w", "--json", folder=tmp_path).stdout)
    assert [(f["element"], f["state"]) for f in document["failures"]] == [
        (0, "lost"),
        (2, "lost"),
    ]
    shown = hpcflow("show", "w", folder=tmp_path).stdout
    assert "s, elements 0, 2: lost" in shown
    assert "killed by signal 9" in shown
    assert os.path.exists(tmp_path / "w/logs/0/0/0.out")


def test_tables_of_texts_and_nested_values(tmp_path):
    values = r'[[1, {a: null}], "two\nlines", 3.5, null]'
    hpcflow(
        "make",
        template(tmp_path, "echo <<parameter:x>>", values),
        "--path",
        "w",
        folder=tmp_path,
    )
    text = hpcflow("results", "w", "--column", "x", folder=tmp_path).stdout
    assert [line.strip() for line in text.splitlines()] == [
        "x",
        '[1, {"a": null}]',
        "two\\nlines",
        "3.5",
        "-",
    ]
    done = hpcflow("results", "w", "--column", "x", "--csv", folder=tmp_path)
    rows = list(csv.reader(done.stdout.splitlines(keepends=True)))
    assert rows == [["x"], ['[1, {"a": null}]'], ["two\nlines"], ["3.5"], [""]]


def test_away_from_a_terminal_waiting_says_little(tmp_path):
    go = template(tmp_path, "echo <<parameter:x>>", f"{list(range(60))}")
    done = hpcflow("go", go, "--path", "w", "--wait", folder=tmp_path)
    assert len(done.stderr.splitlines()) <= 10
