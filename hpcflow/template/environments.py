"""The environments of a template."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hpcflow.model.command_text import CommandTextError, Form, parse_command_text
from hpcflow.model.environment import CoreRange, Environment, Executable, ExecutableInstance
from hpcflow.model.schema import PYTHON_SCRIPT
from hpcflow.template.context import Section
from hpcflow.template.nodes import Node, broken, child, entries, items, plain, value_of
from hpcflow.template.problems import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from hpcflow.template.context import Context
    from hpcflow.template.problems import Path

NULL_ENV = "null_env"
PYTHON_ENV = "python_env"
ANY_CORES = CoreRange(1, 2**31 - 1)

# Forms that an executable's command may hold; compile fills them in.
_SCRIPT_FORMS = ("script_path", "script_name", "script_name_no_ext", "script_dir")
_PROGRAM_FORMS = ("program_path", "program_name", "program_name_no_ext", "program_dir")
_FORMS = ("num_cores", "args", *_SCRIPT_FORMS, *_PROGRAM_FORMS)


def builtin_environments(python: str) -> dict[str, Environment]:
    """The environments that need no definition. python: the interpreter's path."""
    command = f"{shlex.quote(python)} <<script_path>> <<args>>"
    script = Executable(PYTHON_SCRIPT, (ExecutableInstance(command, ANY_CORES),))
    return {
        NULL_ENV: Environment(NULL_ENV),
        PYTHON_ENV: Environment(PYTHON_ENV, executables=(script,)),
    }


def environment_name(node: Node) -> str:
    """The name of an action's environment, alone or with specifiers."""
    name = node.value["name"].value if isinstance(node.value, dict) else node.value
    return str(name)


def environment_specifiers(node: Node) -> tuple[tuple[str, Any], ...]:
    """The specifiers that stand beside the name of an action's environment; sorted."""
    if not isinstance(node.value, dict):
        return ()
    return tuple(sorted((k, plain(v)) for k, v in node.value.items() if k != "name"))


def is_for_scripts(executable: Executable) -> bool:
    """Whether an executable's command says where the script stands."""
    return any(
        isinstance(part, Form) and part.kind in (*_SCRIPT_FORMS, *_PROGRAM_FORMS)
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
    """The environments defined under `template_components`, by key."""
    found: dict[str, Environment] = {}
    lines: dict[str, int] = {}
    for number, item in items(node):
        here = (*path, number)
        environment = Environment(
            value_of(item, "name"),
            text_lines(child(item, "setup")),
            _read_executables(child(item, "executables"), (*here, "executables"), context),
            tuple(
                sorted(
                    (name, plain(value))
                    for name, _, value in entries(child(item, "specifiers"))
                    if not broken(value)
                )
            ),
        )
        key = environment.key
        if key in lines:
            what = "with these specifiers " if environment.specifiers else ""
            context.problems.add(
                item.at,
                here,
                f"the environment {environment.name!r} {what}is defined in line "
                f"{lines[key]} already",
            )
            continue
        lines[key] = context.problems.line_of(item.at)
        found[key] = environment
    return found


class Variants(Mapping[str, tuple[Environment, ...]]):
    """All environments of each name; a later group replaces earlier ones of its names.

    late: those that are looked up when a name is not among the others.
    """

    def __init__(
        self,
        groups: Iterable[Iterable[Environment]],
        late: Callable[[], Mapping[str, Environment]] = dict,
    ) -> None:
        self._known: dict[str, tuple[Environment, ...]] = {}
        for group in groups:
            self._known.update(_by_name(group))
        self._late = late

    def __getitem__(self, name: str) -> tuple[Environment, ...]:
        if name in self._known:
            return self._known[name]
        return _by_name(self._late().values())[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._known
        yield from (n for n in _by_name(self._late().values()) if n not in self._known)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class ByName(Mapping[str, Environment]):
    """For each name an environment that offers what any of that name does."""

    def __init__(self, variants: Variants) -> None:
        self._variants = variants

    def __getitem__(self, name: str) -> Environment:
        return _all_of(self._variants[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._variants)

    def __len__(self) -> int:
        return len(self._variants)


def tell_environments(
    context: Context,
    built_in: Mapping[str, Environment],
    groups: Iterable[Iterable[Environment]],
    late: Callable[[], Mapping[str, Environment]] = dict,
) -> None:
    """Tell a context of all environments there are."""
    variants = Variants([built_in.values(), *groups], late)
    context.variants = variants
    context.environments = ByName(variants)
    context.built_in = [name for name, e in built_in.items() if variants[name] == (e,)]


def _by_name(group: Iterable[Environment]) -> dict[str, tuple[Environment, ...]]:
    found: dict[str, tuple[Environment, ...]] = {}
    for environment in group:
        found[environment.name] = (*found.get(environment.name, ()), environment)
    return found


def _all_of(variants: tuple[Environment, ...]) -> Environment:
    """An environment that has the executables of all of one name, for checks by name."""
    if len(variants) == 1:
        return variants[0]
    executables: dict[str, list[ExecutableInstance]] = {}
    for variant in variants:
        for executable in variant.executables:
            executables.setdefault(executable.label, []).extend(executable.instances)
    return Environment(
        variants[0].name,
        executables=tuple(Executable(k, tuple(v)) for k, v in executables.items()),
    )


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
        given = {key: n for key, n in plain(cores).items() if n is not None}
        core_range = CoreRange(**given)
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
