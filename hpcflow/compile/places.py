"""Which job executes a run, and in which of its rows: by task, action and iteration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from hpcflow.compile.sources import Made
    from hpcflow.model.workflow import Indices, Task


@dataclass(slots=True, eq=False)
class Place:
    """By element: the job that executes one action, and the natural row in it."""

    job: NDArray[np.int32]
    row: Indices


class Places:
    """The places of the runs of a workflow, as far as they have jobs.

    Where each iteration of a task has jobs of its own, each has its place; there may be
    none yet, and there are none of those that were not needed.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], dict[int, Place]] = {}
        self._apart: set[int] = set()

    def make(self, task: Task, action: int, iteration: int | None) -> Place:
        """The place of an action, to be filled in.

        iteration: the one that has a job of its own; None where a job executes all.
        """
        if iteration is not None:
            self._apart.add(task.index)
        places = self._known.setdefault((task.index, action), {})
        place = places.get(iteration or 0)
        if place is None:
            size = task.num_elements
            place = Place(np.full(size, -1, np.int32), np.full(size, -1, np.int64))
            places[iteration or 0] = place
        return place

    def of(self, made: Made) -> list[Place]:
        """The places of what makes a value, in the order of iterations."""
        known = self._known[made.task, made.action]
        if made.task not in self._apart:
            return [known[0]]
        if len(made.iterations) < len(known):
            return [known[i] for i in made.iterations if i in known]
        return [known[i] for i in sorted(known) if i in made.iterations]

    def whole(self, task: int, action: int) -> Place:
        """The place of an action whose iterations are all in one job's rows."""
        return self._known[task, action][0]

    def mapped(self, change: Callable[[Place], Place]) -> Places:
        """The same runs, each place changed."""
        made = Places()
        made._apart = set(self._apart)
        made._known = {
            key: {turn: change(place) for turn, place in found.items()}
            for key, found in self._known.items()
        }
        return made

    def forget(self, tasks: Iterable[int]) -> None:
        """Take the places of some tasks away."""
        gone = set(tasks)
        self._apart -= gone
        self._known = {k: v for k, v in self._known.items() if k[0] not in gone}
