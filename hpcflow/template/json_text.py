"""JSON to nodes: strict, with positions; tabs and surrogate escapes are no trouble."""

from __future__ import annotations

import re
from json.decoder import JSONDecodeError, scanstring  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any

from hpcflow.template.nodes import MAX_DEPTH, MAX_DIGITS, Node, add_entry, scalar_node
from hpcflow.template.source import UNKNOWN

if TYPE_CHECKING:
    from hpcflow.template.problems import Problems

_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"(-?(?:0|[1-9][0-9]*))(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORDS = {"true": True, "false": False, "null": None}


class JsonSyntaxError(ValueError):
    """The text is not JSON; `at` is where it stops being so."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.message = message
        self.at = at


def parse_json(text: str, problems: Problems) -> Node:
    """The document's root; duplicate keys are reported.

    Raises: JsonSyntaxError
    """
    reader = _Reader(text, problems)
    root = reader.value(0)
    reader.end()
    return root


class _Reader:
    def __init__(self, text: str, problems: Problems) -> None:
        self._text = text
        self._problems = problems
        self._at = 0

    def value(self, depth: int) -> Node:
        at, character = self._peek()
        if depth > MAX_DEPTH:
            raise JsonSyntaxError(f"values are nested more than {MAX_DEPTH} deep", at)
        if character == "{":
            return self._map(depth)
        if character == "[":
            return self._list(depth)
        if character == '"':
            return scalar_node(self._string(), at, self._problems)
        if character == UNKNOWN and self._problems.any_errors:
            self._at += 1
            return scalar_node(UNKNOWN, at, self._problems)
        if match := _NUMBER.match(self._text, at):
            self._at = match.end()
            whole = match[2] is None and match[3] is None
            if whole and len(match[0]) > MAX_DIGITS:
                raise JsonSyntaxError("the number is too long", at)
            return Node(int(match[0]) if whole else float(match[0]), at)
        for word, value in _WORDS.items():
            if self._text.startswith(word, at):
                self._at = at + len(word)
                return Node(value, at)
        raise JsonSyntaxError("expected a value", at)

    def end(self) -> None:
        at, character = self._peek()
        if character:
            raise JsonSyntaxError("expected nothing after the document", at)

    def _map(self, depth: int) -> Node:
        node = Node({}, self._at, {})
        self._at += 1
        if self._skip("}"):
            return node
        while True:
            at, character = self._peek()
            if character != '"':
                raise JsonSyntaxError("expected a key in double quotes", at)
            key: Any = self._string()
            if not self._skip(":"):
                raise JsonSyntaxError("expected `:` after a key", self._at)
            item = self.value(depth + 1)
            node.size += item.size
            add_entry(node, key, at, item, self._problems)
            if self._skip("}"):
                return node
            if not self._skip(","):
                raise JsonSyntaxError("expected `,` or `}`", self._at)

    def _list(self, depth: int) -> Node:
        node = Node([], self._at)
        self._at += 1
        if self._skip("]"):
            return node
        while True:
            item = self.value(depth + 1)
            node.size += item.size
            node.value.append(item)
            if self._skip("]"):
                return node
            if not self._skip(","):
                raise JsonSyntaxError("expected `,` or `]`", self._at)

    def _string(self) -> str:
        try:
            text, self._at = scanstring(self._text, self._at + 1, True)
        except JSONDecodeError as error:
            raise JsonSyntaxError(error.msg.lower(), error.pos) from error
        return str(text)

    def _peek(self) -> tuple[int, str]:
        match = _SPACE.match(self._text, self._at)
        assert match is not None
        self._at = match.end()
        return self._at, self._text[self._at : self._at + 1]

    def _skip(self, character: str) -> bool:
        if self._peek()[1] != character:
            return False
        self._at += 1
        return True
