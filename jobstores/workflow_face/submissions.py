"""Submissions, the parts they were submitted in, and their jobscripts' metadata."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from jobstores import values
from jobstores.errors import NotFoundError, UnsupportedError
from jobstores.workflow_face.elements import refuse_taken

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from jobstores.workflow_face.pending import Session
    from jobstores.workflow_face.tables import Work

PARTS = "submission_parts"
SCRIPTS = "jobscripts"


def add(session: Session, index: int, document: Mapping[str, Any], save: bool) -> None:
    """Add a submission."""
    values.encode(dict(document), "sub_js")
    given = copy.deepcopy(dict(document))

    def change(work: Work) -> None:
        _refuse_made(work)
        known = work.document("submissions")
        refuse_taken(known, index, "submission")
        work.touch("submissions")[index] = {PARTS: {}, **copy.deepcopy(given)}

    session.change(change, save, allocates=True)


def add_part(
    session: Session, index: int, moment: str, jobscripts: Sequence[int], save: bool
) -> None:
    """Note which jobscripts were submitted at a moment."""
    listed = [int(number) for number in jobscripts]

    def change(work: Work) -> None:
        parts = _one(work, index).setdefault(PARTS, {})
        refuse_taken(parts, moment, f"part of submission {index} at")  # type: ignore[arg-type]
        work.touch("submissions")
        parts[moment] = list(listed)

    session.change(change, save)


def set_script(
    session: Session, index: int, script: int, facts: Mapping[str, Any], save: bool
) -> None:
    """Set those facts of a jobscript that are not None."""
    known = {name: fact for name, fact in facts.items() if fact is not None}
    values.encode(known, "metadata")
    known = copy.deepcopy(known)

    def change(work: Work) -> None:
        submission = _one(work, index)
        scripts = submission.setdefault(SCRIPTS, [])
        if not 0 <= script < len(scripts):
            raise NotFoundError(
                f"there is no jobscript {script} in submission {index}; there are"
                f" {len(scripts)}"
            )
        work.observed.append([scripts[script].get(name) for name in known])
        work.touch("submissions")
        scripts[script].update(copy.deepcopy(known))

    session.change(change, save)


def get(work: Work, indices: Iterable[int] | None = None) -> dict[int, dict[str, Any]]:
    """Submissions by index; all where none is named.

    Raises:
        NotFoundError: there is no such submission.
    """
    known = _made(work) if work.is_made else work.document("submissions")
    wanted = sorted(known) if indices is None else list(indices)
    for index in wanted:
        if index not in known:
            raise _absent(index, known)
    return {index: copy.deepcopy(known[index]) for index in wanted}


def _made(work: Work) -> dict[int, dict[str, Any]]:
    """What a made workflow's `info` says of its submissions, in this form."""
    return {
        index: {
            **{name: fact for name, fact in record.items() if name != "jobs"},
            SCRIPTS: record["jobs"],
            PARTS: {record["at"]: [job["index"] for job in record["jobs"]]},
        }
        for index, record in enumerate(work.base.info.get("submissions", ()))
    }


def _one(work: Work, index: int) -> dict[str, Any]:
    _refuse_made(work)
    known = work.document("submissions")
    if index not in known:
        raise _absent(index, known)
    found: dict[str, Any] = known[index]
    return found


def _absent(index: int, known: Iterable[int]) -> NotFoundError:
    there = ", ".join(map(str, sorted(known))) or "none"
    return NotFoundError(f"there is no submission {index}; there are: {there}")


def _refuse_made(work: Work) -> None:
    if work.is_made:
        raise UnsupportedError(
            "this workflow was made of a template, and what submits it writes its"
            " submissions; they can be read here, not changed"
        )
