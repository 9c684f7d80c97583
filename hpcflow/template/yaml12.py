"""YAML 1.2 to nodes: PyYAML's C parser for the syntax, our own table for the scalars.

Scalars resolve as the parser of hpcflow 0.2 (ruamel.yaml, YAML 1.2) resolves them:
the core schema, timestamps, and numbers with underscores or in base two. The parser's
events are read with a stack, so a deep document can't exhaust Python's or C's.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any, NoReturn

import yaml
from yaml.cyaml import CLoader
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from hpcflow.template.nodes import (
    MAX_DEPTH,
    MAX_DIGITS,
    MAX_VALUES,
    Node,
    add_entry,
    scalar_node,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from hpcflow.template.problems import Problems

_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_INT = re.compile(r"[-+]?[0-9][0-9_]*")
_BASED = re.compile(
    r"([-+]?)0(?:b([01][01_]*)|o([0-7][0-7_]*)|x([0-9a-fA-F][0-9a-fA-F_]*))"
)
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9][0-9_]*|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?"
)
_TIME = re.compile(
    r"""(\d{4})-(\d\d?)-(\d\d?)(?:[Tt]|[ \t]+)(\d\d?):(\d\d):(\d\d)(?:\.(\d*))?
        (?:[ \t]*(Z|([-+])(\d\d?)(?::?(\d\d))?))?""",
    re.VERBOSE,
)
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
_FORBIDDEN = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)
_CORE = "tag:yaml.org,2002:"

_HINTS = {
    "mapping values are not allowed in this context": "`: ` is not allowed here; "
    "put the text in quotes, or begin a new line",
    "did not find expected key": "expected a key here: is the indentation right?",
    "could not find expected ':'": "expected `:` after a key",
    "found unexpected end of stream": "the text ends inside quotes",
    "but found another document": "only one document may stand in a template",
}


def resolve_scalar(text: str) -> Any:
    """The value of a plain scalar."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _INT.fullmatch(text):
        return int(text.replace("_", "")) if len(text) <= MAX_DIGITS else text
    if _FLOAT.fullmatch(text):
        return float(text.replace("_", ""))
    if match := _BASED.fullmatch(text):
        base, digits = next(
            (b, d) for b, d in zip((2, 8, 16), match.groups()[1:], strict=True) if d
        )
        value = int(digits.replace("_", ""), base)
        return -value if match[1] == "-" else value
    return _resolve_timestamp(text)


def _resolve_timestamp(text: str) -> Any:
    """A date, a time stamp, or the text itself where it is none or none that exists."""
    try:
        if match := _DATE.fullmatch(text):
            return dt.date(*map(int, match.groups()))
        if match := _TIME.fullmatch(text):
            year, month, day, hour, minute, second = map(int, match.groups()[:6])
            micro = int((match[7] or "").ljust(6, "0")[:6])
            zone = None
            if match[8]:
                offset = dt.timedelta(
                    hours=int(match[10] or 0), minutes=int(match[11] or 0)
                )
                zone = dt.timezone(-offset if match[9] == "-" else offset)
            return dt.datetime(year, month, day, hour, minute, second, micro, zone)
    except ValueError:
        pass
    return text


_TAGS: dict[str, Callable[[str], Any]] = {
    "!": str,
    _CORE + "str": str,
    _CORE + "int": lambda text: int(resolve_scalar(text)),
    _CORE + "float": lambda text: float(resolve_scalar(text)),
    _CORE + "bool": lambda text: {"true": True, "false": False}[text.lower()],
    _CORE + "null": lambda text: {"": None, "~": None, "null": None}[text.lower()],
    _CORE + "timestamp": _resolve_timestamp,
}


def parse_yaml(text: str, problems: Problems) -> Node | None:
    """The document's root; None where it has none or a syntax error, which is reported."""
    if match := _FORBIDDEN.search(text):
        problems.add(
            match.start(), (), f"the character {match[0]!r} is not allowed in a template"
        )
        return None
    try:
        return _Builder(CLoader(text), problems).build()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        at = mark.index if mark is not None else 0
        reason = _explain(error, text, at, problems)
        problems.add(at, (), f"this is not valid YAML: {reason}")
    except yaml.YAMLError as error:  # pragma: no cover - what else a newer PyYAML may raise
        problems.add(0, (), f"this is not valid YAML: {error}")
    return None


def _explain(error: yaml.MarkedYAMLError, text: str, at: int, problems: Problems) -> str:
    if error.problem == "found character that cannot start any token":
        character = text[at : at + 1]
        if character == "\t":
            return "a tab can't indent; use spaces"
        return f"text can't begin with {character!r}; put it in quotes"
    message = _HINTS.get(error.problem or "", error.problem or str(error))
    if error.context is None:
        return message
    mark = error.context_mark
    begin = f", from line {problems.line_of(mark.index)}" if mark is not None else ""
    return f"{message} ({error.context}{begin})"


class _StopError(Exception):
    """The rest of the document can't be understood; the reason was reported."""


class _Builder:
    """Makes nodes from the parser's events."""

    def __init__(self, parser: Any, problems: Problems) -> None:
        self._parser = parser
        self._problems = problems
        self._anchors: dict[str, Node] = {}
        # open lists and maps, each with the key that waits for its value
        self._open: list[tuple[Node, list[Node]]] = []
        self._root: Node | None = None

    def build(self) -> Node | None:
        documents = 0
        try:
            while not isinstance(event := self._parser.get_event(), StreamEndEvent):
                documents += isinstance(event, DocumentStartEvent)
                if documents > 1:
                    self._stop(event, _HINTS["but found another document"])
                self._take(event)
        except _StopError:
            return None
        return self._root

    def _take(self, event: Any) -> None:
        kind = type(event)
        if kind is ScalarEvent:
            self._add(self._anchored(event, self._scalar(event)))
        elif kind is MappingStartEvent or kind is SequenceStartEvent:
            if len(self._open) >= MAX_DEPTH:
                self._stop(event, f"values are nested more than {MAX_DEPTH} deep")
            if event.tag not in (None, "!", _CORE + "map", _CORE + "seq"):
                self._unknown_tag(event)
            at = event.start_mark.index
            node = Node({}, at, {}) if kind is MappingStartEvent else Node([], at)
            self._open.append((self._anchored(event, node), []))
        elif kind is MappingEndEvent or kind is SequenceEndEvent:
            node, _ = self._open.pop()
            self._add(node)
        elif kind is AliasEvent:
            self._add(self._alias(event))

    def _anchored(self, event: Any, node: Node) -> Node:
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: Any) -> Node:
        node = self._anchors.get(event.anchor)
        if node is None:
            self._stop(event, f"no `&{event.anchor}` stands above `*{event.anchor}`")
        if any(node is container for container, _ in self._open):
            self._stop(event, f"`*{event.anchor}` stands inside `&{event.anchor}` itself")
        return node

    def _scalar(self, event: Any) -> Node:
        at = event.start_mark.index
        if event.tag is None:
            plain_style = event.implicit[0]
            value = resolve_scalar(event.value) if plain_style else event.value
            return scalar_node(value, at, self._problems)
        convert = _TAGS.get(event.tag)
        if convert is None:
            self._unknown_tag(event)
            return Node(event.value, at, bad=True)
        try:
            return scalar_node(convert(event.value), at, self._problems)
        except (ValueError, TypeError, KeyError):
            name = event.tag.removeprefix(_CORE)
            self._problems.add(at, (), f"{event.value!r} does not fit its tag !!{name}")
            return Node(event.value, at, bad=True)

    def _unknown_tag(self, event: Any) -> None:
        tag = event.tag.replace(_CORE, "!!")
        self._problems.add(event.start_mark.index, (), f"the tag {tag} is not known")

    def _add(self, node: Node) -> None:
        if not self._open:
            self._root = node
            return
        container, waiting = self._open[-1]
        container.size += node.size
        if container.size > MAX_VALUES:
            self._problems.add(
                node.at, (), f"aliases expand to more than {MAX_VALUES} values"
            )
            raise _StopError
        if isinstance(container.value, list):
            container.value.append(node)
        elif waiting:
            self._add_entry(container, waiting.pop(), node)
        else:
            waiting.append(node)

    def _add_entry(self, container: Node, key: Node, node: Node) -> None:
        if isinstance(key.value, list | dict):
            self._problems.add(key.at, (), "a key must be a plain value, not a list or map")
            return
        if key.bad:
            return
        add_entry(container, key.value, key.at, node, self._problems)

    def _stop(self, event: Any, message: str) -> NoReturn:
        self._problems.add(event.start_mark.index, (), f"this is not valid YAML: {message}")
        raise _StopError
