"""What a job asks for, as `#PBS` lines and `qsub` arguments. Pure.

Source: qsub(1B), pbs_resources(7B) of OpenPBS 23.06; and what was seen there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from schedulers.begin import begin_lines
from schedulers.checks import check_job
from schedulers.errors import RefusedError
from schedulers.pbs.dialects import index_shell

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from schedulers.job import Dependency, Job, JobResources
    from schedulers.pbs.dialects import Dialect

_MIB = 1024 * 1024
ID = re.compile(r"(\d+(?:\[\])?)(\.\S+)?")
# Options that would take from the adapter what it answers for.
_OURS = frozenset((*"CIJNSVXefhjkotvz", "depend"))
# `-l` entries that replace ours.
_CHUNKS = ("select", "nodes", "ncpus", "procs")


def render_directives(job: Job, dialect: Dialect) -> list[str]:
    """The `#PBS` lines of a job, and the bash that opens its output.

    Raises:
        RefusedError: the job is not as the port wants it, asks for what PBS can't
            give, or has a directive that the adapter must set itself.
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
        for part in re.split(r",(?=\w+=)", value)
    }
    lines = [
        (name, value)
        for name, value in _options(job, dialect)
        if (name == "l" and not _is_taken(value, taken))
        or (name != "l" and name not in given)
    ]
    asked = [f"#PBS -{name} {value or ''}".rstrip() for name, value in [*lines, *raw]]
    return [
        *asked,
        *begin_lines(
            job,
            mark="PBS_JOBID",
            index_shell=index_shell(dialect),
            # the login shell has set its own
            first=["export PATH=${PBS_O_PATH:-$PATH}"],
        ),
    ]


def _is_taken(value: str, taken: set[str]) -> bool:
    resource = value.partition("=")[0]
    return resource in taken or (
        resource in ("select", "nodes", "place", "mem") and not taken.isdisjoint(_CHUNKS)
    )


def _options(job: Job, dialect: Dialect) -> Iterator[tuple[str, str]]:
    resources = job.resources
    if resources.qos is not None:
        raise RefusedError(
            f"job {job.name}: qos: {dialect.title} has no QOS of its own; where the site"
            " has one, give its words as a directive"
        )
    yield "N", job.name
    yield "S", "/bin/bash"
    yield "V", ""  # `submit` gives qsub a chosen environment
    yield "j", "oe"
    yield "o", "/dev/null"  # the script opens its output itself
    yield "r", "n"  # a second run would write over the first; resume does that
    if resources.walltime_s is not None:
        yield "l", f"walltime={render_time(resources.walltime_s)}"
    chunks = _select(resources) if dialect.has_select else _nodes(resources)
    for chunk in chunks:
        yield "l", chunk
    if resources.partition is not None:
        yield "q", resources.partition
    if resources.account is not None:
        yield "A", resources.account


def _shape(resources: JobResources) -> tuple[int, int, int]:
    """How many chunks, processes in each, and cores for each of those."""
    nodes, per_node = resources.num_nodes, resources.num_tasks_per_node
    tasks = resources.num_tasks or (per_node or 1) * (nodes or 1)
    cores = resources.cores_per_task or -(-resources.num_cores // tasks)
    if nodes is not None:
        return nodes, per_node or -(-tasks // nodes), cores
    if per_node:
        return -(-tasks // per_node), per_node, cores
    return tasks, 1, cores


def _select(resources: JobResources) -> Iterator[str]:
    """Chunks: what is on one host together. A chunk of a task may be anywhere."""
    if resources.select is not None:
        yield f"select={resources.select}"
        return
    chunks, tasks, cores = _shape(resources)
    parts = [f"{chunks}:ncpus={tasks * cores}"]
    if chunks * tasks > 1 or resources.num_tasks is not None:
        parts.append(f"mpiprocs={tasks}")
    memory = _memory(resources, tasks * cores, chunks)
    if memory is not None:
        parts.append(f"mem={memory}mb")
    if resources.num_gpus:
        parts.append(f"ngpus={-(-resources.num_gpus // chunks)}")
    yield f"select={':'.join(parts)}"
    if resources.num_nodes is not None and chunks > 1:
        yield "place=scatter"  # each on a host of its own


def _nodes(resources: JobResources) -> Iterator[str]:
    """Torque's words: tasks without a number of nodes are put on one."""
    chunks, tasks, cores = _shape(resources)
    if resources.num_nodes is None and not resources.num_tasks_per_node:
        chunks, tasks = 1, chunks * tasks
    gpus = f":gpus={-(-resources.num_gpus // chunks)}" if resources.num_gpus else ""
    yield f"nodes={chunks}:ppn={tasks * cores}{gpus}"
    memory = _memory(resources, tasks * cores * chunks, 1)
    if memory is not None:
        yield f"mem={memory}mb"


def _memory(resources: JobResources, cores: int, chunks: int) -> int | None:
    """In MiB (what PBS calls mb), of one of so many chunks."""
    if resources.memory_bytes is not None:
        return -(-resources.memory_bytes // (chunks * _MIB))
    if resources.memory_per_core_bytes is not None:
        return -(-resources.memory_per_core_bytes * cores // _MIB)
    return None


def render_time(seconds: int) -> str:
    """A time limit."""
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02}:{minute:02}:{second:02}"


def _check_raw(job: Job, name: str, value: str | None) -> None:
    if not re.fullmatch(r"[A-Za-z]", name):
        raise RefusedError(f"job {job.name}: {name!r} is no option of qsub")
    if name in _OURS or (name == "W" and "depend" in (value or "")):
        raise RefusedError(
            f"job {job.name}: the directive {name} is set by the adapter; leave it out"
        )
    if value is not None and re.search(r"[\x00-\x1f\x7f]", value):
        raise RefusedError(
            f"job {job.name}: directive {name}: control character in {value!r}"
        )


def render_dependencies(dependencies: Sequence[Dependency], dialect: Dialect) -> list[str]:
    """Arguments of `qsub` that hold a job back until others have ended.

    Element-wise dependents wait for the whole array: PBS knows nothing else.
    """
    kinds: dict[str, list[str]] = {}
    for dependency in dependencies:
        if not ID.fullmatch(dependency.job_id):
            raise RefusedError(f"{dependency.job_id!r} is no id of a {dialect.title} job")
        kind = dialect.after_array if "[]" in dependency.job_id else "afterany"
        kinds.setdefault(kind, []).append(dependency.job_id)
    if not kinds:
        return []
    listed = (":".join((kind, *ids)) for kind, ids in kinds.items())
    return ["-W", f"depend={','.join(listed)}"]


def submit_argv(
    job: Job, dependencies: Sequence[Dependency], dialect: Dialect
) -> list[str]:
    """The one command that hands a job over.

    The array is an argument and no directive: a part of one item is no array.
    """
    array: list[str] = []
    first, last = job.items[0], job.items[-1]
    if len(job.items) > 1:
        throttle = f"%{job.throttle}" if job.throttle else ""
        array = [dialect.array, f"{first}-{last}{throttle}"]
    name = [] if job.part is None else ["-N", job.name]
    return ["qsub", *array, *name, *render_dependencies(dependencies, dialect), job.script]
