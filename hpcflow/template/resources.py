"""Resources: from the items of a template to what one action of one element asks for."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from hpcflow.model.resources import Resources
from hpcflow.template.nodes import Node, child, plain
from hpcflow.template.problems import listed, nearest
from hpcflow.template.quantities import parse_memory, parse_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hpcflow.template.context import Context
    from hpcflow.template.problems import Path

Layer = dict[str, Any]  # by field of `Resources`
Layers = dict[str, Layer]  # by scope

# From least to most specific. An element set's values stand above the template's of
# the same scope.
SCOPES = ("any", "main")

# What `<<resource:...>>` may name: the numbers and names among the fields.
RESOURCES_IN_COMMANDS = tuple(
    field.name
    for field in fields(Resources)
    if field.type in ("int", "int | None", "str", "str | None")
)

_SCHEDULERS = {"direct": "local"}  # names of hpcflow 0.2
_FIELDS = {
    "memory": "memory_bytes",
    "memory_per_core": "memory_per_core_bytes",
    "time_limit": "time_limit_s",
    "queue": "partition",
    "scheduler_args": "directives",
    "SLURM_partition": "partition",
    "SLURM_num_tasks": "num_tasks",
    "SLURM_num_tasks_per_node": "num_tasks_per_node",
    "SLURM_num_nodes": "num_nodes",
    "SLURM_num_cpus_per_task": "num_cpus_per_task",
}


def _exit_codes(value: Any) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, list) else (value,)


def _directives(value: Any) -> tuple[tuple[str, str | None], ...]:
    found: list[tuple[str, str | None]] = []
    for option, given in (value.get("directives") or {}).items():
        parts = given if isinstance(given, list) else [given]
        found += [(option, None if part is None else str(part)) for part in parts]
    return tuple(found)


_CONVERT: dict[str, Callable[[Any], Any]] = {
    "memory": parse_memory,
    "memory_per_core": parse_memory,
    "time_limit": parse_time,
    "scheduler_args": _directives,
    "resources_id": str,
    "scheduler": lambda value: _SCHEDULERS.get(value, value),
    "success_exit_codes": _exit_codes,
}


def field_of(item: str) -> str:
    """The field of `Resources` that an item sets."""
    return _FIELDS.get(item, item)


def read_item(item: str, node: Node, path: Path, context: Context) -> Any:
    """The value of an item that has passed its shape's check."""
    value = _CONVERT.get(item, lambda given: given)(plain(node))
    if item == "scheduler" and value not in context.schedulers:
        node.bad = True
        context.problems.add(
            node.at,
            path,
            f"unknown scheduler {value!r}",
            expected=f"one of {listed(context.schedulers)}",
            suggestion=nearest(value, context.schedulers),
        )
    return value


def read_layers(node: Node | None, path: Path, context: Context) -> Layers:
    """The values of a `resources` key, by scope."""
    return {
        scope: _read_layer(child(node, scope), (*path, scope), context) for scope in SCOPES
    }


def _read_layer(node: Node | None, path: Path, context: Context) -> Layer:
    layer: Layer = {}
    if node is None:
        return layer
    items: dict[str, str] = {}
    for item, given in node.value.items():
        if given.bad or given.value is None:
            continue
        field = field_of(item)
        if field in items:
            context.problems.add(
                given.at,
                (*path, item),
                f"{item!r} and {items[field]!r} mean the same; give one of them",
            )
        items[field] = item
        layer[field] = read_item(item, given, (*path, item), context)
    if "memory_bytes" in layer and "memory_per_core_bytes" in layer:
        context.problems.add(node.at, path, "give either memory or memory_per_core")
    return layer


def resolve_resources(
    template: Layers, element_set: Layers, swept: Mapping[tuple[str, str], Any]
) -> Resources:
    """The resources of a main action. swept: values of sequences, by scope and field."""
    merged: Layer = {}
    for scope in SCOPES:
        merged |= template[scope]
        merged |= element_set[scope]
        merged |= {field: value for (s, field), value in swept.items() if s == scope}
    merged.setdefault("num_cores", _derived_cores(merged))
    return Resources(**merged)


def _derived_cores(merged: Layer) -> int:
    """The cores where `num_cores` is not given, from the other numbers; else 1."""
    nodes: int = merged.get("num_nodes", 1)
    if "num_cores_per_node" in merged:
        return nodes * int(merged["num_cores_per_node"])
    tasks: int = merged.get("num_tasks", nodes * merged.get("num_tasks_per_node", 1))
    return tasks * int(merged.get("num_cpus_per_task", 1))
