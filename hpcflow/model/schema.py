"""Task schemas: reusable recipes of inputs, outputs and actions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


class _Missing:
    """The type of `MISSING`."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Any = _Missing()  # "no default value", as None is a value


@dataclass(frozen=True, slots=True)
class Capture:
    """Where a command's stdout or stderr goes.

    With `output` set, into that output parameter, parsed as `type` ("str", "int",
    "float", "bool", "list", "array") with `options` such as item_type and delim.
    With `file` set, into that file of the run's directory.
    """

    output: str | None = None
    type: str = "str"
    options: tuple[tuple[str, str], ...] = ()
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """One command of an action; its text may hold `<<...>>` forms."""

    command: str
    stdout: Capture | None = None
    stderr: Capture | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """A Python script whose function, named as the file, makes the outputs.

    `data_in` and `data_out` are "direct" or "json"; `content` is the script's
    text, kept in the workflow; `name` its file name.
    """

    name: str
    content: str
    data_in: str = "direct"
    data_out: str = "direct"
    executable: str = "python_script"


@dataclass(frozen=True, slots=True)
class Action:
    """One step of a schema: commands or a script, in an environment.

    `inputs` and `outputs` name the parameters (labelled ones as "p[label]") that
    this action reads and makes.
    """

    environment: str = "null_env"
    commands: tuple[Command, ...] = ()
    script: Script | None = None
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    requires_dir: bool = False


@dataclass(frozen=True, slots=True)
class SchemaInput:
    """An input of a schema. `name` is "p", or "p[label]" where labelled."""

    name: str
    parameter: str
    default: Any = MISSING
    group: str | None = None


@dataclass(frozen=True, slots=True)
class TaskSchema:
    """A recipe. Its name is objective[_method[_implementation]]."""

    objective: str
    method: str | None = None
    implementation: str | None = None
    inputs: tuple[SchemaInput, ...] = ()
    outputs: tuple[str, ...] = ()
    actions: tuple[Action, ...] = field(default=())

    @property
    def name(self) -> str:
        """The name templates use."""
        return "_".join(p for p in (self.objective, self.method, self.implementation) if p)

    def producer(self, output: str) -> int:
        """The index of the last action that makes an output."""
        for index in range(len(self.actions) - 1, -1, -1):
            if output in self.actions[index].outputs:
                return index
        raise KeyError(output)
