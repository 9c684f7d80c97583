"""What compile writes is what the node side reads: checked with its own reader."""

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpcflow.compile import row_columns as rows_module
from hpcflow.compile.grouping import compile_jobs
from hpcflow.compile.jobscript import render_job
from hpcflow.compile.row_columns import _range_starts
from hpcflow.model.resources import Resources
from hpcflow.model.workflow import FromTask, FromValues, value_table
from hpcflow.node import manifest as node_manifest
from jobstores import values
from jobstores.errors import UnstorableError
from tests.compile.workflows import (
    ID,
    OPTIONS,
    SETTINGS,
    SLURM,
    WorkflowBuilder,
    column,
    echo,
    grouped,
    made_by,
    same,
    workflows,
)

APART = Resources(num_cores=4)


def compiled(workflow, options=SLURM):
    return compile_jobs(workflow, submission=2, workflow_id=ID, options=options)


def written(directory, workflow, plans, plan):
    """The node side's view of a job's directory: manifest, and rows by item."""
    directory = directory / str(plan.index)
    directory.mkdir(parents=True)
    for name, content in render_job(workflow, plans, plan, SETTINGS).items():
        (directory / name).write_bytes(content)
    manifest = node_manifest.load(str(directory))
    items = [
        list(node_manifest.rows(manifest, *manifest.slice_of(item)))
        for item in range(manifest.items)
    ]
    return manifest, items


def expected_input(workflow, step, element, name):
    """By the model: ("value", v), ("run", id, output) or ("runs", ids, output)."""
    task = workflow.tasks[step.task]
    actions = task.schema.actions
    earlier = [a for a in range(step.action) if name in actions[a].outputs]
    source = task.inputs.get(name)
    if earlier:
        return "run", task.run_id(element, earlier[-1]), name
    if isinstance(source, FromValues):
        if source.offsets is None:
            return "value", source.table[int(source.index[element])]
        picks = source.index[source.offsets[element] : source.offsets[element + 1]]
        return "value", [source.table[int(pick)] for pick in picks]
    upstream = workflow.tasks[source.task]
    action = upstream.schema.producer(source.output)
    if source.offsets is None:
        return "run", upstream.run_id(int(source.elements[element]), action), source.output
    members = source.elements[source.offsets[element] : source.offsets[element + 1]]
    return "runs", [upstream.run_id(int(m), action) for m in members], source.output


def found_input(manifest, made, step, row, name):
    """By the files: the same, with every run looked up in the item that is named."""
    source = step.inputs[name]
    kind = source["from"]
    if kind == "constant":
        return "value", values.decode(source["value"])
    if kind == "row":
        return "value", values.decode(row[source["column"]])
    if kind == "step":
        return "run", manifest.steps[source["step"]].run(row), source["output"]
    cell = row[source["column"]]
    ranges = cell if source.get("group") else [[*cell, 1, 1]]
    runs = []
    for upstream, item, first, stride, count in ranges:
        job = manifest.upstream[upstream].job
        for run in (first + number * stride for number in range(count)):
            assert run in made[job, item]
            runs.append(run)
    return (
        ("runs", runs, source["output"])
        if source.get("group")
        else (
            "run",
            runs[0],
            source["output"],
        )
    )


def equal(a, b):
    return repr(a) == repr(b)  # NaN is equal to itself here, 1 is not True


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_files_say_what_the_model_says(data, tmp_path_factory):
    workflow, options = data.draw(workflows()), data.draw(OPTIONS)
    plans = compiled(workflow, options)
    directory = tmp_path_factory.mktemp("jobs")
    made = {}
    for plan in plans:
        manifest, items = written(directory, workflow, plans, plan)
        assert (manifest.submission, manifest.job) == (2, plan.index)
        assert [u.submission for u in manifest.upstream] == [2] * len(plan.dependencies)
        position = 0
        for item, rows in enumerate(items):
            made[plan.index, item] = {s.run(row) for row in rows for s in manifest.steps}
            for row in rows:
                for planned, step in zip(plan.steps, manifest.steps, strict=True):
                    element = int(plan.rows[planned.task][position])
                    task = workflow.tasks[planned.task]
                    assert step.element(row) == element
                    assert step.run(row) == task.run_id(element, planned.action)
                    assert step.element_of(step.run(row)) == element
                    assert list(step.inputs) == list(
                        task.schema.actions[planned.action].inputs
                    )
                    for name in step.inputs:
                        assert equal(
                            found_input(manifest, made, step, row, name),
                            expected_input(workflow, planned, element, name),
                        )
                    assert all(required < step.index for required in step.requires)
                position += 1
        assert position == plan.num_rows


# -- values


def rendered(built, job=-1, options=SLURM):
    workflow = built.workflow()
    plans = compiled(workflow, options)
    files = render_job(workflow, plans, plans[job], SETTINGS)
    data = files["rows.bin"]
    count = int.from_bytes(data[8:16], "little")
    offsets = np.frombuffer(data, "<u8", count + 1, 16).tolist()
    assert data[:8] == b"HPCROWS1"
    assert offsets[0] == 16 + 8 * (count + 1)
    assert offsets[-1] == len(data)
    lines = [data[a:b].decode() for a, b in pairwise(offsets)]
    return json.loads(files["job.json"]), lines


@pytest.mark.parametrize(
    ("given", "cells"),
    [
        ([1, -2], ["1", "-2"]),
        ([0.1, 1e22], ["0.1", "1e+22"]),
        ([-0.0, 5e-324], ["-0.0", "5e-324"]),
        ([0.5, math.inf], ["0.5", '{"$float":"inf"}']),
        ([True, False], ["true", "false"]),
        (["é\n%s", None], ['"\\u00e9\\n%s"', "null"]),
        ([[1, "a"], {"$x": 2}], ['[1,"a"]', '{"$dict":[["$x",2]]}']),
        ([1, 2**70], ["1", str(2**70)]),
    ],
)
def test_the_text_of_values(given, cells):
    built = WorkflowBuilder()
    built.add("t", 2, [echo("y", "x")], {"x": column(given)})
    _, lines = rendered(built)
    assert lines == [f"[{row},{cell}]\n" for row, cell in enumerate(cells)]


def test_a_value_that_all_rows_share_is_a_constant():
    built = WorkflowBuilder()
    built.add("t", 3, [echo("y", "x", "n")], {"x": column([1, 2, 3]), "n": same((1,), 3)})
    job, lines = rendered(built)
    assert job["steps"][0]["inputs"]["n"] == {"from": "constant", "value": {"$tuple": [1]}}
    assert lines == ["[0,1]\n", "[1,2]\n", "[2,3]\n"]


def test_only_the_values_of_a_jobs_own_rows_are_encoded():
    built = WorkflowBuilder()
    sweep = [((Resources(), APART), [0, 1])]
    built.add("t", 2, [echo("y", "x")], {"x": column([["a"], object()])}, sweep)
    job, _ = rendered(built, job=0)
    assert job["steps"][0]["inputs"]["x"] == {"from": "constant", "value": ["a"]}
    with pytest.raises(UnstorableError, match=r"^x: cannot store an object of type object"):
        rendered(built, job=1)


def test_groups_of_values():
    built = WorkflowBuilder()
    table = value_table([0.5, 1.5, 2.5])
    group = FromValues(table, np.array([2, 0, 1, 1]), np.array([0, 3, 3, 4]))
    built.add("t", 3, [echo("y", "x")], {"x": group})
    _, lines = rendered(built)
    assert lines == ["[0,[2.5,0.5,1.5]]\n", "[1,[]]\n", "[2,[1.5]]\n"]


def test_columns_are_shared():
    built = WorkflowBuilder()
    first = [echo("y", "x"), echo("z", "x")]
    built.add("t", 3, first, {"x": column([1, 2, 3])})
    back = {"y": made_by(0, "y", [2, 1, 0]), "y[2]": made_by(0, "y", [2, 1, 0])}
    back["z"] = made_by(0, "z", [2, 1, 0])
    built.add("u", 3, [echo("w", *back), echo("v", "y")], back, APART)
    job, lines = rendered(built)
    assert lines == [
        "[0,[0,2,4],[0,2,5]]\n",
        "[1,[0,1,2],[0,1,3]]\n",
        "[2,[0,0,0],[0,0,1]]\n",
    ]
    inputs = job["steps"][0]["inputs"]
    assert inputs["y"] == {"from": "upstream", "column": 1, "output": "y"}
    assert inputs["y[2]"] == inputs["y"]
    assert job["steps"][1]["inputs"]["y"] == inputs["y"]


def test_one_action_may_be_in_the_row_and_in_another_job():
    built = WorkflowBuilder()
    built.add("u", 2, [echo("x", "n")], {"n": column([1, 2])}, APART)
    sweep = [((APART, Resources()), [0, 0, 1, 1])]
    built.add("p", 4, [echo("y", "x")], {"x": made_by(0, "x", [0, 1, 0, 1])}, sweep)
    both = {"near": made_by(1, "y", [2, 3]), "far": made_by(1, "y", [0, 1])}
    built.add("t", 2, [echo("z", "near", "far")], both)
    job, lines = rendered(built)
    assert [(s["task_name"], s["element_column"]) for s in job["steps"]] == [
        ("p", 0),
        ("t", 2),
    ]
    assert job["steps"][1]["inputs"] == {
        "near": {"from": "step", "step": 0, "output": "y"},
        "far": {"from": "upstream", "column": 3, "output": "y"},
    }
    assert lines == ["[2,[0,0,0],0,[0,0,2]]\n", "[3,[0,1,1],1,[0,1,3]]\n"]


def test_a_group_without_members_is_an_empty_list():
    built = WorkflowBuilder()
    built.add("t", 1, [echo("y", "x")], {"x": column([1])})
    inputs = {"y": made_by(0, "y", [0]), "none": grouped(0, "y", [[]])}
    built.add("u", 1, [echo("z", "y", "none")], inputs)
    job, lines = rendered(built)
    assert job["steps"][1]["inputs"]["none"]["from"] == "upstream"
    assert lines == ["[0,[]]\n"]


# -- groups of upstream runs


def test_groups_are_ranges():
    built = WorkflowBuilder()
    built.add("t", 6, [echo("y", "x")], {"x": same(1, 6)}, Resources(use_job_array=False))
    groups = [[0, 1, 2, 3, 4, 5], [5, 4, 3], [0, 2, 4, 5], [], [1], [3, 3]]
    built.add("u", 6, [echo("z", "y")], {"y": grouped(0, "y", groups)})
    job, lines = rendered(built)
    assert job["steps"][0]["inputs"]["y"]["group"] is True
    assert lines == [
        "[0,[[0,0,0,1,6]]]\n",
        "[1,[[0,0,5,-1,3]]]\n",
        "[2,[[0,0,0,2,3],[0,0,5,1,1]]]\n",
        "[3,[]]\n",
        "[4,[[0,0,1,1,1]]]\n",
        "[5,[[0,0,3,1,1],[0,0,3,1,1]]]\n",
    ]


def test_a_hundred_thousand_members_in_order_are_one_range():
    count = 100_000
    built = WorkflowBuilder()
    one_item = Resources(use_job_array=False)
    built.add("t", count, [echo("y", "x")], {"x": column(list(range(count)))}, one_item)
    everything = FromTask(0, "y", np.arange(count), np.array([0, count]))
    built.add("u", 1, [echo("z", "y")], {"y": everything})
    _, lines = rendered(built)
    assert lines == [f"[0,[[0,0,0,1,{count}]]]\n"]


@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 5)), max_size=8
        ),
        max_size=4,
    )
)
def test_ranges_give_back_their_members(groups):
    members = np.array([m for g in groups for m in g], dtype=np.int64).reshape(-1, 3)
    bounds = np.cumsum([0, *map(len, groups)])
    cells = rows_module.UpstreamGroups(*members.T, bounds).cells(0, len(groups))[0]
    assert [
        [
            (u, i, first + k * step)
            for u, i, first, step, n in json.loads(cell)
            for k in range(n)
        ]
        for cell in cells
    ] == groups


def test_a_range_has_equal_steps():
    runs = np.array([0, 1, 2, 4, 6, 7])
    zeros = np.zeros(6, dtype=np.int64)
    assert _range_starts(zeros, zeros, runs, np.array([0, 6])).tolist() == [0, 3, 5]


# -- size


def test_blocks_of_rows_join_without_a_seam(monkeypatch):
    built = WorkflowBuilder()
    built.add("t", 10, [echo("y", "x")], {"x": column([f"v{n}" for n in range(10)])})
    built.add(
        "u", 10, [echo("z", "y")], {"y": grouped(0, "y", [[n, 0] for n in range(10)])}
    )
    whole = rendered(built)
    monkeypatch.setattr(rows_module, "BLOCK_ROWS", 3)
    assert rendered(built) == whole
