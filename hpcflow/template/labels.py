"""Inputs of any label, `p[*]`: a task's schema has those that the task gives."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from hpcflow.template.nodes import Node, child, entries, items, plain, value_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from hpcflow.model.schema import SchemaInput, TaskSchema

ANY = "*"

_LABELLED = re.compile(r"(?:inputs\.)?([A-Za-z_]\w*)\[([\w\-]+)\]")


def any_label(parameter: str) -> str:
    """The name of a schema's input for all labels that it does not name."""
    return f"{parameter}[{ANY}]"


def with_labels(
    schema: TaskSchema, sets: Sequence[Node], routed: Collection[str]
) -> TaskSchema:
    """The schema with the labelled inputs that a task gives in place of `p[*]`.

    sets: the task's element sets. routed: inputs that earlier tasks label outputs for.
    """
    wild = {
        item.parameter: item
        for item in schema.inputs
        if item.name == any_label(item.parameter)
    }
    if not wild:
        return schema
    known = {item.name for item in schema.inputs}
    named = [name for action in schema.actions for name in action.inputs]
    given = dict.fromkeys(
        name
        for name in (*_given(sets), *routed, *named)
        if name.partition("[")[0] in wild and name not in known and "[" in name
    )
    of = {
        parameter: [name for name in given if name.partition("[")[0] == parameter]
        for parameter in wild
    }
    inputs: list[SchemaInput] = []
    for item in schema.inputs:
        if item is wild.get(item.parameter):
            inputs += [replace(item, name=name) for name in of[item.parameter]]
        else:
            inputs.append(item)
    actions = tuple(
        replace(action, inputs=_replaced(action.inputs, of)) for action in schema.actions
    )
    return replace(schema, inputs=tuple(inputs), actions=actions)


def missing_labels(schema: TaskSchema | None, own: TaskSchema) -> list[str]:
    """The parameters that a schema takes with any labels, and a task's own has none of."""
    there = {item.parameter for item in own.inputs}
    inputs = schema.inputs if schema is not None else ()
    return [item.parameter for item in inputs if item.parameter not in there]


def _replaced(names: tuple[str, ...], of: dict[str, list[str]]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for name in names:
        parameter = name.partition("[")[0]
        meant = of[parameter] if name == any_label(parameter) else [name]
        found.update(dict.fromkeys(meant))
    return tuple(found)


def _given(sets: Sequence[Node]) -> Iterator[str]:
    """The labelled inputs that element sets give values or sources of, in their order."""
    for node in sets:
        for text in _texts(node):
            match = _LABELLED.match(text)
            if match is not None:
                yield f"{match[1]}[{match[2]}]"


def _texts(node: Node) -> Iterator[str]:
    inputs = child(node, "inputs")
    yield from (name for name, _, _ in entries(inputs))
    for _, item in items(inputs):
        yield f"{value_of(item, 'parameter', '')}[{value_of(item, 'label', '')}]"
    for key in ("sequences", "multi_path_sequences"):
        for _, item in items(child(node, key)):
            path, label = value_of(item, "path", ""), value_of(item, "label")
            yield f"{path}[{label}]" if label is not None else str(path)
            paths = child(item, "paths")
            yield from map(str, plain(paths) if paths is not None else ())
    yield from (name for name, _, _ in entries(child(node, "input_sources")))
