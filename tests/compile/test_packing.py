import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcflow.compile.packing import (
    count_items,
    count_slots,
    interleave,
    item_bounds,
    item_of_rows,
)
from hpcflow.compile.plan import CompileOptions, JobPlan, Step, job_resources, walltime_s
from hpcflow.model.resources import Resources

ROWS = st.integers(1, 200).flatmap(
    lambda rows: st.tuples(st.just(rows), st.integers(1, rows))
)


@given(ROWS)
def test_items_are_as_the_node_side_divides_rows(sizes):
    rows, items = sizes
    bounds = item_bounds(rows, items).tolist()
    assert bounds == [item * rows // items for item in range(items + 1)]
    expected = [i for i in range(items) for _ in range(bounds[i], bounds[i + 1])]
    assert item_of_rows(rows, items).tolist() == expected


@given(ROWS)
def test_elements_are_dealt_to_the_items_in_turn(sizes):
    rows, items = sizes
    order = interleave(rows, items)
    assert sorted(order.tolist()) == list(range(rows))
    whole = rows // items * items
    for item, part in enumerate(np.split(order, item_bounds(rows, items)[1:-1])):
        assert part[part < whole].tolist() == list(range(item, whole, items))
        assert part.tolist() == sorted(part.tolist())


def test_uneven_items():
    assert interleave(7, 3).tolist() == [0, 3, 1, 4, 2, 5, 6]


@pytest.mark.parametrize(
    ("rows", "resources", "scheduler", "items", "slots"),
    [
        (3, {}, "local", 3, 1),
        (100, {}, "local", 8, 1),
        (100, {"num_cores": 3}, "local", 2, 1),
        (100, {"num_cores": 16}, "local", 1, 1),
        (100, {"concurrency": 2}, "local", 4, 2),
        (100, {}, "slurm", 100, 1),
        (100, {"concurrency": 8}, "slurm", 13, 8),
        (5, {"concurrency": 8}, "slurm", 1, 5),
        (1001, {}, "slurm", 1000, 1),
        (100_000, {}, "slurm", 1000, 1),
        (100, {}, "small", 10, 1),
        (5000, {}, "large", 2000, 1),
        (5000, {"elements_per_job": 1}, "large", 5000, 1),
        (100, {"elements_per_job": 30}, "slurm", 4, 1),
        (100, {"elements_per_job": 30, "concurrency": 40}, "slurm", 4, 25),
        (100, {"elements_per_job": 2}, "small", 10, 1),
        (100, {"elements_per_job": 2}, "local", 50, 1),
        (100, {"use_job_array": False}, "slurm", 1, 1),
        (100, {"use_job_array": False, "concurrency": 4}, "slurm", 1, 4),
        (100, {"use_job_array": False, "elements_per_job": 3}, "slurm", 1, 1),
        (100, {"use_job_array": True}, "slurm", 100, 1),
        (100, {"max_array_items": 5}, "slurm", 100, 1),
    ],
)
def test_how_rows_are_packed(rows, resources, scheduler, items, slots):
    options = CompileOptions("slurm", 8, {"small": 10, "large": 9000})
    asked = Resources(**resources)
    assert count_items(rows, asked, scheduler, options) == items
    assert count_slots(rows, items, asked) == slots


def plan(rows=1, items=1, slots=1, steps=1, **resources):
    asked = Resources(**resources)
    return JobPlan(
        index=0,
        name="hf-0-s0-j0",
        workflow_id="0",
        submission=0,
        scheduler="slurm",
        steps=tuple(Step(0, action, asked) for action in range(steps)),
        rows={0: np.arange(rows)},
        num_items=items,
        concurrency=slots,
        resources=asked,
        dependencies=(),
        silence_s=70.0,
        log_level="info",
    )


@pytest.mark.parametrize(
    ("planned", "seconds"),
    [
        (plan(), None),
        (plan(time_limit_s=3600), 3600),  # the partition's limit stays met
        (plan(rows=10, items=10, time_limit_s=3600), 3600),
        (plan(rows=10, items=5, time_limit_s=100), 260),
        (plan(rows=11, items=5, time_limit_s=100), 360),
        (plan(rows=11, items=5, slots=3, time_limit_s=100), 100),
        (plan(rows=10, items=1, slots=4, time_limit_s=100), 360),
        (plan(steps=3, time_limit_s=100), 360),
        (plan(rows=4, items=2, steps=3, time_limit_s=100), 660),
    ],
)
def test_the_time_of_an_item(planned, seconds):
    assert walltime_s(planned) == seconds
    assert job_resources(planned).get("walltime_s") == seconds


def test_what_is_not_said_is_left_to_the_site():
    assert job_resources(plan()) == {"num_cores": 1}


def test_an_item_asks_for_all_of_its_slots():
    asked = {
        "num_cores": 4,
        "num_nodes": 1,
        "num_tasks": 2,
        "num_tasks_per_node": 2,
        "num_cpus_per_task": 2,
        "memory_bytes": 10,
        "memory_per_core_bytes": 3,
        "gpus": 1,
        "partition": "p",
        "account": "a",
        "qos": "q",
        "parallel_env": "mpi",
        "select": "2:ncpus=4",
        "directives": (("--exclusive", None), ("--x", "1")),
    }
    assert job_resources(plan(rows=6, slots=3, **asked)) == {
        "num_cores": 12,
        "num_nodes": 1,
        "num_tasks": 6,
        "num_tasks_per_node": 6,
        "cores_per_task": 2,
        "memory_bytes": 30,
        "memory_per_core_bytes": 3,
        "num_gpus": 3,
        "partition": "p",
        "account": "a",
        "qos": "q",
        "parallel_env": "mpi",
        "select": "2:ncpus=4",
        "directives": [["--exclusive", None], ["--x", "1"]],
    }
    assert job_resources(plan(rows=6, slots=3, num_nodes=2))["num_nodes"] == 6


def test_the_throttle_is_what_max_array_items_was():
    assert plan(rows=9, items=9, max_array_items=4).throttle == 4
    assert plan(rows=9, items=1, max_array_items=4).throttle is None
