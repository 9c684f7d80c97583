"""A cache of rows by id, for callers that ask for the same ones again and again.

It is used only where it is switched on, and emptied by every change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

KINDS = ("tasks", "elements", "iterations", "runs", "parameters", "sources", "counts")


class RowCache:
    """Rows by kind and id, and counts by name."""

    def __init__(self) -> None:
        self.in_use = False
        self.rows: dict[str, dict[Any, Any]] = {kind: {} for kind in KINDS}

    def get(
        self, kind: str, ids: Iterable[int], read: Callable[[Sequence[int]], list[Any]]
    ) -> list[Any]:
        """Rows of ids, in their order; `read` gives those that are not known."""
        wanted = list(ids)
        if not self.in_use:
            return read(wanted)
        known = self.rows[kind]
        missing = [id_ for id_ in dict.fromkeys(wanted) if id_ not in known]
        if missing:
            known.update(zip(missing, read(missing), strict=True))
        return [known[id_] for id_ in wanted]

    def count(self, name: str, read: Callable[[], int]) -> int:
        """A count, read once."""
        if not self.in_use:
            return read()
        known = self.rows["counts"]
        if name not in known:
            known[name] = read()
        found: int = known[name]
        return found

    def clear(self) -> None:
        """Forget all rows."""
        for known in self.rows.values():
            known.clear()
