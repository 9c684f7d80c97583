"""New elements of a task, passed on to a task that takes its values.

How a task's elements combine what they take is read off its columns: where the elements
of the upstream task vary in steps of `inner`, `outer` times over, and all else is the same
for each of them, new elements are combined in the same way. Nothing of the template is
needed, and nothing loops over elements.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hpcflow.model.workflow import (
    ElementSet,
    FromTask,
    FromValues,
    Offers,
    Part,
    ResourceColumn,
    Task,
)
from hpcflow.template.axes import Axis, axis_of, equal, from_tasks, identical, plain
from hpcflow.template.columns import join, take

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hpcflow.model.loops import Loop
    from hpcflow.model.workflow import Indices, InputColumn, Workflow
    from hpcflow.template.blocks import Blocks


class CannotPropagateError(Exception):
    """A task's elements are not a plain product of a grown task's with others."""


def takes_from(task: Task, grown: Mapping[int, Task], blocks: Blocks) -> bool:
    """Whether a task takes values of one of those that have got elements."""
    numbers = range(len(task.element_sets))
    return any(_SetPropagation(task, n, grown, blocks).sources for n in numbers)


def propagated(
    task: Task, grown: Mapping[int, Task], blocks: Blocks, bases: tuple[int, int]
) -> Task:
    """The block of a task that new elements of the tasks before it make.

    task: of the elements that templates have made. grown: by task, the new block of those
        that have one. blocks: of all tasks, the new ones not among them. bases: the next
        free run id and parameter id.

    Raises:
        CannotPropagateError: the message says why, after the task's name.
    """
    one_by_one = [
        _SetPropagation(task, number, grown, blocks)
        for number in range(len(task.element_sets))
    ]
    parts = [one.block() for one in one_by_one if one.sources]
    return _joined(task, [part for part in parts if part.num_elements], blocks, bases)


def continued_loop(loop: Loop, workflow: Workflow, grown: Mapping[int, Task]) -> Loop:
    """The same loop over the new blocks of its tasks, all of which have one.

    New elements have all the turns that have been added to it since.

    Raises:
        CannotPropagateError: what passes on is not of each element for itself.
    """
    tasks, feedback = workflow.tasks, []
    more = [
        other.iterations
        for other in workflow.loops
        if other.first_turn
        and other.name == loop.name
        and tasks[other.first].continues == loop.first
        and tasks[other.first].first_element == 0
    ]
    for one in loop.feedback:
        count, block, maker = len(one.elements), grown[one.task], grown[one.producer]
        if (
            one.offsets is not None
            or count != tasks[one.producer].num_elements
            or block.num_elements != maker.num_elements
            or not np.array_equal(one.elements, np.arange(count))
        ):
            raise CannotPropagateError(
                f"passes {one.input!r} on between elements that don't correspond one to "
                "one, so no elements can be added to its tasks"
            )
        elements = np.arange(block.num_elements, dtype=np.int64)
        feedback.append(
            replace(one, task=block.index, producer=maker.index, elements=elements)
        )
    ends = loop.termination
    return replace(
        loop,
        iterations=loop.iterations + sum(more),
        first=grown[loop.first].index,
        last=grown[loop.last].index,
        termination=None if ends is None else replace(ends, task=grown[ends.task].index),
        feedback=tuple(feedback),
    )


class _SetPropagation:
    """One element set of a task, and the elements that it gets."""

    def __init__(
        self, task: Task, number: int, grown: Mapping[int, Task], blocks: Blocks
    ) -> None:
        self._task = task
        self._set = task.element_sets[number]
        self._grown = grown
        self._blocks = blocks
        first, count = self._set.first, self._set.count
        self._mine = np.arange(first, first + count, dtype=np.int64)
        known = {} if task.offers is None else task.offers.origins
        self._kinds = {name: sets[number] for name, sets in known.items()}
        self._columns = {
            name: plain(blocks.joined(take(column, self._mine)))
            for name, column in task.inputs.items()
        }
        self.sources = {
            name: source
            for name in task.inputs
            if (source := self._source(name)) is not None
        }

    def _source(self, name: str) -> int | None:
        """The grown task that an input comes from; None where it does not."""
        kinds, offers = self._kinds.get(name, ()), self._task.offers
        tasks: list[int] = []
        if "output" in kinds:
            tasks += [one.task for one in from_tasks(self._columns[name])]
        if "input" in kinds and offers is not None:
            tasks += offers.holders.get(name, ())
        return next((task for task in tasks if task in self._grown), None)

    def block(self) -> Task:
        """The new elements, as a task whose ids mean nothing yet."""
        self._check()
        axis = self._axis()
        lengths = {self._grown[source].num_elements for source in self.sources.values()}
        if len(lengths) > 1:
            raise CannotPropagateError(
                "takes values of several tasks side by side, which get different numbers "
                "of elements"
            )
        (length,) = lengths
        like = self._mine[axis.first(length)]
        numbers = axis.numbers(length)
        task = self._task
        resources = []
        for column in task.resources:
            index = column.index[self._mine]
            self._same(np.array_equal(index[axis.first()], index), "resources")
            resources.append(ResourceColumn(column.table, column.index[like]))
        return replace(
            task,
            num_elements=len(like),
            inputs={
                name: self._input(name, column, axis, like, numbers)
                for name, column in task.inputs.items()
            },
            resources=tuple(resources),
            parts={
                name: tuple(self._part(name, part, axis, like) for part in parts)
                for name, parts in task.parts.items()
            },
            repeat=self._numbers(task.repeat, axis, like, "repeats"),
            seeds=self._numbers(task.seeds, axis, like, "seeds of its own"),
            element_sets=(replace(self._set, first=0, count=len(like)),),
            offers=self._offers(axis, like, numbers),
        )

    def _check(self) -> None:
        for name in self.sources:
            column = self._task.inputs[name]
            if column.offsets is not None:
                raise CannotPropagateError(
                    f"takes a group as {name!r}: what it has made of that stays as it is"
                )
            if len(self._kinds[name]) > 1:
                raise CannotPropagateError(f"has several sources for {name!r}")
        offers = self._task.offers
        chosen = offers.chosen if offers is not None else None
        if chosen is None:
            raise CannotPropagateError(
                "was made by a version of hpcflow that did not keep how it takes them"
            )
        for name in self.sources:
            if name in chosen:
                raise CannotPropagateError(
                    f"takes chosen elements, or a part of their values, as {name!r}"
                )

    def _axis(self) -> Axis:
        """The one axis that all grown tasks' elements are along."""
        found: set[Axis] = set()
        for name, source in self.sources.items():
            axis = self._axis_of_input(name, source)
            ends = np.cumsum([b.num_elements for b in self._blocks.of(source)])
            if axis is None or axis.length not in ends:
                raise CannotPropagateError(
                    f"does not take all elements in turn as {name!r}"
                )
            found.add(axis)
        if len(found) > 1:
            raise CannotPropagateError("combines elements of several tasks that get more")
        return found.pop()

    def _axis_of_input(self, name: str, source: int) -> Axis | None:
        if self._kinds[name] == ("output",):
            column = self._columns[name]
            return axis_of(column.elements) if isinstance(column, FromTask) else None
        for other, its in self.sources.items():  # what stands beside it says more
            beside = self._columns[other]
            if (
                its == source
                and self._kinds[other] == ("output",)
                and isinstance(beside, FromTask)
            ):
                axis = axis_of(beside.elements)
                if axis is not None and self._is_along(name, source, axis):
                    return axis
        axis = Axis(1, len(self._mine), 1)
        return axis if self._is_along(name, source, axis) else None

    def _is_along(self, name: str, source: int, axis: Axis) -> bool:
        """Whether an input is an upstream task's own, of the elements of an axis."""
        whole = self._blocks.whole(source)
        if axis.length > whole.num_elements or name not in whole.inputs:
            return False
        theirs = take(whole.inputs[name], axis.numbers())
        return equal(self._columns[name], plain(self._blocks.joined(theirs)))

    def _input(
        self, name: str, column: InputColumn, axis: Axis, like: Indices, numbers: Indices
    ) -> InputColumn:
        if name not in self.sources:
            mine = take(column, self._mine)
            self._same(identical(take(mine, axis.first()), mine), f"{name!r}")
            return take(column, like)
        block = self._grown[self.sources[name]]
        if self._kinds[name] == ("output",):
            theirs = self._columns[name]
            assert isinstance(theirs, FromTask)
            return FromTask(block.index, theirs.output, numbers)
        return take(block.inputs[name], numbers)

    def _part(self, name: str, part: Part, axis: Axis, like: Indices) -> Part:
        mine = take(part.column, self._mine)
        what = f"parts of {name!r}"
        self._same(identical(take(mine, axis.first()), mine), what)
        found = take(part.column, like)
        assert isinstance(found, FromValues)
        return Part(part.path, found)

    def _numbers(
        self, numbers: Indices | None, axis: Axis, like: Indices, what: str
    ) -> Indices | None:
        if numbers is None:
            return None
        mine = numbers[..., self._mine]
        self._same(np.array_equal(mine[..., axis.first()], mine), what)
        return numbers[..., like]

    def _offers(self, axis: Axis, like: Indices, numbers: Indices) -> Offers | None:
        offers = self._task.offers
        if offers is None:
            return None
        groups: dict[str, Indices] = {}
        for name, of_task in offers.groups.items():
            mine = of_task[self._mine]
            inherited = self._inherited(name, mine, axis, numbers)
            if inherited is None:
                self._same(np.array_equal(mine[axis.first()], mine), f"the group {name!r}")
            groups[name] = of_task[like] if inherited is None else inherited
        origins: dict[str, tuple[tuple[str, ...], ...]]
        origins = {name: (kinds,) for name, kinds in self._kinds.items()}
        return replace(offers, origins=origins, groups=groups)

    def _inherited(
        self, name: str, mine: Indices, axis: Axis, numbers: Indices
    ) -> Indices | None:
        """The groups of the new elements, where they are those of what they take."""
        for source in self.sources.values():
            whole, block = self._blocks.whole(source).offers, self._grown[source]
            theirs = None if whole is None else whole.groups.get(name)
            if theirs is not None and np.array_equal(theirs[axis.numbers()], mine):
                none = np.full(block.num_elements, -1, dtype=np.int64)
                offers = block.offers
                given = none if offers is None else offers.groups.get(name, none)
                return given[numbers]
        return None

    @staticmethod
    def _same(same: bool, what: str) -> None:
        if not same:
            raise CannotPropagateError(f"pairs the elements that it takes with {what}")


def _joined(
    task: Task, parts: Sequence[Task], blocks: Blocks, bases: tuple[int, int]
) -> Task:
    """The new elements of all element sets as one block."""
    firsts = np.cumsum([0, *(part.num_elements for part in parts)]).tolist()
    sets: list[ElementSet] = []
    for first, part in zip(firsts, parts, strict=False):
        sets += [replace(one, first=first) for one in part.element_sets]
    offers = task.offers
    if offers is not None:
        each = [part.offers for part in parts if part.offers is not None]
        offers = replace(
            offers,
            origins={
                name: tuple(kinds for one in each for kinds in one.origins[name])
                for name in offers.origins
            },
            groups={
                name: np.concatenate([one.groups[name] for one in each])
                for name in offers.groups
            },
        )
    return replace(
        task,
        run_base=bases[0],
        parameter_base=bases[1],
        num_elements=firsts[-1],
        inputs={name: join([p.inputs[name] for p in parts]) for name in task.inputs},
        resources=tuple(
            ResourceColumn(
                column.table, np.concatenate([p.resources[k].index for p in parts])
            )
            for k, column in enumerate(task.resources)
        ),
        element_sets=tuple(sets),
        parts={
            name: tuple(
                Part(one.path, _values([p.parts[name][k].column for p in parts]))
                for k, one in enumerate(given)
            )
            for name, given in task.parts.items()
        },
        repeat=None
        if task.repeat is None
        else np.concatenate([p.repeat for p in parts if p.repeat is not None]),
        seeds=None
        if task.seeds is None
        else np.concatenate([p.seeds for p in parts if p.seeds is not None], axis=-1),
        offers=offers,
        propagated=True,
        continues=task.index,
        first_element=blocks.num_elements(task.index),
        max_iterations=blocks.num_iterations(task.index),
    )


def _values(columns: Sequence[FromValues]) -> FromValues:
    found = join(columns)
    assert isinstance(found, FromValues)
    return found
