"""Loops over tasks: their templates, parents and iterations."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from jobstores import values
from jobstores.errors import NotFoundError
from jobstores.workflow_face.elements import check_parents
from jobstores.workflow_face.tables import as_ids, texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from jobstores.workflow_face.pending import Session
    from jobstores.workflow_face.tables import Work


def add(
    session: Session,
    template: Mapping[str, Any],
    facts: Mapping[str, Any],
    iterations: Iterable[int],
    save: bool,
) -> int:
    """Add a loop; its index. The iterations become its iteration 0.

    facts: `iterable_parameters`, `parents`, `num_added_iterations`.
    """
    loop = {"loop_template": dict(template), **facts}
    values.encode(loop, "loop")
    loop = copy.deepcopy(loop)
    ids = as_ids(iterations)
    name = template.get("name")

    def change(work: Work) -> int:
        check_parents(work, "iterations", ids, "iteration")
        rows = work.rows("iterations", ids[work.added(ids)], "iteration")
        before = work.table("iteration_states")["loop_idx"][rows].tolist()
        places = [{**values.loads(text), name: 0} for text in before]
        if len(rows):
            column = texts(places, "loop_idx")
            work.set_rows("iteration_states", rows, {"loop_idx": column})
        loops = work.touch("loops")
        loops.append(copy.deepcopy(loop))
        return len(loops) - 1

    index: int = session.change(change, save, allocates=True)
    return index


def update(session: Session, index: int, facts: Mapping[str, Any], save: bool) -> None:
    """Set facts of a loop."""
    values.encode(dict(facts), f"loop {index}")
    given = copy.deepcopy(dict(facts))

    def change(work: Work) -> None:
        loop = one(work, index)
        work.observed.append(
            [copy.deepcopy(loop[name]) for name in given]
        )  # another writer may set them
        work.touch("loops")
        loop.update(copy.deepcopy(given))

    session.change(change, save)


def one(work: Work, index: int) -> dict[str, Any]:
    """What is known of a loop.

    Raises:
        NotFoundError: there is no such loop.
    """
    loops = work.document("loops")
    if not 0 <= index < len(loops):
        raise NotFoundError(f"there is no loop {index}; there are {len(loops)}")
    found: dict[str, Any] = loops[index]
    return found


def get(work: Work, indices: Sequence[int] | None = None) -> dict[int, dict[str, Any]]:
    """Loops by index; all where none is named."""
    wanted = range(len(work.document("loops"))) if indices is None else indices
    return {index: copy.deepcopy(one(work, index)) for index in wanted}
