"""Command files, and those that the user gives for an element set."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from string import Formatter
from typing import TYPE_CHECKING, Any

from hpcflow.model.schema import CommandFile
from hpcflow.model.workflow import GivenFile
from hpcflow.template.nodes import Node, broken, child, entries, items, plain, value_of
from hpcflow.template.problems import listed, nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from hpcflow.model.schema import TaskSchema
    from hpcflow.template.context import Context, Place, Section
    from hpcflow.template.problems import Path

_STEPS = {"", ".", ".."}


@dataclass(frozen=True, slots=True)
class CommandFiles:
    """The command files of a template, by label. any_broken: one of them is not known."""

    by_label: dict[str, CommandFile] = field(default_factory=dict)
    any_broken: bool = False

    def find(self, label: str, at: int, path: Path, section: Section) -> CommandFile | None:
        """The file of a label; None where there is none, which is reported."""
        if label not in self.by_label and not self.any_broken:
            known = self.by_label
            section.add(
                at,
                path,
                f"there is no command file {label!r}",
                f"one of {listed(known)}"
                if known
                else "one in `command_files` of template_components",
                nearest(label, known),
            )
        return self.by_label.get(label)


def read_command_files(node: Node | None, path: Path, context: Context) -> CommandFiles:
    """The command files defined under `template_components`."""
    found: dict[str, CommandFile] = {}
    any_broken = node is not None and broken(node)
    for number, item in items(node):
        label: str = value_of(item, "label")
        if label in found:
            message = f"the command file {label!r} is defined twice"
            context.problems.add(item.at, (*path, number), message)
        name = child(item, "name")
        if name is None or broken(item):
            continue
        made = _read_name(label, name, (*path, number, "name"), context)
        any_broken |= made is None
        if made is not None:
            found.setdefault(label, made)
    return CommandFiles(found, any_broken)


def _read_name(label: str, node: Node, path: Path, context: Context) -> CommandFile | None:
    if not isinstance(node.value, dict):
        return _checked(CommandFile(label, node.value), node, path, context)
    text: str = value_of(node, "name")
    if value_of(node, "is_regex", False):
        if value_of(node, "args"):
            message = "a regular expression takes no `args`"
            context.problems.add(node.at, path, message)
            return None
        try:
            re.compile(text)
        except re.error as error:
            message = f"{text!r} is no regular expression: {error}"
            context.problems.add(node.at, path, message)
            return None
        return CommandFile(label, text, is_regex=True)
    args: list[Any] = value_of(node, "args", [])
    try:
        name = text.format(*args) if args or "{" in text else text
    except (LookupError, ValueError, AttributeError) as error:
        reason = error.args[0] if error.args else error
        context.problems.add(
            node.at,
            path,
            f"the name {text!r} can't be filled in: {reason}",
            expected="one `{}` for each of `args`",
        )
        return None
    unused = [repr(arg) for n, arg in enumerate(args) if n not in _fields(text)]
    if unused:
        message = f"the name {text!r} has no `{{}}` for {', '.join(unused)}"
        expected = "one `{}` for each of `args`"
        at = node.value["args"].at
        context.problems.add(at, (*path, "args"), message, expected=expected)
    return _checked(CommandFile(label, name), node, path, context)


def _fields(text: str) -> set[int]:
    """The numbers of the arguments that a format fills in."""
    names = [name for _, name, _, _ in Formatter().parse(text) if name is not None]
    digits = [re.match(r"\d*", name)[0] for name in names]  # type: ignore[index]
    return {int(digit) if digit else number for number, digit in enumerate(digits)}


def _checked(
    file: CommandFile, node: Node, path: Path, context: Context
) -> CommandFile | None:
    """The file, if its name is a place in the run's directory."""
    if "\0" not in file.name and not _STEPS & set(file.name.split("/")):
        return file
    context.problems.add(
        node.at,
        path,
        f"{file.name!r} is no file of a run's directory",
        expected="a name, or a path from there, without '.' and '..'",
    )
    return None


def read_given_files(
    node: Node | None, path: Path, schema: TaskSchema | None, section: Section
) -> tuple[GivenFile, ...]:
    """The files that an element set's `input_files` give."""
    found: dict[str, GivenFile] = {}
    for label, at, here, spec in _given(node, path):
        if schema is None:
            continue
        wanted = dict.fromkeys(n for action in schema.actions for n in action.files.needs)
        file = next((f for f in schema.files if f.label == label), None)
        if file is None or label not in wanted:
            section.add(
                at,
                here,
                f"no action of {schema.name!r} needs a file {label!r}",
                f"one of {listed(wanted)}" if wanted else "",
                nearest(label, wanted),
            )
        elif label in found:
            section.add(at, here, f"the file {label!r} is given twice")
        else:
            given = _read_given(file, spec, at, here, section)
            if given is not None:
                found[label] = given
    return tuple(found.values())


def check_given_files(
    given: Node | None, schema: TaskSchema, place: Place, section: Section
) -> None:
    """Each file that an action needs is in `input_files`, or made by an earlier action."""
    there = {label for label, *_ in _given(given, ())}
    for action in schema.actions:
        for label in action.files.needs:
            if label not in there:
                there.add(label)
                section.add(
                    place.at,
                    place.path,
                    f"the file {label!r} of {schema.name!r} is not given, and no action "
                    "makes it before it is needed",
                    "it in `input_files`",
                )
        there.update(action.files.makes)


def inputs_of_replaced(schema: TaskSchema, given: Collection[str]) -> set[str]:
    """The inputs that nothing reads but generators whose files are given."""
    replaced: set[str] = set()
    needed: set[str] = set()
    for action in schema.actions:
        files = action.files
        whole = files.replaceable and all(label in given for label in files.makes)
        (replaced if whole else needed).update(action.inputs)
    return replaced - needed


def _given(node: Node | None, path: Path) -> Iterator[tuple[str, int, Path, Node]]:
    """Label, place and description of each file, from either form."""
    if node is None:
        return
    if isinstance(node.value, dict):
        for label, at, item in entries(node):
            if not item.bad:
                yield label, at, (*path, label), item
        return
    for number, item in items(node):
        named = child(item, "file")
        if named is not None and not broken(item):
            yield named.value, named.at, (*path, number), item


def _read_given(
    file: CommandFile, node: Node, at: int, path: Path, section: Section
) -> GivenFile | None:
    if not isinstance(node.value, dict):
        return _from_path(file, node, path, section, keep=True)
    source, contents = child(node, "path"), child(node, "contents")
    if (source is None) == (contents is None):
        if not broken(node):
            found = "neither" if source is None else "both"
            message = f"a file has either a `path` or `contents`; this one has {found}"
            section.add(at, path, message)
        return None
    extension: str = value_of(node, "extension", "")
    if extension and not extension.startswith("."):
        extension = f".{extension}"
    given = _from_contents(file, extension, contents)
    if source is not None:
        keep = value_of(node, "store_contents", True)
        given = _from_path(file, source, (*path, "path"), section, keep=keep)
    elif not value_of(node, "store_contents", True):
        section.add(at, path, "`contents` are always stored with the workflow")
    named = given.name if given is not None and source is not None else file.name
    if extension and not file.is_regex and not named.endswith(extension):
        section.add(
            at,
            (*path, "extension"),
            f"the file {named!r} has another extension than {extension!r}",
        )
    if file.is_regex and given is not None and not re.fullmatch(file.name, given.name):
        section.add(
            at,
            path,
            f"the name {given.name!r} does not match {file.name!r}, as the command file "
            f"{file.label!r} wants",
        )
    return given


def _from_contents(
    file: CommandFile, extension: str, contents: Node | None
) -> GivenFile | None:
    if contents is None:
        return None
    text = plain(contents)
    name = f"{file.label}{extension}" if file.is_regex else os.path.basename(file.name)
    return GivenFile(file.label, name, str(text).encode())


def _from_path(
    file: CommandFile, node: Node, path: Path, section: Section, *, keep: bool
) -> GivenFile | None:
    read = section.context.read_bytes(node, path, "file")
    if read is None:
        section.faulty = True
        return None
    content, absolute = read
    name = os.path.basename(node.value)
    return GivenFile(file.label, name, content if keep else None, absolute)
