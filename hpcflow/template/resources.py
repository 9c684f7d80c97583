"""Resources: from the items of a template to what one action of one element asks for."""

from __future__ import annotations

import shlex
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from hpcflow.model.resources import AUTO_PACKED, RUN_RESOURCES, Resources
from hpcflow.template.env_choice import read_specs
from hpcflow.template.nodes import Node, broken, child, entries, plain
from hpcflow.template.problems import listed, nearest
from hpcflow.template.quantities import parse_memory, parse_time
from hpcflow.template.scopes import parse_scope, scopes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hpcflow.template.context import Context
    from hpcflow.template.problems import Path

Layer = dict[str, Any]  # by field of `Resources`
Layers = dict[str, Layer]  # by scope

# What `<<resource:...>>` may name: the numbers and names among the fields.
RESOURCES_IN_COMMANDS = tuple(
    field.name
    for field in fields(Resources)
    if field.type in ("int", "int | None", "str", "str | None")
    and field.name != "environment"
) + tuple(RUN_RESOURCES)

# The scheduler's commands that a template may replace.
COMMANDS = {"submit_cmd": "submit", "show_cmd": "show", "del_cmd": "delete"}

_SCHEDULERS = {"direct": "local"}  # names of hpcflow 0.2
_FIELDS = {
    "memory": "memory_bytes",
    "memory_per_core": "memory_per_core_bytes",
    "time_limit": "time_limit_s",
    "queue": "partition",
    "shell_args": "shell_command",
    "scheduler_args": "",  # sets several
    "SLURM_partition": "partition",
    "SLURM_num_tasks": "num_tasks",
    "SLURM_num_tasks_per_node": "num_tasks_per_node",
    "SLURM_num_nodes": "num_nodes",
    "SLURM_num_cpus_per_task": "num_cpus_per_task",
    "SGE_parallel_env": "parallel_env",
    "PBS_select": "select",
}


# What rules may look at: by the names of a template.
RESOURCES_IN_RULES = (
    *dict.fromkeys(
        (
            *(field.name for field in fields(Resources)),
            *(item for item, name in _FIELDS.items() if name),  # not what sets several
        )
    ),
)


_RESOLVED = {field.name for field in fields(Resources)} - {"environment"}


def _exit_codes(value: Any) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, list) else (value,)


def _directives(given: dict[str, Any]) -> tuple[tuple[str, str | None], ...]:
    found: list[tuple[str, str | None]] = []
    for option, value in given.items():
        parts = value if isinstance(value, list) else [value]
        found += [(option, None if part is None else str(part)) for part in parts]
    return tuple(found)


def _shell_command(value: Any) -> tuple[str, ...]:
    given = value.get("executable")
    return (given,) if isinstance(given, str) else tuple(given or ())


def _read_scheduler_args(node: Node, path: Path, context: Context) -> Layer:
    """The fields that `scheduler_args` sets."""
    value = plain(node)
    for key in ("directives", "options"):
        given = child(node, key)
        value[key] = {} if given is None or broken(given) else plain(given)
    both = sorted({*value["directives"]} & {*value["options"]})
    if both:
        at = node.value["options"].at
        message = (
            f"{listed(both)} is in 'directives' already, of which this is the old name"
        )
        context.problems.add(at, (*path, "options"), message)
    layer: Layer = {"directives": _directives({**value["options"], **value["directives"]})}
    commands = [
        (what, tuple(shlex.split(value[key])))
        for key, what in COMMANDS.items()
        if value.get(key)
    ]
    if commands:
        layer["commands"] = tuple(commands)
    if value.get("shebang_args"):
        layer["shebang_args"] = value["shebang_args"]
    return layer


_CONVERT: dict[str, Callable[[Any], Any]] = {
    "memory": parse_memory,
    "memory_per_core": parse_memory,
    "time_limit": parse_time,
    "shell_args": _shell_command,
    "resources_id": str,
    "scheduler": lambda value: _SCHEDULERS.get(value, value),
    "success_exit_codes": _exit_codes,
    "elements_per_job": lambda value: AUTO_PACKED if value == "auto" else value,
}


def field_of(item: str) -> str:
    """The field of `Resources` that an item sets; "" where it sets several."""
    return _FIELDS.get(item, item)


def read_item(item: str, node: Node, path: Path, context: Context) -> Any:
    """The value of an item that has passed its shape's check."""
    if item == "scheduler_args":
        return _read_scheduler_args(node, path, context)
    if item == "environments":
        return read_specs(node, path, context)
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
    found: Layers = {}
    places: dict[str, str] = {}
    for name, at, given in entries(node):
        scope = parse_scope(name)
        if scope is None or given.bad:
            continue
        if scope in found:
            message = f"the scope {scope!r} is given as {places[scope]!r} already"
            context.problems.add(at, (*path, name), message)
        places[scope] = name
        found[scope] = read_layer(child(node, name), (*path, name), context)
    return found


def read_layer(node: Node | None, path: Path, context: Context) -> Layer:
    """The values of one scope, by field."""
    layer: Layer = {}
    if node is None:
        return layer
    items: dict[str, str] = {}
    for item, given in node.value.items():
        if broken(given) or given.value is None:
            continue
        if item == "scheduler_args":
            layer |= read_item(item, given, (*path, item), context)
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


def layers_of(scope: str, template: Layers, element_set: Layers) -> list[tuple[str, Layer]]:
    """The layers of an action's scope, from the least to the most specific.

    An element set's values stand above the template's of the same scope.
    """
    return [
        (name, given[name])
        for name in scopes_of(scope)
        for given in (template, element_set)
        if name in given
    ]


def resolve_resources(
    layers: Sequence[tuple[str, Layer]], swept: Mapping[tuple[str, str], Any], scope: str
) -> Resources:
    """The resources of an action. swept: values of sequences, by scope and field."""
    merged: Layer = {}
    for name in scopes_of(scope):
        for other, layer in layers:
            merged |= layer if other == name else {}
        for (other, field), value in swept.items():
            if other == name:
                merged |= {field: value} if field else value
    known = {name: value for name, value in merged.items() if name in _RESOLVED}
    known.setdefault("num_cores", _derived_cores(merged))
    return Resources(**known)


def _derived_cores(merged: Layer) -> int:
    """The cores where `num_cores` is not given, from the other numbers; else 1."""
    nodes: int = merged.get("num_nodes", 1)
    if "num_cores_per_node" in merged:
        return nodes * int(merged["num_cores_per_node"])
    tasks: int = merged.get("num_tasks", nodes * merged.get("num_tasks_per_node", 1))
    return tasks * int(merged.get("num_cpus_per_task", 1))
