"""What a check of a store finds: what, where, how bad, and what can be done."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is."""

    DAMAGE = "damage"  # something that counts is lost, or wrong
    LEFTOVER = "leftover"  # something that counts for nothing and takes room
    NOTE = "note"  # nothing wrong, but worth a look


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    kind: a stable name of the exact case.
    key: where; of a column the prefix of its objects.
    row: of a column or segment the row, or record, where one is to blame.
    repair: what `repair` does about it; empty where it can't.
    """

    severity: Severity
    kind: str
    key: str
    message: str
    repair: str = ""
    row: int | None = None


def damage(
    kind: str, key: str, message: str, repair: str = "", row: int | None = None
) -> Finding:
    """A finding of damage."""
    return Finding(Severity.DAMAGE, kind, key, message, repair, row)


def leftover(kind: str, key: str, message: str, repair: str = "") -> Finding:
    """A finding of a leftover."""
    return Finding(Severity.LEFTOVER, kind, key, message, repair)


def note(kind: str, key: str, message: str) -> Finding:
    """A finding that is none to act on."""
    return Finding(Severity.NOTE, kind, key, message)
