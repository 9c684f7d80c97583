import numpy as np
import pytest
from hypothesis import given, settings

from hpcflow.compile.grouping import CompileOptions, compile_jobs
from hpcflow.compile.plan import CompileError, JobDependency, Step
from hpcflow.compile.sources import made_sources
from hpcflow.model.resources import Resources
from hpcflow.model.workflow import FromTask
from tests.compile.workflows import (
    ID,
    LOCAL,
    OPTIONS,
    SLURM,
    WorkflowBuilder,
    column,
    echo,
    grouped,
    made_by,
    same,
    workflows,
)

SMALL, LARGE = Resources(), Resources(num_cores=4)


def compiled(workflow, options=SLURM):
    return compile_jobs(workflow, submission=0, workflow_id=ID, options=options)


def steps(plan):
    return [(step.task, step.action) for step in plan.steps]


def chain(count, *resources, order=None):
    """Tasks that follow one another, element by element; with an `order`, permuted."""
    built = WorkflowBuilder()
    built.add(
        "t0", count, [echo("y0", "x")], {"x": column(list(range(count)))}, resources[0]
    )
    for number, asked in enumerate(resources[1:], 1):
        before = made_by(number - 1, f"y{number - 1}", order or list(range(count)))
        built.add(f"t{number}", count, [echo(f"y{number}", "x")], {"x": before}, asked)
    return built.workflow()


# -- which steps share a job


def test_a_chain_of_tasks_is_one_job():
    (plan,) = compiled(chain(5, SMALL, SMALL, SMALL))
    assert steps(plan) == [(0, 0), (1, 0), (2, 0)]
    assert plan.runs == {0: 5, 1: 5, 2: 5}
    assert plan.dependencies == ()


def test_a_permuted_chain_is_one_job_whose_rows_follow_the_elements():
    (plan,) = compiled(chain(4, SMALL, SMALL, order=[2, 0, 3, 1]))
    assert plan.rows[0].tolist() == [0, 1, 2, 3]
    assert plan.rows[1].tolist() == [1, 3, 0, 2]


def test_other_resources_are_another_job():
    first, second = compiled(chain(3, SMALL, LARGE))
    assert second.dependencies == (JobDependency(0, True),)
    assert (first.resources.num_cores, second.resources.num_cores) == (1, 4)
    assert first.name == "hf-3f0c9a-s0-j0"


def test_what_concerns_success_only_does_not_part_jobs():
    lenient = Resources(success_exit_codes=(0, 3), skip_downstream_on_failure=False)
    (plan,) = compiled(chain(3, SMALL, lenient))
    assert plan.steps == (Step(0, 0, SMALL), Step(1, 0, lenient))


def test_elements_with_other_resources_are_other_jobs():
    built = WorkflowBuilder()
    sweep = [((SMALL, LARGE, SMALL), [0, 1, 2, 1, 0])]
    built.add("t", 5, [echo("y", "x")], {"x": same(1, 5)}, sweep)
    small, large = compiled(built.workflow())
    assert (small.rows[0].tolist(), large.rows[0].tolist()) == ([0, 2, 4], [1, 3])


def test_a_task_joins_only_a_job_with_all_of_its_upstream_elements():
    built = WorkflowBuilder()
    sweep = [((SMALL, LARGE), [0, 1, 0])]
    built.add("t", 3, [echo("y", "x")], {"x": same(1, 3)}, sweep)
    built.add("u", 3, [echo("z", "y")], {"y": made_by(0, "y", [0, 1, 2])}, SMALL)
    built.add("v", 3, [echo("w", "y")], {"y": made_by(0, "y", [0, 1, 2])}, sweep)
    plans = compiled(built.workflow())
    assert [steps(plan) for plan in plans] == [[(0, 0), (2, 0)], [(0, 0), (2, 0)], [(1, 0)]]
    assert [d.job for d in plans[2].dependencies] == [0, 1]


def test_actions_of_an_element_share_a_row_as_long_as_resources_agree():
    built = WorkflowBuilder()
    actions = [echo("a", "x"), echo("b", "a"), echo("c", "b"), echo("d", "a")]
    resources = [((r,), [0, 0]) for r in (SMALL, SMALL, LARGE, SMALL)]
    built.add("t", 2, actions, {"x": same(1, 2)}, resources)
    plans = compiled(built.workflow())
    # the last action needs only the first one, but joining it would not delay the job:
    assert [steps(plan) for plan in plans] == [[(0, 0), (0, 1), (0, 3)], [(0, 2)]]


def test_actions_split_between_elements():
    built = WorkflowBuilder()
    actions = [echo("a", "x"), echo("b", "a")]
    both = [((SMALL,), [0, 0, 0]), ((SMALL, LARGE), [0, 1, 0])]
    built.add("t", 3, actions, {"x": same(1, 3)}, both)
    plans = compiled(built.workflow())
    assert [(steps(p), p.rows[0].tolist()) for p in plans] == [
        ([(0, 0), (0, 1)], [0, 2]),
        ([(0, 0)], [1]),
        ([(0, 1)], [1]),
    ]


def test_a_task_does_not_join_if_that_would_delay_the_job():
    built = WorkflowBuilder()
    built.add("slow", 3, [echo("s", "x")], {"x": same(1, 3)}, LARGE)
    built.add("t", 3, [echo("y", "x")], {"x": same(1, 3)}, SMALL)
    both = {"s": made_by(0, "s", [0, 1, 2]), "y": made_by(1, "y", [0, 1, 2])}
    built.add("u", 3, [echo("z", "s", "y")], both, SMALL)
    plans = compiled(built.workflow())
    assert [steps(plan) for plan in plans] == [[(0, 0)], [(1, 0)], [(2, 0)]]


def test_a_task_joins_if_the_job_waits_for_the_rest_anyway():
    built = WorkflowBuilder()
    built.add("first", 3, [echo("s", "x")], {"x": same(1, 3)}, LARGE)
    built.add("t", 3, [echo("y", "s")], {"s": made_by(0, "s", [0, 1, 2])}, SMALL)
    both = {"s": grouped(0, "s", [[0, 1, 2]] * 3), "y": made_by(1, "y", [0, 1, 2])}
    built.add("u", 3, [echo("z", "s", "y")], both, SMALL)
    plans = compiled(built.workflow())
    assert [steps(plan) for plan in plans] == [[(0, 0)], [(1, 0), (2, 0)]]
    assert plans[1].dependencies == (JobDependency(0, False),)


@pytest.mark.parametrize(
    "inputs",
    [
        {"y": made_by(0, "y", [0, 0, 1])},
        {"y": made_by(0, "y", [0, 1])},
        {"y": made_by(0, "y", [0, 1, 2, 2])},
        {"y": grouped(0, "y", [[0], [1], [2]])},
        {"y": made_by(0, "y", [0, 1, 2]), "z": made_by(0, "y", [0, 2, 1])},
        {"y": made_by(0, "y", [0, 1, 2]), "z": grouped(0, "y", [[0, 1, 2]] * 3)},
    ],
)
def test_what_is_not_one_to_one_is_a_job_of_its_own(inputs):
    built = WorkflowBuilder()
    built.add("t", 3, [echo("y", "x")], {"x": same(1, 3)})
    first = inputs["y"]
    count = len(first.elements if first.offsets is None else first.offsets) - (
        first.offsets is not None
    )
    built.add("u", count, [echo("w", *inputs)], inputs)
    assert len(compiled(built.workflow())) == 2


def test_independent_tasks_are_independent_jobs():
    built = WorkflowBuilder()
    for name in ("a", "b"):
        built.add(name, 2, [echo("y", "x")], {"x": same(1, 2)})
    plans = compiled(built.workflow())
    assert [plan.dependencies for plan in plans] == [(), ()]


def test_a_task_without_elements_has_no_job():
    built = WorkflowBuilder()
    built.add("t", 0, [echo("y", "x")], {"x": same(1, 0)})
    assert compiled(built.workflow()) == ()


def test_an_input_from_nowhere():
    built = WorkflowBuilder()
    built.add("t", 1, [echo("y", "x")])
    with pytest.raises(
        CompileError, match=r"task 't', action 0: nothing gives its input 'x'"
    ):
        compiled(built.workflow())


def test_an_input_that_an_earlier_action_changes_comes_from_it():
    built = WorkflowBuilder()
    built.add("t", 1, [echo("x", "x"), echo("y", "x")], {"x": same(1, 1)})
    sources = made_sources(built.workflow(), 0, 1)
    assert [(made.task, made.action) for made in sources.values()] == [(0, 0)]


# -- dependencies


def test_a_reduction_waits_for_all():
    built = WorkflowBuilder()
    built.add("t", 3, [echo("y", "x")], {"x": same(1, 3)})
    built.add("sum", 1, [echo("z", "y")], {"y": grouped(0, "y", [[0, 1, 2]])})
    assert compiled(built.workflow())[1].dependencies == (JobDependency(0, False),)


def test_element_by_element_needs_arrays_of_the_same_items():
    assert compiled(chain(1, SMALL, LARGE))[1].dependencies == (JobDependency(0, False),)
    one_item = Resources(num_cores=4, use_job_array=False)
    assert compiled(chain(3, SMALL, one_item))[1].dependencies == (JobDependency(0, False),)
    permuted = chain(3, SMALL, LARGE, order=[1, 0, 2])
    assert compiled(permuted)[1].dependencies == (JobDependency(0, False),)


def test_element_by_element_with_several_rows_an_item():
    options = CompileOptions("slurm", 4, {"slurm": 3})
    plans = compiled(chain(8, SMALL, LARGE), options)
    assert [plan.num_items for plan in plans] == [3, 3]
    assert plans[1].dependencies == (JobDependency(0, True),)


# -- properties of any workflow


def natural(plan):
    """For each row of a job, its item."""
    bounds = [item * plan.num_rows // plan.num_items for item in range(plan.num_items + 1)]
    return np.searchsorted(bounds, np.arange(plan.num_rows), side="right") - 1


@settings(deadline=None)
@given(workflows(), OPTIONS)
def test_every_run_is_in_one_row_of_one_job(workflow, options):
    runs = []
    for plan in compiled(workflow, options):
        for step in plan.steps:
            task = workflow.tasks[step.task]
            assert len(plan.rows[step.task]) == plan.num_rows > 0
            for element in plan.rows[step.task].tolist():
                runs.append(task.run_id(element, step.action))
                wanted = task.resources[step.action]
                assert wanted.table[wanted.index[element]] == step.resources
    everything = [
        run for t in workflow.tasks for run in range(t.run_base, t.run_base + t.num_runs)
    ]
    assert sorted(runs) == everything


@settings(deadline=None)
@given(workflows(), OPTIONS)
def test_jobs_wait_for_exactly_what_they_read(workflow, options):
    plans = compiled(workflow, options)
    where = {}  # run -> job, item
    for plan in plans:
        items = natural(plan).tolist()
        for step in plan.steps:
            task = workflow.tasks[step.task]
            for element, item in zip(plan.rows[step.task].tolist(), items, strict=True):
                where[task.run_id(element, step.action)] = plan.index, item
    for plan in plans:
        needed, crossing = set(), set()
        for number, step in enumerate(plan.steps):
            for row, item in enumerate(natural(plan).tolist()):
                element = plan.rows[step.task][row]
                for task, action, other in upstream_runs(workflow, step, element):
                    job, other_item = where[workflow.tasks[task].run_id(other, action)]
                    if job == plan.index:  # then made in the same row, before
                        assert (task, action) in steps(plan)[:number]
                        assert plan.rows[task][row] == other
                        continue
                    needed.add(job)
                    if item != other_item or plans[job].num_items != plan.num_items:
                        crossing.add(job)
        assert [d.job for d in plan.dependencies] == sorted(needed)
        assert all(job < plan.index for job in needed)
        for dependency in plan.dependencies:
            array = plan.num_items > 1
            assert dependency.elementwise == (array and dependency.job not in crossing)


def upstream_runs(workflow, step, element):
    """By the model, not the compiler: (task, action, element) that a run reads."""
    task = workflow.tasks[step.task]
    actions = task.schema.actions
    for name in actions[step.action].inputs:
        earlier = [a for a in range(step.action) if name in actions[a].outputs]
        source = task.inputs.get(name)
        if earlier:
            yield step.task, earlier[-1], element
        elif isinstance(source, FromTask):
            action = workflow.tasks[source.task].schema.producer(source.output)
            if source.offsets is None:
                members = source.elements[element : element + 1]
            else:
                members = source.elements[
                    source.offsets[element] : source.offsets[element + 1]
                ]
            for member in members.tolist():
                yield source.task, action, member


@settings(deadline=None)
@given(workflows(), OPTIONS)
def test_a_job_has_one_kind_of_resources(workflow, options):
    for plan in compiled(workflow, options):
        for step in plan.steps:
            asked = step.resources
            assert (asked.num_cores, asked.elements_per_job, asked.scheduler) == (
                plan.resources.num_cores,
                plan.resources.elements_per_job,
                plan.resources.scheduler,
            )
        assert plan.scheduler == (plan.resources.scheduler or options.default_scheduler)
        assert (
            1 <= plan.num_items <= min(plan.num_rows, options.array_limit(plan.scheduler))
        )
        assert 1 <= plan.concurrency <= plan.rows_per_item


# -- size


def test_a_hundred_thousand_elements_stay_columns():
    count = 100_000
    built = WorkflowBuilder()
    x = column(list(range(count)))
    built.add("t", count, [echo("y", "x")], {"x": x})
    order = np.arange(count, dtype=np.int64)
    built.add("u", count, [echo("z", "y")], {"y": FromTask(0, "y", order)}, LARGE)
    built.add("sum", 1, [echo("s", "z")], {"z": grouped(1, "z", [list(range(count))])})
    first, second, third = compiled(built.workflow())
    assert (first.num_items, second.num_items, third.num_items) == (1000, 1000, 1)
    assert second.dependencies == (JobDependency(0, True),)
    for plan in (first, second):
        (elements,) = plan.rows.values()
        assert elements.dtype == np.int64
        assert not elements.flags.writeable
        assert elements[:100].tolist() == list(range(0, count, 1000))
        assert np.array_equal(np.sort(elements), order)


def test_options_may_be_asked_by_a_function():
    options = CompileOptions("pbs", 4, lambda name: 7 if name == "pbs" else None)
    assert options.array_limit("pbs") == 7
    assert options.array_limit("other") == 1000
    assert compiled(chain(20, SMALL), options)[0].num_items == 7


def test_the_local_scheduler_gets_what_it_can_start_at_once():
    assert compiled(chain(20, SMALL), LOCAL)[0].num_items == 4
    assert compiled(chain(20, LARGE), LOCAL)[0].num_items == 1
