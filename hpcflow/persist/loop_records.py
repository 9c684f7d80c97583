"""Loops as JSON documents and tables, and back.

In the `model` document, `loops` lists them; the columns of what passes between
iterations are the tables `loops/L/F/elements` and, for groups, `loops/L/F/offsets`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpcflow.model.loops import Feedback, Loop, Termination
from jobstores import values

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    import numpy as np
    from numpy.typing import NDArray


def loops_to_json(
    loops: Sequence[Loop],
    tables: dict[str, dict[str, tuple[str, Any]]],
    first: int = 0,
) -> list[dict[str, Any]]:
    """The loops' documents; their columns are put into `tables`.

    first: the index of the first of them in the workflow.
    """
    documents = []
    for number, loop in enumerate(loops, first):
        feedback = []
        for place, one in enumerate(loop.feedback):
            prefix = f"loops/{number}/{place}"
            tables[f"{prefix}/elements"] = {"elements": ("int", one.elements)}
            if one.offsets is not None:
                tables[f"{prefix}/offsets"] = {"offsets": ("int", one.offsets)}
            feedback.append([one.task, one.input, one.producer, one.output])
        documents.append(
            {
                "name": loop.name,
                "tasks": [loop.first, loop.last],
                "iterations": loop.iterations,
                "termination": termination_to_json(loop.termination),
                "feedback": feedback,
                **({"first_turn": loop.first_turn} if loop.first_turn else {}),
            }
        )
    return documents


def termination_to_json(termination: Termination | None) -> dict[str, Any] | None:
    """A termination as a JSON object."""
    if termination is None:
        return None
    return {
        "task": termination.task,
        "output": termination.output,
        "path": list(termination.path),
        "condition": values.encode(dict(termination.condition)),
        **({} if termination.root == "outputs" else {"root": termination.root}),
    }


def loops_from_json(
    documents: Sequence[dict[str, Any]],
    tables: Collection[str],
    column: Callable[[str, str], NDArray[np.int64]],
) -> tuple[Loop, ...]:
    """The loops that `loops_to_json` wrote.

    tables: the names of those there are. column: a column, by its table's prefix and
    its name.
    """
    loops = []
    for number, document in enumerate(documents):
        first, last = document["tasks"]
        loops.append(
            Loop(
                document["name"],
                first,
                last,
                document["iterations"],
                _termination(document["termination"]),
                tuple(
                    _feedback(fields, f"loops/{number}/{place}", tables, column)
                    for place, fields in enumerate(document["feedback"])
                ),
                document.get("first_turn", 0),
            )
        )
    return tuple(loops)


def _termination(document: dict[str, Any] | None) -> Termination | None:
    if document is None:
        return None
    return Termination(
        document["task"],
        document["output"],
        tuple(document["path"]),
        values.decode(document["condition"]),
        document.get("root", "outputs"),
    )


def _feedback(
    fields: Sequence[Any],
    prefix: str,
    tables: Collection[str],
    column: Callable[[str, str], NDArray[np.int64]],
) -> Feedback:
    task, name, producer, output = fields
    grouped = f"{prefix}/offsets" in tables
    return Feedback(
        task,
        name,
        producer,
        output,
        column(prefix, "elements"),
        column(prefix, "offsets") if grouped else None,
    )
