"""Commands and the classes of values: the environment's Python makes and reads texts.

The node side can't import users' classes, so a step that needs them starts Python twice
at most: after the set-up, for the texts of all its variables, and after a command, to
make objects of what it printed. See `hpcflow.node.value_texts`.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpcflow.model.parameter_value import FORMAT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hpcflow.model.schema import Capture, Command

CLASS = "class"  # of a capture: an object of the parameter's class
TEXTS = "HPCFLOW_TEXTS"  # where values and their texts are exchanged; see launch.py


@dataclass(frozen=True, slots=True)
class Block:
    """One command as bash; `redirections` say where its streams go, if not to the log."""

    text: str
    redirections: str
    condition: str = ""  # a variable that is empty where the command is left out


def condition_input(command: int) -> str:
    """The name of the input that says whether the rules of a command hold."""
    return f"rules:{command}"


def text_file(fd: int) -> str:
    """The file, as a word of bash, that a command writes for a class to read."""
    return f'"${{{TEXTS}}}.{fd}"'


@dataclass(frozen=True, slots=True)
class ValueClasses:
    """The classes of a schema's parameters. python: the line that starts Python."""

    by_parameter: Mapping[str, str]
    python: str

    def text_maker(self, parameter: str, method: str) -> tuple[str, str]:
        """The class of a parameter and its method that makes a text; "" for none."""
        kind = self.by_parameter.get(parameter, "")
        return kind, (method or FORMAT) if kind else ""

    def reader(self, names: Sequence[str]) -> str:
        """Bash that sets variables to the texts that their values' classes make."""
        reads = " && ".join(f"IFS= read -r -d '' {name}" for name in names)
        return f'{self.python} || exit\n{{ {reads}; }} < "${{{TEXTS}}}" || exit'

    def with_parsers(
        self,
        commands: Sequence[Command],
        blocks: Sequence[Block],
        streams: Sequence[tuple[int, Capture]],
    ) -> tuple[Block, ...]:
        """The blocks, each followed by those that make objects of what it wrote."""
        found: list[Block] = []
        fds = {id(capture): fd for fd, capture in streams}
        for command, block in zip(commands, blocks, strict=True):
            found.append(block)
            for capture in (command.stdout, command.stderr):
                if capture is not None and capture.type == CLASS:
                    fd = fds[id(capture)]
                    parser = Block(self._parser(capture, fd), f">&{fd}", block.condition)
                    found.append(parser)
        return tuple(found)

    def _parser(self, capture: Capture, fd: int) -> str:
        kind = self.by_parameter[capture.output or ""]
        words = (kind, capture.method, json.dumps(dict(capture.options)))
        arguments = " ".join(map(shlex.quote, words))
        return f"{self.python} {arguments} < {text_file(fd)}"
