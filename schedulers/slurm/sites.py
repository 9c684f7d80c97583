"""What a SLURM site allows: its partitions, and its accounts. Pure.

Source: sinfo(1), sacctmgr(1), slurm.conf(5) of SLURM 22.05, and recorded output.
"""

from __future__ import annotations

import re

from schedulers.job import Account, Partition

# partition, availability, time limit, nodes, state, names, cores and MiB of a node, gres
PARTITION_FORMAT = "%P|%a|%l|%D|%T|%N|%c|%m|%G"
ACCOUNT_FORMAT = "account,user,partition,qos,maxjobs,maxsubmit,maxwall"
_MIB = 1024 * 1024


def parse_partitions(text: str, default: str | None = None) -> tuple[Partition, ...]:
    """Read `sinfo -h` with `PARTITION_FORMAT`: a line per kind and state of its nodes.

    default: the user's own default partition, instead of the site's.
    A line of another form is left out: what a partition has is then for SLURM to say.
    """
    found: dict[str, Partition] = {}
    for line in text.splitlines():
        fields = line.split("|")
        if len(fields) != len(PARTITION_FORMAT.split("|")):
            continue
        name, num_nodes = fields[0].removesuffix("*"), _number(fields[3])
        if not name or num_nodes is None:
            continue
        memory = _number(fields[7])
        known = found.get(name, Partition(name))
        found[name] = Partition(
            name=name,
            is_default=fields[0].endswith("*") if default is None else name == default,
            max_walltime_s=parse_time(fields[2]),
            num_nodes=(known.num_nodes or 0) + num_nodes,
            cores_per_node=_larger(known.cores_per_node, fields[6]),
            memory_per_node_bytes=None
            if memory is None or memory <= 1  # 1: the site counts no memory
            else max(known.memory_per_node_bytes or 0, memory * _MIB),
        )
    return tuple(found.values())


def _number(text: str) -> int | None:
    """`16`; of `16+` (nodes differ) nothing is known but the least."""
    return int(text) if text.isdigit() else None


def _larger(known: int | None, text: str) -> int | None:
    number = _number(text)
    return None if number is None else max(known or 0, number)


def parse_time(text: str) -> int | None:
    """Seconds of `5:00`, `1-00:00:00`, `12:00:00`; None: no limit."""
    match = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", text)
    if match is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def accounts_are_enforced(config: str) -> bool:
    """Whether `scontrol show config` says that a job needs an account of its user's."""
    match = re.search(r"^AccountingStorageEnforce\s*=\s*(.*)$", config, re.MULTILINE)
    return match is not None and "associations" in match[1]


def parse_accounts(text: str) -> tuple[Account, ...]:
    """Read `sacctmgr -nP show assoc` with `ACCOUNT_FORMAT`: a line per association."""
    found: dict[str, frozenset[str]] = {}
    for line in text.splitlines():
        fields = line.split("|")
        if len(fields) != len(ACCOUNT_FORMAT.split(",")) or not fields[0]:
            continue
        qos = frozenset(name for name in fields[3].split(",") if name)
        found[fields[0]] = found.get(fields[0], frozenset()) | qos
    return tuple(Account(name, qos or None) for name, qos in found.items())
