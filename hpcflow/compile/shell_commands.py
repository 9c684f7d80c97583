"""Reading bash's commands: where words, comments and here-documents begin. Pure.

Source: Bash Reference Manual 5.2, sections 3.1.3 (comments), 3.2 (commands), 3.6
(redirections), 4.2 (`let`, `declare -i`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hpcflow.compile.shell_words import MARK, Quoting, WordScanner

if TYPE_CHECKING:
    from hpcflow.model.command_text import CommandTextError

_OPAQUE = "\1"  # stands, in a word under examination, for what is quoted or expanded

_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=", re.ASCII)
_RANGE_BEFORE = re.compile(r"\{[^{}\s'\"]*\.\.\Z")
_RANGE_AFTER = re.compile(r"\.\.[^{}\s'\"]+\}")
_BRACE_BEFORE = re.compile(r"\{[^{}\s,'\"]*\Z")
_BRACE_AFTER = re.compile(r"[^{}\s]*\}")

# Words after which a command may begin.
_OPENING = {"if", "then", "elif", "else", "while", "until", "do", "time", "!", "{"}
_DECLARING = {"declare", "typeset", "local", "export", "readonly"}
_INTEGER_OPTION = re.compile(r"[-+][A-Za-z]*i[A-Za-z]*")
_COMPUTING_TESTS = {"-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-v", "-R"}


@dataclass(slots=True)
class _HereDocument:
    delimiter: str
    quoted: bool
    strips_tabs: bool
    offset: int


@dataclass(slots=True)
class _State:
    """Where the scanner is in a list of commands.

    begins: a command may begin here. word: the current word, or None between words.
    command: its first word. target: the next word is a redirection's.
    cases: `case`s that are open; awaits_in: the last one has not come to its `in`.
    """

    begins: bool = True
    word: str | None = None
    command: str = ""
    target: bool = False
    cases: int = 0
    awaits_in: bool = False
    documents: list[_HereDocument] = field(default_factory=list)


class CommandScanner(WordScanner):
    """Reads commands, whose words `WordScanner` reads."""

    def _commands(self, close: str | None) -> None:
        opened = self._at - 1
        state = _State()
        while self._at < self._end:
            char = self._peek()
            if char == ")":
                self._end_word(state)  # it may be `esac`
                if close and not state.cases:
                    break
            if char in "\n;&|()<>":
                self._operator(state, char)
            elif char in " \t":
                self._end_word(state)
                self._at += 1
            elif char == "#" and state.word is None:
                self._comment()
            else:
                self._word_part(state, char)
        if close and self._at >= self._end:
            raise self._error("the parenthesis that begins here is never closed", opened)
        if state.documents:
            raise self._endless(state.documents[0])
        self._at += bool(close)

    def _comment(self) -> None:
        while self._at < self._end and self._peek() != "\n":
            if self._peek() == MARK:
                self._mark(Quoting.COMMENT)
            else:
                self._at += 1

    # -- words

    def _word_part(self, state: _State, char: str) -> None:
        word = state.word or ""
        if char == "[" and self._is_subscript(state, word):
            self._subscript()
        elif char == MARK:
            self._plain_mark()
            state.word = word + _OPAQUE
        elif self._plain_part():
            state.word = word + _OPAQUE
        else:
            state.word = word + char
            self._at += 1
            if state.word == "[[" and state.begins and self._peek() in " \t\n":
                self._conditional()
                state.begins, state.word = False, None

    def _plain_mark(self) -> None:
        before, after = self._text[: self._at], self._text[self._at + 1 : self._end]
        if (_RANGE_BEFORE.search(before) and _BRACE_AFTER.match(after)) or (
            _BRACE_BEFORE.search(before) and _RANGE_AFTER.match(after)
        ):
            raise self._error(
                "bash expands {A..B} before it knows any value: write $(seq A B) instead"
            )
        self._mark(Quoting.PLAIN)

    def _is_subscript(self, state: _State, word: str) -> bool:
        """Whether the bracket here is an array's in an assignment, not a pattern's."""
        named = _NAME.fullmatch(word) is not None
        return named and (state.begins or state.command in _DECLARING) and self._assigns()

    def _assigns(self) -> bool:
        """Whether `=` or `+=` follows the brackets that begin here."""
        depth = 0
        for at in range(self._at, self._end):
            depth += {"[": 1, "]": -1}.get(self._text[at], 0)
            if depth == 0:
                rest = self._text[at + 1 : min(at + 3, self._end)]
                return rest.startswith(("=", "+="))
        return False

    def _end_word(self, state: _State) -> None:
        word, state.word = state.word, None
        if word is None:
            return
        if state.target:
            state.target = False
        elif state.awaits_in and word == "in":
            state.awaits_in, state.begins = False, True
        elif state.begins:
            self._first_word(state, word)
        elif word == "{":  # of a function
            state.begins = True
        elif state.command in _DECLARING and _INTEGER_OPTION.fullmatch(word):
            self._computing = True

    def _first_word(self, state: _State, word: str) -> None:
        if word in _OPENING or _ASSIGNMENT.match(word):
            return
        state.begins, state.command = False, word
        if word == "case":
            state.cases += 1
            state.awaits_in = True
        elif word == "esac":
            state.cases = max(0, state.cases - 1)
        elif word == "let":
            self._computing = True

    # -- operators

    def _operator(self, state: _State, char: str) -> None:
        word = state.word
        if word is not None and word.isdecimal() and char in "<>":
            state.word = None  # a file descriptor
        self._end_word(state)
        if char in "<>" or self._sees("&>"):
            self._redirection(state)
        elif char == "(":
            self._parenthesis(state, word)
        else:
            self._at += 1
            state.begins, state.command, state.target = True, "", False
            self._computing = False
            if char == "\n":
                self._here_documents(state)

    def _parenthesis(self, state: _State, word: str | None) -> None:
        if word is not None and word not in _OPENING and word != "for":
            # an array's value, a pattern, or a function's ()
            self._at += 1
            self._words()
            state.begins = not word.endswith("=")
            state.word = None if state.begins else _OPAQUE
        elif (state.begins or state.command == "for") and self._arithmetic("(("):
            state.begins = False
        else:
            self._at += 1
            self._nested(lambda: self._commands(")"))
            state.begins = True

    def _words(self) -> None:
        """Read what is in parentheses and no command: an array's values, a pattern."""
        opened, fresh = self._at - 1, True
        while self._at < self._end:
            char = self._peek()
            if char == ")":
                self._at += 1
                return
            if char == "(":
                self._at += 1
                self._words()
            elif char == "#" and fresh:
                self._comment()
            elif char == "[" and fresh and self._assigns():
                self._subscript()
            elif char == MARK:
                self._plain_mark()
            elif not self._plain_part():
                self._at += 1
            fresh = char in " \t\n"
        raise self._error("the parenthesis that begins here is never closed", opened)

    # -- conditional expressions

    def _conditional(self) -> None:
        """Read up to the end of `[[ ... ]]`; some of its operators compute."""
        opened, outer = self._at - 2, self._clause
        self._clause, word, computes = [], "", False
        while self._at < self._end and not (word == "]]" and self._peek() in ";|<>"):
            char = self._peek()
            separates = char in "()" or self._sees("&&") or self._sees("||")
            if separates or char in " \t\n":
                computes = computes or word in _COMPUTING_TESTS
                if word == "]]":
                    break
                if separates:
                    self._settle(computes)
                    computes = False
                word = ""
                self._at += 1
            elif char == MARK:
                self._mark(Quoting.PLAIN)
                word += _OPAQUE
            elif self._plain_part():
                word += _OPAQUE
            else:
                word += char
                self._at += 1
        self._settle(computes)
        self._clause = outer
        if word != "]]":
            raise self._error("the `[[` that begins here is never closed", opened)

    def _settle(self, computes: bool) -> None:
        """End a clause: with an operator that computes, its values are computed."""
        for at in self._clause or ():
            place = self._found[at]
            self._found[at] = place._replace(arithmetic=computes or place.arithmetic)
        self._clause = []

    # -- redirections

    def _redirection(self, state: _State) -> None:
        if self._sees("<<<"):
            self._at += 3
            state.target = True
        elif self._sees("<<"):
            state.documents.append(self._delimiter())
        elif self._sees("<(") or self._sees(">("):
            self._at += 2
            self._nested(lambda: self._commands(")"))
            state.word = _OPAQUE
        else:
            self._at += 1
            while self._peek() in ("<", ">", "&", "|") and not self._sees("<("):
                self._at += 1
            state.target = True

    def _delimiter(self) -> _HereDocument:
        opened = self._at
        self._at += 2
        strips_tabs = self._peek() == "-"
        self._at += strips_tabs
        while self._peek() in (" ", "\t"):
            self._at += 1
        delimiter, quoted = "", False
        while self._at < self._end and self._peek() not in " \t\n;&|<>()":
            char = self._peek()
            if char == MARK:
                raise self._error("a here-document's delimiter can't be a value")
            self._at += 1
            if char == "\\":
                delimiter, quoted = delimiter + self._peek(), True
                self._at += 1
            elif char in "'\"":
                end = self._text.find(char, self._at, self._end)
                if end < 0:
                    raise self._error(
                        "the quote that begins here is never closed", self._at - 1
                    )
                delimiter, quoted = delimiter + self._text[self._at : end], True
                self._at = end + 1
            else:
                delimiter += char
        return _HereDocument(delimiter, quoted, strips_tabs, opened)

    def _here_documents(self, state: _State) -> None:
        """Read the bodies that begin at this line."""
        for document in state.documents:
            body_end, after = self._body(document)
            if document.quoted:
                self._refuse_values(document, body_end)
            else:
                end, self._end = self._end, body_end
                while self._at < self._end:
                    self._quoted_part(Quoting.HERE_DOCUMENT)
                self._end = end
            self._at = after
        state.documents.clear()

    def _refuse_values(self, document: _HereDocument, body_end: int) -> None:
        at = self._text.find(MARK, self._at, body_end)
        if at >= 0:
            raise self._error(
                "bash expands nothing in a here-document whose delimiter is quoted: write "
                f"<<{document.delimiter} without quotes, and \\$ and \\` for a dollar and "
                "a backtick of the text",
                at,
            )

    def _body(self, document: _HereDocument) -> tuple[int, int]:
        """Where a here-document's body ends, and where its delimiter's line ends."""
        at, continued = self._at, False
        while at < self._end:
            stop = self._text.find("\n", at, self._end)
            after = self._end if stop < 0 else stop + 1
            line = self._text[at : self._end if stop < 0 else stop]
            bare = line.lstrip("\t") if document.strips_tabs else line
            if bare == document.delimiter and not continued:
                return at, after
            slashes = len(line) - len(line.rstrip("\\"))
            continued = not document.quoted and slashes % 2 == 1
            at = after
        raise self._endless(document)

    def _endless(self, document: _HereDocument) -> CommandTextError:
        return self._error(
            f"the here-document that begins here has no line {document.delimiter!r}",
            document.offset,
        )
