"""The task schemas of a template."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hpcflow.model.command_text import CommandTextError, Form, parse_command_text
from hpcflow.model.schema import (
    MISSING,
    PROPAGATION,
    Action,
    CommandFile,
    SchemaInput,
    TaskSchema,
)
from hpcflow.template.action_drafts import Draft, SchemaNames
from hpcflow.template.actions import made_without_script, read_action
from hpcflow.template.context import Section
from hpcflow.template.env_choice import read_specs
from hpcflow.template.labels import any_label
from hpcflow.template.nodes import (
    Node,
    broken,
    child,
    entries,
    items,
    plain,
    value_of,
)
from hpcflow.template.problems import listed, nearest
from hpcflow.template.rules import rule_inputs
from hpcflow.template.value_classes import Classes, class_name, read_classes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpcflow.template.context import Context
    from hpcflow.template.problems import Path

_MODE = "propagation_mode"


@dataclass(frozen=True, slots=True)
class Schemas:
    """The schemas of a template by name.

    broken: names of those that have problems: a task can use them for its own checks,
    but nothing is concluded from what they lack.
    """

    by_name: Mapping[str, TaskSchema] = field(default_factory=dict)
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


def read_schema(node: Node, path: Path, context: Context) -> tuple[TaskSchema, bool]:
    """A schema that is written out, and whether it has problems."""
    reader = _SchemaReader(node, path, context)
    schema = reader.read()
    return schema, reader.section.faulty


class _SchemaReader:
    """Reads and checks one schema."""

    def __init__(self, node: Node, path: Path, context: Context) -> None:
        self._node = node
        self._path = path
        self._context = context
        self._inputs: dict[str, tuple[SchemaInput, Node, Path]] = {}
        self._outputs: dict[str, tuple[Node, Path]] = {}
        self._classes: Classes = {}
        self.section = Section(context, faulty=broken(node))

    def read(self) -> TaskSchema:
        node = self._node
        modules = child(node, "parameter_class_modules")
        path = (*self._path, "parameter_class_modules")
        self._classes = read_classes(modules, path, self.section)
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
            self._files(actions),
            {
                name: read_specs(
                    item, (*self._path, "environment_presets", name), self._context
                )
                for name, _, item in entries(child(node, "environment_presets"))
                if not item.bad
            },
            {name: class_name(kind) for name, kind in self._classes.items()},
            str(value_of(node, "version", "")),
            value_of(node, "web_doc", True),
            {
                name: mode
                for name, (item, _) in self._outputs.items()
                if (mode := value_of(item, _MODE, PROPAGATION[0])) != PROPAGATION[0]
            },
        )

    def _files(self, actions: tuple[Action, ...]) -> tuple[CommandFile, ...]:
        """The command files that the actions use, or that their commands name."""
        labels = {label for action in actions for label in action.files.used}
        labels |= {
            part.name
            for action in actions
            for command in action.commands
            for part in _forms(command.command)
            if part.kind == "file"
        }
        known = self._context.command_files.by_label
        return tuple(known[label] for label in sorted(labels) if label in known)

    def _read_inputs(self, node: Node | None) -> None:
        for number, item in items(node):
            path = (*self._path, "inputs", number)
            parameter: str = value_of(item, "parameter")
            labels = child(item, "labels")
            if labels is None or not labels.value:
                many = value_of(item, "multiple", False)
                name = any_label(parameter) if many else parameter
                self._add_input(name, parameter, item, item, path)
                continue
            for label, spec in labels.value.items():
                here = (*path, "labels", label)
                if not spec.bad:
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
        tolerance = value_of(node, "allow_failed_dependencies")
        if tolerance is None:
            tolerance = value_of(parent, "allow_failed_dependencies")
        mode = value_of(node, _MODE) or value_of(parent, _MODE, PROPAGATION[0])
        item = SchemaInput(name, parameter, default, group, _allow_failed(tolerance), mode)
        self._inputs[name] = (item, node, path)

    def _read_outputs(self, node: Node | None) -> None:
        for number, item in items(node):
            path = (*self._path, "outputs", number)
            parameter: str = value_of(item, "parameter")
            if parameter in self._outputs:
                self.section.add(item.at, path, f"the output {parameter!r} is given twice")
            self._outputs.setdefault(parameter, (item, path))

    def _read_actions(self, node: Node | None) -> tuple[Action, ...]:
        drafts: list[Draft] = []
        names = SchemaNames(tuple(self._inputs), tuple(self._outputs), self._classes)
        for number, item in items(node):
            path = (*self._path, "actions", number)
            elsewhere = self._made_elsewhere(node, number)
            made = read_action(item, path, self._context, names, drafts, elsewhere)
            self.section.faulty |= any(draft.faulty for draft in made)
            drafts += made
        if not self.section.faulty:
            self._check_flow(drafts)
        return tuple(draft.action for draft in drafts)

    def _made_elsewhere(self, node: Node | None, number: int) -> frozenset[str]:
        """Outputs that others' commands and parsers make, as far as can be read."""
        return frozenset(
            name
            for other, item in items(node)
            if other != number
            for name in made_without_script(item)
        )

    def _check_flow(self, drafts: list[Draft]) -> None:
        """Every output is made, every input used, and nothing made for nobody."""
        made = {name: None for draft in drafts for name in draft.action.outputs}
        used = {name for draft in drafts for name in draft.action.inputs}
        used |= {name for draft in drafts for name in rule_inputs(draft.action)}
        misspelt: set[str] = set()
        for name, (node, path) in self._outputs.items():
            if name not in made:
                meant = nearest(name, [n for n in made if n not in self._outputs])
                misspelt.add(meant)
                message = f"no action makes the output {name!r}"
                expected = "a command's stdout, a callback or a script that makes it"
                self.section.add(node.at, path, message, expected, meant)
        for name, (_, node, path) in self._inputs.items():
            if drafts and name not in used | {any_label(n.partition("[")[0]) for n in used}:
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


def _forms(command: str) -> list[Form]:
    """The forms of a command; none of one that is not understood, which is reported."""
    try:
        return [part for part in parse_command_text(command) if isinstance(part, Form)]
    except CommandTextError:
        return []


def _allow_failed(given: bool | float | None) -> tuple[str, float] | None:
    """How many failures an input allows: all, a number of them, or a fraction."""
    if given is None or given is False:
        return None
    if given is True:
        return ("fraction", 1.0)
    return ("count" if isinstance(given, int) else "fraction", given)
