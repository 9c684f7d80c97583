"""What a job asks of Grid Engine."""

from __future__ import annotations

import subprocess

import pytest

from schedulers.errors import RefusedError
from schedulers.job import Dependency, DependencyKind, Job, JobResources
from schedulers.sge.directives import (
    render_dependencies,
    render_directives,
    submit_argv,
)

GIB = 1024**3


def asked(num_items: int = 1, throttle: int | None = None, **resources: object):
    job = Job(
        "hf-a",
        "/w/job.sh",
        "/w/logs/{item}.out",
        num_items,
        JobResources(**resources),
        throttle,
    )
    lines = render_directives(job)
    return [line.removeprefix("#$ ") for line in lines if line.startswith("#$")]


ALWAYS = ["-N hf-a", "-S /bin/bash", "-V", "-j y", "-o /dev/null", "-r n"]


def test_bash_is_named_as_many_queues_ignore_the_scripts_first_line():
    """shell_start_mode posix_compliant: recorded in env.txt."""
    assert asked() == ALWAYS


def test_tasks_count_from_one_and_have_a_throttle():
    assert asked(6, 2)[6:] == ["-t 1-6", "-tc 2"]


@pytest.mark.parametrize(
    ("resources", "lines"),
    [
        ({"walltime_s": 5400}, ["-l h_rt=5400"]),
        ({"memory_bytes": GIB}, ["-l h_vmem=1024M"]),
        # Grid Engine counts memory for each slot
        (
            {"memory_bytes": GIB, "num_cores": 4, "parallel_env": "smp"},
            ["-pe smp 4", "-l h_vmem=256M"],
        ),
        (
            {"memory_per_core_bytes": GIB, "num_cores": 4, "parallel_env": "smp"},
            ["-pe smp 4", "-l h_vmem=1024M"],
        ),
        (
            {"num_tasks": 3, "cores_per_task": 2, "num_cores": 6, "parallel_env": "mpi"},
            ["-pe mpi 6"],
        ),
        ({"parallel_env": "smp"}, ["-pe smp 1"]),
        ({"partition": "long.q", "account": "p1"}, ["-q long.q", "-A p1"]),
        ({"select": "1:ncpus=2"}, []),  # PBS's alone
        # raw directives count for more
        (
            {
                "walltime_s": 60,
                "memory_bytes": GIB,
                "directives": (("-l", "h_rt=90,gpu=1"),),
            },
            ["-l h_vmem=1024M", "-l h_rt=90,gpu=1"],
        ),
        ({"num_cores": 2, "directives": (("pe", "smp 2-4"),)}, ["-pe smp 2-4"]),
        ({"directives": (("notify", None), ("P", "proj"))}, ["-notify", "-P proj"]),
    ],
)
def test_resources_become_options(resources, lines):
    assert asked(**resources)[len(ALWAYS) :] == lines


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ({"num_cores": 2}, "SGE_parallel_env"),
        ({"qos": "high"}, "qos: Grid Engine has no QOS"),
        ({"num_gpus": 1}, "num_gpus: .* directive"),
        ({"num_nodes": 2, "num_cores": 4, "parallel_env": "mpi"}, "num_nodes: .* leave"),
        ({"directives": (("-t", "1-3"),)}, "directive t is set by the adapter"),
        ({"directives": (("hold_jid", "3"),)}, "directive hold_jid is set"),
        ({"directives": (("a b", None),)}, "no option of qsub"),
        ({"directives": (("P", "a\n#$ -N x"),)}, "control character"),
    ],
)
def test_what_grid_engine_can_not_give_is_refused_in_plain_words(resources, words):
    with pytest.raises(RefusedError, match=words):
        asked(**resources)


def test_dependencies_wait_for_the_end_and_element_wise_ones_for_their_own_task():
    both = [Dependency("3"), Dependency("4", DependencyKind.ELEMENTWISE), Dependency("5")]
    assert render_dependencies(both, 2) == ["-hold_jid", "3,5", "-hold_jid_ad", "4"]
    # "Can only specify -hold_jid_ad with an array": recorded in dependency.txt
    assert render_dependencies(both, 1) == ["-hold_jid", "3,4,5"]
    with pytest.raises(RefusedError, match="no id"):
        render_dependencies([Dependency("wf_*")], 1)


def test_a_part_of_an_array_has_its_tasks_and_a_name_of_its_own():
    job = Job("hf-a-i2", "/w/job.sh", "/w/{item}", 9, part=range(2, 5))
    argv = ["qsub", "-terse", "-t", "3-5", "-N", "hf-a-i2", "/w/job.sh"]
    assert submit_argv(job, []) == argv


def test_by_hand_the_script_writes_to_the_terminal(tmp_path):
    """And under Grid Engine to the file of its item, whatever its path looks like."""
    folder = tmp_path / "it's, a $dir: 100%"
    folder.mkdir()
    script = folder / "job.sh"
    job = Job("a", str(script), f"{folder}/{{item}} of {{item}}.out", 3)
    script.write_text("\n".join(["#!/bin/bash", *render_directives(job), "pwd"]) + "\n")
    ran = subprocess.run(["bash", script], capture_output=True, text=True, cwd="/")
    assert ran.stdout == "/\n"
    ran = subprocess.run(
        ["bash", script], capture_output=True, text=True, env={"SGE_TASK_ID": "3"}
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert (folder / "2 of 2.out").read_text() == f"{folder}\n"
