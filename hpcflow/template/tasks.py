"""The tasks of a template, one after the other."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hpcflow.template.element_sets import ElementSetSpec, read_element_set
from hpcflow.template.expand import ExpandedSet, SetExpander
from hpcflow.template.join import check_uses, join_sets, parameter_count
from hpcflow.template.language import ELEMENT_SET
from hpcflow.template.nodes import Node, child, items, key_at, value_of
from hpcflow.template.problems import listed, nearest
from hpcflow.template.resolve import TaskState, Upstream, resolve_sources

if TYPE_CHECKING:
    from hpcflow.model.schema import TaskSchema
    from hpcflow.model.workflow import Task
    from hpcflow.template.context import Context
    from hpcflow.template.problems import Path
    from hpcflow.template.resources import Layers
    from hpcflow.template.schemas import Schemas


class TaskReader:
    """Reads, checks and expands all tasks."""

    def __init__(self, schemas: Schemas, resources: Layers, context: Context) -> None:
        self._schemas = schemas
        self._resources = resources
        self._context = context
        self._upstream = Upstream()
        self._num_groups = 0
        self._bases = (0, 0)  # of the next task's run and parameter ids

    def read(self, node: Node | None) -> tuple[Task, ...]:
        """The tasks that could be expanded; all of them where there were no problems."""
        if node is None:
            return ()
        names = self._unique_names(node)
        for number, item in enumerate(node.value):
            state = None if item.bad else self._read_task(item, number, names[number])
            self._upstream.add(state)
        return tuple(
            state.task
            for state in self._upstream.states
            if state is not None and state.task is not None
        )

    def _unique_names(self, node: Node) -> list[str]:
        """By task: its schema's name, with _1, _2, ... where that is used repeatedly."""
        schemas = [str(value_of(item, "schema", "")) for item in node.value]
        total, seen = Counter(schemas), Counter[str]()
        names = []
        for name in schemas:
            seen[name] += 1
            names.append(name if total[name] == 1 else f"{name}_{seen[name]}")
        for number, name in enumerate(names):
            if name and name in names[:number]:
                self._context.problems.add(
                    node.value[number].at,
                    ("tasks", number),
                    f"two tasks are named {name!r}; the schema {schemas[number]!r} needs "
                    "another name",
                )
        return names

    def _read_task(self, node: Node, index: int, name: str) -> TaskState | None:
        path: Path = ("tasks", index)
        schema = self._schema(node, path)
        sets = self._element_sets(node, path)
        if schema is None:
            for item, here in sets:
                read_element_set(item, here, None, self._context)
            return None
        state = TaskState(index, name, schema)
        specs: list[ElementSetSpec] = []
        expanded: list[ExpandedSet] = []
        sources = []
        for item, here in sets:
            spec = read_element_set(item, here, schema, self._context)
            found = resolve_sources(schema, spec, self._upstream, self._context)
            expander = SetExpander(
                schema, spec, found, self._upstream, self._resources, self._context
            )
            one = expander.expand(self._number_groups(spec))
            specs.append(spec)
            sources.append(found)
            if one is not None:
                expanded.append(one)
        for item_of_schema in schema.inputs:
            key = item_of_schema.name
            state.sources[key] = [found[key] for found in sources]
        if specs and len(expanded) == len(specs):
            self._finish(state, specs, expanded)
        return state

    def _finish(
        self, state: TaskState, specs: list[ElementSetSpec], sets: list[ExpandedSet]
    ) -> None:
        task = join_sets(state, specs, sets, self._bases, self._context)
        state.task = task
        if task is None:
            return
        runs, parameters = self._bases
        self._bases = (runs + task.num_runs, parameters + parameter_count(task))
        if state.schema.name not in self._schemas.broken:
            check_uses(task, specs[0].place, self._context)

    def _number_groups(self, spec: ElementSetSpec) -> dict[str, int]:
        """A number for each group that an element set declares; unique in the workflow."""
        numbers = {}
        for name in spec.groups:
            numbers[name] = self._num_groups
            self._num_groups += 1
        return numbers

    def _schema(self, node: Node, path: Path) -> TaskSchema | None:
        spec = child(node, "schema")
        if spec is None:
            return None
        known = self._schemas.by_name
        name: str = spec.value
        if name not in known and not self._schemas.any_nameless:
            self._context.problems.add(
                spec.at,
                (*path, "schema"),
                f"there is no task schema {name!r}",
                expected=f"one of {listed(known)}"
                if known
                else "one in template_components",
                suggestion=nearest(name, known),
            )
        return known.get(name)

    def _element_sets(self, node: Node, path: Path) -> list[tuple[Node, Path]]:
        """The element sets of a task; its own keys are one where there is no list."""
        listed_sets = node.value.get("element_sets")
        if listed_sets is None or listed_sets.value is None:
            return [(node, path)]
        for key in node.value:
            if key in ELEMENT_SET.keys and not node.value[key].bad:
                self._context.problems.add(
                    key_at(node, key),
                    (*path, str(key)),
                    f"{key!r} can't stand beside `element_sets`; move it into one of them",
                )
        if listed_sets.bad:
            return []
        return [
            (item, (*path, "element_sets", number)) for number, item in items(listed_sets)
        ]
