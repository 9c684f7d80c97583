"""`add_iterations` of a template: more turns for loops that a workflow has.

The new turns are blocks of the loop's tasks, with all of their elements, and a loop over
these. Its first turn takes what the last executed one of the blocks before has made.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hpcflow.model.loops import loops_around
from hpcflow.model.workflow import Chosen, FromSeveral, FromTask
from hpcflow.template.added_elements import MAX_BLOCKS
from hpcflow.template.growth import Before
from hpcflow.template.loops import MAX_ITERATIONS
from hpcflow.template.nodes import Node, child, items, value_of
from hpcflow.template.problems import listed, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hpcflow.model.loops import Feedback, Loop
    from hpcflow.model.workflow import InputColumn, Task, Workflow
    from hpcflow.template.context import Context
    from hpcflow.template.problems import Path


def add_iterations(workflow: Workflow, node: Node | None, context: Context) -> Workflow:
    """The workflow with the turns that a template adds to its loops.

    node: what `add_iterations` holds. Problems are reported.
    """
    for number, item in items(node):
        workflow = _Adder(workflow, item, ("add_iterations", number), context).add()
    return workflow


class _Adder:
    """Adds what one entry says."""

    def __init__(
        self, workflow: Workflow, node: Node, path: Path, context: Context
    ) -> None:
        self._workflow = workflow
        self._node = node
        self._path = path
        self._context = context
        self._before = Before(workflow)
        self._whole = {
            task.index: task.index if task.continues is None else task.continues
            for task in workflow.tasks
        }

    def add(self) -> Workflow:
        """The workflow with the new blocks; as it was, where there are problems."""
        loops = self._loops()
        more = value_of(self._node, "num_iterations", 0)
        if not loops or not more:
            return self._workflow
        known = len(self._context.problems.sorted())
        self._check(loops, more)
        self._check_behind(loops[0])
        if len(self._context.problems.sorted()) > known:
            return self._workflow
        for loop in self._last_blocks(loops):
            self._extend(loop, more)
        return self._workflow

    def _problem(self, message: str, expected: str = "", key: str = "") -> None:
        node, path = self._node, self._path
        inner = child(node, key) if key else None
        if inner is not None:
            node, path = inner, (*path, key)
        self._context.problems.add(node.at, path, message, expected=expected)

    def _loops(self) -> list[Loop]:
        """The loops of the name: over tasks, and over what these have grown by."""
        node = child(self._node, "loop")
        if node is None:
            return []
        found = [loop for loop in self._workflow.loops if loop.name == node.value]
        names = list(dict.fromkeys(loop.name for loop in self._workflow.loops))
        if not found:
            self._context.problems.add(
                node.at,
                (*self._path, "loop"),
                f"the workflow has no loop {node.value!r}",
                expected=f"one of {listed(names)}" if names else "a workflow with a loop",
                suggestion=nearest(str(node.value), names),
            )
        return found

    def _last_blocks(self, loops: list[Loop]) -> list[Loop]:
        """Of the blocks of each element, the loop with the last turns."""
        tasks, latest = self._workflow.tasks, self._before.blocks.latest
        return [one for one in loops if latest(tasks[one.first]) is tasks[one.first]]

    # -- what can't be

    def _check(self, loops: list[Loop], more: int) -> None:
        """Report what keeps a loop from getting turns."""
        workflow, first = self._workflow, loops[0]
        outer = [one for one in self._around(first.first) if one is not first]
        if outer:
            names = listed(one.name for one in outer)
            self._problem(
                f"the loop {first.name!r} shares tasks with the loop {names}; iterations "
                "can only be added to a loop that stands alone",
                key="loop",
            )
        blocks = sum(task.continues is not None for task in workflow.tasks)
        if blocks >= MAX_BLOCKS:
            self._problem(
                f"tasks of this workflow have been added to {blocks} times, which is the "
                "most; make a workflow with all iterations from the start"
            )
        count = self._before.blocks.num_iterations(first.first) + more
        if count > MAX_ITERATIONS:
            self._problem(
                f"this makes up to {count} iterations of each element",
                f"at most {MAX_ITERATIONS}",
                "num_iterations",
            )
        if first.termination is not None and first.termination.root != "outputs":
            self._problem(
                f"the loop {first.name!r} is ended by {first.termination.root} of a task; "
                "iterations can only be added where an output ends it",
                key="loop",
            )
        for loop in loops:
            for why in self._hindrances(loop):
                self._problem(
                    f"the loop {loop.name!r} can't get more iterations: {why}", key="loop"
                )

    def _around(self, first: int) -> list[Loop]:
        """The loops that share tasks with the one that begins with a task."""
        loops = self._workflow.loops
        last = max(loop.last for loop in loops if loop.first == first)
        shared = {i for task in range(first, last + 1) for i in loops_around(loops, task)}
        return [loops[index] for index in sorted(shared)]

    def _hindrances(self, loop: Loop) -> Iterator[str]:
        """Why the turns of a loop can't be gone on with in jobs of their own."""
        tasks = self._workflow.tasks
        for task in tasks[loop.first : loop.last + 1]:
            for action in task.schema.actions:
                if action.script is not None and action.script.all_iterations:
                    names = listed(action.script.all_iterations)
                    yield f"a script of {task.name!r} takes all iterations of {names}"
            for name, chosen in task.chosen.items():
                if loop.holds(chosen.members.task):
                    yield f"rules choose what {task.name!r} takes as {name!r}"
        for one in loop.feedback:
            if one.of_some:
                yield f"it changes {one.input!r} of some elements only"
            schema = tasks[one.producer].schema
            makers = schema.producers(one.output)
            if one.of_some:
                yield f"it passes on {one.input!r} of some elements only"
            if makers and not schema.actions[makers[-1]].surely_makes(one.output):
                yield (
                    f"rules may keep {tasks[one.producer].name!r} from making "
                    f"{one.output!r}, which it passes on"
                )

    def _check_behind(self, loop: Loop) -> None:
        """The tasks behind the loop keep what they made: that must have been said."""
        inside = {self._whole[task] for task in range(loop.first, loop.last + 1)}
        behind = {
            self._whole[task.index]
            for task in self._workflow.tasks
            if self._whole[task.index] not in inside
            and inside & {self._whole[source] for source in _sources(task)}
        }
        names = {self._workflow.tasks[index].name for index in sorted(behind)}
        kept = self._kept(names)
        missing = sorted(names - kept)
        if missing:
            self._problem(
                f"{listed(missing)} took values of the loop {loop.name!r}, and "
                "would keep what was made of the iterations before",
                f"`keep: [{', '.join(sorted(names))}]`, if that is meant; tasks that are "
                "added take the last iterations' values",
            )

    def _kept(self, names: set[str]) -> set[str]:
        """The tasks that `keep` names."""
        whole = self._before.whole_tasks
        found = set()
        for number, item in items(child(self._node, "keep")):
            task = next((t for k, t in enumerate(whole) if item.value in (k, t.name)), None)
            if task is None or task.name not in names:
                self._context.problems.add(
                    item.at,
                    (*self._path, "keep", number),
                    f"{item.value!r} is no task that takes values of the loop",
                    expected=f"one of {listed(sorted(names))}" if names else "no `keep`",
                    suggestion=nearest(str(item.value), names),
                )
            else:
                found.add(task.name)
        return found

    # -- the new blocks

    def _extend(self, loop: Loop, more: int) -> None:
        """Put the blocks of more turns of a loop, and the loop over them, behind all."""
        tasks = self._workflow.tasks
        runs, parameters = Before(self._workflow).bases
        new = {k: len(tasks) + k - loop.first for k in range(loop.first, loop.last + 1)}
        first_turn = loop.first_turn + loop.iterations
        added = []
        for index, entry in new.items():
            task = tasks[index]
            block = replace(
                task,
                index=entry,
                run_base=runs,
                parameter_base=parameters,
                inputs={
                    name: self._first_turn(loop, index, name, column, new)
                    for name, column in task.inputs.items()
                },
                chosen={
                    name: Chosen(one.rules, _from_task(_renamed(one.members, new)))
                    for name, one in task.chosen.items()
                },
                max_iterations=more,
                continues=self._whole[index],
                first_iteration=first_turn,
            )
            runs, parameters = runs + block.num_runs, parameters + block.num_parameters
            added.append(block)
        ends = loop.termination
        goes_on = replace(
            loop,
            first=new[loop.first],
            last=new[loop.last],
            iterations=more,
            termination=None if ends is None else replace(ends, task=new[ends.task]),
            feedback=tuple(
                replace(one, task=new[one.task], producer=new[one.producer])
                for one in loop.feedback
            ),
            first_turn=first_turn,
        )
        self._workflow = replace(
            self._workflow,
            tasks=(*tasks, *added),
            loops=(*self._workflow.loops, goes_on),
        )

    @staticmethod
    def _first_turn(
        loop: Loop, task: int, name: str, column: InputColumn, new: Mapping[int, int]
    ) -> InputColumn:
        """Where an input is in the first new turn."""
        for one in loop.feedback:
            if (one.task, one.input) == (task, name):
                return _fed(one)
        return _renamed(column, new)


def _fed(one: Feedback) -> FromTask:
    """What a turn takes from the one before, where that is in the block before."""
    return FromTask(one.producer, one.output, one.elements, one.offsets)


def _renamed(column: InputColumn, new: Mapping[int, int]) -> InputColumn:
    """A column that refers to the new blocks of the tasks that have one."""
    if isinstance(column, FromTask):
        return replace(column, task=new.get(column.task, column.task))
    if isinstance(column, FromSeveral):
        return replace(column, parts=tuple(_renamed(part, new) for part in column.parts))
    return column


def _from_task(column: InputColumn) -> FromTask:
    assert isinstance(column, FromTask)
    return column


def _sources(task: Task) -> set[int]:
    """The entries of the record that a task takes values of."""
    found = {one.members.task for one in task.chosen.values()}
    columns = list(task.inputs.values())
    while columns:
        column = columns.pop()
        if isinstance(column, FromTask):
            found.add(column.task)
        elif isinstance(column, FromSeveral):
            columns += column.parts
    return found
