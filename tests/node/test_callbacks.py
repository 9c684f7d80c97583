"""Callbacks: what users' own scripts say of their runs."""

from __future__ import annotations

import os
import subprocess

import pytest

from hpcflow.node import callbacks
from jobstores import values
from jobstores.backends.posix import PosixPort
from jobstores.decisions import Item
from jobstores.segments import SegmentWriter
from tests.node.job_directory import NODE, NODE_PYTHON, Job, outputs_on_fd3, script, step

CALLBACK = '"$HPCFLOW_CALLBACK" '
RUN = {"HPCFLOW_RUN_ID": "7"}


def record_of(job):
    (record,) = job.execute().records.values()
    return record


def test_an_output_may_be_set_by_a_callback(tmp_path):
    text = (
        CALLBACK + "set y 'a \"b\" $HOME'\n" + CALLBACK + "set z --json '{\"a\": [1, 2.5]}'"
    )
    record = record_of(Job(tmp_path, [[0]], [step(text, outputs=["y", "z"])]))
    assert record["ok"]
    assert record["out"] == {"y": 'a "b" $HOME', "z": {"a": [1, 2.5]}}


def test_the_last_value_counts_and_a_capture_more(tmp_path):
    text = (
        CALLBACK + "set z 1\n" + CALLBACK + "set y 1\n" + CALLBACK + "set z 2; echo own >&3"
    )
    captured = {**outputs_on_fd3("y"), "outputs": ["y", "z"]}
    assert record_of(Job(tmp_path, [[0]], [step(text, **captured)]))["out"] == {
        "y": "own",
        "z": "2",
    }


def test_a_large_value_set_by_a_callback_becomes_an_object(tmp_path):
    text = f'v=$(seq 20000 | tr -d "\\n"); {CALLBACK} set y "$v"'
    job = Job(tmp_path, [[0]], [step(text, outputs=["y"])])
    reference = record_of(job)["out"]["y"]
    expected = "".join(map(str, range(1, 20001)))
    assert values.loads((tmp_path / reference["$object"]).read_bytes()) == expected


def test_callbacks_of_each_run_are_kept_apart(tmp_path):
    text = CALLBACK + 'set y "$HPCFLOW_ELEMENT_IDX"'
    records = (
        Job(tmp_path, [[n] for n in range(4)], [step(text, outputs=["y"])], concurrency=2)
        .execute()
        .records
    )
    assert {run: record["out"]["y"] for run, record in records.items()} == {
        0: "0", 1: "1", 2: "2", 3: "3",
    }  # fmt: skip


def test_a_run_may_skip_itself(tmp_path):
    text = CALLBACK + "skip --why 'not for odd elements'"
    record = record_of(Job(tmp_path, [[0]], [step(text, outputs=["y"])]))
    assert (record["t"], record["why"]) == (
        "skip",
        "by its own script: not for odd elements",
    )


def test_a_run_may_say_that_it_failed(tmp_path):
    record = record_of(
        Job(tmp_path, [[0]], [step(CALLBACK + "end --exit 4", outputs=["y"])])
    )
    assert (record["ok"], record["exit"], record["why"]) == (False, 4, "exit status 4")


@pytest.mark.parametrize("kind", ["str", "float", "list"])
def test_a_skip_counts_also_where_the_output_is_captured(tmp_path, kind):
    text = CALLBACK + "skip --why 'no need'; exit 0; echo 5 >&3"
    record = record_of(Job(tmp_path, [[0]], [step(text, **outputs_on_fd3("y", kind))]))
    assert (record["t"], record["why"]) == ("skip", "by its own script: no need")


def test_an_end_counts_also_where_the_output_is_captured(tmp_path):
    text = "echo 5 >&3; " + CALLBACK + "end --exit 4"
    record = record_of(Job(tmp_path, [[0]], [step(text, **outputs_on_fd3("y", "int"))]))
    assert (record["ok"], record["exit"], record["why"]) == (False, 4, "exit status 4")


def test_a_callback_of_a_program_that_closes_descriptors_counts(tmp_path):
    source = (
        "import os, subprocess\n\ndef work():\n"
        "    call = [os.environ['HPCFLOW_CALLBACK'], 'skip', '--why', 'cold']\n"
        "    subprocess.run(call, check=True, cwd='/')\n"
        "    return {'y': 1}\n"
    )
    record = record_of(Job(tmp_path, [[0]], [script(source, "work", outputs=["y"])]))
    assert (record["t"], record["why"]) == ("skip", "by its own script: cold")


def test_without_a_mark_a_callback_counts_where_an_output_is_not_made(tmp_path):
    text = f"export HPCFLOW_RUN_STD_PATH=/nowhere; {CALLBACK} skip --why cold"
    record = record_of(Job(tmp_path, [[0]], [step(text, **outputs_on_fd3("y", "float"))]))
    assert record["t"] == "skip"


def test_a_run_that_failed_has_failed_whatever_it_said(tmp_path):
    text = CALLBACK + "skip --why cold; " + CALLBACK + "end --exit 0; exit 3"
    record = record_of(Job(tmp_path, [[0]], [step(text, outputs=["y"])]))
    assert (record["t"], record["ok"], record["why"]) == ("end", False, "exit status 3")


def test_a_mark_is_taken_away(tmp_path):
    text = CALLBACK + 'set y 5; stat -c %a "$HPCFLOW_RUN_STD_PATH"; umask'
    job = Job(tmp_path, [[0], [1]], [step(text, outputs=["y"])])
    assert [record["ok"] for record in job.execute().records.values()] == [True, True]
    mode, umask, *again = job.log().split()
    assert again == [mode, umask]
    assert int(mode, 8) == 0o666 & ~int(umask, 8) | 0o100
    (log,) = (tmp_path / "logs").rglob("*.log")
    assert log.stat().st_mode & 0o111 == 0


def test_a_callback_that_is_yet_to_write_is_read_later(tmp_path):
    port, item = PosixPort(str(tmp_path)), Item(0, 0, 0)
    sides = callbacks.SideRecords(port, item, 0)
    writer = SegmentWriter(port.create_segment("segments/0/0/0/0.0.side.1"))
    assert sides.of(8).skip is None
    writer.append({"t": "skip", "run": 7, "at": 5, "why": ""})
    assert sides.of(7).skip == ""


def test_a_run_that_makes_its_outputs_looks_for_no_callback(tmp_path):
    job = Job(tmp_path, [[0]], [step("echo 1 >&3", **outputs_on_fd3("y"))])
    program = (
        "import sys; from hpcflow.node import item\n"
        f"item.main({str(job.directory)!r}, 0)\n"
        "print('hpcflow.node.callbacks' in sys.modules)"
    )
    root = str(NODE.parents[2])
    environment = {**os.environ, "PYTHONPATH": root}
    argv = [NODE_PYTHON, "-S", "-c", program]
    found = subprocess.check_output(argv, text=True, env=environment, timeout=120)
    assert found == "False\n"


def test_a_callback_outside_of_a_run_says_what_is_missing():
    argv = [NODE_PYTHON, "-I", "-S", str(NODE), "callback", "set", "y", "1"]
    environment = {n: v for n, v in os.environ.items() if not n.startswith("HPCFLOW_")}
    done = subprocess.run(
        argv, capture_output=True, text=True, env=environment, timeout=120
    )
    assert done.returncode == 64
    assert "RUN (or HPCFLOW_RUN_ID): expected a whole number, found ''" in done.stderr


def test_the_command_line_is_explained(capsys):
    assert callbacks.main(["--help"]) == 0
    assert capsys.readouterr().out == callbacks.USAGE


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("set y 5", {"t": "set", "run": 7, "name": "y", "value": "5"}),
        ("set y --json 5", {"t": "set", "run": 7, "name": "y", "value": 5}),
        ("start", {"t": "start", "run": 7}),
        ("start 3", {"t": "start", "run": 3}),
        ("end 3 --exit 2", {"t": "end", "run": 3, "exit": 2}),
        ("end --exit 0", {"t": "end", "run": 7, "exit": 0}),
        ("skip --why because", {"t": "skip", "run": 7, "why": "because"}),
    ],
)
def test_the_command_line_says_what_is_recorded(words, expected):
    assert callbacks.parse(words.split(), RUN) == expected


@pytest.mark.parametrize(
    "words",
    ["", "set", "set y", "set y 1 2", "set y --json {", "end", "end 3", "end --exit x",
     "end --exit", "skip", "start a", "start 1 2", "stop"],
)  # fmt: skip
def test_other_command_lines_are_refused(words, capsys):
    assert callbacks.main(words.split()) == callbacks.EX_USAGE
    assert capsys.readouterr().err.startswith("hpcflow callback: ")
