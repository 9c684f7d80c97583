"""Loops whose iterations are jobs of their own, submitted some at a time; and their end."""

from __future__ import annotations

import subprocess
from collections import Counter

import pytest

from tests.effort import THOROUGH
from tests.end_to_end.loop_templates import COUNT_UP, SHOW, schema, template
from tests.end_to_end.test_command_crashes import start
from tests.end_to_end.test_loops import HALVING, iterations
from tests.language.cases import FOLDER, read_case, write_case

PART = schema(
    "part",
    "k; m",
    "y",
    "echo part-$HPCFLOW_ELEMENT_IDX-$HPCFLOW_ELEMENT_ITER_IDX >> RAN; "
    "echo $(( <<parameter:m>> + <<parameter:k>> ))",
)
TOTAL = schema(
    "total",
    "{parameter: y, group: all}",
    "m",
    "echo total-$HPCFLOW_ELEMENT_ITER_IDX >> RAN; echo <<sum(parameter:y)>>",
)
SHOW_M = SHOW.replace("parameter: x", "parameter: m").replace("parameter:x", "parameter:m")
TASKS = """
  - schema: part
    inputs: {m: 0}
    sequences: [{path: inputs.k, values: [1, 2, 3]}]
    groups: [{name: all}]
  - schema: total
  - schema: show"""
LOOP = """
  - tasks: [0, 1]
    num_iterations: 100000
    termination: {path: outputs.m, condition: {value.greater_than: 50}}"""


def configure(cli, loop_jobs):
    folder = cli.folder / ".config" / "hpcflow"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(f"loop_jobs: {loop_jobs}\n")


def sums(cli, *, gate=None):
    """A loop over a group: three iterations, in all of which two jobs are needed.

    gate: a file without which no part ends.
    """
    text = template(PART, TOTAL, SHOW_M, tasks=TASKS, loops=LOOP)
    if gate is not None:
        held = f"until [ -e {gate} ]; do sleep 0.05; done; echo part-"
        text = text.replace("echo part-", held)
    return cli.template(text.replace("RAN", str(cli.folder / "ran")))


def ran(cli):
    return Counter((cli.folder / "ran").read_text().split())


THREE_ITERATIONS = Counter(
    [f"total-{i}" for i in range(3)] + [f"part-{e}-{i}" for e in range(3) for i in range(3)]
)


def test_more_iterations_than_fit_are_submitted_as_the_ones_before_have_ended(cli, until):
    configure(cli, 3)  # so the second part begins within an iteration
    report = cli.json("go", sums(cli), "--path", "wk")
    assert (report["jobs"], report["submission"]) == (3, 0)
    assert "`hpcflow wait` submits the next ones" in cli("show", "wk", code=None).stdout
    # The one who waits is killed as soon as it has submitted something.
    waiter = start(cli, "wait", "wk")
    until(lambda: (cli.folder / "wk/submissions/1/journal").exists())
    waiter.kill()
    waiter.communicate()
    cli("wait", "wk", "--timeout", "100")
    assert iterations(cli, "total") == [
        [0, 0, [1, 2, 3], 6], [0, 1, [7, 8, 9], 24], [0, 2, [25, 26, 27], 78],
    ]  # fmt: skip
    assert cli.column("wk", "show", "z") == [780]
    assert ran(cli) == THREE_ITERATIONS
    states = {
        "part": {"succeeded": 9},
        "total": {"succeeded": 3},
        "show": {"succeeded": 1},
    }
    assert cli.states("wk") == states
    shown = cli.json("show", "wk")
    assert (shown["phase"], shown["runs"]) == ("done", 13)
    assert "notes" not in shown
    assert "everything is submitted" in cli("submit", "wk").stdout
    cli("zip", "wk")
    assert cli.states("wk.zip") == states
    cli("store", "verify", "wk")


def test_a_submit_goes_on_too_and_only_as_far_as_was_asked_for(cli):
    configure(cli, 4)
    gate = cli.folder / "gate"
    cli("make", sums(cli, gate=gate), "--path", "wk")
    cli("submit", "wk")
    again = cli("submit", "wk").stdout
    gate.touch()
    assert "further iterations" in again
    more = template(
        schema("more", "z", "w", "echo $(( <<parameter:z>> + 1 ))"),
        tasks="  - schema: more",
        loops="  []",
    )
    cli("add", "wk", cli.template(more, "more.yaml"))
    cli("wait", "wk", code=1)  # stops before what was added
    assert cli.column("wk", "show", "z") == [780]
    assert cli.json("show", "wk")["phase"] == "stopped"
    cli("submit", "wk", "--wait")
    assert cli.column("wk", "more", "w") == [781]
    assert ran(cli) == THREE_ITERATIONS


def test_a_cancelled_loop_is_not_gone_on_with(cli, until):
    configure(cli, 2)
    cli("go", sums(cli), "--path", "wk")
    until(lambda: cli.json("show", "wk")["phase"] == "stopped")
    cli("cancel", "wk")  # between two parts: no job is left that could be cancelled
    cli("wait", "wk", code=1)
    assert cli.json("show", "wk")["phase"] == "ended"
    assert cli.states("wk")["show"] == {"cancelled": 1}
    assert cli.column("wk", "show", "z") == [None]
    refused = cli("submit", "wk", code=None)
    assert refused.returncode != 0
    assert "cancelled before its loops had ended" in refused.stderr


NESTED = """
  - {name: outer, tasks: [0, 1, 2], num_iterations: 3}
  - name: inner
    tasks: [0, 1]
    num_iterations: 50
    termination: {path: outputs.m, condition: {value.greater_than: 20}}"""


@pytest.mark.parametrize("loop_jobs", [1, 4, 200] if THOROUGH else [8])
def test_loops_in_loops_end_in_each_turn_however_many_jobs_there_are(cli, loop_jobs):
    configure(cli, loop_jobs)
    again = schema("again", "m", "m", "echo $(( <<parameter:m>> % 10 ))")
    text = template(
        PART.replace("RAN", "/dev/null"),
        TOTAL.replace("RAN", "/dev/null"),
        again,
        SHOW_M,
        tasks=TASKS.replace("- schema: show", "- schema: again\n  - schema: show"),
        loops=NESTED.replace("50", "50" if loop_jobs < 200 else "4"),
    )
    cli("go", cli.template(text), "--path", "wk", "--wait")
    # m: 0 -> 6 -> 24; 4 -> 18 -> 60; 0 -> 6 -> 24
    turns = [row[1:3] for row in iterations(cli, "total")]
    assert turns == [[outer, inner] for outer in range(3) for inner in range(2)]
    assert [row[-1] for row in iterations(cli, "again")] == [4, 0, 4]
    assert cli.column("wk", "show", "z") == [40]
    assert cli.json("show", "wk")["phase"] == "done"


def test_a_loop_that_fails_ends_though_nothing_would_end_it(cli):
    configure(cli, 2)
    fail = schema(
        "fail",
        "{parameter: y, group: all}",
        "m",
        "test <<sum(parameter:y)>> -lt 20 && echo <<sum(parameter:y)>>",
    )
    text = template(
        PART.replace("RAN", "/dev/null"),
        fail,
        SHOW_M,
        tasks=TASKS.replace("total", "fail"),
        loops="  - {tasks: [0, 1], num_iterations: 100000}",
    )
    cli("go", cli.template(text), "--path", "wk", "--wait", code=1)
    assert cli.column("wk", "show", "z") == [None]
    states = cli.states("wk")
    assert states["fail"] == {"succeeded": 1, "failed": 1, "skipped": 1}
    assert states["show"] == {"skipped": 1}
    assert cli.json("show", "wk")["phase"] == "ended"


def of_different_resources(num_iterations):
    own = "\n    resources: {any: {num_threads: 2}}\n"
    text = HALVING.replace("  - schema: add_one\n", f"  - schema: add_one{own}")
    return text.replace("num_iterations: 10", f"num_iterations: {num_iterations}")


def test_jobs_of_iterations_that_are_not_needed_leave_the_queue(cli):
    cli("go", cli.template(of_different_resources(25)), "--path", "wk", "--wait")
    assert cli.column("wk", "show", "z") == [80, 80, 40]
    assert cli.states("wk")["add_one"] == {"succeeded": 8}
    shown = cli.json("show", "wk")
    assert (shown["phase"], len(shown["jobs"])) == ("done", 51)
    segments = cli.folder / "wk" / "segments" / "0"
    # The last of the loop's jobs was never started; the one behind the loop was.
    assert [path.name for path in (segments / "49").iterdir()] == ["fence"]
    assert (segments / "50" / "0").exists()
    cli("fold", "wk")
    assert cli.states("wk")["halve"] == {"succeeded": 8}
    cli("store", "verify", "wk")


def test_what_a_loop_did_not_need_is_no_failure_of_a_cancelled_workflow(cli, until):
    text = template(
        COUNT_UP,
        schema("same", "n", "n", "echo <<parameter:n>>"),
        tasks="""
  - {schema: count_up, inputs: {n: 0}}
  - {schema: same, resources: {any: {num_threads: 2}}}""",
        loops="""
  - tasks: [0, 1]
    num_iterations: 30
    termination: {path: outputs.n, condition: {value.greater_than: 1}}""",
    )
    cli("go", cli.template(text), "--path", "wk")
    until(lambda: cli.states("wk")["same"].get("succeeded") == 2)
    cli("cancel", "wk")
    until(lambda: cli.json("show", "wk")["phase"] != "active")
    assert cli.json("show", "wk")["phase"] == "done"
    assert cli.states("wk") == {"count_up": {"succeeded": 2}, "same": {"succeeded": 2}}


@pytest.mark.slurm
def test_a_loop_on_slurm_goes_on_part_by_part_and_leaves_nothing_in_the_queue(cli):
    configure(cli, 6)
    text = of_different_resources(100)
    report = cli.json(
        "go", cli.template(text), "--path", "wk", "--scheduler", "slurm", "--quiet"
    )
    assert report["jobs"] == 6
    cli("wait", "wk", "--timeout", "150")  # it knows what scheduler was meant
    assert cli.column("wk", "show", "z") == [80, 80, 40]
    shown = cli.json("show", "wk")
    assert {job["scheduler"] for job in shown["jobs"]} == {"slurm"}
    assert (shown["phase"], shown["runs"]) == ("done", 19)
    names = ",".join(job["name"] for job in shown["jobs"])
    squeue = ["squeue", "--noheader", "--name", names]
    queued = subprocess.run(squeue, check=True, capture_output=True, text=True).stdout
    assert queued == ""


PARTS = [
    "history_in_inner_loops",
    "input_of_a_job_for_each_turn",
    "rules_in_inner_loops",
    "input_taken_over",
    "labelled_of_some",
]


@pytest.mark.parametrize("name", PARTS if THOROUGH else PARTS[:2])
def test_a_part_reads_whatever_the_parts_before_have_taken_and_made(cli, name):
    case = read_case(FOLDER / "loops" / f"{name}.yaml")
    template = write_case(case, cli.folder)
    configure(cli, 3)
    cli("go", template, "--path", "wk", "--wait")
    for task, columns in case.values.items():
        for column, values in columns.items():
            assert cli.column("wk", task, column) == values
    if case.runs is not None:
        states = cli.states("wk")
        assert {task: states[task] for task in case.runs} == case.runs
    assert cli.json("show", "wk")["phase"] == "done"
    assert len(list((cli.folder / "wk/submissions").iterdir())) > 1
