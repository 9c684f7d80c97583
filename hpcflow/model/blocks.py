"""Tasks that have grown: one by name, several blocks in the workflow's record.

What is added to a task, elements or iterations, is a *block*: a task of its own in the
record, with its own ranges of ids and its own columns, that says which task it continues
and which of that task's elements and iterations its first ones are. Blocks never overlap.
Jobs execute blocks as they execute tasks; who looks at a workflow sees the task.

Elements and iterations are counted over the whole task here. Standard library only.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class Located(NamedTuple):
    """What a run id means: the task's place in `TaskIndex.tasks`, and the rest."""

    task: int
    element: int
    iteration: int
    action: int


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a task with ids of its own. index: of its entry in the record."""

    index: int
    first_element: int
    elements: int
    first_iteration: int
    iterations: int
    actions: int
    run_base: int

    @property
    def num_runs(self) -> int:
        """The size of its range of run ids."""
        return self.elements * self.iterations * self.actions

    def holds(self, element: int, iteration: int) -> bool:
        """Whether an iteration of an element is in it."""
        return (
            0 <= element - self.first_element < self.elements
            and 0 <= iteration - self.first_iteration < self.iterations
        )

    def run_id(self, element: int, iteration: int, action: int) -> int:
        """The id of a run that it holds."""
        row = (element - self.first_element) * self.iterations
        row += iteration - self.first_iteration
        return self.run_base + row * self.actions + action

    def locate(self, run: int) -> tuple[int, int, int]:
        """The element, iteration and action of one of its runs."""
        rest, action = divmod(run - self.run_base, self.actions)
        element, iteration = divmod(rest, self.iterations)
        return self.first_element + element, self.first_iteration + iteration, action


@dataclass(frozen=True, slots=True)
class WholeTask:
    """A task with all that it has grown by. blocks: in the order they were added."""

    name: str
    blocks: tuple[Block, ...]

    @property
    def index(self) -> int:
        """Of its first block's entry in the record."""
        return self.blocks[0].index

    @property
    def actions(self) -> int:
        """Runs of an iteration of an element."""
        return self.blocks[0].actions

    @property
    def elements(self) -> int:
        """How many elements it has."""
        return max(one.first_element + one.elements for one in self.blocks)

    @property
    def iterations(self) -> int:
        """The most iterations that an element may have."""
        return max(one.first_iteration + one.iterations for one in self.blocks)

    @property
    def num_runs(self) -> int:
        """The most runs that it may have."""
        return sum(one.num_runs for one in self.blocks)

    def block(self, element: int, iteration: int = 0) -> Block | None:
        """The block of an iteration of an element; None where there is no such."""
        found = (one for one in self.blocks if one.holds(element, iteration))
        return next(found, None)

    def blocks_of(self, element: int) -> Iterator[Block]:
        """The blocks of an element, earlier iterations first."""
        mine = (
            one for one in self.blocks if 0 <= element - one.first_element < one.elements
        )
        return iter(sorted(mine, key=lambda one: one.first_iteration))


class TaskIndex:
    """The tasks of a workflow, by the `tasks` of its info."""

    def __init__(self, info: Sequence[Mapping[str, Any]]) -> None:
        blocks: dict[int, list[Block]] = {}
        for index, one in enumerate(info):
            task, element, iteration = one.get("continues", (index, 0, 0))
            block = Block(
                index,
                element,
                one["elements"],
                iteration,
                one["max_iterations"],
                one["actions"],
                one["run_base"],
            )
            blocks.setdefault(task, []).append(block)
        self.tasks = tuple(
            WholeTask(info[task]["name"], tuple(mine)) for task, mine in blocks.items()
        )
        self._of = {
            block.index: place
            for place, task in enumerate(self.tasks)
            for block in task.blocks
        }
        # Blocks without runs share their base with the next one, which stands behind.
        ordered = sorted(
            (block for task in self.tasks for block in task.blocks),
            key=lambda one: (one.run_base, one.num_runs),
        )
        self._ordered = ordered
        self._bases = [one.run_base for one in ordered]

    @property
    def names(self) -> list[str]:
        """The names of the tasks, in order."""
        return [task.name for task in self.tasks]

    def place(self, entry: int) -> int:
        """The place in `tasks` of the task that an entry of the record belongs to."""
        return self._of[entry]

    def block(self, entry: int) -> Block:
        """The block that an entry of the record is."""
        task = self.tasks[self._of[entry]]
        return next(one for one in task.blocks if one.index == entry)

    def find(self, name: str) -> WholeTask | None:
        """The task of a name; None where there is none."""
        return next((task for task in self.tasks if task.name == name), None)

    def block_of(self, run: int) -> Block:
        """The block that a run belongs to."""
        return self._ordered[bisect_right(self._bases, run) - 1]

    def locate(self, run: int) -> Located:
        """What a run id means."""
        block = self.block_of(run)
        return Located(self._of[block.index], *block.locate(run))
