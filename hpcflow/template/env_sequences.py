"""Sequences over environments: `environments.NAME[.SPECIFIER]` and `env_preset`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpcflow.template.env_choice import ENV_PRESET, ENVIRONMENTS, report_preset
from hpcflow.template.generators import TEXT
from hpcflow.template.language import SPECIFIER, SPECIFIERS
from hpcflow.template.problems import listed, nearest

if TYPE_CHECKING:
    from hpcflow.model.schema import TaskSchema
    from hpcflow.template.context import Place, Section
    from hpcflow.template.nodes import Node
    from hpcflow.template.problems import Path
    from hpcflow.template.shape import Shape


def environment_shape(path: str, place: Place, section: Section) -> Shape | None:
    """What the values of a path are; None where it is none, which is reported."""
    if path == ENV_PRESET:
        return TEXT
    root, _, rest = path.partition(".")
    known = section.context.environments
    if root == ENVIRONMENTS and rest in known:
        return SPECIFIERS
    name, _, specifier = rest.rpartition(".")
    if root == ENVIRONMENTS and name in known and specifier:
        return SPECIFIER
    section.add(
        place.at,
        place.path,
        f"{path!r} is no environment, nor a specifier of one",
        f"`environments.NAME` or `environments.NAME.SPECIFIER`: {listed(known)}",
        nearest(name or rest, known),
    )
    return None


def check_preset(
    node: Node, path: Path, schema: TaskSchema | None, section: Section
) -> None:
    """A preset of a sequence is one of the schema's."""
    if schema is not None and node.value not in schema.environment_presets:
        report_preset(node.value, node.at, path, schema, section)
        node.bad = True
