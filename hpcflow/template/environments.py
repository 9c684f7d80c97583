"""The environments of a template."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from hpcflow.model.command_text import CommandTextError, Form, parse_command_text
from hpcflow.model.environment import CoreRange, Environment, Executable, ExecutableInstance
from hpcflow.template.context import Section
from hpcflow.template.nodes import Node, broken, child, items, plain, value_of
from hpcflow.template.problems import listed

if TYPE_CHECKING:
    from hpcflow.template.context import Context
    from hpcflow.template.problems import Path

NULL_ENV = "null_env"
PYTHON_ENV = "python_env"
ANY_CORES = CoreRange(1, 2**31 - 1)

# Forms that an executable's command may hold; compile fills them in.
_SCRIPT_FORMS = ("script_path", "script_name", "script_name_no_ext", "script_dir")
_FORMS = ("num_cores", "args", *_SCRIPT_FORMS)


def builtin_environments(python: str) -> dict[str, Environment]:
    """The environments that need no definition. python: the interpreter's path."""
    command = f"{shlex.quote(python)} <<script_path>> <<args>>"
    script = Executable("python_script", (ExecutableInstance(command, ANY_CORES),))
    return {
        NULL_ENV: Environment(NULL_ENV),
        PYTHON_ENV: Environment(PYTHON_ENV, executables=(script,)),
    }


def is_for_scripts(executable: Executable) -> bool:
    """Whether an executable's command says where the script stands."""
    return any(
        isinstance(part, Form) and part.kind in _SCRIPT_FORMS
        for instance in executable.instances
        for part in _forms(instance.command)
    )


def _forms(command: str) -> tuple[str | Form, ...]:
    try:
        return parse_command_text(command)
    except CommandTextError:
        return ()  # reported where the executable is defined


def read_environments(
    node: Node | None, path: Path, context: Context
) -> dict[str, Environment]:
    """The environments defined under `template_components`, by name."""
    found: dict[str, Environment] = {}
    lines: dict[str, int] = {}
    for number, item in items(node):
        name: str = value_of(item, "name")
        here = (*path, number)
        if name in lines:
            context.problems.add(
                item.at,
                here,
                f"the environment {name!r} is defined in line {lines[name]} already",
            )
            continue
        lines[name] = context.problems.line_of(item.at)
        found[name] = Environment(
            name,
            text_lines(child(item, "setup")),
            _read_executables(child(item, "executables"), (*here, "executables"), context),
        )
    return found


def text_lines(node: Node | None) -> str:
    """A text, or a list of texts as one text of several lines."""
    if node is None or broken(node):
        return ""
    value = plain(node)
    return "\n".join(value) if isinstance(value, list) else str(value)


def _read_executables(
    node: Node | None, path: Path, context: Context
) -> tuple[Executable, ...]:
    found: dict[str, Executable] = {}
    for number, item in items(node):
        label: str = value_of(item, "label")
        if label in found:
            context.problems.add(
                item.at, (*path, number), f"the executable {label!r} is defined twice"
            )
        instances = child(item, "instances")
        found[label] = Executable(
            label,
            tuple(
                _read_instance(instance, (*path, number, "instances", position), context)
                for position, instance in items(instances)
                if not broken(instance)
            ),
        )
    return tuple(found.values())


def _read_instance(node: Node, path: Path, context: Context) -> ExecutableInstance:
    command = child(node, "command")
    assert command is not None
    _check_command(command, (*path, "command"), context)
    cores = child(node, "num_cores")
    core_range = ANY_CORES
    if cores is not None and isinstance(cores.value, int):
        core_range = CoreRange(cores.value, cores.value)
    elif cores is not None:
        core_range = CoreRange(**plain(cores))
        if core_range.stop < core_range.start:
            context.problems.add(
                cores.at,
                (*path, "num_cores"),
                f"stop ({core_range.stop}) is below start ({core_range.start})",
            )
    return ExecutableInstance(command.value, core_range, value_of(node, "parallel_mode"))


def _check_command(node: Node, path: Path, context: Context) -> None:
    try:
        parts = parse_command_text(node.value)
    except CommandTextError as error:
        error.valid = _FORMS if error.valid else ()
        Section(context).command_error(node, path, error)
        return
    for form in parts:
        if isinstance(form, Form) and form.kind not in _FORMS:
            context.problems.add(
                context.offset_in(node, form.offset),
                path,
                f"an executable's command can't use `{node.value[form.offset : form.end]}`",
                expected=f"one of {listed(_FORMS)}",
            )
