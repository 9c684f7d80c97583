"""The schemas of tasks: named, written in the task, or several as one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hpcflow.model.schema import MISSING
from hpcflow.template.nodes import Node, broken, child
from hpcflow.template.problems import listed, nearest
from hpcflow.template.schemas import read_schema

if TYPE_CHECKING:
    from hpcflow.model.schema import SchemaInput, TaskSchema
    from hpcflow.template.context import Context
    from hpcflow.template.problems import Path
    from hpcflow.template.schemas import Schemas


@dataclass(frozen=True, slots=True)
class TaskSchemaUse:
    """What a task names as its schema. name: "" where it can't be told.

    schema: None where it is not known, which is reported. broken: it has problems.
    """

    name: str = ""
    schema: TaskSchema | None = None
    broken: bool = False


class SchemaFinder:
    """Finds the schemas of tasks."""

    def __init__(self, schemas: Schemas, context: Context) -> None:
        self._schemas = schemas
        self._context = context

    def find(self, task: Node, path: Path) -> TaskSchemaUse:
        """The schema of a task."""
        spec = child(task, "schema")
        if spec is None:
            return TaskSchemaUse()
        here = (*path, "schema")
        if not isinstance(spec.value, list):
            return self._one(spec, here)
        uses = [self._one(item, (*here, n)) for n, item in enumerate(spec.value)]
        return self._joined(uses, spec, here)

    def _one(self, spec: Node, path: Path) -> TaskSchemaUse:
        if spec.bad:
            return TaskSchemaUse(broken=True)
        if isinstance(spec.value, dict):
            schema, faulty = read_schema(spec, path, self._context)
            return TaskSchemaUse(schema.name, schema, faulty or broken(spec))
        known = self._schemas.by_name
        name: str = spec.value
        if name not in known and not self._schemas.any_nameless:
            self._context.problems.add(
                spec.at,
                path,
                f"there is no task schema {name!r}",
                expected=f"one of {listed(known)}"
                if known
                else "one in template_components",
                suggestion=nearest(name, known),
            )
        return TaskSchemaUse(name, known.get(name), name in self._schemas.broken)

    def _joined(self, uses: list[TaskSchemaUse], spec: Node, path: Path) -> TaskSchemaUse:
        """Several schemas as one, whose actions follow one another."""
        schemas = [use.schema for use in uses if use.schema is not None]
        if len(schemas) < len(uses):
            return TaskSchemaUse("_and_".join(use.name for use in uses), None, True)
        first, faulty = schemas[0], any(use.broken for use in uses)
        for number, other in enumerate(schemas[1:], 1):
            if other.objective != first.objective:
                self._context.problems.add(
                    spec.value[number].at,
                    (*path, number),
                    f"the schemas of one task have one objective; {other.name!r} has not "
                    f"{first.objective!r}",
                )
                faulty = True
        joined = self._merge(schemas, spec, path)
        return TaskSchemaUse(joined.name, joined, faulty)

    def _merge(self, schemas: list[TaskSchema], spec: Node, path: Path) -> TaskSchema:
        inputs: dict[str, SchemaInput] = {}
        made: dict[str, None] = {}
        files = {}
        for number, schema in enumerate(schemas):
            for item in schema.inputs:
                if item.name in made:
                    continue  # an earlier schema makes it
                known = inputs.setdefault(item.name, item)
                if not _agree(known, item):
                    message = f"the schemas differ in what they say of {item.name!r}"
                    self._context.problems.add(
                        spec.value[number].at, (*path, number), message
                    )
            made.update(dict.fromkeys(schema.outputs))
            files.update({file.label: file for file in schema.files})
        rest = [
            "_".join(part for part in (schema.method, schema.implementation) if part)
            for schema in schemas
        ]
        return replace(
            schemas[0],
            method="_and_".join(part for part in rest if part) or None,
            implementation=None,
            inputs=tuple(inputs.values()),
            outputs=tuple(made),
            actions=tuple(action for schema in schemas for action in schema.actions),
            files=tuple(files.values()),
            environment_presets={
                name: preset
                for schema in schemas
                for name, preset in schema.environment_presets.items()
            },
            value_classes={
                name: kind
                for schema in schemas
                for name, kind in schema.value_classes.items()
            },
        )


def _agree(one: SchemaInput, other: SchemaInput) -> bool:
    if (one.default is MISSING) != (other.default is MISSING):
        return False
    if type(one.default) is not type(other.default) or one.default != other.default:
        return False
    return replace(one, default=None) == replace(other, default=None)
