"""The tasks of a template, one after the other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hpcflow.template.context import Place
from hpcflow.template.element_sets import ElementSetSpec, read_element_set
from hpcflow.template.expand import ExpandedSet, SetExpander
from hpcflow.template.growth import Before, name_tasks, offers_of
from hpcflow.template.join import check_uses, join_sets
from hpcflow.template.labels import missing_labels, with_labels
from hpcflow.template.language import ELEMENT_SET
from hpcflow.template.loops import (
    LoopRange,
    TaskNames,
    connect_loops,
    iterations_of,
    read_loops,
)
from hpcflow.template.meta_tasks import Expanded, MetaTasks, TaskEntry
from hpcflow.template.nodes import Node, child, items, key_at
from hpcflow.template.resolve import (
    TaskState,
    read_output_labels,
    resolve_sources,
)
from hpcflow.template.task_schemas import SchemaFinder, TaskSchemaUse

if TYPE_CHECKING:
    from hpcflow.model.loops import Loop
    from hpcflow.model.workflow import Task
    from hpcflow.template.context import Context
    from hpcflow.template.problems import Path
    from hpcflow.template.resources import Layers
    from hpcflow.template.schemas import Schemas


class TaskReader:
    """Reads, checks and expands all tasks.

    before: those that stand before the template's own.
    """

    def __init__(
        self,
        schemas: Schemas,
        resources: Layers,
        context: Context,
        before: Before | None = None,
    ) -> None:
        self._schemas = schemas
        self._resources = resources
        self._context = context
        self._before = before or Before()
        self._upstream = self._before.upstream()
        self._num_groups = self._before.num_groups
        self._bases = self._before.bases  # of the next task's run and parameter ids
        self._loops: list[LoopRange] = []
        self._uses: list[TaskSchemaUse] = []

    def read(
        self,
        node: Node | None,
        loops: Node | None = None,
        metas: MetaTasks | None = None,
    ) -> tuple[tuple[Task, ...], tuple[Loop, ...]]:
        """The tasks that could be expanded, and the loops over the template's own.

        All of them where there were no problems, with those before the template's.
        """
        if node is None:
            return (), ()
        expanded = (metas or MetaTasks(None, None, self._context)).expand(node)
        finder = SchemaFinder(self._schemas, self._context)
        self._uses = [
            TaskSchemaUse() if one.node.bad else finder.find(one.node, one.path)
            for one in expanded.entries
        ]
        if metas is not None:
            metas.check(expanded, [use.schema for use in self._uses])
        names = self._unique_names(expanded.entries)
        known = self._task_names(names, expanded)
        self._loops = read_loops(loops, known, self._context, self._before.loops)
        for number, one in enumerate(expanded.entries):
            bad = one.node.bad
            state = None if bad else self._read_task(one, number, names[number])
            self._upstream.add(state)
            if state is not None:
                place = Place(one.node.at, one.path)
                self._before.check_sources(state, place, self._context)
        states = self._upstream.states
        known_tasks = self._before.tasks
        own = [s.task for s in states[len(known_tasks) :] if s and s.task is not None]
        tasks = (*known_tasks, *map(self._split, own))
        return tasks, connect_loops(self._loops, states, known, self._context)

    def _split(self, task: Task) -> Task:
        """A task whose columns refer to the blocks of those that have grown."""
        split = self._before.blocks.split
        inputs = {name: split(column) for name, column in task.inputs.items()}
        return replace(task, inputs=inputs)

    def _task_names(self, names: list[str], expanded: Expanded) -> TaskNames:
        """The names by which loops find tasks; indices count from the first of all."""
        first = len(self._before.tasks)
        own = [range(span.start + first, span.stop + first) for span in expanded.places]
        parts = {
            name: range(span.start + first, span.stop + first)
            for name, span in expanded.parts.items()
        }
        numbers = [task.index for task in self._before.whole_tasks]
        places = [*(range(n, n + 1) for n in numbers), *own]
        return TaskNames([*self._before.names, *names], places, parts, first)

    def _unique_names(self, entries: list[TaskEntry]) -> list[str]:
        """By task: its schema's name, with _1, _2, ... where that is used repeatedly."""
        schemas = [use.name for use in self._uses]
        names = name_tasks(schemas, self._before)
        for number, name in enumerate(names):
            if name and name in (*self._before.names, *names[:number]):
                self._context.problems.add(
                    entries[number].node.at,
                    entries[number].path,
                    f"two tasks are named {name!r}; the schema {schemas[number]!r} needs "
                    "another name",
                )
        return names

    def _read_task(self, entry: TaskEntry, number: int, name: str) -> TaskState | None:
        node, path = entry.node, entry.path
        use = self._uses[number]
        schema = use.schema
        sets = element_sets_of(node, path, self._context)
        if schema is None:
            for item, here in sets:
                read_element_set(item, here, None, self._context)
            return None
        self._before.check_schema(schema, Place(node.at, path), self._context)
        nodes = [item for item, _ in sets]
        schema = with_labels(schema, nodes, self._upstream.labelled)
        for parameter in missing_labels(use.schema, schema):
            self._context.problems.add(
                node.at,
                path,
                f"{schema.name!r} takes {parameter!r} with any labels; there is none",
                expected=f"a value for `{parameter}[LABEL]`",
            )
        state = TaskState(len(self._before.tasks) + number, name, schema)
        labels = child(node, "output_labels")
        read_output_labels(labels, (*path, "output_labels"), state, self._context)
        specs: list[ElementSetSpec] = []
        expanded: list[ExpandedSet] = []
        sources = []
        for item, here in sets:
            spec = read_element_set(item, here, schema, self._context)
            found = resolve_sources(schema, spec, self._upstream, self._context)
            expander = SetExpander(
                schema,
                spec,
                found,
                self._upstream,
                self._resources,
                self._context,
                looped=any(one.first <= state.index <= one.last for one in self._loops),
            )
            one = expander.expand(self._number_groups)
            specs.append(spec)
            sources.append(found)
            if one is not None:
                expanded.append(one)
        for item_of_schema in schema.inputs:
            key = item_of_schema.name
            state.sources[key] = [found[key] for found in sources]
        if specs and len(expanded) == len(specs):
            self._finish(state, use, specs, expanded)
        return state

    def _finish(
        self,
        state: TaskState,
        use: TaskSchemaUse,
        specs: list[ElementSetSpec],
        sets: list[ExpandedSet],
    ) -> None:
        task = join_sets(state, specs, sets, self._bases)
        iterations = iterations_of(self._loops, task.index)
        choosing = any(spec.sourceable is not None for spec in specs)
        offers = offers_of(state, choosing=choosing)
        task = replace(task, max_iterations=iterations, offers=offers)
        state.task = task
        self._context.imports += [
            imported.record(task.index, name, rows)
            for one in sets
            for name, imported, rows in one.imports
        ]
        runs, parameters = self._bases
        self._bases = (runs + task.num_runs, parameters + task.num_parameters)
        if not use.broken:
            check_uses(task, specs[0].place, self._context)

    def _number_groups(self, count: int) -> int:
        """Reserve numbers for groups, unique in the workflow; gives the first."""
        first = self._num_groups
        self._num_groups += count
        return first


def element_sets_of(node: Node, path: Path, context: Context) -> list[tuple[Node, Path]]:
    """The element sets of a task; its own keys are one where there is no list."""
    listed_sets = node.value.get("element_sets")
    if listed_sets is None or listed_sets.value is None:
        return [(node, path)]
    for key in node.value:
        if key in ELEMENT_SET.keys and not node.value[key].bad:
            context.problems.add(
                key_at(node, key),
                (*path, str(key)),
                f"{key!r} can't stand beside `element_sets`; move it into one of them",
            )
    if listed_sets.bad:
        return []
    return [(item, (*path, "element_sets", number)) for number, item in items(listed_sets)]
