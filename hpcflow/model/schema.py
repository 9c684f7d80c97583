"""Task schemas: reusable recipes of inputs, outputs and actions."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass, field
from typing import Any


class _Missing:
    """The type of `MISSING`."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Any = _Missing()  # "no default value", as None is a value

# Who may take the value of an input or output: later tasks; those that name this one as
# the input's source; none.
PROPAGATION = ("implicit", "explicit", "never")
PYTHON_SCRIPT = "python_script"  # the executable that runs a Python script
RETURNS_OUTPUTS, RETURNS_VALUE, RETURNS_NOTHING = "outputs", "value", "nothing"
MAIN = "main"  # the scope of actions that neither generate nor parse files
_FILE = "file:"  # what is passed between the actions of an element, beside parameters


@dataclass(frozen=True, slots=True)
class Capture:
    """Where a command's stdout or stderr goes.

    With `output` set, into that output parameter, parsed as `type` ("str", "int",
    "float", "bool", "list", "array") with `options` such as item_type and delim; as type
    "class" by `method` of the parameter's class, with `options` as its arguments.
    With `file` set, into that file of the run's directory.
    """

    output: str | None = None
    type: str = "str"
    options: tuple[tuple[str, str], ...] = ()
    file: str | None = None
    method: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """One command of an action; its text may hold `<<...>>` forms.

    scripts: the files of its `<<script:NAME>>`, by that name.
    """

    command: str
    stdout: Capture | None = None
    stderr: Capture | None = None
    rules: tuple[dict[str, Any], ...] = ()  # all must hold, else it is left out
    stdin: str = ""  # `<<parameter:p>>`, `<<file:L>>` or a file's name
    scripts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Script:
    """A script that makes the outputs: a Python function, or a program.

    name: its file name; content: its text, kept in the workflow.
    data_in, data_out: how data that `formats_in` and `formats_out` (by input or output
        name) don't name are handed over: "direct", "json", "hdf5"; "" for not at all.
    calls_function: it is Python, and its function named as the file is called; else it
        is executed as a program that is given the files of its data as arguments.
    files_use_option: those arguments are `--inputs-json FILE`, not `FILE`.
    pass_env_spec: the function gets its environment's name and specifiers as `env_spec`.
    returns: what the function does: a dict of the outputs, the value of the one output,
        or nothing that matters.
    options: further arguments of the function, encoded as `jobstores.values` does.
    all_iterations: inputs of which it gets the values in all iterations up to its own.
    is_program: it is an executable file, and `content` is in base64; `executable` may be
        empty, where it is executed by itself.
    """

    name: str
    content: str
    data_in: str = "direct"
    data_out: str = "direct"
    executable: str = PYTHON_SCRIPT
    formats_in: tuple[tuple[str, str], ...] = ()
    formats_out: tuple[tuple[str, str], ...] = ()
    calls_function: bool = True
    files_use_option: bool = False
    pass_env_spec: bool = False
    returns: str = RETURNS_OUTPUTS
    is_program: bool = False
    options: tuple[tuple[str, Any], ...] = ()
    all_iterations: tuple[str, ...] = ()

    @property
    def is_python(self) -> bool:
        """Whether it is a Python script, by its name."""
        return self.name.endswith(".py") and not self.is_program

    @property
    def data(self) -> bytes:
        """What its file holds."""
        return b64decode(self.content) if self.is_program else self.content.encode()

    def format_in(self, name: str) -> str:
        """How an input, "p" or "p[label]", is handed over; "" for not at all."""
        return _format(name, self.formats_in, self.data_in)

    def format_out(self, name: str) -> str:
        """How an output is handed over; "" for not at all."""
        return _format(name, self.formats_out, self.data_out)


def _format(name: str, formats: tuple[tuple[str, str], ...], rest: str) -> str:
    given = dict(formats)
    return given.get(name) or given.get(name.partition("[")[0]) or rest


@dataclass(frozen=True, slots=True)
class CommandFile:
    """A file that actions write or read in their run's directory.

    name: its path from there; with `is_regex` a regular expression that the whole of a
    file's name matches, so that there may be several.
    """

    label: str
    name: str
    is_regex: bool = False


@dataclass(frozen=True, slots=True)
class ActionFiles:
    """What an action has to do with command files, by their labels.

    needs: they are in the directory when a run starts. makes: they are there when it has
    ended, or it has failed; a label may be of both. saves, removes: they are kept with
    the workflow after a run that succeeded; and deleted after that.
    arguments: names of the script's function, and the files whose paths they get.
    replaceable: an element that is given the files it makes needs no run.
    """

    needs: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    saves: tuple[str, ...] = ()
    removes: tuple[str, ...] = ()
    arguments: tuple[tuple[str, str], ...] = ()
    replaceable: bool = False

    @property
    def used(self) -> tuple[str, ...]:
        """All of them, each once."""
        named = (label for _, label in self.arguments)
        labels = (*self.needs, *self.makes, *self.saves, *self.removes, *named)
        return tuple(dict.fromkeys(labels))


@dataclass(frozen=True, slots=True)
class Action:
    """One step of a schema: commands or a script, in an environment.

    `inputs` and `outputs` name the parameters (labelled ones as "p[label]") that
    this action reads and makes. scope: "main", "input_file_generator[file=L]" or
    "output_file_parser[output=P]": what environments and resources may be given for.
    abortable: its runs may be ended by `hpcflow abort`, which is no failure.
    rules: as `hpcflow.model.conditions.RuleTest` reads them; where one does not hold, a
        run is skipped.
    """

    environment: str = "null_env"
    commands: tuple[Command, ...] = ()
    script: Script | None = None
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    requires_dir: bool = False
    files: ActionFiles = ActionFiles()
    scope: str = MAIN
    abortable: bool = False
    rules: tuple[dict[str, Any], ...] = ()
    environment_specifiers: tuple[tuple[str, Any], ...] = ()  # that its environment has

    def surely_makes(self, name: str) -> bool:
        """Whether every run that succeeds makes a value: no rule keeps it from that."""
        captures = [
            bool(command.rules)
            for command in self.commands
            for capture in (command.stdout, command.stderr)
            if capture is not None and capture.output == name
        ]
        return not self.rules and not (captures and all(captures))

    @property
    def reads(self) -> tuple[str, ...]:
        """All that a run takes from elsewhere: its inputs, and "file:L" for its files."""
        return (*self.inputs, *map(file_value, self.files.needs))

    @property
    def passes(self) -> tuple[str, ...]:
        """All that a run makes for others: its outputs, and "file:L" for its files."""
        return (*self.outputs, *map(file_value, self.files.makes))


def file_value(label: str) -> str:
    """The name by which the places of an element's file pass from action to action."""
    return _FILE + label


def file_label(name: str) -> str | None:
    """The label in a name of `file_value`; None for that of a parameter."""
    return name[len(_FILE) :] if name.startswith(_FILE) else None


@dataclass(frozen=True, slots=True)
class SchemaInput:
    """An input of a schema. `name` is "p", or "p[label]" where labelled.

    allow_failed: how many of the runs that make it may have failed, whose values are then
        null: ("count", N) or ("fraction", F); None: as `skip_downstream_on_failure` says.
    propagation: who may take its value, one of `PROPAGATION`.
    """

    name: str
    parameter: str
    default: Any = MISSING
    group: str | None = None
    allow_failed: tuple[str, float] | None = None
    propagation: str = "implicit"


@dataclass(frozen=True, slots=True)
class TaskSchema:
    """A recipe. Its name is objective[_method[_implementation]].

    version: as its author counts. is_listed: lists of what can be used show it.
    propagation: who may take an output, where not any later task; as of inputs.
    """

    objective: str
    method: str | None = None
    implementation: str | None = None
    inputs: tuple[SchemaInput, ...] = ()
    outputs: tuple[str, ...] = ()
    actions: tuple[Action, ...] = field(default=())
    files: tuple[CommandFile, ...] = ()
    # specifiers by the environment's name, by the preset's
    environment_presets: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    # "module:Class" of its values, by parameter
    value_classes: dict[str, str] = field(default_factory=dict)
    version: str = ""
    is_listed: bool = True
    propagation: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name templates use."""
        return "_".join(p for p in (self.objective, self.method, self.implementation) if p)

    def propagation_of(self, name: str, *, is_input: bool) -> str:
        """Who may take an input or output: one of `PROPAGATION`."""
        if not is_input:
            return self.propagation.get(name, PROPAGATION[0])
        return next((i.propagation for i in self.inputs if i.name == name), PROPAGATION[0])

    @property
    def tolerances(self) -> dict[str, tuple[str, float]]:
        """How many failures each input allows, of those that allow any."""
        given = {item.name: item.allow_failed for item in self.inputs}
        return {name: allowed for name, allowed in given.items() if allowed is not None}

    def producer(self, output: str) -> int:
        """The index of the last action that makes an output."""
        for index in range(len(self.actions) - 1, -1, -1):
            if output in self.actions[index].outputs:
                return index
        raise KeyError(output)

    def producers(self, name: str, before: int | None = None) -> list[int]:
        """The actions, up to `before`, that may make a value: the last executed one does.

        The last action first; nothing follows one that has no rules.
        """
        found = []
        for index in reversed(range(len(self.actions))[:before]):
            if name in self.actions[index].passes:
                found.append(index)
                if self.actions[index].surely_makes(name):
                    break
        return found
