"""The task schemas of a template."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hpcflow.model.schema import MISSING, Action, SchemaInput, TaskSchema
from hpcflow.template.actions import ActionReader, Draft, made_by_commands
from hpcflow.template.context import Section
from hpcflow.template.nodes import Node, broken, child, items, key_at, plain, value_of
from hpcflow.template.problems import listed, nearest

if TYPE_CHECKING:
    from hpcflow.template.context import Context
    from hpcflow.template.problems import Path


@dataclass(frozen=True, slots=True)
class Schemas:
    """The schemas of a template by name.

    broken: names of those that have problems: a task can use them for its own checks,
    but nothing is concluded from what they lack.
    """

    by_name: dict[str, TaskSchema] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    any_nameless: bool = False


def read_schemas(node: Node | None, path: Path, context: Context) -> Schemas:
    """The schemas defined under `template_components`."""
    by_name: dict[str, TaskSchema] = {}
    lines: dict[str, int] = {}
    faulty: set[str] = set()
    nameless = node is not None and any(item.bad for item in node.value)
    for number, item in items(node):
        here = (*path, number)
        reader = _SchemaReader(item, here, context)
        schema = reader.read()
        if schema.name in by_name:
            context.problems.add(
                item.at,
                here,
                f"the task schema {schema.name!r} is defined in line "
                f"{lines[schema.name]} already",
            )
            continue
        by_name[schema.name] = schema
        lines[schema.name] = context.problems.line_of(item.at)
        if reader.section.faulty:
            faulty.add(schema.name)
    return Schemas(by_name, faulty, nameless)


class _SchemaReader:
    """Reads and checks one schema."""

    def __init__(self, node: Node, path: Path, context: Context) -> None:
        self._node = node
        self._path = path
        self._context = context
        self._inputs: dict[str, tuple[SchemaInput, Node, Path]] = {}
        self._outputs: dict[str, tuple[Node, Path]] = {}
        self.section = Section(context, faulty=broken(node))

    def read(self) -> TaskSchema:
        node = self._node
        self._read_inputs(child(node, "inputs"))
        self._read_outputs(child(node, "outputs"))
        actions = self._read_actions(child(node, "actions"))
        return TaskSchema(
            value_of(node, "objective"),
            value_of(node, "method"),
            value_of(node, "implementation"),
            tuple(entry[0] for entry in self._inputs.values()),
            tuple(self._outputs),
            actions,
        )

    def _read_inputs(self, node: Node | None) -> None:
        for number, item in items(node):
            path = (*self._path, "inputs", number)
            parameter: str = value_of(item, "parameter")
            labels = child(item, "labels")
            if labels is None or not labels.value:
                self._add_input(parameter, parameter, item, item, path)
                continue
            for label, spec in labels.value.items():
                here = (*path, "labels", label)
                if label == "*":
                    self.section.later(key_at(labels, label), here, "the label '*' (any)")
                elif not spec.bad:
                    self._add_input(f"{parameter}[{label}]", parameter, spec, item, here)

    def _add_input(
        self, name: str, parameter: str, node: Node, parent: Node, path: Path
    ) -> None:
        if name in self._inputs:
            self.section.add(node.at, path, f"the input {name!r} is given twice")
            return
        default = MISSING
        for source in (node, parent):
            if default is MISSING and isinstance(source.value, dict):
                found = source.value.get("default_value")
                default = MISSING if found is None else plain(found)
        group = value_of(node, "group") or value_of(parent, "group")
        self._inputs[name] = (SchemaInput(name, parameter, default, group), node, path)

    def _read_outputs(self, node: Node | None) -> None:
        for number, item in items(node):
            path = (*self._path, "outputs", number)
            parameter: str = value_of(item, "parameter")
            if parameter in self._outputs:
                self.section.add(item.at, path, f"the output {parameter!r} is given twice")
            self._outputs.setdefault(parameter, (item, path))

    def _read_actions(self, node: Node | None) -> tuple[Action, ...]:
        drafts: list[Draft] = []
        reader = ActionReader(self._context, tuple(self._inputs), tuple(self._outputs))
        for number, item in items(node):
            path = (*self._path, "actions", number)
            draft = reader.read(item, path, drafts, self._made_elsewhere(node, number))
            self.section.faulty |= draft.faulty
            drafts.append(draft)
        if not self.section.faulty:
            self._check_flow(drafts)
        return tuple(draft.action for draft in drafts)

    def _made_elsewhere(self, node: Node | None, number: int) -> frozenset[str]:
        """Outputs that the commands of other actions make, as far as can be read."""
        return frozenset(
            name
            for other, item in items(node)
            if other != number
            for name in made_by_commands(item)
        )

    def _check_flow(self, drafts: list[Draft]) -> None:
        """Every output is made, every input used, and nothing made for nobody."""
        made = {name: None for draft in drafts for name in draft.action.outputs}
        used = {name for draft in drafts for name in draft.action.inputs}
        misspelt: set[str] = set()
        for name, (node, path) in self._outputs.items():
            if name not in made:
                meant = nearest(name, [n for n in made if n not in self._outputs])
                misspelt.add(meant)
                message = f"no action makes the output {name!r}"
                expected = "a command's stdout, a callback or a script that makes it"
                self.section.add(node.at, path, message, expected, meant)
        for name, (_, node, path) in self._inputs.items():
            if drafts and name not in used:
                self.section.add(node.at, path, f"no action uses the input {name!r}")
        for number, draft in enumerate(drafts):
            later = {n for other in drafts[number + 1 :] for n in other.action.inputs}
            for name, (at, path) in draft.made_at.items():
                if name not in self._outputs and name not in later | misspelt:
                    self.section.add(
                        at,
                        path,
                        f"{name!r} is no output of the schema, nor read by a later action",
                        f"one of {listed(self._outputs)}",
                        nearest(name, self._outputs),
                    )
