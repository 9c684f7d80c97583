"""Loops: ranges of tasks whose elements are executed several times.

An iteration of a task has one number: the loops around the task are the digits of a
mixed-radix number, the outermost loop the most significant. A greater number is a
later iteration, and the number 0 is the first of all.

The arrays of `Feedback` are all that needs NumPy here.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Termination:
    """When an element needs no further iteration: its condition holds after one.

    task: whose value is looked at; output, path: which value, and the part of it (keys
    of maps, places in lists); condition: as `hpcflow.model.conditions` reads it. root:
    what the value is: one of the task's "outputs", or, by the name in `output`, one of
    the "inputs" that it had in the iteration, or of its first action's "resources".
    """

    task: int
    output: str
    path: tuple[str | int, ...]
    condition: Mapping[str, Any]
    root: str = "outputs"


@dataclass(frozen=True, slots=True, eq=False)
class Feedback:
    """An input that, from a loop's second iteration on, is made by the one before.

    producer, output: the task of the loop that makes it, and what that calls it.
    elements: the producer's element for each element of `task`; or, where `offsets` is
        given, element e receives the list of `elements[offsets[e]:offsets[e + 1]]`. -1:
        the loop does not change it for this element (never of lists).
    """

    task: int
    input: str
    producer: int
    output: str
    elements: NDArray[np.int64]
    offsets: NDArray[np.int64] | None = None

    @property
    def of_some(self) -> bool:
        """Whether only some elements are concerned."""
        return bool((self.elements < 0).any())


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """A loop over the tasks `first` to `last` (both included).

    first_turn: of one that goes on with another one's turns, how many that has.
    """

    name: str
    first: int
    last: int
    iterations: int
    termination: Termination | None = None
    feedback: tuple[Feedback, ...] = ()
    first_turn: int = 0

    def holds(self, task: int) -> bool:
        """Whether a task is in the loop."""
        return self.first <= task <= self.last


def loops_around(loops: Sequence[Loop], task: int) -> list[int]:
    """The indices of the loops around a task, outermost first.

    loops: a loop that holds another stands before it, as in `Workflow.loops`.
    """
    return [index for index, loop in enumerate(loops) if loop.holds(task)]


def iteration_count(loops: Sequence[Loop], task: int) -> int:
    """How many iterations an element of a task may have."""
    return prod(loops[index].iterations for index in loops_around(loops, task))


def turn_numbers(loops: Sequence[Loop], task: int, iteration: int) -> dict[int, int]:
    """The turn of each loop in an iteration of a task, by index, outermost first."""
    turns: dict[int, int] = {}
    for index in reversed(loops_around(loops, task)):
        iteration, turns[index] = divmod(iteration, loops[index].iterations)
    return dict(reversed(turns.items()))


def turns_of(loops: Sequence[Loop], task: int, iteration: int) -> dict[str, int]:
    """The turn of each loop in an iteration of a task, by name, outermost first.

    Turns are counted over all that a loop has grown by.
    """
    turns = turn_numbers(loops, task, iteration)
    return {
        loops[index].name: loops[index].first_turn + turn for index, turn in turns.items()
    }


def source_iterations(
    loops: Sequence[Loop],
    task: int,
    iteration: int,
    producer: int,
    again: int | None = None,
) -> range:
    """The iterations of a producer of which the last executed one feeds an iteration.

    again: the loop by whose feedback it does; None: what it takes is made in the same
    turns of the loops around both.
    """
    digits = []
    for index in reversed(loops_around(loops, task)):
        iteration, digit = divmod(iteration, loops[index].iterations)
        digits.append((index, digit))
    known = dict(digits)
    first, count = 0, 1
    fixed = True
    for index in loops_around(loops, producer):
        fixed = fixed and index in known
        if fixed:
            turn = known[index] - (index == again)
            first = first * loops[index].iterations + turn
            fixed = index != again
        else:
            count *= loops[index].iterations
    return range(first * count, (first + 1) * count)


def feeding_loop(loops: Sequence[Loop], task: int, name: str, iteration: int) -> int | None:
    """The loop that feeds an input in an iteration; None where no loop changes it there.

    That is the innermost one that changes it and is in a later turn than its first.
    """
    for index in reversed(loops_around(loops, task)):
        iteration, turn = divmod(iteration, loops[index].iterations)
        if turn and any((f.task, f.input) == (task, name) for f in loops[index].feedback):
            return index
    return None
