"""What a job asks for, as sbatch is told."""

from __future__ import annotations

import dataclasses

import pytest

from schedulers.errors import RefusedError
from schedulers.job import Dependency, DependencyKind, Job, JobResources
from schedulers.slurm.directives import (
    render_dependencies,
    render_directives,
    render_time,
    submit_argv,
    submit_environment,
)

GIB = 1024**3


def job(num_items: int = 1, throttle: int | None = None, **resources: object) -> Job:
    return Job(
        "hf-3f0c-s0-j1",
        "/w/submissions/0/jobs/1/job.sh",
        "/w/logs/0/1/{item}.out",
        num_items,
        JobResources(**resources),
        throttle,
    )


def options(job: Job) -> dict[str, str | None]:
    lines = [line.removeprefix("#SBATCH --") for line in render_directives(job)]
    return {
        name: value if sep else None
        for name, sep, value in (x.partition("=") for x in lines)
    }


def test_the_whole_of_a_plain_job():
    assert render_directives(job(walltime_s=90, memory_bytes=GIB, partition="main")) == [
        "#SBATCH --job-name=hf-3f0c-s0-j1",
        "#SBATCH --output=/w/logs/0/1/0.out",
        "#SBATCH --chdir=/w/submissions/0/jobs/1",
        "#SBATCH --open-mode=append",
        "#SBATCH --time=0-00:01:30",
        "#SBATCH --ntasks=1",
        "#SBATCH --cpus-per-task=1",
        "#SBATCH --mem=1024M",
        "#SBATCH --partition=main",
        "#SBATCH --no-requeue",
        "#SBATCH --export=ALL",
    ]


def test_an_array_counts_from_0_and_its_outputs_differ():
    found = options(job(24, throttle=5))
    assert found["array"] == "0-23%5"
    assert found["output"] == "/w/logs/0/1/%a.out"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"num_cores": 8}, {"ntasks": "1", "cpus-per-task": "8"}),
        ({"num_tasks": 16}, {"ntasks": "16", "cpus-per-task": "1"}),
        ({"num_tasks": 4, "num_cores": 16}, {"ntasks": "4", "cpus-per-task": "4"}),
        (
            {"num_tasks": 4, "cores_per_task": 2, "num_nodes": 2},
            {"nodes": "2", "ntasks": "4", "cpus-per-task": "2"},
        ),
        (
            {"num_nodes": 2, "num_tasks_per_node": 8},
            {"nodes": "2", "ntasks-per-node": "8", "cpus-per-task": "1"},
        ),
        (
            {"num_nodes": 2, "num_cores": 8},
            {"nodes": "2", "ntasks": "2", "cpus-per-task": "4"},
        ),
    ],
)
def test_processes_and_threads(asked, expected):
    found = options(job(**asked))
    names = ("nodes", "ntasks", "ntasks-per-node", "cpus-per-task")
    assert {name: found[name] for name in names if name in found} == expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"memory_bytes": 1}, {"mem": "1M"}),
        ({"memory_bytes": GIB + 1}, {"mem": "1025M"}),
        ({"memory_bytes": 4 * GIB, "num_nodes": 2}, {"mem": "2048M"}),  # --mem is a node's
        ({"memory_bytes": 4 * GIB, "num_tasks": 8}, {"mem-per-cpu": "512M"}),
        ({"memory_per_core_bytes": GIB}, {"mem-per-cpu": "1024M"}),
        ({}, {}),
    ],
)
def test_memory_is_the_whole_items(asked, expected):
    found = options(job(**asked))
    assert {
        name: found[name] for name in ("mem", "mem-per-cpu") if name in found
    } == expected


def test_gpus_account_and_quality_of_service():
    found = options(job(num_gpus=4, num_nodes=2, account="p1", qos="long"))
    assert (found["gres"], found["account"], found["qos"]) == ("gpu:2", "p1", "long")


@pytest.mark.parametrize(
    ("seconds", "text"), [(1, "0-00:00:01"), (3600, "0-01:00:00"), (200_000, "2-07:33:20")]
)
def test_times(seconds, text):
    assert render_time(seconds) == text


def test_raw_directives_come_last_and_replace_ours():
    raw = (("time", "5"), ("constraint", "a&b"), ("--exclusive", None), ("C", "x y"))
    lines = render_directives(job(walltime_s=60, directives=raw))
    assert lines[-4:] == [
        "#SBATCH --time=5",
        '#SBATCH --constraint="a&b"',
        "#SBATCH --exclusive",
        '#SBATCH -C "x y"',
    ]
    assert len([line for line in lines if "--time" in line]) == 1


@pytest.mark.parametrize(
    "name", ["array", "--job-name", "J", "-o", "output", "wait", "dependency", "M", "wrap"]
)
def test_directives_that_the_adapter_answers_for_are_refused(name):
    with pytest.raises(RefusedError, match="set by the adapter"):
        render_directives(job(directives=((name, "1"),)))


@pytest.mark.parametrize(
    ("name", "value"), [("comment", "a\n#SBATCH --uid=0"), ("a b", "1"), ("", None)]
)
def test_a_directive_cannot_smuggle_in_another(name, value):
    with pytest.raises(RefusedError):
        render_directives(job(directives=((name, value),)))


def test_percent_signs_in_paths_are_no_patterns():
    odd = dataclasses.replace(job(2), output="/w/100%j/{item}")
    assert "#SBATCH --output=/w/100%%j/%a" in render_directives(odd)


def test_blanks_in_paths_are_quoted():
    spaced = dataclasses.replace(job(), output="/w/my logs/{item}")
    assert '#SBATCH --output="/w/my logs/0"' in render_directives(spaced)


@pytest.mark.parametrize("output", ["relative", "/w/a\nb", '/w/"', "/w/\\"])
def test_paths_that_would_not_survive_are_refused(output):
    with pytest.raises(RefusedError, match="output"):
        render_directives(dataclasses.replace(job(), output=output))


def test_dependencies_in_one_option():
    both = [Dependency("7"), Dependency("8", DependencyKind.ELEMENTWISE)]
    assert render_dependencies(both, 4) == [
        "--dependency=afterany:7,aftercorr:8",
        "--kill-on-invalid-dep=yes",
    ]
    assert render_dependencies(both, 1) == ["--dependency=afterany:7,afterany:8"]
    assert render_dependencies([], 4) == []


def test_an_id_that_is_none_is_refused():
    with pytest.raises(RefusedError, match="no id"):
        render_dependencies([Dependency("7?afterok:8")], 1)


def test_one_command_submits():
    argv = submit_argv(job(), [Dependency("7")])
    assert argv == [
        "sbatch",
        "--parsable",
        "--dependency=afterany:7",
        "/w/submissions/0/jobs/1/job.sh",
    ]


def test_defaults_from_the_shell_count_only_where_the_job_says_nothing():
    """A SBATCH_ variable wins over a #SBATCH line."""
    shell = {
        "SBATCH_ACCOUNT": "mine",
        "SBATCH_PARTITION": "short",
        "SBATCH_ARRAY": "1-9",
        "SLURM_JOB_ID": "5",
        "SLURM_CONF": "/etc/slurm.conf",
    }
    asked = job(partition="long")
    assert submit_environment(asked, {"PATH": "/bin"}, shell) == {
        "PATH": "/bin",
        "SBATCH_ACCOUNT": "mine",
        "SLURM_CONF": "/etc/slurm.conf",
    }
