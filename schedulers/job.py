"""Jobs as a batch system sees them: plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class DependencyKind(Enum):
    """When a dependent may start.

    Always "has ended", never "has succeeded": schedulers' notions of success
    are unreliable, so a job checks what it needs itself.
    """

    AFTER_END = "after_end"  # all of the other job's items have ended
    ELEMENTWISE = "elementwise"  # item i after item i; both arrays of equal range


@dataclass(frozen=True)
class Dependency:
    """A job that must have ended first, by the scheduler's id."""

    job_id: str
    kind: DependencyKind = DependencyKind.AFTER_END


@dataclass(frozen=True)
class JobResources:
    """What one item of a job asks for. None means: the site's default."""

    num_cores: int = 1
    num_nodes: int | None = None
    num_tasks: int | None = None  # processes (MPI ranks)
    num_tasks_per_node: int | None = None
    cores_per_task: int | None = None
    memory_bytes: int | None = None  # for the whole item
    memory_per_core_bytes: int | None = None
    walltime_s: int | None = None
    num_gpus: int | None = None
    partition: str | None = None  # or queue
    account: str | None = None
    qos: str | None = None
    parallel_env: str | None = None  # Grid Engine's: where a job of several slots may run
    select: str | None = None  # PBS's: what `-l select` asks, as it is
    # (name, None) is a flag; one pair per value: passed on as they are
    directives: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True)
class Job:
    """One jobscript to submit.

    name: unique for ever (looked up when a submit's answer is lost); letters,
        digits, `.`, `_`, `-`, starting with a letter, at most 60 characters.
    script: absolute path of the jobscript.
    num_items: 1 is a plain job; more is an array with indices 0..num_items-1.
        The script learns its index from `Scheduler.item_index_shell`.
    output: absolute path for stdout and stderr; `{item}` stands for the index.
    throttle: at most so many items at a time, or None.
    part: of an array, the items that are handed over now, as a job with a name of its
        own; None: all. The script, and so its directives, are those of the whole array.
    """

    name: str
    script: str
    output: str
    num_items: int = 1
    resources: JobResources = field(default_factory=JobResources)
    throttle: int | None = None
    part: range | None = None

    @property
    def items(self) -> range:
        """The indices of the items that are handed over."""
        return range(self.num_items) if self.part is None else self.part


class JobPhase(Enum):
    """Where a job item is, as far as its scheduler knows."""

    PENDING = "pending"
    BLOCKED = "blocked"  # pending for a reason that waiting doesn't mend
    RUNNING = "running"
    SUSPENDED = "suspended"
    ENDED = "ended"
    ABSENT = "absent"  # the scheduler does not know it (any more): no verdict
    UNKNOWN = "unknown"  # a state this adapter has never seen


class EndCause(Enum):
    """Why an item ended, in the scheduler's view: the second witness."""

    EXITED = "exited"
    CANCELLED = "cancelled"
    TIME_LIMIT = "time_limit"
    OUT_OF_MEMORY = "out_of_memory"
    NODE_FAILURE = "node_failure"
    PREEMPTED = "preempted"
    NEVER_STARTED = "never_started"
    OTHER = "other"


@dataclass(frozen=True)
class ItemStatus:
    """One item's state. `native` is the scheduler's own word for it."""

    phase: JobPhase
    native: str = ""
    cause: EndCause | None = None
    exit_code: int | None = None
    reason: str = ""
    node: str = ""


@dataclass(frozen=True)
class Partition:
    """A partition, or queue, and what one job may have in it; None: no limit is known.

    The numbers per node are those of its largest node.
    """

    name: str
    is_default: bool = False
    max_walltime_s: int | None = None
    num_nodes: int | None = None
    cores_per_node: int | None = None
    memory_per_node_bytes: int | None = None


@dataclass(frozen=True)
class Account:
    """An account that the user may name, and with which QOS; None: any."""

    name: str
    qos: frozenset[str] | None = None


@dataclass(frozen=True)
class Limits:
    """What the site allows; None, or nothing, where it is not known.

    accounts: those that the user may name, where the site insists on one of them.
    """

    max_array_items: int | None = None
    max_queued: int | None = None
    num_cores: int | None = None  # of this host (the local scheduler)
    partitions: tuple[Partition, ...] = ()
    accounts: tuple[Account, ...] = ()
