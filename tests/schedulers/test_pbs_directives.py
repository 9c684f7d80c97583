"""What a job asks of PBS, and of Torque."""

from __future__ import annotations

import pytest

from schedulers import load
from schedulers.errors import RefusedError
from schedulers.job import Dependency, DependencyKind, Job, JobResources
from schedulers.pbs.dialects import PBS, TORQUE
from schedulers.pbs.directives import render_dependencies, render_directives, submit_argv

GIB = 1024**3


def asked(dialect=PBS, **resources: object) -> list[str]:
    job = Job("hf-a", "/w/job.sh", "/w/logs/{item}.out", 3, JobResources(**resources))
    lines = render_directives(job, dialect)
    return [line.removeprefix("#PBS ") for line in lines if line.startswith("#PBS")]


ALWAYS = ["-N hf-a", "-S /bin/bash", "-V", "-j oe", "-o /dev/null", "-r n"]


@pytest.mark.parametrize(
    ("resources", "pbs", "torque"),
    [
        ({}, ["-l select=1:ncpus=1"], ["-l nodes=1:ppn=1"]),
        (
            {"walltime_s": 90061},
            ["-l walltime=25:01:01", "-l select=1:ncpus=1"],
            ["-l walltime=25:01:01", "-l nodes=1:ppn=1"],
        ),
        (
            {"num_cores": 4, "memory_bytes": GIB, "num_gpus": 1},
            ["-l select=1:ncpus=4:mem=1024mb:ngpus=1"],
            ["-l nodes=1:ppn=4:gpus=1", "-l mem=1024mb"],
        ),
        (
            {"num_tasks": 8, "num_cores": 16, "memory_per_core_bytes": GIB},
            ["-l select=8:ncpus=2:mpiprocs=1:mem=2048mb"],
            ["-l nodes=1:ppn=16", "-l mem=16384mb"],
        ),
        (
            {"num_nodes": 2, "num_tasks_per_node": 4, "num_cores": 8, "memory_bytes": GIB},
            ["-l select=2:ncpus=4:mpiprocs=4:mem=512mb", "-l place=scatter"],
            ["-l nodes=2:ppn=4", "-l mem=1024mb"],
        ),
        (
            {"select": "2:ncpus=8:mem=4gb", "num_cores": 16},
            ["-l select=2:ncpus=8:mem=4gb"],
            ["-l nodes=1:ppn=16"],
        ),
        (
            {"partition": "long", "account": "p1"},
            ["-l select=1:ncpus=1", "-q long", "-A p1"],
            ["-l nodes=1:ppn=1", "-q long", "-A p1"],
        ),
        (  # raw directives count for more
            {"walltime_s": 60, "directives": (("-l", "nodes=2:ppn=3,mem=1gb"),)},
            ["-l walltime=00:01:00", "-l nodes=2:ppn=3,mem=1gb"],
            ["-l walltime=00:01:00", "-l nodes=2:ppn=3,mem=1gb"],
        ),
        (
            {"directives": (("l", "walltime=5"), ("m", "ae")), "walltime_s": 60},
            ["-l select=1:ncpus=1", "-l walltime=5", "-m ae"],
            ["-l nodes=1:ppn=1", "-l walltime=5", "-m ae"],
        ),
        ({"parallel_env": "smp"}, ["-l select=1:ncpus=1"], ["-l nodes=1:ppn=1"]),
    ],
)
def test_resources_become_options(resources, pbs, torque):
    assert asked(**resources) == [*ALWAYS, *pbs]
    assert asked(TORQUE, **resources) == [*ALWAYS, *torque]


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ({"qos": "high"}, "qos: PBS has no QOS"),
        ({"directives": (("-J", "1-3"),)}, "directive J is set by the adapter"),
        ({"directives": (("W", "depend=afterok:1"),)}, "directive W is set"),
        ({"directives": (("select", "1"),)}, "no option of qsub"),
        ({"directives": (("P", "a\n#PBS -N x"),)}, "control character"),
    ],
)
def test_what_pbs_can_not_give_is_refused_in_plain_words(resources, words):
    with pytest.raises(RefusedError, match=words):
        asked(**resources)


def test_dependencies_wait_for_whole_arrays_and_never_for_success():
    """afterok of an array looks at its last item alone: recorded in dependency-2.txt."""
    both = [Dependency("3.s"), Dependency("4[].s", DependencyKind.ELEMENTWISE)]
    assert render_dependencies(both, PBS) == ["-W", "depend=afterany:3.s:4[].s"]
    assert render_dependencies(both, TORQUE) == [
        "-W",
        "depend=afterany:3.s,afteranyarray:4[].s",
    ]
    with pytest.raises(RefusedError, match="no id"):
        render_dependencies([Dependency("4[2].s")], PBS)  # "illegal -W value"


def test_arrays_have_their_indices_and_a_throttle():
    job = Job("a", "/w/job.sh", "/w/{item}", 6, throttle=2)
    assert submit_argv(job, [], PBS) == ["qsub", "-J", "0-5%2", "/w/job.sh"]
    assert submit_argv(job, [], TORQUE) == ["qsub", "-t", "0-5%2", "/w/job.sh"]
    plain = Job("a", "/w/job.sh", "/w/{item}")
    assert submit_argv(plain, [], PBS) == ["qsub", "/w/job.sh"]


def test_the_adapters_are_there_by_name():
    for name, index in (("pbs", "PBS_ARRAY_INDEX"), ("torque", "PBS_ARRAYID")):
        scheduler = load(name)
        assert scheduler.name == name
        assert index in scheduler.item_index_shell
        assert not scheduler.has_elementwise
