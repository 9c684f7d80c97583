"""The actions of a task schema."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hpcflow.model.command_text import (
    CommandTextError,
    Form,
    parse_capture_text,
    parse_command_text,
)
from hpcflow.model.schema import Action, Capture, Command, Script
from hpcflow.template.context import Section
from hpcflow.template.environments import NULL_ENV, PYTHON_ENV, is_for_scripts
from hpcflow.template.nodes import Node, broken, child, items, value_of
from hpcflow.template.problems import listed, nearest
from hpcflow.template.resources import RESOURCES_IN_COMMANDS
from hpcflow.template.scripts import ScriptError, bind, read_function

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpcflow.template.context import Context
    from hpcflow.template.problems import Path

_SCRIPT_FORM = re.compile(r"<<script:([^<>]+)>>")
# An output that a command sets itself: `callback set NAME`, `"$HPCFLOW_CALLBACK" set NAME`.
_CALLBACK_SET = re.compile(
    r"""(?:\bcallback|\$\{?HPCFLOW_CALLBACK\}?["']?)[\s\\]+set\s+"""
    r"""(?:--json\s+)?["']?([A-Za-z_]\w*)"""
)
_STREAMS = ("stdout", "stderr")


@dataclass(slots=True)
class Draft:
    """An action as read. made_at: where each output is made, for problems with it."""

    action: Action
    made_at: dict[str, tuple[int, Path]] = field(default_factory=dict)
    faulty: bool = False


def made_by_commands(action: Node) -> list[str]:
    """The outputs that an action's commands make; what can't be read is left out."""
    found = []
    for _, command in items(child(action, "commands")):
        found += _CALLBACK_SET.findall(value_of(command, "command", ""))
        for stream in _STREAMS:
            text = value_of(command, stream)
            try:
                capture = parse_capture_text(text) if text is not None else None
            except CommandTextError:
                capture = None
            if capture is not None and capture.output is not None:
                found.append(capture.output)
    return found


class ActionReader:
    """Reads the actions of one schema, in order."""

    def __init__(
        self, context: Context, inputs: tuple[str, ...], outputs: tuple[str, ...]
    ) -> None:
        self._context = context
        self._inputs = inputs
        self._outputs = outputs
        self._available: dict[str, None] = {}
        self._draft = Draft(Action())
        self._section = Section(context)
        self._environment: str | None = None
        self._read: dict[str, None] = {}

    def read(
        self, node: Node, path: Path, earlier: Sequence[Draft], elsewhere: frozenset[str]
    ) -> Draft:
        """Read one action. elsewhere: outputs that other actions' commands make."""
        self._draft = Draft(Action())
        self._section = Section(self._context, faulty=broken(node))
        self._read = {}
        made_before = [name for draft in earlier for name in draft.action.outputs]
        self._available = dict.fromkeys((*self._inputs, *made_before))
        commands_node, script_node = child(node, "commands"), child(node, "script")
        self._environment = self._read_environment(
            node, path, PYTHON_ENV if script_node is not None else NULL_ENV
        )
        if (commands_node is None) == (script_node is None) and not self._section.faulty:
            found = "neither" if script_node is None else "both"
            self._section.add(
                node.at,
                path,
                f"an action has either `commands` or a `script`; this one has {found}",
            )
        commands = self._read_commands(commands_node, path) if commands_node else ()
        script = self._read_script(node, path, elsewhere) if script_node else None
        self._draft.action = Action(
            self._environment or NULL_ENV,
            commands,
            script,
            tuple(self._read),
            tuple(self._draft.made_at),
            value_of(node, "requires_dir", _writes_files(commands)),
        )
        self._draft.faulty = self._section.faulty
        return self._draft

    # environments and executables

    def _read_environment(self, node: Node, path: Path, default: str) -> str | None:
        """The name of the environment; None where it is not known."""
        spec = child(node, "environments")
        found: dict[str, tuple[Node, Path]] = {}
        for scope, item, here in _scoped(spec, (*path, "environments")):
            if scope in found:
                self._section.add(item.at, here, f"the scope {scope!r} is given twice")
            found[scope] = (item, here)
        known = self._context.environments
        for item, here in found.values():
            if item.value not in known:
                self._section.add(
                    item.at,
                    here,
                    f"unknown environment {item.value!r}",
                    expected=f"one of {listed(known)}",
                    suggestion=nearest(item.value, known),
                )
        chosen = found.get("main") or found.get("any")
        if chosen is None:
            return default if spec is None or not broken(spec) else None
        return chosen[0].value if chosen[0].value in known else None

    def _check_executable(
        self, label: str, at: int, path: Path, *, in_command: bool = False
    ) -> None:
        if self._environment is None:
            return
        environment = self._context.environments[self._environment]
        known = {executable.label: executable for executable in environment.executables}
        if label not in known:
            self._section.add(
                at,
                path,
                f"the environment {environment.name!r} has no executable {label!r}",
                f"one of {listed(known)}" if known else "an environment with it",
                nearest(label, known),
            )
        elif in_command and is_for_scripts(known[label]):
            message = f"the executable {label!r} is for a `script`, not for commands"
            self._section.add(at, path, message)

    # commands

    def _read_commands(self, node: Node, path: Path) -> tuple[Command, ...]:
        places = [((*path, "commands", number), item) for number, item in items(node)]
        commands = tuple(self._read_command(item, here) for here, item in places)
        for here, item in places:
            text = child(item, "command")
            if text is not None:
                self._read_callbacks(text, (*here, "command"))
        return commands

    def _read_callbacks(self, text: Node, path: Path) -> None:
        """The outputs that a command sets by callbacks; they may be captured as well."""
        for match in _CALLBACK_SET.finditer(text.value):
            at = self._context.offset_in(text, match.start(1))
            self._draft.made_at.setdefault(match[1], (at, path))

    def _read_command(self, node: Node, path: Path) -> Command:
        text = child(node, "command")
        if text is not None:
            self._read_text(text, (*path, "command"))
        stdout, stderr = (
            self._read_capture(child(node, stream), (*path, stream)) for stream in _STREAMS
        )
        return Command(text.value if text is not None else "", stdout, stderr)

    def _read_text(self, node: Node, path: Path) -> None:
        try:
            parts = parse_command_text(node.value)
            self._context.check_command(node.value)
        except CommandTextError as error:
            self._section.command_error(node, path, error)
            return
        for form in parts:
            if isinstance(form, Form):
                at = self._context.offset_in(node, form.offset)
                self._check_form(form, node.value[form.offset : form.end], at, path)

    def _check_form(self, form: Form, text: str, at: int, path: Path) -> None:
        if form.kind == "parameter":
            self._use(form.parameter, at, path)
        elif form.kind == "executable":
            self._check_executable(form.name, at, path, in_command=True)
        elif form.kind == "resource" and form.name not in RESOURCES_IN_COMMANDS:
            self._section.add(
                at,
                path,
                f"unknown resource {form.name!r}",
                suggestion=nearest(form.name, RESOURCES_IN_COMMANDS),
            )
        elif form.kind == "resource":
            pass  # whether it is set depends on the task
        else:
            self._section.later(at, path, f"`{text}` in a command")

    def _use(self, name: str, at: int, path: Path) -> None:
        self._read[name] = None
        if name in self._available:
            return
        what = f"the command uses {name!r}, which"
        if name in self._draft.made_at:
            message = f"{what} the same action makes"
            self._section.add(at, path, message, "a later action to use it")
            return
        self._section.add(
            at,
            path,
            f"{what} is neither an input of the schema nor made by an earlier action",
            f"one of {listed(self._available)}",
            nearest(name, self._available),
        )

    def _read_capture(self, node: Node | None, path: Path) -> Capture | None:
        if node is None:
            return None
        try:
            capture = parse_capture_text(node.value)
        except CommandTextError as error:
            self._section.command_error(node, path, error)
            return None
        if capture.output is not None:
            if capture.output in self._draft.made_at:
                self._section.add(
                    node.at, path, f"the action captures {capture.output!r} twice"
                )
            self._draft.made_at[capture.output] = (node.at, path)
        return capture

    # scripts

    def _read_script(
        self, node: Node, path: Path, elsewhere: frozenset[str]
    ) -> Script | None:
        spec = child(node, "script")
        assert spec is not None
        at, here = spec.at, (*path, "script")
        match = _SCRIPT_FORM.fullmatch(spec.value.strip())
        name = match[1].strip() if match else spec.value.strip()
        if "<<" in name:
            self._section.add(
                at,
                here,
                f"{spec.value!r} is not understood",
                "`<<script:NAME.py>>` or a path",
            )
            return None
        executable = value_of(node, "script_exe", "python_script")
        exe_node = child(node, "script_exe")
        self._check_executable(
            executable,
            exe_node.at if exe_node else at,
            (*path, "script_exe") if exe_node else here,
        )
        text = self._context.read_file(Node(name, at), here, "script")
        data_in = value_of(node, "script_data_in", "direct")
        data_out = value_of(node, "script_data_out", "direct")
        if text is None:
            self._section.faulty = True
            return None
        try:
            function = read_function(text, name)
        except ScriptError as error:
            self._section.add(at, here, error.message, error.expected, error.suggestion)
            return None
        outputs = tuple(name for name in self._outputs if name not in elsewhere)
        formats = (data_in, data_out)
        binding = bind(function, formats, self._inputs, tuple(self._available), outputs)
        if not any(broken(node.value.get(f"script_data_{way}")) for way in ("in", "out")):
            for problem in binding.wrong:
                self._section.add(at, here, *problem)
        self._read.update(dict.fromkeys(binding.reads))
        self._draft.made_at.update(dict.fromkeys(binding.makes, (at, here)))
        return Script(name.rsplit("/", 1)[-1], text, data_in, data_out, executable)


def _scoped(spec: Node | None, path: Path) -> list[tuple[str, Node, Path]]:
    """The environment names of an action with their scopes, from either form."""
    if spec is None:
        return []
    if isinstance(spec.value, dict):
        return [
            (scope, item, (*path, scope))
            for scope, item in spec.value.items()
            if not item.bad and item.value is not None
        ]
    found = []
    for number, item in items(spec):
        scope, name = child(item, "scope"), child(item, "environment")
        if name is None or (scope is None and "scope" in item.value):
            continue
        kind = "any"
        if scope is not None:
            kind = (
                value_of(scope, "type", "any")
                if isinstance(scope.value, dict)
                else scope.value
            )
        found.append((kind, name, (*path, number, "environment")))
    return found


def _writes_files(commands: tuple[Command, ...]) -> bool:
    return any(
        capture is not None and capture.file is not None
        for command in commands
        for capture in (command.stdout, command.stderr)
    )
