"""`hpcflow store verify`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from hpcflow.cli import options
from hpcflow.cli.progress import Watched
from hpcflow.cli.words import count

if TYPE_CHECKING:
    from jobstores.operations.findings import Finding
    from jobstores.operations.repair import RepairReport
    from jobstores.operations.verify import VerifyReport

EXIT_DAMAGED = 1


@click.command("verify")
@options.place
@click.option("--repair", is_flag=True, help="Repair what can be, and check again.")
@options.as_json
def command(store: str, *, repair: bool, as_json: bool) -> int:
    """Check all that STORE holds: checksums, references, rows and counts.

    Exit code 1 if there is damage. A repair destroys nothing: what is in the way is
    kept below damaged/. Files that jobs and runs wrote themselves have no checksums
    and are not looked into.
    """
    from hpcflow.app import stores

    interrupted = "interrupted: nothing was changed"
    if repair:
        interrupted = "interrupted: the store is as it was, or repaired; repair it again"
    with Watched("checking", interrupted, quiet=as_json) as watched:
        if repair:
            repaired = stores.repair(store, watched.progress)
            report = repaired.after
        else:
            repaired, report = None, stores.verify(store, watched.progress)
    if as_json:
        click.echo(json.dumps(_document(report, repaired)))
    else:
        _print(report, repaired)
    return 0 if report.clean else EXIT_DAMAGED


def _document(report: VerifyReport, repaired: RepairReport | None) -> dict[str, Any]:
    document: dict[str, Any] = {
        "format": 1,
        "clean": report.clean,
        "generation": report.generation,
        "checked": dict(report.checked),
        "findings": [_finding(f) for f in report.findings],
    }
    if repaired is not None:
        document["repaired"] = [_finding(f) for f in repaired.repaired]
        document["moved"] = list(repaired.moved)
    return document


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "severity": str(finding.severity),
        "kind": finding.kind,
        "key": finding.key,
        "row": finding.row,
        "message": finding.message,
        "repair": finding.repair or None,
    }


def _print(report: VerifyReport, repaired: RepairReport | None) -> None:
    if repaired is not None:
        for finding in repaired.repaired:
            click.echo(f"repaired: {_text(finding)}")
        for key in repaired.moved:
            click.echo(f"kept below damaged/: {key}")
    for finding in report.findings:
        click.echo(f"{finding.severity}: {_text(finding)}")
        if finding.repair and repaired is None:
            click.echo(f"  --repair: {finding.repair}")
    checked = ", ".join(f"{number} {what}" for what, number in report.checked.items())
    damage = [f for f in report.findings if f.severity == "damage"]
    verdict = f"{count(len(damage), 'case')} of damage" if damage else "whole"
    click.echo(f"{verdict}; checked {checked or 'nothing'}")


def _text(finding: Finding) -> str:
    """The message, with the key where it does not say it itself."""
    named = finding.key in finding.message
    return finding.message if named else f"{finding.key}: {finding.message}"
