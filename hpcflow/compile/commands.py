"""From a template's commands to bash: what is written, and which variables it reads.

Pure. A value never becomes part of the text: each `<<parameter:...>>` turns into the
expansion of a shell variable that the node side sets from the run's value, see
`shell_quoting`. What is known now (an executable's command, a number of the
resources) is written out.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from typing import TYPE_CHECKING

from hpcflow.compile.executables import find_instance
from hpcflow.compile.plan import CompileError
from hpcflow.compile.shell_quoting import MARK, Place, places, splice
from hpcflow.model.command_text import CommandTextError, Form, parse_command_text
from hpcflow.model.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hpcflow.model.environment import Environment
    from hpcflow.model.schema import Action, Capture, Command

FIRST_FD, LAST_FD = 3, 31  # what the node side gives to captures
SCRIPT_CALLER = "HPCFLOW_CALL"
PYTHON_ENVIRONMENT = "python_env"

_RESOURCES = {f.name for f in dataclass_fields(Resources)}
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9]+")
_SCRIPT_VARIABLES = {  # of the run's environment, set by the node side
    "script_path": SCRIPT_CALLER,
    "script_name": "HPCFLOW_RUN_SCRIPT_NAME",
    "script_name_no_ext": "HPCFLOW_RUN_SCRIPT_NAME_NO_EXT",
    "script_dir": "HPCFLOW_RUN_SCRIPT_DIR",
}
# An absolute path is no function and no alias, so bash may give its place to it.
_PROGRAM = re.compile(r"""(/[\w./+-]+|'/[^']+') "\$\{\w+\}\"""")


@dataclass(frozen=True, slots=True)
class Variable:
    """A shell variable that holds an input's value, or a part of it, as text.

    arithmetic: it stands where bash computes, so only a plain number will do.
    """

    name: str
    input: str
    path: tuple[str | int, ...]
    apply: str | None
    options: tuple[tuple[str, str], ...]
    arithmetic: bool


@dataclass(frozen=True, slots=True)
class StreamCapture:
    """A file descriptor that becomes an output; type and options as in `Capture`."""

    fd: int
    output: str
    type: str
    options: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Block:
    """One command as bash; `redirections` say where its streams go, if not to the log."""

    text: str
    redirections: str


@dataclass(frozen=True, slots=True)
class StepCommands:
    """An action's commands. `constants`: variables whose texts are known now."""

    blocks: tuple[Block, ...]
    variables: tuple[Variable, ...]
    captures: tuple[StreamCapture, ...]
    constants: dict[str, str]


def check_command(text: str) -> None:
    """Find what is wrong with a command's text, but for the names that it uses.

    Raises:
        CommandTextError: a form that is not understood, or that stands where bash
            expands nothing; `offset` is its place in `text`.
    """
    bash = _BashText()
    for part, offset in _parts(text):
        if isinstance(part, Form) and part.kind == "parameter":
            bash.variable("hpc_x", offset)
        else:
            bash.literal(part if isinstance(part, str) else "x", offset)
    bash.finish()


def action_commands(
    action: Action, environment: Environment, resources: Resources
) -> StepCommands:
    """An action's commands as bash, in one environment and with these resources.

    Raises:
        CompileError: a form that can't be resolved.
    """
    writer = _Writer(action, environment, resources)
    texts = [writer.write(command.command) for command in action.commands]
    streams = list(_streams(action.commands))
    captures = tuple(
        StreamCapture(fd, capture.output, capture.type, capture.options)
        for fd, capture in streams
        if capture.output is not None
    )
    if captures and captures[-1].fd > LAST_FD:
        most = LAST_FD - FIRST_FD + 1
        raise CompileError(
            f"its commands capture {len(captures)} streams; {most} is the most"
        )
    redirections = _redirections(action.commands, [capture.fd for capture in captures])
    blocks = tuple(Block(*pair) for pair in zip(texts, redirections, strict=True))
    return StepCommands(blocks, writer.variables(), captures, writer.constants)


def script_call(
    environment: Environment, label: str, resources: Resources, python: str
) -> str:
    """The bash line of a script step: Python, given hpcflow's own small caller.

    The command of the environment's executable says how Python is called. In it
    `<<script_path>>` becomes "$HPCFLOW_CALL" (added at the end where the command has no
    such form), `<<args>>` nothing, `<<num_cores>>` the run's cores, and the other
    `<<script_...>>` what they say. A `python_env` without a definition is `python`.

    Raises:
        CompileError: the environment has no such executable, or another form stands
            in its command.
    """
    if environment.name == PYTHON_ENVIRONMENT and not environment.executables:
        command = f"{shlex.quote(python)} <<script_path>>"
    else:
        command = find_instance(environment, label, resources).command
    bash, called = _BashText(), False
    try:
        for part, offset in _parts(command):
            if isinstance(part, str):
                bash.literal(part, offset)
            elif part.kind in _SCRIPT_VARIABLES:
                bash.variable(_SCRIPT_VARIABLES[part.kind], offset)
                called = called or part.kind == "script_path"
            else:
                bash.literal(_executable_form(part, resources), offset)
        line, _ = bash.finish()
    except CommandTextError as error:
        raise CompileError(
            f"executable {label!r} of environment {environment.name!r}: {error.message}, "
            f"in {command!r}"
        ) from error
    line = line.strip() if called else f'{line.strip()} "${{{SCRIPT_CALLER}}}"'
    return f"exec {line}" if _PROGRAM.fullmatch(line) else line


def _parts(text: str) -> Iterator[tuple[str | Form, int]]:
    """The literals and forms of a text, each with its offset."""
    at = 0
    for part in parse_command_text(text):
        yield part, at
        at = at + len(part) if isinstance(part, str) else part.end


class _BashText:
    """Puts a text together from literals and expansions of variables."""

    def __init__(self) -> None:
        self._literals = [""]
        self._names: list[str] = []
        self._origins: list[tuple[int, int]] = []  # place in what is scanned, in the source
        self._length = 0

    def literal(self, text: str, offset: int) -> None:
        """Add text that stands at `offset` of the source."""
        self._origins.append((self._length, offset))
        self._literals[-1] += text
        self._length += len(text)

    def variable(self, name: str, offset: int) -> None:
        """Add the expansion of a variable."""
        self._origins.append((self._length, offset))
        self._names.append(name)
        self._literals.append("")
        self._length += len(MARK)

    def finish(self) -> tuple[str, list[tuple[str, Place]]]:
        """The bash text, and how bash reads each variable in it.

        Raises:
            CommandTextError: with the offset in the source.
        """
        if not self._names:
            return self._literals[0], []
        if any(MARK in literal for literal in self._literals):
            raise CommandTextError("bash can't be given a text with a NUL character", 0)
        try:
            found = places(MARK.join(self._literals))
        except CommandTextError as error:
            raise CommandTextError(error.message, self._source(error.offset)) from None
        text = splice(self._literals, self._names, found)
        return text, list(zip(self._names, found, strict=True))

    def _source(self, at: int) -> int:
        start, offset = max(pair for pair in self._origins if pair[0] <= at)
        return offset + at - start


class _Writer:
    """Turns an action's commands into bash, and remembers the variables they read."""

    def __init__(
        self, action: Action, environment: Environment, resources: Resources
    ) -> None:
        self._action = action
        self._environment = environment
        self._resources = resources
        self._forms: dict[str, Form] = {}  # by the variable's name
        self._computed: set[str] = set()
        self.constants: dict[str, str] = {}

    def write(self, command: str) -> str:
        """One command as bash."""
        bash = _BashText()
        try:
            for part, offset in _parts(command):
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
            )
            for name, form in self._forms.items()
        )

    def _add(self, bash: _BashText, form: Form) -> None:
        if form.kind == "parameter":
            bash.variable(self._input(form), form.offset)
        elif form.kind == "executable":
            instance = find_instance(self._environment, form.name, self._resources)
            bash.literal(
                _executable_text(instance.command, form, self._resources), form.offset
            )
        elif form.kind == "resource":
            self._add_resource(bash, form)
        elif form.kind == "num_cores":
            raise CommandTextError(
                "write `<<resource:num_cores>>` in a command", form.offset
            )
        else:
            raise CommandTextError(
                f"`<<{form.kind}...>>` is not supported in a command", form.offset
            )

    def _input(self, form: Form) -> str:
        known = self._action.inputs
        if form.parameter not in known:
            raise CommandTextError(
                f"{form.parameter!r} is no input of this action; its inputs are "
                f"{', '.join(map(repr, known)) or 'none'}",
                form.offset,
            )
        reads = (form.parameter, form.path, form.apply, form.options)
        for name, other in self._forms.items():
            if reads == (other.parameter, other.path, other.apply, other.options):
                return name
        words = (form.apply or "", form.parameter, *map(str, form.path))
        name = self._new_name("_".join(words))
        self._forms[name] = form
        return name

    def _add_resource(self, bash: _BashText, form: Form) -> None:
        value = getattr(self._resources, form.name) if form.name in _RESOURCES else None
        if isinstance(value, int):
            bash.literal(str(value), form.offset)
        elif isinstance(value, str):
            known = [n for n, text in self.constants.items() if text == value]
            name = known[0] if known else self._new_name(f"resource_{form.name}")
            self.constants[name] = value
            bash.variable(name, form.offset)
        else:
            raise CommandTextError(
                f"the resource {form.name!r} is not set for this run", form.offset
            )

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
            part if isinstance(part, str) else _executable_form(part, resources)
            for part in parse_command_text(command)
        )
    except CommandTextError as error:
        raise CommandTextError(
            f"executable {form.name!r} ({command!r}): {error.message}", form.offset
        ) from error


def _executable_form(form: Form, resources: Resources) -> str:
    if form.kind == "num_cores":
        return str(resources.num_cores)
    if form.kind == "args":
        return ""
    raise CommandTextError(f"`<<{form.kind}...>>` has no meaning there", form.offset)


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
            if capture.output is not None:
                words.append(f"{number}>&{next(capturing)}")
            elif capture.file is not None and number and command.stdout == capture:
                words.append("2>&1")
            elif capture.file is not None:
                arrow = ">>" if capture.file in written else ">"
                words.append(f"{number}{arrow} {shlex.quote(capture.file)}")
                written.add(capture.file)
        yield " ".join(words + closing)
