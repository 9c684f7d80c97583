"""Jobs of more items than an array may have: several arrays, and what they wait for."""

import numpy as np
import pytest

from hpcflow.compile.grouping import CompileOptions, compile_jobs
from hpcflow.compile.packing import rows_per_array, rows_per_item
from hpcflow.compile.plan import JobDependency, walltime_s
from hpcflow.model.resources import AUTO_PACKED, Resources
from tests.compile.workflows import (
    ID,
    WorkflowBuilder,
    column,
    echo,
    grouped,
    made_by,
)

SMALL = CompileOptions("slurm", 4, {"slurm": 10})
ONE = Resources(elements_per_job=1)
OTHER = Resources(elements_per_job=1, num_cores=2)


def compiled(workflow):
    return compile_jobs(workflow, submission=0, workflow_id=ID, options=SMALL)


def two_tasks(count, *, order=None, second=OTHER, groups=None):
    built = WorkflowBuilder()
    built.add("a", count, [echo("y", "x")], {"x": column(list(range(count)))}, ONE)
    if groups is not None:
        built.add(
            "b", len(groups), [echo("z", "y")], {"y": grouped(0, "y", groups)}, second
        )
    else:
        source = made_by(0, "y", order or list(range(count)))
        built.add("b", count, [echo("z", "y")], {"y": source}, second)
    return built.workflow()


def test_a_job_of_too_many_items_becomes_arrays_of_nearly_equal_size():
    plans = [p for p in compiled(two_tasks(25)) if 0 in p.rows]
    assert [plan.num_items for plan in plans] == [9, 9, 7]
    assert np.concatenate([plan.rows[0] for plan in plans]).tolist() == list(range(25))
    assert len({plan.name for plan in plans}) == 3


def test_arrays_wait_item_by_item_for_the_array_of_the_same_elements():
    plans = compiled(two_tasks(25))
    assert [plan.dependencies for plan in plans] == [
        *[()] * 3,
        *[(JobDependency(array, elementwise=True),) for array in range(3)],
    ]


def test_arrays_of_other_elements_are_awaited_as_a_whole_and_only_where_they_are_read():
    swapped = [*range(9, 18), *range(9), *range(18, 25)]
    plans = compiled(two_tasks(25, order=swapped))
    waits = [[(d.job, d.elementwise) for d in plan.dependencies] for plan in plans[3:]]
    assert waits == [[(1, True)], [(0, True)], [(2, True)]]
    backwards = compiled(two_tasks(25, order=list(range(24, -1, -1))))
    waits = [[(d.job, d.elementwise) for d in plan.dependencies] for plan in backwards[3:]]
    assert waits == [[(1, False), (2, False)], [(0, False), (1, False)], [(0, False)]]


def test_a_group_waits_for_all_arrays_that_make_it():
    groups = [list(range(12)), list(range(12, 25))]
    (*arrays, last) = compiled(two_tasks(25, groups=groups, second=Resources()))
    assert len(arrays) == 3
    assert last.dependencies == tuple(
        JobDependency(array, elementwise=False) for array in range(3)
    )


def test_steps_of_a_row_stay_in_one_array():
    plans = compiled(two_tasks(25, second=ONE))
    assert [len(plan.steps) for plan in plans] == [2, 2, 2]
    assert all(plan.rows[0].tolist() == plan.rows[1].tolist() for plan in plans)
    assert [plan.dependencies for plan in plans] == [()] * 3


@pytest.mark.parametrize(
    ("asked", "scheduler", "rows"),
    [
        ({}, "slurm", 100),  # packed: nobody asked for an item each
        ({"elements_per_job": 1}, "slurm", 10),
        ({"elements_per_job": 10}, "slurm", 100),
        ({"elements_per_job": 9}, "slurm", 54),
        ({"elements_per_job": 3}, "slurm", 27),
        ({"elements_per_job": 1}, "local", 100),  # takes any number of items
        ({"elements_per_job": 1, "max_array_items": 3}, "slurm", 100),
        ({"elements_per_job": 1, "use_job_array": False}, "slurm", 100),
    ],
)
def test_how_many_rows_an_array_has(asked, scheduler, rows):
    assert rows_per_array(100, Resources(**asked), scheduler, SMALL) == rows


@pytest.mark.parametrize(
    ("asked", "runs", "rows"),
    [
        ({"time_limit_s": 600}, 1, 5),
        ({"time_limit_s": 600, "concurrency": 4}, 1, 20),
        ({"time_limit_s": 600}, 3, 1),
        ({"time_limit_s": 7200}, 1, 1),
        ({"time_limit_s": 60, "partition": "short"}, 1, 4),
        ({}, 1, None),
    ],
)
def test_items_of_automatic_size_keep_to_an_hour_and_to_the_partition(asked, runs, rows):
    options = CompileOptions(
        "slurm", 4, max_walltime_s=lambda _, partition: 300 if partition else None
    )
    resources = Resources(elements_per_job=AUTO_PACKED, **asked)
    assert rows_per_item(resources, "slurm", options, runs) == rows


def test_an_item_of_automatic_size_asks_for_no_more_than_its_partition_allows():
    options = CompileOptions("slurm", 4, max_walltime_s=lambda *_: 300)
    built = WorkflowBuilder()
    asked = Resources(elements_per_job=AUTO_PACKED, time_limit_s=70)
    built.add("a", 50, [echo("y", "x")], {"x": column(list(range(50)))}, asked)
    (plan,) = compile_jobs(built.workflow(), submission=0, workflow_id=ID, options=options)
    assert plan.rows_per_item == 3
    assert walltime_s(plan) == 270
