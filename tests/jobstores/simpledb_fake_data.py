"""What the fake SimpleDB holds, and the rules and limits by which it changes.

Source: Amazon SimpleDB Developer Guide (API version 2009-04-15): limits, operations,
conditional put and delete, error codes. The messages are ours; clients go by the codes.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_TEXT = 1024  # bytes of an item's name, an attribute's name and a value
MAX_PAIRS = 256  # of an item, and of one call for an item
MAX_BATCH = 25  # items
REMEMBERED = 200  # changes that a read which is not consistent may not have seen
_DOMAIN = re.compile(r"[A-Za-z0-9_.-]{3,255}")

Pairs = frozenset[tuple[str, str]]


class SdbError(Exception):
    """An error answer: code, HTTP status, message."""

    def __init__(self, code: str, status: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


@dataclass(frozen=True)
class Pair:
    """An attribute in a request. `value` is None where a delete names no value."""

    name: str
    value: str | None
    replace: bool = False


@dataclass(frozen=True)
class Condition:
    """`Expected`: an attribute has this one value, or does not exist (value None)."""

    name: str
    value: str | None


@dataclass
class Domain:
    """Items by name; each is its set of (attribute, value)."""

    items: dict[str, Pairs] = field(default_factory=dict)
    changes: deque[tuple[str, Pairs | None]] = field(
        default_factory=lambda: deque(maxlen=REMEMBERED)
    )

    def set(self, name: str, pairs: Pairs) -> None:
        """Change an item; one without attributes is none."""
        self.changes.append((name, self.items.get(name)))
        if pairs:
            self.items[name] = pairs
        else:
            self.items.pop(name, None)

    def before(self, changes: int) -> dict[str, Pairs]:
        """The items as they were before the last so many changes."""
        then = dict(self.items)
        for name, pairs in list(self.changes)[::-1][:changes]:
            if pairs is None:
                then.pop(name, None)
            else:
                then[name] = pairs
        return then


@dataclass
class Limits:
    """Those of an account and of a domain; tests make them small."""

    domains: int = 250
    domain_bytes: int = 10 * 2**30
    domain_pairs: int = 10**9


class Database:
    """The domains of one account. Not thread-safe: the server holds a lock."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.domains: dict[str, Domain] = {}

    def create_domain(self, name: str) -> None:
        if not _DOMAIN.fullmatch(name):
            raise invalid(name, "DomainName", "3 to 255 of a-z, A-Z, 0-9, '_', '-', '.'")
        if name not in self.domains and len(self.domains) >= self.limits.domains:
            raise SdbError("NumberDomainsExceeded", 409, "the domain limit is reached")
        self.domains.setdefault(name, Domain())

    def domain(self, name: str) -> Domain:
        if name not in self.domains:
            raise SdbError("NoSuchDomain", 400, "The specified domain does not exist.")
        return self.domains[name]

    def put(
        self, domain: str, item: str, pairs: list[Pair], condition: Condition | None
    ) -> None:
        found = self.domain(domain)
        _check_put(item, pairs)
        _check_condition(found.items.get(item, frozenset()), condition)
        changed = _put(found.items.get(item, frozenset()), pairs)
        self._check_room(found, {item: changed})
        found.set(item, changed)

    def batch_put(self, domain: str, items: list[tuple[str, list[Pair]]]) -> None:
        found = self.domain(domain)
        _check_batch([name for name, _ in items])
        for name, pairs in items:
            _check_put(name, pairs)
        changed = {
            name: _put(found.items.get(name, frozenset()), pairs) for name, pairs in items
        }
        self._check_room(found, changed)
        for name, pairs_now in changed.items():
            found.set(name, pairs_now)

    def delete(
        self, domain: str, item: str, pairs: list[Pair], condition: Condition | None
    ) -> None:
        found = self.domain(domain)
        check_text(item, "ItemName")
        _check_condition(found.items.get(item, frozenset()), condition)
        _delete(found, item, pairs)

    def batch_delete(self, domain: str, items: list[tuple[str, list[Pair]]]) -> None:
        found = self.domain(domain)
        _check_batch([name for name, _ in items])
        for name, pairs in items:
            _delete(found, name, pairs)

    def metadata(self, domain: str) -> dict[str, int]:
        items = self.domain(domain).items
        names = {name for pairs in items.values() for name, _ in pairs}
        return {
            "ItemCount": len(items),
            "ItemNamesSizeBytes": sum(map(size, items)),
            "AttributeNameCount": len(names),
            "AttributeNamesSizeBytes": sum(map(size, names)),
            "AttributeValueCount": sum(map(len, items.values())),
            "AttributeValuesSizeBytes": sum(
                size(value) for pairs in items.values() for _, value in pairs
            ),
        }

    def _check_room(self, domain: Domain, changed: dict[str, Pairs]) -> None:
        limits = self.limits
        if limits == Limits():
            return  # no test fills 10 GB, and the sums below are over all there is
        after = {**domain.items, **changed}
        if sum(map(len, after.values())) > limits.domain_pairs:
            raise SdbError("NumberDomainAttributesExceeded", 409, "too many attributes")
        if (
            sum(bytes_of(name, pairs) for name, pairs in after.items())
            > limits.domain_bytes
        ):
            raise SdbError("NumberDomainBytesExceeded", 409, "the domain is full")


def size(text: str) -> int:
    return len(text.encode())


def bytes_of(item: str, pairs: Iterable[tuple[str, str]]) -> int:
    return size(item) + sum(size(name) + size(value) for name, value in pairs)


def invalid(value: str, parameter: str, why: str) -> SdbError:
    return SdbError(
        "InvalidParameterValue",
        400,
        f"Value ({value[:80]}) for parameter {parameter} is invalid. {why}",
    )


def check_text(text: str, parameter: str, *, empty: bool = False) -> None:
    if size(text) > MAX_TEXT:
        raise invalid(text, parameter, f"Value exceeds maximum length of {MAX_TEXT}.")
    if not text and not empty:
        raise invalid(text, parameter, "The empty string is an illegal name.")


def _check_put(item: str, pairs: list[Pair]) -> None:
    check_text(item, "ItemName")
    if not pairs:
        raise SdbError("MissingParameter", 400, "No attributes for item " + item)
    if len(pairs) > MAX_PAIRS:
        raise SdbError(
            "NumberSubmittedAttributesExceeded",
            409,
            f"Too many attributes for item {item} in a single call:"
            f" {len(pairs)}, and up to {MAX_PAIRS} are allowed.",
        )
    for pair in pairs:
        check_text(pair.name, "Name")
        if pair.value is None:
            raise SdbError("MissingParameter", 400, f"No value for {pair.name}")
        check_text(pair.value, "Value", empty=True)


def _check_batch(names: list[str]) -> None:
    if not names:
        raise SdbError("MissingParameter", 400, "No items specified.")
    if len(names) > MAX_BATCH:
        raise SdbError(
            "NumberSubmittedItemsExceeded",
            409,
            f"Too many items in a single call: up to {MAX_BATCH} are allowed.",
        )
    for name in names:
        check_text(name, "ItemName")
        if names.count(name) > 1:
            raise SdbError("DuplicateItemName", 400, f"Item {name} was specified twice.")


def _check_condition(pairs: Pairs, condition: Condition | None) -> None:
    if condition is None:
        return
    values = sorted(value for name, value in pairs if name == condition.name)
    if condition.value is None:
        if values:
            raise SdbError(
                "ConditionalCheckFailed",
                409,
                f"Conditional check failed. Attribute ({condition.name}) value exists.",
            )
    elif not values:
        raise SdbError(
            "AttributeDoesNotExist", 404, f"Attribute ({condition.name}) does not exist"
        )
    elif len(values) > 1:
        raise SdbError(
            "MultiValuedAttribute",
            409,
            f"Attribute ({condition.name}) has many values, and a condition needs one",
        )
    elif values[0] != condition.value:
        raise SdbError(
            "ConditionalCheckFailed",
            409,
            f"Conditional check failed. Attribute ({condition.name}) value is"
            f" ({values[0]}) but was expected ({condition.value}).",
        )


def _put(before: Pairs, pairs: list[Pair]) -> Pairs:
    replaced = {pair.name for pair in pairs if pair.replace}
    kept = {(name, value) for name, value in before if name not in replaced}
    after = frozenset(kept | {(pair.name, pair.value or "") for pair in pairs})
    if len(after) > MAX_PAIRS:
        raise SdbError(
            "NumberItemAttributesExceeded", 409, "Too many attributes in this item."
        )
    return after


def _delete(domain: Domain, item: str, pairs: list[Pair]) -> None:
    before = domain.items.get(item)
    if before is None:
        return
    after = {
        (name, value)
        for name, value in before
        if pairs and not any(p.name == name and p.value in (None, value) for p in pairs)
    }
    domain.set(item, frozenset(after))
