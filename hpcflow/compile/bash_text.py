"""Bash texts put together from literals and expansions of variables. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpcflow.compile.shell_quoting import MARK, Place, places, splice
from hpcflow.model.command_text import CommandTextError, Form, parse_command_text

if TYPE_CHECKING:
    from collections.abc import Iterator


def check_command(text: str) -> None:
    """Find what is wrong with a command's text, but for the names that it uses.

    Raises:
        CommandTextError: a form that is not understood, or that stands where bash
            expands nothing; `offset` is its place in `text`.
    """
    bash = BashText()
    for part, offset in command_parts(text):
        if isinstance(part, Form) and part.kind == "parameter":
            bash.variable("hpc_x", offset)
        else:
            bash.literal(part if isinstance(part, str) else "x", offset)
    bash.finish()


def command_parts(text: str) -> Iterator[tuple[str | Form, int]]:
    """The literals and forms of a text, each with its offset."""
    at = 0
    for part in parse_command_text(text):
        yield part, at
        at = at + len(part) if isinstance(part, str) else part.end


class BashText:
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
