"""Whether a site could ever run a job, before it is handed over. Pure.

Some schedulers accept what they will never start, and keep it waiting for ever.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from schedulers.job import JobResources, Limits, Partition

_GIB = 1024**3
_MIB = 1024**2
# What a raw directive replaces, by the names that batch systems have for it.
_REPLACED = {
    "partition": ("partition", "p", "q", "queue", "reservation", "constraint", "C"),
    "account": ("account", "A", "P"),
    "qos": ("qos", "q"),
    "time": ("time", "t", "l", "time-min"),
    "size": ("nodes", "N", "ntasks", "n", "cpus-per-task", "c", "ntasks-per-node", "l"),
    "memory": ("mem", "mem-per-cpu", "mem-per-gpu", "l", "nodes", "N", "ntasks", "n"),
}


def site_problems(resources: JobResources, limits: Limits) -> list[str]:
    """Why a site would refuse such a job, or never start it; empty: it may run.

    What is not known of the site, and what raw directives decide, is not looked at.
    """
    raw = {name.lstrip("-") for name, _ in resources.directives}
    looked = {what for what, names in _REPLACED.items() if raw.isdisjoint(names)}
    problems = list(_accounts(resources, limits, looked))
    if "partition" not in looked or not limits.partitions:
        return problems
    known = {partition.name: partition for partition in limits.partitions}
    if resources.partition is None:
        mine = [partition for partition in limits.partitions if partition.is_default]
    else:
        names = resources.partition.split(",")
        unknown = [name for name in names if name not in known]
        problems += [_unknown("partition", name, known) for name in unknown]
        mine = [known[name] for name in names if name in known]
    found = [list(_in_partition(resources, partition, looked)) for partition in mine]
    if found and all(found):  # of several it may run in any
        problems += found[0] if len(found) == 1 else [why for each in found for why in each]
    return problems


def max_walltime_s(limits: Limits, partition: str | None) -> int | None:
    """How long a job may take in a partition; None where that is not known."""
    names = partition.split(",") if partition is not None else None
    found = [
        one.max_walltime_s
        for one in limits.partitions
        if (one.is_default if names is None else one.name in names)
    ]
    known = [seconds for seconds in found if seconds is not None]
    return min(known, default=None)


def _accounts(
    resources: JobResources, limits: Limits, looked: Iterable[str]
) -> Iterator[str]:
    known = {account.name: account for account in limits.accounts}
    if not known:
        return
    if resources.account is not None and "account" in looked:
        if resources.account not in known:
            yield _unknown("account", resources.account, known)
            return
        known = {resources.account: known[resources.account]}
    sets = [account.qos for account in known.values()]
    if resources.qos is not None and "qos" in looked and None not in sets:
        allowed = sorted({name for names in sets for name in names or ()})
        if resources.qos not in allowed:
            yield _unknown("QOS", resources.qos, allowed)


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = get_close_matches(name, names, 1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"there is no {what} {name!r} for you here{hint}; there is {', '.join(names)}"


def _in_partition(
    resources: JobResources, partition: Partition, looked: Iterable[str]
) -> Iterator[str]:
    where = f"partition {partition.name!r}"
    walltime, most = resources.walltime_s, partition.max_walltime_s
    if "time" in looked and walltime is not None and most is not None and walltime > most:
        yield (
            f"it asks for {time_text(walltime)}, and {where} allows {time_text(most)} at "
            "most"
        )
    if "size" in looked:
        yield from _size(resources, partition, where)
    memory, most = _memory_per_node(resources), partition.memory_per_node_bytes
    if "memory" in looked and memory is not None and most is not None and memory > most:
        yield (
            f"it asks for {_memory_text(memory)} on a node, and a node of {where} has "
            f"{_memory_text(most)}"
        )


def _size(resources: JobResources, partition: Partition, where: str) -> Iterator[str]:
    nodes = resources.num_nodes or 1
    if partition.num_nodes is not None and nodes > partition.num_nodes:
        yield f"it asks for {nodes} nodes, and {where} has {partition.num_nodes}"
        return
    cores, tasks = resources.num_cores, resources.num_tasks or 1
    if partition.cores_per_node is None:
        return
    one = resources.cores_per_task or -(-cores // max(tasks, nodes))
    on_a_node = (resources.num_tasks_per_node or 1) * one
    if on_a_node > partition.cores_per_node:
        yield (
            f"it asks for {on_a_node} cores on one node, and a node of {where} has "
            f"{partition.cores_per_node}"
        )
    elif partition.num_nodes is not None:
        most = partition.cores_per_node * partition.num_nodes
        if max(cores, tasks * one) > most:
            yield f"it asks for {max(cores, tasks * one)} cores, and {where} has {most}"


def _memory_per_node(resources: JobResources) -> int | None:
    """What must fit on one node at least; None where that can't be said."""
    nodes, tasks = resources.num_nodes or 1, resources.num_tasks or 1
    if resources.memory_bytes is not None:
        return -(-resources.memory_bytes // max(nodes, tasks))
    if resources.memory_per_core_bytes is not None:
        cores = resources.cores_per_task or -(-resources.num_cores // max(nodes, tasks))
        return resources.memory_per_core_bytes * cores
    return None


def time_text(seconds: int) -> str:
    """`1-06:30:00`, without what is zero in front."""
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return f"{f'{days}-' if days else ''}{hour:02}:{minute:02}:{second:02}"


def _memory_text(number: int) -> str:
    unit, name = (_GIB, "GiB") if number >= 10 * _GIB else (_MIB, "MiB")
    return f"{-(-number // unit)} {name}"


def listed_problems(found: Sequence[tuple[str, Sequence[str]]]) -> str:
    """One message of all jobs' problems, each problem once. found: by what it is of."""
    places: dict[str, list[str]] = {}
    for place, problems in found:
        for problem in problems:
            places.setdefault(problem, []).append(place)
    return "\n".join(f"  {', '.join(of)}: {problem}" for problem, of in places.items())
