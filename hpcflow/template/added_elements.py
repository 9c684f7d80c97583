"""`add_elements` of a template: more elements for tasks that a workflow has.

Each entry's element sets make a block of its task, and a block of each task behind it
that takes the task's values. Blocks go behind all that is there, so no id changes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hpcflow.model.workflow import ResourceColumn
from hpcflow.template.context import Place
from hpcflow.template.element_sets import read_element_set
from hpcflow.template.env_choice import TemplateEnvironments
from hpcflow.template.expand import SetExpander
from hpcflow.template.growth import Before, offers_of
from hpcflow.template.join import check_uses, join_sets
from hpcflow.template.nodes import Node, child, items
from hpcflow.template.problems import listed, nearest
from hpcflow.template.propagation import (
    CannotPropagateError,
    continued_loop,
    propagated,
    takes_from,
)
from hpcflow.template.resolve import TaskState, resolve_sources
from hpcflow.template.tasks import element_sets_of

if TYPE_CHECKING:
    from hpcflow.model.loops import Loop
    from hpcflow.model.workflow import Task, Workflow
    from hpcflow.template.context import Context
    from hpcflow.template.element_sets import ElementSetSpec
    from hpcflow.template.expand import ExpandedSet
    from hpcflow.template.problems import Path
    from hpcflow.template.resources import Layers

MAX_BLOCKS = 500  # of all tasks of a workflow

_GIVING_RESOURCES = ("resources", "environments", "env_preset")


def add_elements(
    workflow: Workflow, node: Node | None, resources: Layers, context: Context
) -> Workflow:
    """The workflow with the elements that a template adds to its tasks.

    node: what `add_elements` holds. resources: of the template. Problems are reported.
    """
    for number, item in items(node):
        adder = _Adder(workflow, item, ("add_elements", number), resources, context)
        workflow = adder.add()
    return workflow


class _Adder:
    """Adds what one entry says."""

    def __init__(
        self,
        workflow: Workflow,
        node: Node,
        path: Path,
        resources: Layers,
        context: Context,
    ) -> None:
        self._workflow = workflow
        self._node = node
        self._path = path
        self._resources = resources
        self._context = context
        self._before = Before(workflow)
        self._num_groups = self._before.num_groups

    def add(self) -> Workflow:
        """The workflow with the new blocks; as it was, where there are problems."""
        target = self._task(child(self._node, "task"), (*self._path, "task"))
        behind = self._behind(target)
        if target is None or behind is None:
            return self._workflow
        blocks = sum(task.continues is not None for task in self._workflow.tasks)
        if blocks >= MAX_BLOCKS:
            self._problem(
                f"tasks of this workflow have been added to {blocks} times, which is the "
                "most; make a workflow with all elements from the start"
            )
        block = self._block(target)
        if block is None:
            return self._workflow
        return self._propagate(target, block, behind)

    def _problem(self, message: str, expected: str = "") -> None:
        context = self._context
        context.problems.add(self._node.at, self._path, message, expected=expected)

    def _task(self, node: Node | None, path: Path) -> Task | None:
        """The task that a reference means, by its first block."""
        if node is None:
            return None
        whole = self._before.whole_tasks
        for number, task in enumerate(whole):
            if node.value in (number, task.name):
                return task
        names = [task.name for task in whole]
        self._context.problems.add(
            node.at,
            path,
            f"the workflow has no task {node.value!r}",
            expected=f"one of {listed(names)}",
            suggestion=nearest(str(node.value), names),
        )
        return None

    def _behind(self, target: Task | None) -> set[int] | None:
        """The tasks that `propagate_to` names, or all behind the one that grows."""
        given = child(self._node, "propagate_to")
        if target is None:
            return None
        behind = {t.index for t in self._before.whole_tasks if t.index > target.index}
        if given is None:
            return behind
        found = set()
        for number, item in items(given):
            path = (*self._path, "propagate_to", number)
            task = self._task(item, path)
            if task is None:
                return None
            if task.index not in behind:
                message = f"{task.name!r} is not behind {target.name!r}"
                self._context.problems.add(item.at, path, message)
            found.add(task.index)
        return found

    def _block(self, target: Task) -> Task | None:
        """The block of the elements that the entry's element sets make."""
        schema, upstream = target.schema, self._before.upstream(target.index)
        state = TaskState(target.index, target.name, schema)
        specs: list[ElementSetSpec] = []
        expanded: list[ExpandedSet] = []
        found = []
        for item, here in element_sets_of(self._node, self._path, self._context):
            spec = read_element_set(item, here, schema, self._context)
            sources = resolve_sources(schema, spec, upstream, self._context)
            expander = SetExpander(
                schema,
                spec,
                sources,
                upstream,
                self._resources,
                self._context,
                looped=any(loop.holds(target.index) for loop in self._workflow.loops),
            )
            one = expander.expand(self._number_groups)
            specs.append(spec)
            found.append(sources)
            if one is not None:
                expanded.append(one)
        for item_of_schema in schema.inputs:
            name = item_of_schema.name
            state.sources[name] = [sources[name] for sources in found]
        if not specs or len(expanded) < len(specs):
            return None
        place = Place(self._node.at, self._path)
        self._before.check_sources(state, place, self._context)
        block = join_sets(state, specs, expanded, self._before.bases)
        index = len(self._workflow.tasks)
        self._context.imports += [
            imported.record(index, name, rows)
            for one in expanded
            for name, imported, rows in one.imports
        ]
        choosing = any(spec.sourceable is not None for spec in specs)
        split = self._before.blocks.split
        block = replace(
            block,
            index=index,
            continues=target.index,
            first_element=self._before.blocks.num_elements(target.index),
            offers=offers_of(state, choosing=choosing),
            inputs={name: split(column) for name, column in block.inputs.items()},
            resources=self._resources_like(target, block, specs),
            max_iterations=self._before.blocks.num_iterations(target.index),
        )
        check_uses(block, place, self._context)
        return block

    def _resources_like(
        self, target: Task, block: Task, specs: list[ElementSetSpec]
    ) -> tuple[ResourceColumn, ...]:
        """Those that the template gives; where it gives none, those of the task."""
        swept = (s for spec in specs for s in spec.sequences if s.resource is not None)
        nodes = element_sets_of(self._node, self._path, self._context)
        given = any(child(item, key) for item, _ in nodes for key in _GIVING_RESOURCES)
        by_template = self._context.template_environments != TemplateEnvironments()
        if given or by_template or self._resources or any(True for _ in swept):
            return block.resources
        if any(len(column.table) > 1 for column in target.resources):
            self._problem(
                f"the elements of {target.name!r} have different resources",
                "`resources` for the new ones",
            )
            return block.resources
        none = np.zeros(block.num_elements, dtype=np.int32)
        return tuple(ResourceColumn(column.table, none) for column in target.resources)

    def _number_groups(self, count: int) -> int:
        first = self._num_groups
        self._num_groups += count
        return first

    def _propagate(self, target: Task, block: Task, behind: set[int]) -> Workflow:
        """Add the block, and those of the tasks that take its values."""
        grown = {target.index: block}
        added = [block]
        blocks = self._before.blocks
        for task in self._before.whole_tasks:
            if task.index not in behind:
                continue
            made = blocks.as_made(task.index)
            if not takes_from(made, grown, blocks):
                if child(self._node, "propagate_to") is not None:
                    self._problem(
                        f"{task.name!r} of `propagate_to` takes no values of tasks that "
                        "get elements"
                    )
                continue
            last = added[-1]
            bases = (
                last.run_base + last.num_runs,
                last.parameter_base + last.num_parameters,
            )
            try:
                new = propagated(made, grown, blocks, bases)
            except CannotPropagateError as error:
                self._refuse(target, task, str(error))
                continue
            new = replace(new, index=len(self._workflow.tasks) + len(added))
            grown[task.index] = new
            added.append(new)
        tasks = (*self._workflow.tasks, *added)
        loops = self._continued_loops(target, grown)
        return replace(self._workflow, tasks=tasks, loops=(*self._workflow.loops, *loops))

    def _continued_loops(self, target: Task, grown: dict[int, Task]) -> list[Loop]:
        """The loops over the new blocks: those around the tasks that get elements."""
        found = []
        for loop in self._workflow.loops:
            tasks = range(loop.first, loop.last + 1)
            missing = [t for t in tasks if t not in grown]
            if len(missing) == len(tasks):
                continue
            if missing:
                names = listed(self._workflow.tasks[t].name for t in missing)
                self._problem(
                    f"new elements of {target.name!r} are in the loop {loop.name!r}, whose "
                    f"tasks {names} get none",
                    "elements for all tasks of the loop",
                )
                continue
            try:
                found.append(continued_loop(loop, self._workflow, grown))
            except CannotPropagateError as error:
                self._problem(f"the loop {loop.name!r} {error}")
        return found

    def _refuse(self, target: Task, task: Task, why: str) -> None:
        self._problem(
            f"new elements of {target.name!r} can't be passed on to {task.name!r}, which "
            f"{why}",
            f"`propagate_to` without {task.name!r}; a task that is added after that takes "
            "the new elements",
        )
