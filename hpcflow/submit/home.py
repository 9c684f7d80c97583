"""Where a workflow was submitted: its jobs know that path, and belong to it.

A copy of a workflow has the same records, so it must not submit, or cancel, what
the original submitted. It can be read wherever it is.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from hpcflow.errors import SubmissionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def check_home(submission: Mapping[str, Any], root: str) -> None:
    """Go on only where this submission's jobs belong.

    submission: its record in the workflow's info. root: where the workflow is now.

    Raises:
        SubmissionError: it was submitted at another path, which is not this one by
            another name.
    """
    home = submission.get("path")
    if home is None or _is_same_place(home, root):
        return
    if os.path.lexists(home):
        raise SubmissionError(
            f"{root} is a copy of {home}: its jobs belong to the original. "
            "Nothing was submitted or cancelled; do it there."
        )
    raise SubmissionError(
        f"{root} was submitted when it was at {home}, and its jobs look for it there. "
        "Nothing was submitted or cancelled. If this is a copy, do it where the original "
        f"is; if it was moved, move it back, or make a link: ln -s {root} {home}"
    )


def recorded_root(submissions: Iterable[Mapping[str, Any]], root: str) -> str:
    """The path by which earlier submissions know this place; `root` where none does."""
    homes = (record.get("path") for record in submissions)
    return next((home for home in homes if home and _is_same_place(home, root)), root)


def _is_same_place(home: str, root: str) -> bool:
    if home == root:
        return True
    try:
        return os.path.samefile(home, root)
    except OSError:
        return False
