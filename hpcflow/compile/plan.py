"""What compile decides about a job, as data, and what it then asks of a scheduler."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from hpcflow.errors import InvalidTemplateError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hpcflow.compile.earlier import EarlierJob
    from hpcflow.compile.earlier_blocks import Turns
    from hpcflow.compile.sources import Source
    from hpcflow.model.loops import Termination
    from hpcflow.model.resources import Resources
    from hpcflow.model.workflow import Indices

LOCAL = "local"
DEFAULT_ARRAY_ITEMS = 1000  # what SLURM takes unless the site raised it
MOST_LOOP_JOBS = 200  # some sites let a user have no more in the queue
SCHEDULE_MARGIN_S = 60


class CompileError(InvalidTemplateError):
    """A checked workflow that still can't become jobs; says which task and action."""

    kind = "cannot_compile"


class Step(NamedTuple):
    """One action of one task, for all rows of a job, with what its runs ask for."""

    task: int
    action: int
    resources: Resources


class PlannedLoop(NamedTuple):
    """A loop that rows go through: its index in the workflow, first and last step."""

    loop: int
    first: int
    last: int


@dataclass(frozen=True, slots=True, eq=False)
class Guard:
    """What ends a loop before a turn of it: a value of the turn before.

    task, action: what makes it; elements: whose it is, by element of the guarded task;
    iterations, before: of which the last executed one counts, see `Made`. document: the
    value's output and path, and the condition on it. ends: in place of the document, the
    termination that looks at what the task has taken; taken: where that is, by element of
    the task.
    """

    task: int
    action: int
    elements: Indices
    iterations: range
    document: dict[str, Any]
    ends: Termination | None = None
    taken: Source | None = None
    before: Turns = ()


class LoopsLeft(NamedTuple):
    """What is left of loops whose iterations are jobs of their own.

    first: the first of their tasks. task, iteration: the last that has jobs.
    """

    first: int
    task: int
    iteration: int


class JobDependency(NamedTuple):
    """A job that must have ended first.

    elementwise: both are arrays of the same number of items, and each item needs
    nothing but the item of the same index.
    """

    job: int
    elementwise: bool


@dataclass(frozen=True, slots=True)
class CompileOptions:
    """What compile must know of the configuration and the site.

    default_scheduler: for resources that name none. local_cores: what items of
    the local scheduler share. max_array_items: the most items an array may have,
    by scheduler, as a map or a function; `DEFAULT_ARRAY_ITEMS` where it says
    nothing. most_loop_jobs: after so many jobs of loops whose iterations are jobs of
    their own, the others are left for later. max_walltime_s: how long a job may take (s),
    by scheduler and partition (None: the default one); None: not known. silence_s: how
    long an item is silent before others may take it over.
    """

    default_scheduler: str
    local_cores: int
    max_array_items: Mapping[str, int] | Callable[[str], int | None] = field(
        default_factory=dict
    )
    max_walltime_s: Callable[[str, str | None], int | None] = lambda *_: None
    silence_s: float = 70.0
    log_level: str = "info"
    most_loop_jobs: int = MOST_LOOP_JOBS

    def array_limit(self, scheduler: str) -> int:
        """The most items that an array of this scheduler may have."""
        source = self.max_array_items
        limit = source(scheduler) if callable(source) else source.get(scheduler)
        return limit or DEFAULT_ARRAY_ITEMS


@dataclass(frozen=True, slots=True, eq=False)
class JobPlan:
    """One job: what each of its rows executes, and how rows become items.

    steps: in the order in which a row executes them.
    rows: by task, the element that each row stands for, in the order of `rows.bin`:
        item I has the rows from I * num_rows // num_items on.
    concurrency: rows that an item executes at a time.
    resources: what one run asks for; equal for all steps, but for what
        `Step.resources` says about success and failure.
    dependencies: by job index, which is always smaller than `index`.
    loops: those that each row goes through; one that holds another stands before it.
    turns: how many times each step is executed in a row, at most; by step.
    iteration: the only one of its task that the job executes; None where it is all.
    guards: what decides whether it does.
    earlier: jobs of earlier submissions whose values it reads.
    """

    index: int
    name: str
    workflow_id: str
    submission: int
    scheduler: str
    steps: tuple[Step, ...]
    rows: dict[int, Indices]
    num_items: int
    concurrency: int
    resources: Resources
    dependencies: tuple[JobDependency, ...]
    silence_s: float
    log_level: str
    loops: tuple[PlannedLoop, ...] = ()
    turns: tuple[int, ...] = ()
    iteration: int | None = None
    guards: tuple[Guard, ...] = ()
    earlier: tuple[EarlierJob, ...] = ()

    def upstream(self, plans: Sequence[JobPlan]) -> list[JobPlan | EarlierJob]:
        """The jobs that it depends on. plans: all of its submission."""
        return [*(plans[d.job] for d in self.dependencies), *self.earlier]

    @property
    def num_rows(self) -> int:
        """Rows of the job: elements of each of its tasks."""
        return len(self.rows[self.steps[0].task])

    @property
    def rows_per_item(self) -> int:
        """Rows of the largest item."""
        return -(-self.num_rows // self.num_items)

    @property
    def runs(self) -> dict[int, int]:
        """How many runs of each task the job executes, by task index."""
        counts: dict[int, int] = {}
        for step, turns in zip(self.steps, self.turns or repeat(1), strict=False):
            counts[step.task] = counts.get(step.task, 0) + self.num_rows * turns
        return counts

    @property
    def runs_per_row(self) -> int:
        """How many runs follow one another in a row, at most."""
        return sum(self.turns) if self.turns else len(self.steps)

    @property
    def throttle(self) -> int | None:
        """At most so many items at a time: what hpcflow 0.2 made of `max_array_items`."""
        return self.resources.max_array_items if self.num_items > 1 else None


def walltime_s(plan: JobPlan) -> int | None:
    """How long one item may take: the schedule of its runs.

    `time_limit` is what one run may take, so an item asks for that many seconds
    times the runs that follow one another in it: ceil(rows / concurrency) rows of
    its largest slice, each with all steps. A schedule of several runs gets
    `SCHEDULE_MARGIN_S` more for starting and recording them. A single run does
    not: a limit that equals the partition's must not become one that exceeds it.
    """
    limit = plan.resources.time_limit_s
    if limit is None:
        return None
    runs = -(-plan.rows_per_item // plan.concurrency) * plan.runs_per_row
    return limit * runs + (SCHEDULE_MARGIN_S if runs > 1 else 0)


def job_resources(plan: JobPlan) -> dict[str, Any]:
    """What one item asks its scheduler for: fields of `schedulers.job.JobResources`.

    Plain JSON values; what the template did not say is left out. Cores, memory,
    processes and GPUs are those of a run times the rows at a time. Runs of one
    node each share that node.
    """
    asked, slots = plan.resources, plan.concurrency
    nodes = asked.num_nodes
    fields = {
        "num_cores": asked.num_cores * slots,
        "num_nodes": _times(nodes, slots) if nodes and nodes > 1 else nodes,
        "num_tasks": _times(asked.num_tasks, slots),
        "num_tasks_per_node": _times(asked.num_tasks_per_node, slots),
        "cores_per_task": asked.num_cpus_per_task,
        "memory_bytes": _times(asked.memory_bytes, slots),
        "memory_per_core_bytes": asked.memory_per_core_bytes,
        "walltime_s": walltime_s(plan),
        "num_gpus": _times(asked.gpus, slots),
        "partition": asked.partition,
        "account": asked.account,
        "qos": asked.qos,
        "parallel_env": asked.parallel_env,
        "select": asked.select,
        "directives": [list(pair) for pair in asked.directives] or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _times(number: int | None, slots: int) -> int | None:
    return None if number is None else number * slots
