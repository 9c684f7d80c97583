"""From a template's commands to bash: what is written, and which variables it reads.

Pure. A value never becomes part of the text: each `<<parameter:...>>` turns into the
expansion of a shell variable that the node side sets from the run's value, see
`shell_quoting`. What is known now (an executable's command, a number of the
resources) is written out.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from dataclasses import fields as dataclass_fields
from typing import TYPE_CHECKING

from hpcflow.compile.bash_text import BashText, command_parts
from hpcflow.compile.executables import executable_form, find_instance
from hpcflow.compile.plan import CompileError
from hpcflow.compile.value_classes import CLASS, Block, condition_input, text_file
from hpcflow.model.command_text import CommandTextError, Form, parse_command_text
from hpcflow.model.resources import RUN_RESOURCES, Resources

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hpcflow.compile.value_classes import ValueClasses
    from hpcflow.model.environment import Environment
    from hpcflow.model.schema import Action, Capture, Command

FIRST_FD, LAST_FD = 3, 31  # what the node side gives to captures
_RESOURCES = {f.name for f in dataclass_fields(Resources)}
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class Variable:
    """A shell variable that holds an input's value, or a part of it, as text.

    arithmetic: it stands where bash computes, so only a plain number will do. kind,
    method: the "module:Class" of the value, whose method makes the text, with the options
    as its arguments.
    """

    name: str
    input: str
    path: tuple[str | int, ...]
    apply: str | None
    options: tuple[tuple[str, str], ...]
    arithmetic: bool
    kind: str = ""
    method: str = ""


@dataclass(frozen=True, slots=True)
class StreamCapture:
    """A file descriptor that becomes an output; type and options as in `Capture`.

    condition: a variable that is empty where the command that writes to it is left out.
    """

    fd: int
    output: str
    type: str
    options: tuple[tuple[str, str], ...]
    condition: str = ""


@dataclass(frozen=True, slots=True)
class StepCommands:
    """An action's commands. `constants`: variables whose texts are known now."""

    blocks: tuple[Block, ...]
    variables: tuple[Variable, ...]
    captures: tuple[StreamCapture, ...]
    constants: dict[str, str]


def action_commands(
    action: Action,
    environment: Environment,
    resources: Resources,
    files: Mapping[str, str] | None = None,
    classes: ValueClasses | None = None,
    scripts: Mapping[str, str] | None = None,
) -> StepCommands:
    """An action's commands as bash, in one environment and with these resources.

    files: the names of command files, by label. classes: of the values of parameters.
    scripts: the paths of those that `<<script:NAME>>` names, by that name.

    Raises:
        CompileError: a form that can't be resolved.
    """
    writer = _Writer(action, environment, resources, files or {}, classes, scripts or {})
    texts = [writer.write(command.command) for command in action.commands]
    streams = list(_streams(action.commands))
    ruled = {
        id(capture): f"hpc_rules_{number}"
        for number, command in enumerate(action.commands)
        for capture in (command.stdout, command.stderr)
        if command.rules
    }
    captures = tuple(
        StreamCapture(
            fd, capture.output, capture.type, capture.options, ruled.get(id(capture), "")
        )
        for fd, capture in streams
        if capture.output is not None
    )
    if captures and captures[-1].fd > LAST_FD:
        most = LAST_FD - FIRST_FD + 1
        raise CompileError(
            f"its commands capture {len(captures)} streams; {most} is the most"
        )
    redirections = _redirections(action.commands, [capture.fd for capture in captures])
    inputs = [writer.stdin(c.stdin) if c.stdin else "" for c in action.commands]
    redirections = (
        " ".join(filter(None, words)) for words in zip(inputs, redirections, strict=True)
    )
    conditions = [
        f"hpc_rules_{number}" if command.rules else ""
        for number, command in enumerate(action.commands)
    ]
    blocks = tuple(map(Block, texts, redirections, conditions))
    if classes is not None:
        blocks = classes.with_parsers(action.commands, blocks, streams)
    told = tuple(
        Variable(name, condition_input(number), (), None, (), arithmetic=False)
        for number, name in enumerate(conditions)
        if name
    )
    return StepCommands(blocks, (*writer.variables(), *told), captures, writer.constants)


class _Writer:
    """Turns an action's commands into bash, and remembers the variables they read."""

    def __init__(
        self,
        action: Action,
        environment: Environment,
        resources: Resources,
        files: Mapping[str, str],
        classes: ValueClasses | None,
        scripts: Mapping[str, str],
    ) -> None:
        self._action = action
        self._classes = classes
        self._files = files
        self._scripts = scripts
        self._environment = environment
        self._resources = resources
        self._forms: dict[str, Form] = {}  # by the variable's name
        self._computed: set[str] = set()
        self.constants: dict[str, str] = {}

    def write(self, command: str) -> str:
        """One command as bash."""
        bash = BashText()
        try:
            for part, offset in command_parts(command):
                if isinstance(part, str):
                    bash.literal(part, offset)
                else:
                    self._add(bash, part)
            text, found = bash.finish()
        except CommandTextError as error:
            raise CompileError(
                f"{error.message}, at character {error.offset + 1} of command {command!r}"
            ) from error
        self._computed |= {name for name, place in found if place.arithmetic}
        return text

    def variables(self) -> tuple[Variable, ...]:
        """The variables of all commands, in the order of their first use."""
        return tuple(
            Variable(
                name,
                form.parameter,
                form.path,
                form.apply,
                form.options,
                name in self._computed,
                *self._text_maker(form),
            )
            for name, form in self._forms.items()
        )

    def _add(self, bash: BashText, form: Form) -> None:
        if form.kind == "parameter":
            bash.variable(self._input(form), form.offset)
        elif form.kind == "executable":
            instance = find_instance(self._environment, form.name, self._resources)
            bash.literal(
                _executable_text(instance.command, form, self._resources), form.offset
            )
        elif form.kind == "resource":
            self._add_resource(bash, form)
        elif form.kind == "file":
            if form.name not in self._files:
                raise CommandTextError(f"no command file {form.name!r}", form.offset)
            self._add_constant(bash, form, self._files[form.name])
        elif form.kind == "script" and form.name in self._scripts:
            self._add_constant(bash, form, self._scripts[form.name])
        elif form.kind == "env":
            self._add_specifier(bash, form)
        elif form.kind == "num_cores":
            raise CommandTextError(
                "write `<<resource:num_cores>>` in a command", form.offset
            )
        else:
            raise CommandTextError(
                f"`<<{form.kind}...>>` is not supported in a command", form.offset
            )

    def _add_specifier(self, bash: BashText, form: Form) -> None:
        specifiers = dict(self._environment.specifiers)
        if form.name not in specifiers:
            raise CommandTextError(
                f"the environment {self._environment.key} has no specifier {form.name!r}",
                form.offset,
            )
        self._add_constant(bash, form, str(specifiers[form.name]))

    def stdin(self, text: str) -> str:
        """The redirection that lets a command read a file, or a value's text."""
        form = parse_command_text(text)[0]
        if isinstance(form, str):
            return f"< {shlex.quote(text)}"
        if form.kind == "file":
            return f"< {shlex.quote(self._files[form.name])}"
        return f"< <({self.write(f'printf %s {text}')})"

    def _input(self, form: Form) -> str:
        known = self._action.inputs
        if form.parameter not in known:
            raise CommandTextError(
                f"{form.parameter!r} is no input of this action; its inputs are "
                f"{', '.join(map(repr, known)) or 'none'}",
                form.offset,
            )
        reads = replace(form, offset=0, end=0)
        for name, other in self._forms.items():
            if reads == replace(other, offset=0, end=0):
                return name
        words = (form.apply or "", form.parameter, *map(str, form.path), form.method)
        name = self._new_name("_".join(words))
        self._forms[name] = form
        return name

    def _text_maker(self, form: Form) -> tuple[str, str]:
        """The class of a form's value and its method that makes the text; "" for none."""
        if self._classes is None:
            return "", ""
        return self._classes.text_maker(form.name, form.method)

    def _add_resource(self, bash: BashText, form: Form) -> None:
        if form.name in RUN_RESOURCES:
            bash.variable(RUN_RESOURCES[form.name], form.offset)
            return
        value = getattr(self._resources, form.name) if form.name in _RESOURCES else None
        if isinstance(value, int):
            bash.literal(str(value), form.offset)
        elif isinstance(value, str):
            self._add_constant(bash, form, value)
        else:
            raise CommandTextError(
                f"the resource {form.name!r} is not set for this run", form.offset
            )

    def _add_constant(self, bash: BashText, form: Form, value: str) -> None:
        """Add a variable whose text is known now."""
        known = [n for n, text in self.constants.items() if text == value]
        name = known[0] if known else self._new_name(f"{form.kind}_{form.name}")
        self.constants[name] = value
        bash.variable(name, form.offset)

    def _new_name(self, words: str) -> str:
        base = "hpc_" + (_NOT_A_NAME.sub("_", words).strip("_") or "value")
        name, number = base, 1
        while name in self._forms or name in self.constants:
            number += 1
            name = f"{base}_{number}"
        return name


def _executable_text(command: str, form: Form, resources: Resources) -> str:
    """An executable's command, to stand in another command."""
    try:
        return "".join(
            part if isinstance(part, str) else executable_form(part, resources)
            for part in parse_command_text(command)
        )
    except CommandTextError as error:
        raise CommandTextError(
            f"executable {form.name!r} ({command!r}): {error.message}", form.offset
        ) from error


def _streams(commands: Sequence[Command]) -> Iterator[tuple[int, Capture]]:
    """Each stream that becomes an output, with the file descriptor it is given."""
    fd = FIRST_FD
    for command in commands:
        for capture in (command.stdout, command.stderr):
            if capture is not None and capture.output is not None:
                yield fd, capture
                fd += 1


def _redirections(commands: Sequence[Command], fds: Sequence[int]) -> Iterator[str]:
    """Where each command's streams go.

    Within a command all capturing descriptors are closed, so that nothing it leaves
    running holds one open. A file that an earlier command wrote is appended to.
    """
    closing = [f"{fd}>&-" for fd in fds]
    capturing = iter(fds)
    written: set[str] = set()
    for command in commands:
        words = []
        for number, capture in (("", command.stdout), ("2", command.stderr)):
            if capture is None:
                continue
            if capture.output is not None and capture.type == CLASS:
                words.append(f"{number}> {text_file(next(capturing))}")
            elif capture.output is not None:
                words.append(f"{number}>&{next(capturing)}")
            elif capture.file is not None and number and command.stdout == capture:
                words.append("2>&1")
            elif capture.file is not None:
                arrow = ">>" if capture.file in written else ">"
                words.append(f"{number}{arrow} {shlex.quote(capture.file)}")
                written.add(capture.file)
        yield " ".join(words + closing)
