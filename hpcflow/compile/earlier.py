"""Jobs of earlier submissions, whose values those of new tasks read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from hpcflow.compile.earlier_blocks import earlier_turns
from hpcflow.compile.sources import made_sources

if TYPE_CHECKING:
    from hpcflow.model.workflow import Indices, Workflow


class EarlierStep(NamedTuple):
    """One action of one task, for all rows of an earlier job."""

    task: int
    action: int


@dataclass(frozen=True, slots=True, eq=False)
class EarlierJob:
    """A job that was planned before: its members are those of `JobPlan`."""

    submission: int
    index: int
    steps: tuple[EarlierStep, ...]
    rows: dict[int, Indices]
    num_items: int
    iteration: int | None = None

    @property
    def num_rows(self) -> int:
        """Rows of the job: elements of each of its tasks."""
        return len(self.rows[self.steps[0].task])


def tasks_read(workflow: Workflow, first_task: int) -> set[int]:
    """The tasks before `first_task` whose runs make what it or a later one takes."""
    found = {
        made.task
        for task in workflow.tasks[first_task:]
        for action in range(task.num_actions)
        for made in made_sources(workflow, task.index, action).values()
        if made.task < first_task
    }
    for loop in workflow.loops:
        if loop.last >= first_task and loop.termination is not None:
            earlier = earlier_turns(workflow, loop.termination.task)
            found.update(task for task, _ in earlier if task < first_task)
    return found
