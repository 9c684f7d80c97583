"""Meta-tasks: an entry of `tasks` that stands for several."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hpcflow.template.nodes import Node, child, entries, items, key_at, value_of
from hpcflow.template.problems import listed, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpcflow.model.schema import TaskSchema
    from hpcflow.template.context import Context
    from hpcflow.template.problems import Path


@dataclass(frozen=True, slots=True)
class MetaSchema:
    """What the tasks of a meta-task take and make together, by parameter."""

    inputs: dict[str, tuple[Node, Path]]
    outputs: dict[str, tuple[Node, Path]]


@dataclass(slots=True)
class TaskEntry:
    """A task where it stands."""

    node: Node
    path: Path


@dataclass(slots=True)
class Expanded:
    """The tasks of a template, with those of meta-tasks in their places.

    places: for each entry of `tasks`, its tasks. parts: the same by a meta-task's name,
    where it is used once. metas: the meta-schemas of those that are used.
    """

    entries: list[TaskEntry] = field(default_factory=list)
    places: list[range] = field(default_factory=list)
    parts: dict[str, range] = field(default_factory=dict)
    metas: list[tuple[MetaSchema, range]] = field(default_factory=list)


class MetaTasks:
    """The meta-tasks of a template. node: `meta_tasks`; schemas: `meta_task_schemas`."""

    def __init__(self, node: Node | None, schemas: Node | None, context: Context) -> None:
        self._context = context
        self._tasks: dict[str, Node] = {}
        self._schemas: dict[str, MetaSchema] = {}
        for number, item in items(schemas):
            path: Path = ("template_components", "meta_task_schemas", number)
            name = _schema_name(item)
            if name in self._schemas:
                message = f"the meta-task schema {name!r} is given twice"
                context.problems.add(item.at, path, message)
            self._schemas[name] = MetaSchema(
                _parameters(item, path, "inputs"), _parameters(item, path, "outputs")
            )
        for name, at, item in entries(node):
            if name not in self._schemas:
                context.problems.add(
                    at,
                    ("meta_tasks", name),
                    f"there is no meta-task schema {name!r}",
                    expected=f"one of {listed(self._schemas)}"
                    if self._schemas
                    else "one in template_components.meta_task_schemas",
                    suggestion=nearest(name, self._schemas),
                )
            if not item.bad and item.value is not None:
                self._tasks[name] = item

    def expand(self, node: Node) -> Expanded:
        """The tasks of `tasks`, in their order."""
        found = Expanded()
        uses: dict[str, int] = {}
        for number, item in enumerate(node.value):
            first = len(found.entries)
            name = value_of(item, "schema")
            if isinstance(name, str) and name in self._tasks:
                self._check_use(item, ("tasks", number))
                uses[name] = uses.get(name, 0) + 1
                found.entries += [
                    TaskEntry(inner, ("meta_tasks", name, place))
                    for place, inner in enumerate(self._tasks[name].value)
                ]
            else:
                found.entries.append(TaskEntry(item, ("tasks", number)))
            span = range(first, len(found.entries))
            found.places.append(span)
            if isinstance(name, str) and name in self._tasks:
                found.parts[name] = span
                if name in self._schemas:
                    found.metas.append((self._schemas[name], span))
        found.parts = {n: span for n, span in found.parts.items() if uses[n] == 1}
        for name, item in self._tasks.items():
            if name not in uses:
                message = f"no task uses the meta-task {name!r}: it is not checked either"
                self._context.problems.add(
                    item.at, ("meta_tasks", name), message, severity="warning"
                )
        return found

    def _check_use(self, node: Node, path: Path) -> None:
        for key in node.value:
            if key != "schema":
                self._context.problems.add(
                    key_at(node, key),
                    (*path, str(key)),
                    f"a meta-task has no {key!r} where it is used",
                    expected=f"{key!r} of its own tasks, in `meta_tasks`",
                )

    def check(self, expanded: Expanded, schemas: Sequence[TaskSchema | None]) -> None:
        """The tasks of each meta-task take and make what its schema says.

        schemas: of all tasks; None where one is not known.
        """
        for meta, span in expanded.metas:
            known = [schemas[index] for index in span]
            whole = [schema for schema in known if schema is not None]
            if len(whole) < len(known):
                continue
            inputs = {item.parameter for schema in whole for item in schema.inputs}
            outputs = {name for schema in whole for name in schema.outputs}
            self._compare(meta.inputs, inputs, "has the input")
            self._compare(meta.outputs, outputs, "makes the output")

    def _compare(
        self, said: dict[str, tuple[Node, Path]], there: set[str], what: str
    ) -> None:
        for name, (node, path) in said.items():
            if name not in there:
                self._context.problems.add(
                    node.at,
                    path,
                    f"no task of the meta-task {what} {name!r}",
                    expected=f"one of {listed(sorted(there))}" if there else "",
                    suggestion=nearest(name, there),
                )


def _schema_name(node: Node) -> str:
    parts = (value_of(node, key) for key in ("objective", "method", "implementation"))
    return "_".join(part for part in parts if part)


def _parameters(node: Node, path: Path, key: str) -> dict[str, tuple[Node, Path]]:
    return {
        value_of(item, "parameter"): (item, (*path, key, number))
        for number, item in items(child(node, key))
        if value_of(item, "parameter") is not None
    }
