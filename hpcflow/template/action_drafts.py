"""What is known of an action while it is read, and what is read of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hpcflow.model.schema import Action
from hpcflow.template.nodes import Node, child
from hpcflow.template.resources import RESOURCES_IN_RULES
from hpcflow.template.rules import read_rules
from hpcflow.template.scoped_environments import check_executable

if TYPE_CHECKING:
    from hpcflow.template.context import Context, Section
    from hpcflow.template.problems import Path
    from hpcflow.template.value_classes import Classes


@dataclass(slots=True)
class Draft:
    """An action as read. made_at: where each output is made, for problems with it."""

    action: Action
    made_at: dict[str, tuple[int, Path]] = field(default_factory=dict)
    faulty: bool = False


@dataclass(frozen=True, slots=True)
class SchemaNames:
    """A schema's inputs and outputs, and the classes of those that have one."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    classes: Classes = field(default_factory=dict)


@dataclass(slots=True)
class Reading:
    """One of the actions that one of a template stands for, while it is read.

    available: the schema's inputs and what earlier actions make. environment: its name,
    None where it is not known. reads: inputs that are found to be used. mentioned:
    labels of files whose names are used.
    """

    section: Section
    schema: SchemaNames
    available: tuple[str, ...]
    environment: str | None
    draft: Draft = field(default_factory=lambda: Draft(Action()))
    reads: dict[str, None] = field(default_factory=dict)
    mentioned: dict[str, None] = field(default_factory=dict)

    @property
    def context(self) -> Context:
        """What all steps of loading share."""
        return self.section.context

    def rules(self, node: Node, path: Path) -> tuple[dict[str, Any], ...]:
        """The rules of an action, or of one of its commands, generators or parsers."""
        names = {
            "inputs": self.schema.inputs,
            "outputs": tuple(dict.fromkeys((*self.available, *self.schema.outputs))),
            "resources": RESOURCES_IN_RULES,
        }
        return read_rules(child(node, "rules"), (*path, "rules"), names, self.section)

    def check_executable(
        self, label: str, at: int, path: Path, *, in_command: bool = False
    ) -> None:
        """Report an executable that the action's environment does not have."""
        if self.environment is not None:
            check_executable(
                label, self.environment, at, path, self.section, in_command=in_command
            )
