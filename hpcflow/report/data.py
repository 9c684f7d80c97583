"""A workflow's state as plain data: what `show` prints and `--json` gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from jobstores.records import RunState

# States after which nothing more happens to a run by itself.
FINAL = frozenset(
    {
        RunState.SUCCEEDED,
        RunState.FAILED,
        RunState.SKIPPED,
        RunState.DEFERRED,
        RunState.LOST,
        RunState.CANCELLED,
        RunState.ABORTED,
    }
)


class Phase(Enum):
    """Where a workflow as a whole is."""

    MADE = "made"  # nothing was submitted
    ACTIVE = "active"  # jobs wait or run
    DONE = "done"  # every run succeeded, or was skipped by a rule or by its own script
    ENDED = "ended"  # nothing goes on, and not every run succeeded
    STOPPED = "stopped"  # a submission was cut off, or tasks were added: `submit` goes on


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """One task: how many of its runs are in which state."""

    name: str
    elements: int
    runs: int
    counts: dict[RunState, int]


@dataclass(frozen=True, slots=True)
class JobStatus:
    """One job of a submission.

    items: number of items by phase: "closed" (its own record says it ended), else
    the scheduler's word ("pending", "running", "ended", ...) or "unknown".
    """

    submission: int
    index: int
    name: str
    scheduler: str
    id: str | None
    num_items: int
    items: dict[str, int]
    note: str = ""

    @property
    def is_active(self) -> bool:
        """Whether some of its items have not ended, as far as is known."""
        over = self.items.get("closed", 0) + self.items.get("ended", 0)
        return over < self.num_items


@dataclass(frozen=True, slots=True)
class LogSlice:
    """Which bytes of which file are a run's output."""

    path: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Failure:
    """One run that did not succeed, and what is known of it."""

    run: int
    task: str
    element: int
    action: int
    state: RunState
    exit: int | None
    why: str
    submission: int
    job: int
    item: int
    attempt: int
    log: LogSlice | None
    iteration: int = 0  # of its element; see `hpcflow.model.loops`
    cause: str = ""  # why its item was ended from outside: a value of `EndCause`


@dataclass(frozen=True, slots=True, repr=False)
class WorkflowStatus:
    """The whole. `failures` holds the first ones; `num_failures` counts all.

    left: job items that are not submitted, and will be when a queue has room for them:
    by who waits for the workflow, or by `submit`. notes: what the user should know of how
    it goes on.
    """

    name: str
    id: str
    path: str
    created: str
    phase: Phase
    tasks: tuple[TaskStatus, ...]
    jobs: tuple[JobStatus, ...]
    failures: tuple[Failure, ...] = ()
    num_failures: int = 0
    warnings: tuple[str, ...] = field(default=())
    notes: tuple[str, ...] = ()
    left: int = 0

    def total(self, *states: RunState) -> int:
        """Runs of all tasks that are in one of these states."""
        return sum(task.counts.get(state, 0) for task in self.tasks for state in states)

    def __repr__(self) -> str:
        """Short: this is what a prompt shows."""
        shares = ", ".join(
            f"{self.total(state)} {state.name.lower()}"
            for state in RunState
            if self.total(state)
        )
        return f"<status of {self.name!r}: {self.phase.value}; runs: {shares or 'none'}>"

    @property
    def num_runs(self) -> int:
        """Runs of all tasks."""
        return sum(task.runs for task in self.tasks)

    @property
    def over(self) -> int:
        """Runs that nothing more happens to by itself."""
        return self.total(*FINAL)

    @property
    def settled(self) -> bool:
        """Whether nothing more happens by itself."""
        return self.phase is not Phase.ACTIVE
