"""Items executed by the real process, with real bash."""

from __future__ import annotations

import json
import os
import time

import numpy as np
import pytest

from jobstores import values
from tests.node.job_directory import (
    Job,
    capture,
    encoded,
    outputs_on_fd3,
    step,
    variable,
)

FROM_COLUMN_1 = {
    "inputs": {"x": {"from": "row", "column": 1}},
    "variables": [variable("x")],
}

HOSTILE = [
    """$(touch {mark}); "a b" * '""",
    "`touch {mark}`",
    "x; touch {mark} #",
    "'; touch {mark}; echo '",
    "  leading and trailing  ",
    "line one\n\n  line two\t\r\nend",
    "\\n \\\\ $HOME ${{x}} !! ~ [a-z]* {{a,b}}",
    "-n",
    "é µ 日本 😀",
    "",
    "() {{ :; }}; touch {mark}",
]


def echo_step(**fields):
    return step('printf %s "$x" >&3', **FROM_COLUMN_1, **{**outputs_on_fd3("y"), **fields})


def records(decision):
    return [decision.records[run] for run in sorted(decision.records)]


def values_of(decision, output="y"):
    return [values.decode(record["out"][output]) for record in records(decision)]


def whys(decision):
    return [record.get("why", "") for record in records(decision)]


# --- values ---


def test_values_arrive_byte_for_byte_and_run_nothing(tmp_path):
    mark = tmp_path / "mark"
    texts = [text.format(mark=mark) for text in HOSTILE]
    job = Job(tmp_path / "w", [[n, text] for n, text in enumerate(texts)], [echo_step()])
    assert values_of(job.execute()) == texts
    assert not mark.exists()


def test_only_trailing_line_breaks_are_removed_from_a_capture(tmp_path):
    job = Job(tmp_path, [[0, "\n a\n\nb \n\n"]], [echo_step()])
    assert values_of(job.execute()) == ["\n a\n\nb "]


@pytest.mark.parametrize("size", [99_999, 100_001, 3_000_000])
def test_long_values_arrive_too(tmp_path, size):
    text = ("0123456789 \n\\'\"$" * (size // 14 + 1))[: size - 1] + "."
    folder = tmp_path / "tmp"
    folder.mkdir()
    job = Job(tmp_path / "w", [[0, text]], [echo_step()])
    (record,) = records(job.execute(TMPDIR=str(folder)))
    assert record["ok"], record
    assert json.loads((job.root / record["out"]["y"]["$object"]).read_text()) == text
    assert not list(folder.iterdir())


def test_many_long_values_arrive_together(tmp_path):
    names = [f"v{n}" for n in range(40)]
    columns = {name: {"from": "row", "column": n + 1} for n, name in enumerate(names)}
    job = Job(
        tmp_path,
        [[0, *(name * 30_000 for name in names)]],
        [
            step(
                "n=0; for v in ${!v*}; do\n"
                '  n=$((n + ${#v} + $(printf %s "${!v}" | wc -c)))\n'
                "done\n"
                "echo $n >&3",
                inputs=columns,
                variables=[variable(name) for name in names],
                **outputs_on_fd3("y", "int"),
            )
        ],
    )
    expected = sum(len(name) * 30_001 for name in names)
    assert values_of(job.execute()) == [expected]


def test_a_script_longer_than_an_argument_may_be_is_executed(tmp_path):
    text = "# " + "x" * 200_000 + '\nprintf %s "$x$0" >&3\n'
    job = Job(tmp_path, [[0, "ok "]], [{**echo_step(), "text": text}])
    assert values_of(job.execute()) == ["ok hpcflow"]


def test_inputs_come_from_rows_constants_and_earlier_steps(tmp_path):
    first = step(
        "echo $((n + x)) >&3",
        inputs={"x": {"from": "row", "column": 1}, "n": {"from": "constant", "value": 100}},
        variables=[variable("x", arithmetic=True), variable("n", arithmetic=True)],
        run_stride=2,
        **outputs_on_fd3("y", "int"),
    )
    second = step(
        'echo "$y" "$part" >&3',
        inputs={
            "y": {"from": "step", "step": 0, "output": "y"},
            "q": {"from": "constant", "value": {"a": [5, "six"]}},
        },
        variables=[variable("y"), variable("part", "q", path=["a", 1])],
        run_base=1,
        run_stride=2,
        requires=[0],
        **outputs_on_fd3("z"),
    )
    job = Job(tmp_path, [[element, element * 10] for element in (3, 4)], [first, second])
    decision = job.execute()
    assert [min(r["out"].values()) for r in records(decision)] == [
        130, "130 six", 140, "140 six",
    ]  # fmt: skip
    assert sorted(decision.records) == [6, 7, 8, 9]


def test_an_array_is_text_as_a_list(tmp_path):
    column = encoded(np.array([1, 2]))
    joined = {
        **echo_step(),
        "variables": [variable("x", apply="join", options={"delim": "+"})],
    }
    job = Job(tmp_path, [[0, column]], [joined])
    assert values_of(job.execute()) == ["1+2"]


@pytest.mark.parametrize(
    ("value", "fields", "why"),
    [
        ("a\0b", {}, "NUL character"),
        ("1 + 1", {"arithmetic": True}, "expected a plain number"),
        ({"$nonsense": 1}, {}, "unknown tag '$nonsense'"),
        (5, {"path": ["a"]}, "input 'x' has no part 'a': found 5"),
    ],
)
def test_a_value_that_cant_be_a_variable_fails_its_run_alone(tmp_path, value, fields, why):
    steps = [{**echo_step(), "variables": [variable("x", **fields)]}]
    good = {"a": 1} if fields.get("path") else 1
    job = Job(tmp_path, [[0, value], [1, good]], steps)
    bad, well = records(job.execute())
    assert (bad["ok"], bad["exit"], bad.get("int")) == (False, -1, None)
    assert why in bad["why"]
    assert well["ok"]


# --- what bash did ---


def test_the_exit_status_decides(tmp_path):
    job = Job(
        tmp_path,
        [[n, text] for n, text in enumerate(["exit 0", "exit 3", "exit 7", "kill -9 $$"])],
        [step('eval "$x"', **FROM_COLUMN_1, success_exit_codes=[0, 3])],
    )
    found = records(job.execute())
    assert [(r["ok"], r["exit"], r.get("why")) for r in found] == [
        (True, 0, None),
        (True, 3, None),
        (False, 7, "exit status 7"),
        (False, 137, "killed by signal 9 (SIGKILL)"),
    ]
    assert not any("int" in record for record in found)


def test_a_parse_failure_fails_the_run_and_shows_the_text(tmp_path):
    job = Job(tmp_path, [[0, "twelve"]], [echo_step(**outputs_on_fd3("y", "int"))])
    (record,) = records(job.execute())
    assert (record["ok"], record["exit"], record["out"]) == (False, 0, {})
    assert record["why"] == "output 'y': expected int, found 'twelve'"
    assert job.log() == "twelve\n"


def test_captured_output_that_is_not_text_fails_the_run(tmp_path):
    job = Job(tmp_path, [[0]], [step(r"printf 'ab\xff' >&3", **outputs_on_fd3("y"))])
    assert "not UTF-8" in whys(job.execute())[0] or "as UTF-8" in whys(job.decision())[0]


def test_what_a_failing_run_wrote_to_its_capture_is_in_the_log(tmp_path):
    text = "echo first; seq 100000 >&3; echo trouble >&3; exit 2"
    job = Job(tmp_path, [[0]], [step(text, **outputs_on_fd3("y"))])
    (record,) = records(job.execute())
    log = job.log()
    assert log.startswith("first\n")
    assert log.endswith("\n100000\ntrouble\n")
    assert len(log) < 70_000
    assert record["log"] == [0, 0, len(log)]


def test_an_output_that_nobody_made_fails_the_run(tmp_path):
    job = Job(tmp_path, [[0]], [step(":", outputs=["y"])])
    assert whys(job.execute()) == ["output 'y' was not produced"]


def test_several_streams_are_captured_apart(tmp_path):
    job = Job(
        tmp_path,
        [[0]],
        [
            step(
                "{ echo 1; echo two >&2; } >&3 2>&9; echo 3",
                captures=[capture("a", "int", fd=3), capture("b", fd=9)],
                outputs=["a", "b"],
            )
        ],
    )
    assert records(job.execute())[0]["out"] == {"a": 1, "b": "two"}
    assert job.log() == "3\n"


def test_a_large_capture_is_drained_without_loss(tmp_path):
    text = "head -c 50000000 /dev/zero | tr '\\0' 'a' >&3; echo end >&3"
    job = Job(tmp_path, [[0, text], [1, "echo 2 >&3"]], [
        step('eval "$x"', **FROM_COLUMN_1, **outputs_on_fd3("y"))
    ])  # fmt: skip
    large, small = records(job.execute())
    reference = large["out"]["y"]
    assert reference["bytes"] == 50_000_005
    data = (job.root / reference["$object"]).read_bytes()
    assert data == b'"' + b"a" * 50_000_000 + b'end"'
    assert small["mem"] < 40_000_000  # the peak of the item is not that of later runs


def test_a_background_process_that_keeps_the_stream_open_is_not_waited_for(tmp_path):
    job = Job(tmp_path, [[0]], [
        step("sleep 300 & echo $! > pid; echo 5 >&3", **outputs_on_fd3("y", "int"))
    ])  # fmt: skip
    begun = time.monotonic()
    assert values_of(job.execute(HPCFLOW_DRAIN_S="0.3")) == [5]
    assert time.monotonic() - begun < 120
    os.kill(int((tmp_path / "execute" / "pid").read_text()), 9)


def test_what_a_background_process_still_writes_is_taken_in(tmp_path):
    text = "{ sleep 0.3; echo 1; sleep 0.3; echo 2; } >&3 & echo 0 >&3"
    job = Job(tmp_path, [[0]], [step(text, **outputs_on_fd3("y", "list", item_type="int"))])
    assert values_of(job.execute()) == [[0, 1, 2]]


# --- where it runs ---


def test_a_run_is_told_who_it_is(tmp_path):
    names = """
    WK_PATH SUB_IDX JS_IDX ITEM_IDX ATTEMPT RUN_ID RUN_IDX ELEMENT_IDX ELEMENT_ID
    ELEMENT_ITER_IDX ELEMENT_ITER_ID ELEMENT_ITER_LOOP_IDX BLOCK_IDX BLOCK_ELEM_IDX
    BLOCK_ACT_IDX RUN_STD_PATH REPEAT_IDX
    """.split()  # noqa: SIM905
    text = (
        "".join(f'echo "$HPCFLOW_{name}"\n' for name in names) + 'echo "$OMP_NUM_THREADS"'
    )
    job = Job(
        tmp_path,
        [[0, 9], [4, 1]],
        [
            step(
                f"{{ {text}\n}} >&3",
                action=1,
                run_base=101,
                run_stride=2,
                environment={"OMP_NUM_THREADS": "3"},
                row_environment={"HPCFLOW_REPEAT_IDX": 1},
                **outputs_on_fd3("y"),
            )
        ],
        submission=2,
        job=1,
    )
    found = values_of(job.execute())[1].split("\n")
    log = str(tmp_path / "logs/2/1/0.0.0.log")
    assert dict(zip([*names, "threads"], found, strict=True)) == {
        "WK_PATH": str(tmp_path), "SUB_IDX": "2", "JS_IDX": "1", "ITEM_IDX": "0",
        "ATTEMPT": "0", "RUN_ID": "109", "RUN_IDX": "1", "ELEMENT_IDX": "4",
        "ELEMENT_ID": "108", "ELEMENT_ITER_IDX": "0", "ELEMENT_ITER_ID": "108",
        "ELEMENT_ITER_LOOP_IDX": "", "BLOCK_IDX": "0", "BLOCK_ELEM_IDX": "1",
        "BLOCK_ACT_IDX": "0", "RUN_STD_PATH": log, "REPEAT_IDX": "1", "threads": "3",
    }  # fmt: skip


def test_runs_share_the_execute_directory_or_have_their_own(tmp_path):
    own = step("pwd >&3; touch here", directory=True, run_stride=2, **outputs_on_fd3("y"))
    shared = step("pwd >&3", run_base=1, run_stride=2, action=1, **outputs_on_fd3("y"))
    job = Job(tmp_path, [[0], [1]], [own, shared])
    execute = str(tmp_path / "execute")
    assert values_of(job.execute()) == [
        f"{execute}/work/e0/a0.0.0.0", execute, f"{execute}/work/e1/a0.0.0.0", execute,
    ]  # fmt: skip
    assert (tmp_path / "execute/work/e1/a0.0.0.0/here").exists()


def test_the_log_holds_all_output_and_the_records_say_whose_is_whose(tmp_path):
    job = Job(tmp_path, [[0, "a"], [1, ""], [2, "bc"]], [
        step('printf %s "$x"; printf "" >&2', **FROM_COLUMN_1)
    ])  # fmt: skip
    found = [record["log"] for record in records(job.execute())]
    assert found == [[0, 0, 1], [0, 1, 1], [0, 1, 3]]
    assert job.log() == "abc"


def test_an_empty_log_is_removed(tmp_path):
    job = Job(tmp_path, [[0]], [step(":")])
    job.execute()
    assert job.files() == {"segments/0/0/0/0.0"}


def test_standard_input_is_empty_and_signals_are_as_usual(tmp_path):
    text = "cat; grep -E 'SigBlk|SigIgn' /proc/self/status >&3; yes | head -1 >&2"
    job = Job(tmp_path, [[0]], [step(text, **outputs_on_fd3("y"))])
    (found,) = values_of(job.execute())
    masks = [int(line.split()[1], 16) for line in found.split("\n")]
    assert [mask & 0x7FFFFFFF for mask in masks] == [0, 0]  # signals 1 to 31
    assert job.log() == "y\n"  # no complaint of a broken pipe


def test_no_descriptor_of_the_item_leaks_into_its_runs(tmp_path):
    text = "for n in {4..99}; do [ ! -e /proc/$$/fd/$n ] || all+=$n,; done; echo $all >&3"
    job = Job(tmp_path, [[0]], [step(text, **outputs_on_fd3("y"))])
    assert values_of(job.execute()) == [""]


# --- order ---


def test_as_many_rows_as_asked_run_at_a_time(tmp_path):
    text = "date +%s%N >&3; sleep 0.4; date +%s%N >&3"
    job = Job(tmp_path, [[n] for n in range(4)], [
        step(text, **outputs_on_fd3("y", "list", item_type="int"))
    ], concurrency=2)  # fmt: skip
    found = values_of(job.execute())
    events = sorted((at, change) for a, b in found for at, change in ((a, 1), (b, -1)))
    level = peak = 0
    for _, change in events:
        level += change
        peak = max(peak, level)
    assert peak == 2
    assert {record["log"][0] for record in records(job.decision())} == {0, 1}


def test_the_steps_of_a_row_run_in_order_while_another_row_lasts(tmp_path):
    first = step('sleep "$x"', **FROM_COLUMN_1, run_stride=2)
    second = step(":", run_base=1, run_stride=2)
    job = Job(tmp_path, [[0, 1], [1, 0]], [first, second], concurrency=2)
    job.execute()
    assert [r["run"] for r in job.segment() if r["t"] == "end"] == [2, 3, 0, 1]


def test_a_failure_skips_what_requires_it_and_nothing_else(tmp_path):
    steps = [
        step('exit "$x"', **FROM_COLUMN_1, run_stride=3, task_name="simulate"),
        step(":", run_base=1, run_stride=3, requires=[0]),
        step(":", run_base=2, run_stride=3),
    ]
    job = Job(tmp_path, [[0, 1], [1, 0]], steps)
    found = records(job.execute())
    assert [r["t"] for r in found] == ["end", "skip", "end", "end", "end", "end"]
    assert found[1]["why"] == "task 'simulate', element 0 failed: exit status 1"


def test_a_skip_names_the_first_cause(tmp_path):
    steps = [
        step("exit 4", run_stride=3, task_name="simulate"),
        step(":", run_base=1, run_stride=3, requires=[0], task_name="analyse"),
        step(":", run_base=2, run_stride=3, requires=[1], task_name="plot"),
    ]
    found = records(Job(tmp_path, [[0]], steps).execute())
    assert found[2] == {
        **found[2], "t": "skip", "why": "task 'simulate', element 0 failed: exit status 4",
    }  # fmt: skip


def test_a_failure_that_skips_nothing_leaves_none_for_its_output(tmp_path):
    first = step("exit 1", run_stride=2, outputs=["y"], skip_downstream_on_failure=False)
    second = step(
        'echo "$y" >&3',
        inputs={"y": {"from": "step", "step": 0, "output": "y"}},
        variables=[variable("y")],
        requires=[0],
        run_base=1,
        run_stride=2,
        **outputs_on_fd3("z"),
    )
    _, found = records(Job(tmp_path, [[0]], [first, second]).execute())
    assert found["out"] == {"z": "None"}


def test_a_run_that_lasts_is_announced_a_short_one_is_not(tmp_path):
    job = Job(tmp_path, [[0, 0], [1, 1.3]], [step('sleep "$x"', **FROM_COLUMN_1)])
    job.execute()
    assert job.kinds() == ["header", "end", "start", "end", "close"]
    start, end = job.segment()[2:4]
    assert start["at"] == end["start"]


def test_nothing_starts_with_too_little_time_left(tmp_path):
    job = Job(tmp_path, [[0], [1]], [step(":")], time_limit_s=4)
    found = records(job.execute())
    assert [(r["t"], r["why"]) for r in found] == [
        ("defer", "too little is left of the time limit")
    ] * 2


def test_the_header_says_who_executes(tmp_path):
    job = Job(tmp_path, [], [step(":")])
    decision = job.execute(SLURM_JOB_ID="17")
    assert decision.header["ids"] == {"SLURM_JOB_ID": "17"}
    assert {"host", "boot", "pid", "pid_start", "at"} <= set(decision.header)
    assert decision.why == "done"


@pytest.mark.parametrize("item", [3, 99])
def test_an_item_that_the_job_has_not_is_refused(tmp_path, item):
    process = Job(tmp_path, [], [step(":")], items=3).start(item)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 65
    assert f"expected an item below 3, found {item}" in err


def test_an_environment_that_bash_cant_be_given_fails_the_run(tmp_path):
    job = Job(tmp_path, [[0]], [step(":", environment={"A": "x\0y"})])
    assert "bash can't be given its environment" in whys(job.execute())[0]


def test_an_output_whose_name_no_key_can_have_fails_the_run(tmp_path):
    name = "n" * 300
    job = Job(tmp_path, [[0]], [step("seq 9999 >&3", **outputs_on_fd3(name))])
    assert "the outputs can't be stored: " in whys(job.execute())[0]


def test_many_rows_without_a_process_are_gone_through(tmp_path):
    job = Job(
        tmp_path, [[n] for n in range(1500)], [step(":")], time_limit_s=1, concurrency=3
    )
    assert len(job.execute().records) == 1500
