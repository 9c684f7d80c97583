"""The values that generators give, with files read and seeds drawn for them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hpcflow.template.generators import GENERATORS, GeneratorError, generate
from hpcflow.template.nodes import broken, plain
from hpcflow.template.problems import render_path

if TYPE_CHECKING:
    from hpcflow.model.workflow import ValueTable
    from hpcflow.template.context import Section
    from hpcflow.template.nodes import Node
    from hpcflow.template.problems import Path

_GENERATED = re.compile(r"values::(\w+)")


def generated(key: str, node: Node, path: Path, section: Section) -> ValueTable | None:
    """The values of `values::METHOD`; None where they can't be had, which is reported."""
    arguments = generator_arguments(key, node, path, section)
    if arguments is None:
        return None
    match = _GENERATED.fullmatch(key)
    assert match is not None
    try:
        return generate(GENERATORS[match[1]], arguments)
    except GeneratorError as error:
        section.add(node.at, path, str(error))
        return None


def generator_arguments(
    key: str, node: Node, path: Path, section: Section
) -> dict[str, Any] | None:
    """A generator's arguments: the file's text for its path, a seed where none is."""
    match = _GENERATED.fullmatch(key)
    generator = GENERATORS.get(match[1]) if match else None
    if generator is None or broken(node):
        return None
    context = section.context
    arguments = {k: plain(v) for k, v in node.value.items() if v.value is not None}
    if generator.reads_file:
        file = node.value["file_path"]
        text = context.read_file(file, (*path, "file_path"), "file")
        if text is None:
            section.faulty = True
            return None
        del arguments["file_path"]
        arguments["text"] = text
    if generator.random and "seed" not in arguments:
        arguments["seed"] = context.draw_seed()
        context.seeds[render_path((*path, "seed"))] = arguments["seed"]
    return arguments
