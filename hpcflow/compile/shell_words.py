"""Reading the parts of bash's words: quotes, expansions, arithmetic. Pure.

Source: Bash Reference Manual 5.2, sections 3.1.2 (quoting), 3.5.3 to 3.5.5
(expansions), 3.4.5 and 6.5 (arithmetic), 6.7 (subscripts).
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from hpcflow.model.command_text import CommandTextError

if TYPE_CHECKING:
    from collections.abc import Callable

MARK = "\0"  # stands for a form: no text that bash can be given holds it

_PARAMETER = re.compile(r"[A-Za-z_]\w*|\d+|[@*#?$!-]", re.ASCII)
_DEFAULTING = ("-", "=", "?", "+")  # ${x-...}, ${x:-...} and so on


class Quoting(Enum):
    """What surrounds a place."""

    PLAIN = "no quotes"
    DOUBLE = '"..."'
    SINGLE = "'...'"
    ANSI_C = "$'...'"
    ARITHMETIC = "$((...))"
    HERE_DOCUMENT = "<<"
    COMMENT = "#"


class Place(NamedTuple):
    """How bash reads one marked place.

    arithmetic: bash computes what is here, and would compute a value's text, too.
    before: a backslash or dollar just before the place, which would change what the
        expansion means; else empty.
    """

    quoting: Quoting
    arithmetic: bool = False
    before: str = ""


class _NotArithmeticError(Exception):
    """What looked like `((` is two opening parentheses."""


class WordScanner:
    """Reads a text once, from left to right, by recursive descent.

    `_at` is the next character, `_end` the place before which the text ends.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._end = len(text)
        self._found: dict[int, Place] = {}
        self._computing = False  # in `let`, a subscript, an integer's declaration
        self._clause: list[int] | None = None  # places of a clause of `[[ ]]`

    def scan(self) -> dict[int, Place]:
        """Read all; tell how each mark is read, by its position."""
        self._commands(None)
        return self._found

    def _commands(self, close: str | None) -> None:
        """Read commands up to, and with, a closing parenthesis, or all."""
        raise NotImplementedError

    # -- small steps

    def _peek(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._text[at] if at < self._end else ""

    def _sees(self, literal: str) -> bool:
        return self._text.startswith(literal, self._at, self._end)

    def _error(self, message: str, offset: int | None = None) -> CommandTextError:
        return CommandTextError(message, self._at if offset is None else offset)

    def _mark(self, quoting: Quoting, before: str = "") -> None:
        computed = self._computing or quoting is Quoting.ARITHMETIC
        self._found[self._at] = Place(quoting, computed, before)
        if self._clause is not None:
            self._clause.append(self._at)
        self._at += 1

    def _backslash(self, quoting: Quoting) -> None:
        if self._peek(1) == MARK:
            self._at += 1
            self._mark(quoting, "\\")
        elif self._at + 1 >= self._end:
            raise self._error("the text ends in a backslash, which would continue the line")
        else:
            self._at += 2

    def _nested(self, read: Callable[[], None]) -> None:
        """Read commands within commands: what surrounds them does not matter there."""
        saved = self._computing, self._clause
        self._computing, self._clause = False, None
        read()
        self._computing, self._clause = saved

    # -- quotes

    def _plain_part(self) -> bool:
        """Read a quote, an expansion or an escaped character, if one begins here."""
        char = self._peek()
        if char == "\\":
            self._backslash(Quoting.PLAIN)
        elif char == "'":
            self._until_quote(1, Quoting.SINGLE)
        elif char == '"':
            self._double()
        elif char == "`":
            self._backticks(quoted=False)
        elif char == "$":
            self._dollar(Quoting.PLAIN)
        else:
            return False
        return True

    def _quoted_part(self, quoting: Quoting) -> None:
        """Read one character, where only dollar, backtick and backslash are special."""
        char = self._peek()
        if char == MARK:
            self._mark(quoting)
        elif char == "\\":
            self._backslash(quoting)
        elif char == "`":
            self._backticks(quoted=quoting is Quoting.DOUBLE)
        elif char == "$":
            self._dollar(quoting)
        else:
            self._at += 1

    def _until_quote(self, opening: int, quoting: Quoting) -> None:
        """Read single quotes: '...' or, opened by two characters, $'...'."""
        opened = self._at
        self._at += opening
        while self._at < self._end:
            char = self._peek()
            if char == MARK:
                self._mark(quoting)
            elif char == "\\" and quoting is Quoting.ANSI_C:
                self._backslash(quoting)
            else:
                self._at += 1
                if char == "'":
                    return
        raise self._error("the single quote that begins here is never closed", opened)

    def _double(self) -> None:
        opened = self._at
        self._at += 1
        while self._at < self._end:
            if self._peek() == '"':
                self._at += 1
                return
            self._quoted_part(Quoting.DOUBLE)
        raise self._error("the double quote that begins here is never closed", opened)

    # -- expansions

    def _dollar(self, quoting: Quoting) -> None:
        following = self._peek(1)
        if following == MARK:
            self._at += 1
            self._mark(quoting, "$")
        elif following == "(":
            if not self._arithmetic("$(("):
                self._at += 2
                self._nested(lambda: self._commands(")"))
        elif following == "{":
            self._braces(quoting)
        elif following == "[":
            self._at += 2
            self._computed("]")
        elif following == "'" and quoting is Quoting.PLAIN:
            self._until_quote(2, Quoting.ANSI_C)
        elif match := _PARAMETER.match(self._text, self._at + 1, self._end):
            self._at = match.end()
        else:
            self._at += 1

    def _braces(self, quoting: Quoting) -> None:
        """Read `${...}`: a name, perhaps a subscript, perhaps an operator and its word."""
        opened = self._at
        self._at += 2
        if self._peek() in ("!", "#") and self._peek(1) not in (*_DEFAULTING, "}", ":"):
            self._at += 1
        if self._peek() == MARK:
            raise self._error("a value can't stand for the name of a variable")
        if match := _PARAMETER.match(self._text, self._at, self._end):
            self._at = match.end()
        if self._peek() == "[":
            self._subscript()
        if self._peek() == ":" and self._peek(1) not in _DEFAULTING:
            self._at += 1
            self._computed("}")
            return
        if self._peek() == ":":
            self._at += 1
        defaulting = self._peek() in _DEFAULTING
        # in the pattern of ${x#...}, quotes are quotes, whatever surrounds it
        self._braced_word(quoting if defaulting else Quoting.PLAIN, opened)

    def _braced_word(self, quoting: Quoting, opened: int) -> None:
        """Read the word of `${...}`, up to its brace.

        Within double quotes bash pairs apostrophes here, to find the brace, and still
        expands what is between them.
        """
        apostrophes = 0
        while self._at < self._end:
            char = self._peek()
            if char == "}" and apostrophes % 2 == 0:
                self._at += 1
                return
            if quoting is Quoting.PLAIN:
                if char == MARK:
                    self._mark(quoting)
                elif not self._plain_part():
                    self._at += 1
            elif quoting is Quoting.DOUBLE and self._sees("$'"):
                self._until_quote(2, Quoting.ANSI_C)
            elif quoting is Quoting.DOUBLE and char == '"':
                self._double()
            else:
                apostrophes += char == "'"
                self._quoted_part(quoting)
        raise self._error("the `${` that begins here is never closed", opened)

    def _backticks(self, *, quoted: bool) -> None:
        """Read a command in backticks.

        As bash does: take one level of backslashes away, then read the rest on its own.
        """
        opened = self._at
        self._at += 1
        special = ("$", "`", "\\", '"') if quoted else ("$", "`", "\\")
        inner: list[str] = []
        origin: list[int] = []
        while self._peek() != "`":
            if self._at >= self._end:
                raise self._error("the backtick that begins here is never closed", opened)
            if self._peek() == "\\" and self._peek(1) in special:
                self._at += 1
            inner.append(self._peek())
            origin.append(self._at)
            self._at += 1
        self._at += 1
        try:
            found = type(self)("".join(inner)).scan()
        except CommandTextError as error:
            at = error.offset
            offset = origin[at] if at < len(origin) else opened
            raise self._error(error.message, offset) from None
        for at, place in found.items():
            if place.before:
                raise self._error(
                    f"`{place.before}` before a value within backticks: use $(...) instead",
                    origin[at],
                )
            self._found[origin[at]] = place

    # -- arithmetic

    def _arithmetic(self, opening: str) -> bool:
        """Read `((...))` or `$((...))`; False, with nothing read, if it is none."""
        if not self._sees(opening):
            return False
        at, found, clause = self._at, dict(self._found), self._clause
        self._clause = None if clause is None else list(clause)
        self._at += len(opening)
        try:
            self._computed("))")
        except (_NotArithmeticError, CommandTextError):
            self._at, self._found, self._clause = at, found, clause
            return False
        return True

    def _subscript(self) -> None:
        """Read a subscript, from its bracket on: bash computes it."""
        self._at += 1
        self._computed("]")

    def _computed(self, close: str) -> None:
        """Read an expression up to, and with, its closing bracket."""
        opened, depth = self._at, 0
        opening = {"]": "[", "}": "{", "))": "("}[close]
        while self._at < self._end:
            char = self._peek()
            if depth == 0 and self._sees(close):
                self._at += len(close)
                return
            if char == close[0] and depth == 0:
                raise _NotArithmeticError
            depth += (char == opening) - (char == close[0])
            if char in ('"', "'"):
                self._at += 1
            else:
                self._quoted_part(Quoting.ARITHMETIC)
        raise self._error("the arithmetic that begins here is never closed", opened)
