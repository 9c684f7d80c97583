"""The commands of an action: what they read, use and make."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from hpcflow.model.command_text import (
    BARE_KINDS,
    CommandTextError,
    Form,
    parse_capture_text,
    parse_command_text,
)
from hpcflow.model.parameter_value import PARSE
from hpcflow.model.schema import Capture, Command
from hpcflow.template.command_forms import check_specifier, command_text, read_stdin
from hpcflow.template.labels import any_label
from hpcflow.template.nodes import Node, child, items, value_of
from hpcflow.template.problems import listed, nearest
from hpcflow.template.resources import RESOURCES_IN_COMMANDS
from hpcflow.template.value_classes import check_method

if TYPE_CHECKING:
    from hpcflow.template.action_drafts import Reading
    from hpcflow.template.problems import Path

# An output that a command sets itself: `callback set NAME`, `"$HPCFLOW_CALLBACK" set NAME`.
_CALLBACK_SET = re.compile(
    r"""(?:\bcallback|\$\{?HPCFLOW_CALLBACK\}?["']?)[\s\\]+set\s+"""
    r"""(?:--json\s+)?["']?([A-Za-z_]\w*)"""
)
_STREAMS = ("stdout", "stderr")


def made_by_commands(action: Node) -> list[str]:
    """The outputs that an action's commands make, as far as can be read."""
    found: list[str] = []
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


class CommandReader:
    """Reads the commands of one action."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._section = reading.section
        self._scripts: dict[str, str] = {}  # of the command that is read

    def read(self, node: Node, path: Path) -> tuple[Command, ...]:
        """The commands; the reading knows then what they use and make."""
        places = [((*path, "commands", number), item) for number, item in items(node)]
        commands = tuple(self._read_command(item, here) for here, item in places)
        for here, item in places:
            for key in ("command", "executable"):
                text = child(item, key)
                if text is not None:
                    self._read_callbacks(text, (*here, key))
        return commands

    def _read_callbacks(self, text: Node, path: Path) -> None:
        """The outputs that a command sets by callbacks; they may be captured as well."""
        for match in _CALLBACK_SET.finditer(text.value):
            at = self._reading.context.offset_in(text, match.start(1))
            self._reading.draft.made_at.setdefault(match[1], (at, path))

    def _read_command(self, node: Node, path: Path) -> Command:
        self._scripts = {}
        found = command_text(node, path, self._section)
        if found is not None:
            self._read_text(*found)
        stdin = read_stdin(node, path, self._section, self._check_form)
        rules = self._reading.rules(node, path)
        stdout, stderr = (
            self._read_capture(child(node, stream), (*path, stream), ruled=bool(rules))
            for stream in _STREAMS
        )
        text = "" if found is None else found[0].value
        scripts = tuple(self._scripts.items())
        return Command(text, stdout, stderr, rules, stdin, scripts)

    def _read_text(self, node: Node, path: Path) -> None:
        try:
            parts = parse_command_text(node.value)
            self._reading.context.check_command(node.value)
        except CommandTextError as error:
            self._section.command_error(node, path, error)
            return
        for form in parts:
            if isinstance(form, Form):
                at = self._reading.context.offset_in(node, form.offset)
                self._check_form(form, node.value[form.offset : form.end], at, path)

    def _check_form(self, form: Form, text: str, at: int, path: Path) -> None:
        if form.kind == "parameter":
            self._use(form.parameter, at, path)
            if form.method:
                self._check_method(form.name, form.method, at, path)
        elif form.kind == "executable":
            self._reading.check_executable(form.name, at, path, in_command=True)
        elif form.kind == "resource" and form.name not in RESOURCES_IN_COMMANDS:
            self._section.add(
                at,
                path,
                f"unknown resource {form.name!r}",
                suggestion=nearest(form.name, RESOURCES_IN_COMMANDS),
            )
        elif form.kind == "resource":
            pass  # whether it is set depends on the task
        elif form.kind == "file":
            self._mention(form.name, at, path)
        elif form.kind == "env":
            check_specifier(form.name, self._reading.environment, at, path, self._section)
        elif form.kind == "script":
            content = self._reading.context.read_file(Node(form.name, at), path, "script")
            if content is None:
                self._section.faulty = True
            else:
                self._scripts[form.name] = content
        elif form.kind in BARE_KINDS:
            expected = "a command of an environment's executable, which may hold it"
            self._section.add(at, path, f"`{text}` has no meaning in a command", expected)

    def _check_method(
        self, parameter: str, method: str, at: int, path: Path, *, parses: bool = False
    ) -> None:
        """Check that the class of a parameter has a method."""
        kind = self._reading.schema.classes.get(parameter)
        if kind is None:
            message = f"{parameter!r} has no class, so no method {method!r}"
            expected = "a class of it in `parameter_class_modules`"
            self._section.add(at, path, message, expected)
            return
        wrong = check_method(kind, method, parses=parses)
        if wrong is not None:
            self._section.add(at, path, *wrong)

    def _mention(self, label: str, at: int, path: Path) -> None:
        """Note a file whose name a command uses."""
        file = self._reading.context.command_files.find(label, at, path, self._section)
        if file is not None and file.is_regex:
            message = f"the name of the file {label!r} is not known: it is found by a "
            self._section.add(at, path, message + "regular expression")
        self._reading.mentioned[label] = None

    def _use(self, name: str, at: int, path: Path) -> None:
        self._reading.reads[name] = None
        parameter, bracket, _ = name.partition("[")
        if name in self._reading.available or (
            bracket and any_label(parameter) in self._reading.available
        ):
            return
        what = f"the command uses {name!r}, which"
        if name in self._reading.draft.made_at:
            message = f"{what} the same action makes"
            self._section.add(at, path, message, "a later action to use it")
            return
        self._section.add(
            at,
            path,
            f"{what} is neither an input of the schema nor made by an earlier action",
            f"one of {listed(self._reading.available)}",
            nearest(name, self._reading.available),
        )

    def _read_capture(
        self, node: Node | None, path: Path, *, ruled: bool = False
    ) -> Capture | None:
        if node is None:
            return None
        try:
            capture = parse_capture_text(node.value)
        except CommandTextError as error:
            self._section.command_error(node, path, error)
            return None
        if capture.output is not None:
            output = capture.output
            if (
                output in self._reading.schema.classes
                and capture.type != "class"
                and "(" not in node.value
            ):
                capture = replace(capture, type="class", method=PARSE)
            if capture.type == "class":
                self._check_method(output, capture.method, node.at, path, parses=True)
            if output in self._reading.draft.made_at and not ruled:
                self._section.add(node.at, path, f"the action captures {output!r} twice")
            self._reading.draft.made_at[output] = (node.at, path)
        return capture
