"""A command's text, from either of its forms, and what it reads from its stdin."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hpcflow.model.command_text import CommandTextError, Form, parse_command_text
from hpcflow.template.nodes import Node, broken, child, entries, items
from hpcflow.template.problems import listed, nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from hpcflow.template.context import Section
    from hpcflow.template.problems import Path

    Use = Callable[[Form, str, int, Path], None]

_VARIABLE = re.compile(r"<<([A-Za-z_]\w*)>>")


def command_text(node: Node, path: Path, section: Section) -> tuple[Node, Path] | None:
    """The text of `command`, or of `executable` with its `arguments` and `variables`."""
    command, executable = child(node, "command"), child(node, "executable")
    if command is not None and executable is not None:
        message = "a command has either `command` or `executable`"
        section.add(executable.at, (*path, "executable"), message)
        return None
    given = command or executable
    if given is None:
        if not broken(node):
            section.add(node.at, path, "a command has `command` or `executable`")
        return None
    arguments = child(node, "arguments")
    if command is not None and arguments is not None:
        message = "`arguments` are for an `executable`"
        section.add(arguments.at, (*path, "arguments"), message)
    words = [str(given.value), *(str(item.value) for _, item in items(arguments))]
    text = words[0] if command is not None else " ".join(words)
    text = _with_variables(text, child(node, "variables"), path, section)
    return Node(text, given.at), (*path, "executable" if command is None else "command")


def _with_variables(text: str, node: Node | None, path: Path, section: Section) -> str:
    """The text with what the variables stand for; one that is not used is reported."""
    values = {name: str(item.value) for name, _, item in entries(node) if not item.bad}
    used = set(_VARIABLE.findall(text))
    for name, at, _ in entries(node):
        if name in values and name not in used:
            message = f"the command does not use `<<{name}>>`"
            meant = nearest(name, used)
            expected = f"one of {listed(used)}" if used else "no variables"
            section.add(at, (*path, "variables", name), message, expected, meant)
    return _VARIABLE.sub(lambda match: values.get(match[1], match[0]), text)


def read_stdin(node: Node, path: Path, section: Section, use: Use) -> str:
    """What a command reads: `<<parameter:NAME>>`, `<<file:LABEL>>` or a file's name."""
    given = child(node, "stdin")
    if given is None:
        return ""
    here = (*path, "stdin")
    text = given.value.strip()
    try:
        parts = parse_command_text(text)
    except CommandTextError as error:
        section.command_error(given, here, error)
        return ""
    forms = [part for part in parts if isinstance(part, Form)]
    if not forms:
        return str(text)
    if len(parts) > 1 or forms[0].kind not in ("parameter", "file"):
        expected = "`<<parameter:NAME>>`, `<<file:LABEL>>` or a file's name"
        section.add(given.at, here, f"a command can't read {text!r}", expected)
        return ""
    use(forms[0], text, given.at, here)
    return str(text)


def check_specifier(
    name: str, environment: str | None, at: int, path: Path, section: Section
) -> None:
    """What `<<env:NAME>>` names is a specifier of the action's environment."""
    if environment is None:
        return
    known = {
        specifier
        for variant in section.context.variants.get(environment, ())
        for specifier, _ in variant.specifiers
    }
    if name not in known:
        section.add(
            at,
            path,
            f"the environment {environment!r} has no specifier {name!r}",
            f"one of {listed(sorted(known))}"
            if known
            else "an environment with `specifiers`",
            nearest(name, known),
        )
