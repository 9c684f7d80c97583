"""Check all that a store holds: every checksum, every reference, every row's place.

Reads everything once and changes nothing. Files that jobs and runs wrote themselves
(`submissions/S/jobs/`, `logs/`, `execute/`) have no checksums and are not looked into.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobstores import generations
from jobstores.errors import ConflictError, CorruptError, NotFoundError
from jobstores.operations.check_base import (
    BaseCheck,
    marker_findings,
    read_manifests,
    row_findings,
)
from jobstores.operations.check_items import ItemCheck, framing_findings, value_findings
from jobstores.operations.check_leftovers import leftover_findings
from jobstores.operations.findings import Finding, Severity, damage
from jobstores.operations.layout import Part, is_segment, part_of, read_unfinished, silent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jobstores.generations import Base
    from jobstores.operations.layout import Progress
    from jobstores.port import ObjectPort

_TRIES = 3


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What a check found.

    generation: the newest that is whole enough to be read; None: there is none.
    checked: by part, how many documents, columns, segments, packs and values were read.
    """

    generation: int | None
    findings: tuple[Finding, ...]
    checked: Mapping[str, int]

    @property
    def clean(self) -> bool:
        """Whether nothing that counts is lost or wrong."""
        return not self.of(Severity.DAMAGE)

    def of(self, severity: Severity) -> list[Finding]:
        """The findings of one severity."""
        return [f for f in self.findings if f.severity is severity]


def verify(port: ObjectPort, *, progress: Progress = silent) -> VerifyReport:
    """Check a store, while jobs record or not.

    progress: told how many documents, columns, segments, packs and values were checked.

    Raises:
        NotFoundError: there is no store, nor what is left of one.
        UnsupportedError: a newer version wrote it.
        ConflictError: others changed it all the time.
    """
    for _ in range(_TRIES):
        before = generations.numbers(port)
        report = _Check(port, progress).report()
        if generations.numbers(port)[-1:] == before[-1:]:
            return report
    raise ConflictError(
        f"{port.locator} was changed while it was checked, {_TRIES} times: check it when "
        "no other command is changing it"
    )


class _Check:
    def __init__(self, port: ObjectPort, progress: Progress) -> None:
        self._port = port
        self._progress = progress
        self._count = 0
        self._total: int | None = None
        self._checked: dict[str, int] = {}

    def report(self) -> VerifyReport:
        port = self._port
        keys = list(port.walk(""))
        bases, found = read_manifests(port)
        self._require_store(bases)
        found = [*marker_findings(port, bases), *found]
        self._total = _work(bases, keys)
        references: dict[str, tuple[int, int]] = {}
        if bases:
            found += self._base(bases, references)
            found += self._items(bases, keys, references)
            self._total += len(references)
            found += value_findings(port, references, self._done("values"))
        journals = [k for k in keys if is_segment(k) and part_of(k) is Part.SUBMISSION]
        leases = [k for k in keys if part_of(k) is Part.LEASE]
        found += framing_findings(port, journals, "journal")
        found += framing_findings(port, leases, "lease")
        found += leftover_findings(port, bases, keys)
        self._progress(self._count, self._count)
        number = bases[-1].number if bases else None
        return VerifyReport(number, tuple(found), self._checked)

    def _require_store(self, bases: list[Base]) -> None:
        """Without a marker there may be what is left of a store; or none."""
        if self._port.stat(generations.MARKER) is not None:
            return
        mark = read_unfinished(self._port)
        if mark is not None:
            what = "copied to" if mark.get("what") == "copy" else "deleted from"
            raise NotFoundError(
                f"{self._port.locator} is no store: one was being {what} here, and that "
                "was cut short: take it up again, or delete what is there"
            )
        if not bases:
            generations.check_marker(self._port)  # raises, and says what is there

    def _base(
        self, bases: list[Base], references: dict[str, tuple[int, int]]
    ) -> list[Finding]:
        check = BaseCheck(self._port, self._done("documents and columns"))
        newest = check.findings(bases[-1])
        references.update(check.references)
        with suppress(CorruptError, NotFoundError):  # found above
            newest += row_findings(self._port, bases[-1])
        known = set(newest)
        for base in bases[:-1]:
            older = [f for f in check.findings(base) if f not in known]
            known.update(older)
            newest += [_of_older(finding, base) for finding in older]
        return newest

    def _items(
        self, bases: list[Base], keys: list[str], references: dict[str, tuple[int, int]]
    ) -> list[Finding]:
        own = [k for k in keys if k.startswith(("segments/", "packs/"))]
        own = [k for k in own if part_of(k) is not Part.FOREIGN]
        check = ItemCheck(self._port, bases[-1], own, self._done("segments and packs"))
        found = check.findings(bases)
        references.update(check.references)
        return found

    def _done(self, what: str) -> Callable[[], None]:
        def done() -> None:
            self._count += 1
            self._checked[what] = self._checked.get(what, 0) + 1
            self._progress(self._count, max(self._count, self._total or 0))

        return done


def _of_older(finding: Finding, base: Base) -> Finding:
    """Damage that only an older generation has: nothing of the newest is lost."""
    text = f"{finding.message} (only generation {base.number}, an older one, names it)"
    repair = finding.repair or "nothing that counts names it; a sweep removes it in time"
    return damage(finding.kind, finding.key, text, repair, finding.row)


def _work(bases: list[Base], keys: list[str]) -> int:
    named = {key for base in bases for key in base.live_keys()}
    packs = {key for base in bases for key in base.packs.values()}
    return len(named) + len(packs) + sum(part_of(key) is Part.SEGMENT for key in keys)
