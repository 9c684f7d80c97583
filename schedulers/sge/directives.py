"""What a job asks for, as `#$` lines and `qsub` arguments. Pure.

Source: submit(1), sge_types(5), Son of Grid Engine 8.1.9; and what was seen there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from schedulers.begin import begin_lines
from schedulers.checks import check_job
from schedulers.errors import RefusedError
from schedulers.job import DependencyKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from schedulers.job import Dependency, Job, JobResources

_MIB = 1024 * 1024
# Tasks count from 1; a plain job has "undefined", which is 0 in arithmetic.
INDEX_SHELL = "$((SGE_TASK_ID > 0 ? SGE_TASK_ID - 1 : 0))"

# Options that would take from the adapter what it answers for.
_OURS = frozenset(
    (
        *("@", "C", "N", "S", "V", "b", "cwd", "e", "hold_jid", "hold_jid_ad", "i", "j"),
        *("inherit", "now", "o", "shell", "sync", "t", "tc", "terse", "verify", "wd"),
    )
)


def render_directives(job: Job, *, memory: str = "h_vmem") -> list[str]:
    """The `#$` lines of a job, and the bash that opens its output.

    memory: the site's resource for it. Grid Engine counts it for each slot.

    Raises:
        RefusedError: the job is not as the port wants it, asks for what Grid Engine
            can't give, or has a directive that the adapter must set itself.
    """
    check_job(job)
    raw = [(name.lstrip("-"), value) for name, value in job.resources.directives]
    for name, value in raw:
        _check_raw(job, name, value)
    given = {name for name, _ in raw}
    taken = {
        part.partition("=")[0].strip()
        for name, value in raw
        if name == "l" and value
        for part in value.split(",")
    }
    lines = []
    for name, value in _options(job, memory, has_pe="pe" in given):
        resource = value.partition("=")[0] if name == "l" else ""
        if resource not in taken and (name == "l" or name not in given):
            lines.append((name, value))
    asked = [f"#$ -{name} {value or ''}".rstrip() for name, value in [*lines, *raw]]
    return [*asked, *begin_lines(job, mark="SGE_TASK_ID", index_shell=INDEX_SHELL)]


def _options(job: Job, memory: str, *, has_pe: bool) -> Iterator[tuple[str, str]]:
    resources = job.resources
    yield "N", job.name
    yield "S", "/bin/bash"  # else many sites' queues ignore the script's first line
    yield "V", ""  # `submit` gives qsub a chosen environment
    yield "j", "y"
    yield "o", "/dev/null"  # the script opens its output itself
    yield "r", "n"  # a second run would write over the first; resume does that
    if job.num_items > 1:
        yield "t", f"1-{job.num_items}"
        if job.throttle:
            yield "tc", str(job.throttle)
    slots = count_slots(job)
    if slots > 1 and not has_pe:
        if resources.parallel_env is None:
            raise RefusedError(
                f"job {job.name} asks for {slots} cores: Grid Engine gives more than one"
                " only in a parallel environment; name one with SGE_parallel_env"
                " (`qconf -spl` lists the site's)"
            )
        yield "pe", f"{resources.parallel_env} {slots}"
    elif resources.parallel_env is not None and not has_pe:
        yield "pe", f"{resources.parallel_env} {slots}"
    if resources.walltime_s is not None:
        yield "l", f"h_rt={resources.walltime_s}"
    per_slot = _memory_per_slot(resources, slots)
    if per_slot is not None:
        yield "l", f"{memory}={per_slot}M"
    if resources.partition is not None:
        yield "q", resources.partition
    if resources.account is not None:
        yield "A", resources.account
    _refuse_foreign(job)


def count_slots(job: Job) -> int:
    """How many slots an item needs: one for each core."""
    resources = job.resources
    tasks = resources.num_tasks or resources.num_tasks_per_node or 1
    return max(tasks * (resources.cores_per_task or 1), resources.num_cores)


def _memory_per_slot(resources: JobResources, slots: int) -> int | None:
    """In MiB: what an item asks for is multiplied by its slots."""
    if resources.memory_bytes is not None:
        return -(-resources.memory_bytes // (slots * _MIB))
    if resources.memory_per_core_bytes is not None:
        return -(-resources.memory_per_core_bytes // _MIB)
    return None


def _refuse_foreign(job: Job) -> None:
    resources = job.resources
    why = {
        "qos": resources.qos is not None and "Grid Engine has no QOS",
        "num_gpus": resources.num_gpus
        and "Grid Engine has no name for GPUs that holds at every site: give the site's"
        " as a directive, such as `-l: gpu=1`",
        "num_nodes": (resources.num_nodes or 1) > 1
        and "in Grid Engine the parallel environment decides how many hosts a job gets:"
        " give num_cores and SGE_parallel_env, and leave num_nodes out",
    }
    for name, said in why.items():
        if said:
            raise RefusedError(f"job {job.name}: {name}: {said}")


def _check_raw(job: Job, name: str, value: str | None) -> None:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise RefusedError(f"job {job.name}: {name!r} is no option of qsub")
    if name in _OURS:
        raise RefusedError(
            f"job {job.name}: the directive {name} is set by the adapter; leave it out"
        )
    if value is not None and re.search(r"[\x00-\x1f\x7f]", value):
        raise RefusedError(
            f"job {job.name}: directive {name}: control character in {value!r}"
        )


def render_dependencies(dependencies: Sequence[Dependency], num_items: int) -> list[str]:
    """Arguments of `qsub` that hold a job back: until the end, whatever the result."""
    holds: dict[str, list[str]] = {}
    for dependency in dependencies:
        if not dependency.job_id.isdigit():
            raise RefusedError(f"{dependency.job_id!r} is no id of a Grid Engine job")
        elementwise = dependency.kind is DependencyKind.ELEMENTWISE and num_items > 1
        option = "-hold_jid_ad" if elementwise else "-hold_jid"
        holds.setdefault(option, []).append(dependency.job_id)
    return [word for option, ids in holds.items() for word in (option, ",".join(ids))]


def submit_argv(job: Job, dependencies: Sequence[Dependency]) -> list[str]:
    """The one command that hands a job over."""
    held = render_dependencies(dependencies, job.num_items)
    return ["qsub", "-terse", *_part(job), *held, job.script]


def _part(job: Job) -> list[str]:
    """What makes a part of a script's array: arguments count for more than directives."""
    if job.part is None:
        return []
    return ["-t", f"{job.part.start + 1}-{job.part.stop}", "-N", job.name]
