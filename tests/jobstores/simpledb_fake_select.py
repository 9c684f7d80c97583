"""The fake SimpleDB's `Select`: its grammar, what an expression matches, its pages.

Comparisons of one attribute that `and`, `or` and `not` join are tried on one value at a
time: a multi-valued attribute matches where one of its values passes them all.
`intersection` joins sets of items, and `every()` asks it of all values. Comparison is of
text, by its UTF-8 bytes. Source: Developer Guide, "Using Select to Create Amazon SimpleDB
Queries".
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from tests.jobstores.simpledb_fake_data import MAX_PAIRS, Pairs, SdbError, size

MAX_ITEMS = 2500
MAX_BYTES = 1_000_000  # "1 MB"
DEFAULT_LIMIT = 100
MAX_COMPARISONS = 20
ITEM_NAME = "itemName()"

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
    | (?P<quoted>`(?:[^`]|``)*`)
    | (?P<op><=|>=|!=|<>|=|<|>)
    | (?P<mark>[(),*])
    | (?P<word>[A-Za-z_$][A-Za-z0-9_$]*|\d+)
    )""",
    re.VERBOSE,
)
_RESERVED = {
    "or", "and", "not", "from", "where", "select", "like", "null", "is", "order", "by",
    "asc", "desc", "in", "between", "intersection", "limit", "every",
}  # fmt: skip

Values = Callable[[str], list[str]]  # of an item: an attribute's values


class Token(NamedTuple):
    kind: str
    value: str


@dataclass(frozen=True)
class Test:
    """One comparison: of an attribute's value, or of whether there is one."""

    name: str
    passes: Callable[[str], bool]
    every: bool = False
    null: bool | None = None

    def names(self) -> set[str]:
        return {self.name}

    def single(self) -> bool:
        return not self.every and self.null is None

    def of_value(self, value: str) -> bool:
        return self.passes(value)

    def of_item(self, values: Values) -> bool:
        found = values(self.name)
        if self.null is not None:
            return self.null == (not found)
        if self.every:
            return bool(found) and all(map(self.passes, found))
        return any(map(self.passes, found))


@dataclass(frozen=True)
class Joined:
    """`and`, `or`, `not` and `intersection` of expressions."""

    word: str
    parts: tuple[Test | Joined, ...]

    def names(self) -> set[str]:
        return set().union(*(part.names() for part in self.parts))

    def single(self) -> bool:
        return self.word != "intersection" and all(part.single() for part in self.parts)

    def of_value(self, value: str) -> bool:
        return self._join([part.of_value(value) for part in self.parts])

    def of_item(self, values: Values) -> bool:
        names = self.names()
        if len(names) == 1 and self.single():
            return any(map(self.of_value, values(names.pop())))
        return self._join([part.of_item(values) for part in self.parts])

    def _join(self, answers: list[bool]) -> bool:
        if self.word == "not":
            return not answers[0]
        return any(answers) if self.word == "or" else all(answers)


@dataclass(frozen=True)
class Query:
    """A parsed expression. `output` is "*", "count", "itemName()" or names."""

    output: str | tuple[str, ...]
    domain: str
    where: Test | Joined | None
    order: str | None
    descending: bool
    limit: int


class Page(NamedTuple):
    """Rows of (item, its pairs), or a count, and where to go on."""

    rows: list[tuple[str, list[tuple[str, str]]]]
    count: int | None
    next_token: str | None


def wrong(why: str) -> SdbError:
    return SdbError("InvalidQueryExpression", 400, f"The query is not valid: {why}")


def parse(expression: str) -> Query:
    return _Parser(expression).query()


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens: list[Token] = []
        self.at = 0
        self.tests: list[Test] = []
        position = 0
        while text[position:].strip():
            match = _TOKEN.match(text, position)
            if match is None:
                raise wrong(f"at {text[position:][:30]!r}")
            self.tokens.append(Token(str(match.lastgroup), match[str(match.lastgroup)]))
            position = match.end()

    def word(self) -> str:
        """The word or mark that comes next, in lower case; empty for others."""
        if self.at < len(self.tokens):
            kind, value = self.tokens[self.at]
            if kind in ("word", "mark", "op"):
                return value.lower()
        return ""

    def takes(self, *words: str) -> bool:
        """Whether these words come next; then they are passed."""
        start = self.at
        for word in words:
            if self.word() != word:
                self.at = start
                return False
            self.at += 1
        return True

    def expects(self, *words: str) -> None:
        if not self.takes(*words):
            raise wrong(f"{' '.join(words)} was expected at token {self.at + 1}")

    def next(self) -> Token:
        if self.at == len(self.tokens):
            raise wrong("it ends too early")
        self.at += 1
        return self.tokens[self.at - 1]

    def name(self) -> str:
        kind, value = self.next()
        if kind == "quoted":
            return value[1:-1].replace("``", "`")
        if kind == "word" and not value.isdigit() and value.lower() not in _RESERVED:
            return value
        raise wrong(f"{value!r} is no name")

    def attribute(self) -> str:
        if self.takes("itemname", "(", ")"):
            return ITEM_NAME
        return self.name()

    def text(self) -> str:
        kind, value = self.next()
        if kind != "text":
            raise wrong(f"{value!r} is not quoted")
        return value[1:-1].replace(value[0] * 2, value[0])

    def query(self) -> Query:
        self.expects("select")
        output = self.output()
        self.expects("from")
        domain = self.name()
        where = self.either() if self.takes("where") else None
        order, descending = self.sort()
        limit = self.limit()
        if self.at < len(self.tokens):
            raise wrong(f"{self.tokens[self.at].value!r} is not expected")
        if len(self.tests) > MAX_COMPARISONS:
            raise SdbError("InvalidNumberPredicates", 400, "Too many predicates")
        return Query(output, domain, where, order, descending, limit)

    def output(self) -> str | tuple[str, ...]:
        if self.takes("*"):
            return "*"
        if self.takes("count", "(", "*", ")"):
            return "count"
        if self.takes("itemname", "(", ")"):
            return ITEM_NAME
        names = [self.name()]
        while self.takes(","):
            names.append(self.name())
        if len(names) > MAX_PAIRS:
            raise SdbError("TooManyRequestedAttributes", 400, "Too many attributes")
        return tuple(names)

    def either(self) -> Test | Joined:
        return self.joined("intersection", lambda: self.joined("or", self.both))

    def both(self) -> Test | Joined:
        return self.joined("and", self.one)

    def joined(self, word: str, part: Callable[[], Test | Joined]) -> Test | Joined:
        parts = [part()]
        while self.takes(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else Joined(word, tuple(parts))

    def one(self) -> Test | Joined:
        if self.takes("not"):
            return Joined("not", (self.one(),))
        if self.takes("("):
            inner = self.either()
            self.expects(")")
            return inner
        test = self.test()
        self.tests.append(test)
        return test

    def test(self) -> Test:
        every = self.takes("every", "(")
        name = self.attribute()
        if every:
            self.expects(")")
        if self.takes("is", "not", "null"):
            return Test(name, lambda _: True, null=False)
        if self.takes("is", "null"):
            return Test(name, lambda _: False, null=True)
        return Test(name, self.comparison(), every)

    def comparison(self) -> Callable[[str], bool]:
        if self.takes("between"):
            low = self.text().encode()
            self.expects("and")
            high = self.text().encode()
            return lambda value: low <= value.encode() <= high
        if self.takes("in", "("):
            wanted = [self.text()]
            while self.takes(","):
                wanted.append(self.text())
            self.expects(")")
            if len(wanted) > MAX_COMPARISONS:
                raise SdbError("InvalidNumberValueTests", 400, "Too many values")
            return lambda value: value in wanted
        if self.takes("not", "like"):
            unlike = _like(self.text())
            return lambda value: not unlike(value)
        if self.takes("like"):
            return _like(self.text())
        return self.operator()

    def operator(self) -> Callable[[str], bool]:
        op = self.next().value
        other = self.text().encode()
        operators: dict[str, Callable[[bytes], bool]] = {
            "=": lambda value: value == other,
            "!=": lambda value: value != other,
            "<>": lambda value: value != other,
            "<": lambda value: value < other,
            "<=": lambda value: value <= other,
            ">": lambda value: value > other,
            ">=": lambda value: value >= other,
        }
        if op not in operators:
            raise wrong(f"{op!r} is no comparison")
        return lambda value: operators[op](value.encode())

    def sort(self) -> tuple[str | None, bool]:
        if not self.takes("order", "by"):
            return None, False
        name = self.attribute()
        descending = self.takes("desc")
        if not descending:
            self.takes("asc")
        if not any(test.name == name and test.null is not True for test in self.tests):
            raise SdbError(
                "InvalidSortExpression",
                400,
                "The sort attribute must be present in at least one of the predicates, and"
                " the predicate cannot contain the is null operator.",
            )
        return name, descending

    def limit(self) -> int:
        if not self.takes("limit"):
            return DEFAULT_LIMIT
        number = self.next().value
        if not number.isdigit() or not 1 <= int(number) <= MAX_ITEMS:
            raise wrong(f"limit {number}: 1 to {MAX_ITEMS} are allowed")
        return int(number)


def _like(pattern: str) -> Callable[[str], bool]:
    inner = pattern.removeprefix("%")
    inner = inner.removesuffix("%")
    if "%" in inner:
        raise wrong("% may only begin or end a pattern")
    if pattern.startswith("%") and pattern.endswith("%"):
        return lambda value: inner in value
    if pattern.startswith("%"):
        return lambda value: value.endswith(inner)
    if pattern.endswith("%"):
        return lambda value: value.startswith(inner)
    return lambda value: value == inner


def run(query: Query, items: dict[str, Pairs], expression: str, token: str | None) -> Page:
    """One page of what matches."""
    matching = [
        (name, pairs)
        for name, pairs in items.items()
        if query.where is None or query.where.of_item(_values(name, pairs))
    ]
    if query.output == "count":
        return Page([], len(matching), None)
    keyed = sorted((_key(query, name, pairs), name, pairs) for name, pairs in matching)
    if query.descending:
        keyed.reverse()
    after = _resume(token, expression)
    rows: list[tuple[str, list[tuple[str, str]]]] = []
    total, last = 0, None
    for key, name, pairs in keyed:
        here = [*key, name]
        if after is not None and (here >= after if query.descending else here <= after):
            continue
        shown = _shown(query, pairs)
        total += size(name) + sum(size(n) + size(v) for n, v in shown)
        if rows and (len(rows) == query.limit or total > MAX_BYTES):
            return Page(rows, None, _token(last, expression))
        rows.append((name, shown))
        last = here
    return Page(rows, None, None)


def _values(name: str, pairs: Pairs) -> Values:
    def values(attribute: str) -> list[str]:
        if attribute == ITEM_NAME:
            return [name]
        return [value for found, value in pairs if found == attribute]

    return values


def _key(query: Query, name: str, pairs: Pairs) -> tuple[str, ...]:
    """What it is sorted by; without `order by`, an order that says nothing."""
    if query.order is None:
        return (f"{zlib.crc32(name.encode()):08x}",)
    return tuple(sorted(_values(name, pairs)(query.order))[:1])


def _shown(query: Query, pairs: Pairs) -> list[tuple[str, str]]:
    if query.output == ITEM_NAME:
        return []
    found = [p for p in pairs if query.output == "*" or p[0] in query.output]
    return sorted(found, key=lambda pair: zlib.crc32("".join(pair).encode()))


def _digest(expression: str) -> str:
    return hashlib.sha256(expression.encode()).hexdigest()[:16]


def _token(last: list[str] | None, expression: str) -> str:
    return base64.b64encode(json.dumps([_digest(expression), last]).encode()).decode()


def _resume(token: str | None, expression: str) -> list[str] | None:
    if token is None:
        return None
    try:
        digest, last = json.loads(base64.b64decode(token, validate=True))
    except ValueError:
        digest, last = None, None
    if digest != _digest(expression) or not isinstance(last, list):
        raise SdbError("InvalidNextToken", 400, "The specified next token is not valid.")
    return last
