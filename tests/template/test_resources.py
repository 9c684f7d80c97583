"""Resources: scopes, levels, sequences, and what each item becomes."""

import pytest

from hpcflow.model.resources import Resources
from tests.template.templates import ADD, load


def tasks(keys="", template="", **options):
    text = f"{template}tasks:\n  - schema: add\n    inputs: {{a: 1}}\n{keys}{ADD}"
    return load(text, **options).tasks


def resources(items):
    (column,) = tasks(f"    resources: {{any: {items}}}\n")[0].resources
    (found,) = column.table
    return found


@pytest.mark.parametrize(
    ("scheduler", "items", "expected"),
    [
        ("sge", "{SGE_parallel_env: mpi}", {"parallel_env": "mpi"}),
        ("pbs", "{PBS_select: '2:ncpus=4'}", {"select": "2:ncpus=4"}),
    ],
)
def test_what_one_scheduler_alone_uses_has_no_warning_where_jobs_go_there(
    scheduler, items, expected
):
    keys = f"    resources: {{any: {items}}}\n"
    (column,) = tasks(keys, scheduler=scheduler)[0].resources
    assert column.table == (Resources(num_cores=1, **expected),)


def test_without_any_item():
    assert tasks()[0].resources[0].table == (Resources(num_cores=1),)


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ("{num_cores: 4}", {"num_cores": 4}),
        (
            "{num_nodes: 2, num_cores_per_node: 8}",
            {"num_nodes": 2, "num_cores_per_node": 8, "num_cores": 16},
        ),
        ("{num_threads: 4}", {"num_threads": 4}),
        ("{parallel_mode: hybrid}", {"parallel_mode": "hybrid"}),
        ("{memory: 4GiB}", {"memory_bytes": 4 * 1024**3}),
        ("{memory: 1000}", {"memory_bytes": 1000}),
        ("{memory_per_core: 1GB}", {"memory_per_core_bytes": 10**9}),
        ("{gpus: 2}", {"gpus": 2}),
        ("{time_limit: 00:10:00}", {"time_limit_s": 600}),
        ("{time_limit: 1-00:00:00}", {"time_limit_s": 86400}),
        ("{time_limit: 90}", {"time_limit_s": 90}),
        ("{partition: short}", {"partition": "short"}),
        ("{queue: short}", {"partition": "short"}),
        ("{SLURM_partition: short}", {"partition": "short"}),
        ("{account: a1, qos: high}", {"account": "a1", "qos": "high"}),
        ("{scheduler: slurm, shell: bash}", {"scheduler": "slurm"}),
        ("{scheduler: direct}", {"scheduler": "local"}),
        (
            (
                "{SLURM_num_tasks: 4, SLURM_num_tasks_per_node: 2, SLURM_num_nodes: 2, "
                "SLURM_num_cpus_per_task: 3}"
            ),
            {
                "num_tasks": 4,
                "num_tasks_per_node": 2,
                "num_nodes": 2,
                "num_cpus_per_task": 3,
                "num_cores": 12,
            },
        ),
        (
            "{use_job_array: false, max_array_items: 10}",
            {"use_job_array": False, "max_array_items": 10},
        ),
        (
            "{elements_per_job: 5, concurrency: 2}",
            {"elements_per_job": 5, "concurrency": 2},
        ),
        ("{resources_id: 3}", {"resources_id": "3"}),
        ("{skip_downstream_on_failure: false}", {"skip_downstream_on_failure": False}),
        ("{success_exit_codes: 2}", {"success_exit_codes": (2,)}),
        ("{success_exit_codes: [0, 3]}", {"success_exit_codes": (0, 3)}),
        (
            (
                "{scheduler_args: {directives: {--time: 00:05:00, --x: [a, 2], "
                "--exclusive: null}}}"
            ),
            {
                "directives": (
                    ("--time", "00:05:00"),
                    ("--x", "a"),
                    ("--x", "2"),
                    ("--exclusive", None),
                )
            },
        ),
        ("{num_cores: null}", {}),
    ],
)
def test_each_item(items, expected):
    assert resources(items) == Resources(**{"num_cores": 1} | expected)


def test_the_more_specific_scope_wins_item_by_item():
    found = tasks("    resources: {any: {num_cores: 2, gpus: 1}, main: {num_cores: 3}}\n")
    assert found[0].resources[0].table == (Resources(num_cores=3, gpus=1),)


def test_the_template_fills_what_the_element_set_leaves_open():
    found = tasks(
        "    resources: {any: {num_cores: 2}}\n",
        "resources: {any: {num_cores: 8, gpus: 1}, main: {qos: low}}\n",
    )
    assert found[0].resources[0].table == (Resources(num_cores=2, gpus=1, qos="low"),)


def test_the_template_s_main_wins_over_the_element_set_s_any():
    found = tasks(
        "    resources: {any: {num_cores: 2}}\n", "resources: {main: {num_cores: 8}}\n"
    )
    assert found[0].resources[0].table == (Resources(num_cores=8),)


def test_a_sequence_over_a_resource():
    (task,) = tasks("""    resources: {any: {num_cores: 9, gpus: 1}}
    sequences:
      - {path: resources.any.num_cores, values: [2, 4, 2]}
      - {path: inputs.b, values: [x, y, z]}
""")
    (column,) = task.resources
    assert column.table == (Resources(num_cores=2, gpus=1), Resources(num_cores=4, gpus=1))
    assert column.index.tolist() == [0, 1, 0]
    assert str(column.index.dtype) == "int32"


def test_two_swept_resources_are_crossed():
    (task,) = tasks("""    sequences:
      - path: resources.any.num_cores
        values::from_range: {start: 1, stop: 3}
      - {path: resources.main.time_limit, values: [60, 00:02:00], nesting_order: 1}
""")
    column = task.resources[0]
    found = [column.table[i] for i in column.index]
    assert [(r.num_cores, r.time_limit_s) for r in found] == [
        (1, 60),
        (1, 120),
        (2, 60),
        (2, 120),
    ]


def test_element_sets_share_a_table():
    text = f"""tasks:
  - schema: add
    element_sets:
      - {{inputs: {{a: 1}}, resources: {{any: {{num_cores: 2}}}}}}
      - {{inputs: {{a: 1}}}}
      - {{inputs: {{a: 1}}, repeats: 2, resources: {{main: {{num_cores: 2}}}}}}
{ADD}"""
    (column,) = load(text).tasks[0].resources
    assert column.table == (Resources(num_cores=2), Resources(num_cores=1))
    assert column.index.tolist() == [0, 1, 0, 0]


def test_every_action_has_a_column():
    text = """tasks:
  - schema: s
template_components:
  task_schemas:
    - objective: s
      actions: [{commands: [{command: a}]}, {commands: [{command: b}]}]
"""
    assert len(load(text).tasks[0].resources) == 2


def test_known_schedulers_can_be_given():
    found = tasks("    resources: {any: {scheduler: big}}\n", schedulers=("big",))
    assert found[0].resources[0].table[0].scheduler == "big"
