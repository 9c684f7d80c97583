"""What a job asks for, as `#SBATCH` lines and `sbatch` arguments. Pure.

Source: sbatch(1), SLURM 22.05; and what was seen there.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from schedulers.checks import check_job
from schedulers.errors import RefusedError
from schedulers.job import DependencyKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from schedulers.job import Dependency, Job, JobResources

_MIB = 1024 * 1024

# Options that would take from the adapter what it answers for.
_OURS = {
    "array": "a",
    "clusters": "M",
    "dependency": "d",
    "job-name": "J",
    "output": "o",
    "parsable": None,
    "quiet": "Q",
    "test-only": None,
    "wait": "W",
    "wrap": None,
}
# Options whose variable in the submitter's environment would win over the script.
_SITE_DEFAULTS = {
    "SBATCH_ACCOUNT": "account",
    "SBATCH_PARTITION": "partition",
    "SBATCH_QOS": "qos",
    "SBATCH_RESERVATION": "reservation",
}


def render_directives(job: Job) -> list[str]:
    """The `#SBATCH` lines of a job.

    Raises:
        RefusedError: the job is not as the port wants it, or has a directive that
            the adapter must set itself.
    """
    check_job(job)
    if re.search(r'["\\]', job.output):
        raise RefusedError(
            f"job {job.name}: output {job.output!r}: SLURM takes no quotes and backslashes"
        )
    raw = [(name.lstrip("-"), value) for name, value in job.resources.directives]
    for name, value in raw:
        _check_raw(job, name, value)
    raw_names = {name for name, _ in raw}
    options = [option for option in _options(job) if option[0] not in raw_names]
    return [_line(name, value) for name, value in [*options, *raw]]


def render_dependencies(dependencies: Sequence[Dependency], num_items: int) -> list[str]:
    """Arguments of `sbatch` that hold a job back.

    `aftercorr` waits for an item's success, there is no way to wait for its end
    only: where it failed, the dependent item is cancelled by
    `--kill-on-invalid-dep` (only that item) and not left in the queue for ever.
    For a plain job `afterany` says it all.
    """
    if not dependencies:
        return []
    parts = []
    for dependency in dependencies:
        if not dependency.job_id.isdigit():
            raise RefusedError(f"{dependency.job_id!r} is no id of a SLURM job")
        elementwise = dependency.kind is DependencyKind.ELEMENTWISE and num_items > 1
        parts.append(f"{'aftercorr' if elementwise else 'afterany'}:{dependency.job_id}")
    arguments = [f"--dependency={','.join(parts)}"]
    if any(part.startswith("aftercorr") for part in parts):
        arguments.append("--kill-on-invalid-dep=yes")
    return arguments


def environment_names(job: Job) -> list[str]:
    """Variables that set a site's or user's default, for what the job leaves open."""
    given = {name.lstrip("-") for name, _ in job.resources.directives}
    given |= {name for name in ("account", "partition", "qos") if _has(job, name)}
    return [name for name, option in _SITE_DEFAULTS.items() if option not in given]


def _has(job: Job, field: str) -> bool:
    return getattr(job.resources, field) is not None


def _options(job: Job) -> Iterator[tuple[str, str | None]]:
    resources = job.resources
    yield "job-name", job.name
    output = job.output.replace("%", "%%")
    yield "output", output.replace("{item}", "%a" if job.num_items > 1 else "0")
    yield "chdir", os.path.dirname(job.script)  # exists, else SLURM runs it in /tmp
    yield "open-mode", "append"  # what an earlier, lost attempt printed is kept
    if job.num_items > 1:
        throttle = f"%{job.throttle}" if job.throttle else ""
        yield "array", f"0-{job.num_items - 1}{throttle}"
    if resources.walltime_s is not None:
        yield "time", render_time(resources.walltime_s)
    yield from _cores(resources)
    yield from _memory(resources)
    if resources.num_gpus:
        yield "gres", f"gpu:{_ceil(resources.num_gpus, resources.num_nodes or 1)}"
    for name in ("partition", "account", "qos"):
        value = getattr(resources, name)
        if value is not None:
            yield name, value
    yield "no-requeue", None  # a second run would write over the first; resume does that
    # `submit` gives sbatch a chosen environment: all of it is meant for the job. A list
    # of names here, or NONE, makes the node run the user's login shell for it, which
    # can fail and hold the job, and srun would pass on nothing that the job sets.
    yield "export", "ALL"


def _cores(resources: JobResources) -> Iterator[tuple[str, str]]:
    num_nodes, per_node = resources.num_nodes, resources.num_tasks_per_node
    num_tasks = resources.num_tasks
    if num_tasks is None and not per_node:
        num_tasks = num_nodes or 1  # without MPI: one process on each node
    all_tasks = num_tasks or (per_node or 1) * (num_nodes or 1)
    per_task = resources.cores_per_task or _ceil(resources.num_cores, all_tasks)
    if num_nodes is not None:
        yield "nodes", str(num_nodes)
    if num_tasks is not None:
        yield "ntasks", str(num_tasks)
    if per_node:
        yield "ntasks-per-node", str(per_node)
    yield "cpus-per-task", str(per_task)


def _memory(resources: JobResources) -> Iterator[tuple[str, str]]:
    """`--mem` is for each node: tasks that may be spread need `--mem-per-cpu`."""
    if resources.memory_bytes is not None:
        num_nodes = resources.num_nodes
        num_tasks = resources.num_tasks or 1
        if num_nodes is None and num_tasks > 1:
            cores = max(num_tasks * (resources.cores_per_task or 1), resources.num_cores)
            yield "mem-per-cpu", _mib(_ceil(resources.memory_bytes, cores))
        else:
            yield "mem", _mib(_ceil(resources.memory_bytes, num_nodes or 1))
    elif resources.memory_per_core_bytes is not None:
        yield "mem-per-cpu", _mib(resources.memory_per_core_bytes)


def render_time(seconds: int) -> str:
    """A time limit; SLURM itself rounds up to minutes."""
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return f"{days}-{hour:02}:{minute:02}:{second:02}"


def _mib(num_bytes: int) -> str:
    return f"{_ceil(num_bytes, _MIB)}M"


def _ceil(number: int, by: int) -> int:
    return -(-number // by)


def _check_raw(job: Job, name: str, value: str | None) -> None:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", name):
        raise RefusedError(f"job {job.name}: {name!r} is no option of sbatch")
    if name in _OURS or name in _OURS.values():
        raise RefusedError(
            f"job {job.name}: the directive {name} is set by the adapter; leave it out"
        )
    if value is not None and re.search(r"[\x00-\x1f\x7f]", value):
        raise RefusedError(
            f"job {job.name}: directive {name}: control character in {value!r}"
        )


def _line(name: str, value: str | None) -> str:
    dashes = "-" if len(name) == 1 else "--"
    if value is None:
        return f"#SBATCH {dashes}{name}"
    if re.search(r"[^A-Za-z0-9_./:,=+%@^~-]", value):
        escaped = re.sub(r'(["\\])', r"\\\1", value)
        value = f'"{escaped}"'
    return f"#SBATCH {dashes}{name}{' ' if len(name) == 1 else '='}{value}"


def submit_argv(job: Job, dependencies: Sequence[Dependency]) -> list[str]:
    """The one command that hands a job over."""
    held = render_dependencies(dependencies, job.num_items)
    return ["sbatch", "--parsable", *_part(job), *held, job.script]


def _part(job: Job) -> list[str]:
    """What makes a part of a script's array: arguments count for more than directives."""
    if job.part is None:
        return []
    throttle = f"%{job.throttle}" if job.throttle else ""
    array = f"--array={job.part.start}-{job.part.stop - 1}{throttle}"
    return [array, f"--job-name={job.name}"]


def submit_environment(
    job: Job, chosen: Mapping[str, str], everything: Mapping[str, str]
) -> dict[str, str]:
    """What `sbatch` and so the job get: the chosen variables, and SLURM's own settings."""
    names = ["SLURM_CONF", *environment_names(job)]
    return {**chosen, **{name: everything[name] for name in names if name in everything}}
