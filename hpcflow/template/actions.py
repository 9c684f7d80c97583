"""The actions of a task schema."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hpcflow.model.schema import MAIN, PYTHON_SCRIPT, Action, ActionFiles, Command, Script
from hpcflow.template.action_drafts import Draft, Reading, SchemaNames
from hpcflow.template.command_reader import CommandReader, made_by_commands
from hpcflow.template.context import Section
from hpcflow.template.environments import NULL_ENV, PYTHON_ENV
from hpcflow.template.file_actions import (
    generator_scope,
    generators,
    made_by_parsers,
    main_files,
    parser_scope,
    parsers,
    script_name,
)
from hpcflow.template.file_runs import read_generator, read_parser
from hpcflow.template.jinja import KEYS, TARGET, read_rendering
from hpcflow.template.nodes import Node, broken, child, key_at, value_of
from hpcflow.template.problems import listed
from hpcflow.template.programs import KEYS as PROGRAM_KEYS
from hpcflow.template.programs import check_no_program, read_program
from hpcflow.template.scoped_environments import ScopedEnvironments
from hpcflow.template.script_reader import Surroundings, read_script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpcflow.template.context import Context
    from hpcflow.template.problems import Path
    from hpcflow.template.scripts import Binding

_DOES = ("commands", "script", *PROGRAM_KEYS)  # what makes an action more than files


def made_without_script(action: Node) -> list[str]:
    """The outputs that an action's commands and parsers make, as far as can be read."""
    return made_by_parsers(action) + made_by_commands(action)


def read_action(
    node: Node,
    path: Path,
    context: Context,
    schema: SchemaNames,
    earlier: Sequence[Draft],
    elsewhere: frozenset[str],
) -> list[Draft]:
    """Read one action: its generators, itself, its parsers, each with its own runs.

    earlier: the schema's actions before it. elsewhere: outputs that other actions'
    commands and parsers make.
    """
    return _ActionReader(node, path, context, schema, earlier).read(elsewhere)


class _ActionReader:
    """Reads one action of a schema."""

    def __init__(
        self,
        node: Node,
        path: Path,
        context: Context,
        schema: SchemaNames,
        earlier: Sequence[Draft],
    ) -> None:
        self._node = node
        self._path = path
        self._schema = schema
        self._section = Section(context, faulty=broken(node))
        self._environments = ScopedEnvironments(node, path, self._section)
        self._drafts = list(earlier)  # and, as they are read, those of this action
        self._number_earlier = len(earlier)

    def read(self, elsewhere: frozenset[str]) -> list[Draft]:
        """The drafts of the action's runs, in their order."""
        node, path = self._node, self._path
        rules = self._begin(MAIN, NULL_ENV).rules(node, path)
        for item, here in generators(node, path):
            reading = self._begin(generator_scope(item), PYTHON_ENV)
            self._drafts.append(read_generator(item, here, reading))
        rendering = self._read_rendering()
        self._drafts += rendering
        has_none = len(self._drafts) == self._number_earlier and not any(
            parsers(node, path)
        )
        if {*_DOES} & set(node.value) or (has_none and not set(KEYS) & set(node.value)):
            rendered = tuple(label for d in rendering for label in d.action.files.makes)
            made_elsewhere = elsewhere | set(made_by_parsers(node))
            self._drafts.append(self._read_main(made_elsewhere, rendered))
        for output, item, here in parsers(node, path):
            default = NULL_ENV if child(item, "script") is None else PYTHON_ENV
            reading = self._begin(parser_scope(output), default)
            self._drafts.append(read_parser(output, item, here, reading))
        found = self._drafts[self._number_earlier :]
        self._finish(found, rendering, rules)
        self._check_directory(found)
        self._check_removed(found)
        return found

    def _begin(self, scope: str, default: str) -> Reading:
        """The next of the actions that this one of the template stands for."""
        made_before = [name for draft in self._drafts for name in draft.action.outputs]
        available = tuple(dict.fromkeys((*self._schema.inputs, *made_before)))
        environment = self._environments.name_of(scope, default)
        return Reading(self._section, self._schema, available, environment)

    def _finish(
        self,
        found: Sequence[Draft],
        rendering: Sequence[Draft],
        rules: tuple[dict[str, Any], ...],
    ) -> None:
        """What the whole action says goes to each of its runs."""
        node = self._node
        for draft in found:
            draft.faulty |= self._section.faulty
            abortable = draft.action.scope == MAIN and value_of(node, "abortable", False)
            draft.action = replace(
                draft.action,
                rules=(*rules, *draft.action.rules),
                requires_dir=self._requires_dir(draft.action),
                abortable=draft.action.abortable or abortable,
            )
            if draft not in rendering:
                specifiers = self._environments.specifiers_of(draft.action.scope)
                draft.action = replace(draft.action, environment_specifiers=specifiers)

    def _read_rendering(self) -> list[Draft]:
        """The run that renders the action's template, if it has one."""
        node, path = self._node, self._path
        reading = self._begin(MAIN, PYTHON_ENV)
        found = read_rendering(node, path, reading.available, self._section)
        if found is None:
            return []
        label = found.file.label
        files = ActionFiles(makes=(label,), arguments=((TARGET, label),))
        alone = not {*_DOES} & set(node.value)
        if alone:
            files = main_files(node, path, (), (), self._section)
            files = replace(
                files,
                makes=tuple(dict.fromkeys((label, *files.makes))),
                arguments=((TARGET, label),),
            )
        draft = reading.draft
        draft.action = Action(PYTHON_ENV, (), found.script, found.inputs, files=files)
        return [draft]

    def _read_main(self, elsewhere: frozenset[str], rendered: tuple[str, ...]) -> Draft:
        node, path = self._node, self._path
        commands_node, script_node = child(node, "commands"), child(node, "script")
        reading = self._begin(MAIN, PYTHON_ENV if script_node is not None else NULL_ENV)
        has_program = any(child(node, key) is not None for key in PROGRAM_KEYS)
        self._check_kinds(commands_node is not None, script_node is not None, has_program)
        commands: tuple[Command, ...] = ()
        if commands_node:
            commands = CommandReader(reading).read(commands_node, path)
        script = self._read_script(reading, elsewhere) if script_node else None
        if has_program and script is None:
            script = self._read_program(reading, elsewhere)
        elif not has_program:
            check_no_program(node, path, self._section)
        before = {label for draft in self._drafts for label in draft.action.files.makes}
        draft = reading.draft
        draft.action = Action(
            reading.environment or NULL_ENV,
            commands,
            script,
            tuple(reading.reads),
            tuple(draft.made_at),
            files=main_files(
                node, path, reading.mentioned, before, self._section, rendered
            ),
        )
        return draft

    def _check_kinds(self, *kinds: bool) -> None:
        """An action does one thing: commands, a script or a program."""
        if sum(kinds) == 1 or self._section.faulty:
            return
        names = ("`commands`", "a `script`", "a `program`")
        given = [name for name, there in zip(names, kinds, strict=True) if there]
        self._section.add(
            self._node.at,
            self._path,
            "an action has either `commands`, a `script` or a `program`; this one has "
            + (" and ".join(given) if given else "none of them"),
        )

    # scripts and programs

    def _read_script(self, reading: Reading, elsewhere: frozenset[str]) -> Script | None:
        node, here = self._node, (*self._path, "script")
        spec, exe = child(node, "script"), child(node, "script_exe")
        assert spec is not None
        name = script_name(spec, here, self._section)
        if name is None:
            return None
        if exe is None:
            reading.check_executable(PYTHON_SCRIPT, spec.at, here)
        else:
            reading.check_executable(exe.value, exe.at, (*self._path, "script_exe"))
        around = self._surroundings(reading, elsewhere)
        found = read_script(node, name, self._path, around, self._section)
        return None if found is None else _bind(*found, reading, (spec.at, here))

    def _read_program(self, reading: Reading, elsewhere: frozenset[str]) -> Script | None:
        node, path = self._node, self._path
        exe = child(node, "program_exe")
        if exe is not None:
            reading.check_executable(exe.value, exe.at, (*path, "program_exe"))
        around = self._surroundings(reading, elsewhere)
        found = read_program(node, path, around, self._section)
        return None if found is None else _bind(*found, reading, (node.at, path))

    def _surroundings(self, reading: Reading, elsewhere: frozenset[str]) -> Surroundings:
        outputs = tuple(name for name in self._schema.outputs if name not in elsewhere)
        inputs, available = self._schema.inputs, reading.available
        return Surroundings(inputs, available, outputs, reading.environment)

    # directories and files

    def _requires_dir(self, action: Action) -> bool:
        """Whether a run works in a directory of its element."""
        said: bool | None = value_of(self._node, "requires_dir")
        if said is None:
            return bool(action.files.used) or _writes_files(action.commands)
        return said

    def _check_directory(self, drafts: Sequence[Draft]) -> None:
        """What has files is not told to do without a directory."""
        used = dict.fromkeys(n for draft in drafts for n in draft.action.files.used)
        if value_of(self._node, "requires_dir") is False and used:
            self._section.add(
                key_at(self._node, "requires_dir"),
                (*self._path, "requires_dir"),
                f"the action has files ({listed(used)}), so its runs need a directory",
            )
            for draft in drafts:
                draft.faulty = True

    def _check_removed(self, drafts: Sequence[Draft]) -> None:
        """No file is deleted that a later part of the same action needs."""
        for number, draft in enumerate(drafts):
            later = {n for other in drafts[number + 1 :] for n in other.action.files.needs}
            for label in draft.action.files.removes:
                if label in later:
                    message = f"{label!r} is deleted before it is read"
                    expected = "`clean_up` of what reads it"
                    self._section.add(self._node.at, self._path, message, expected)
                    draft.faulty = True


def _bind(
    script: Script, binding: Binding, reading: Reading, place: tuple[int, Path]
) -> Script:
    """Note what a script or program reads and makes."""
    reading.reads.update(dict.fromkeys(binding.reads))
    reading.draft.made_at.update(dict.fromkeys(binding.makes, place))
    return script


def _writes_files(commands: tuple[Command, ...]) -> bool:
    return any(
        capture is not None and capture.file is not None
        for command in commands
        for capture in (command.stdout, command.stderr)
    )
