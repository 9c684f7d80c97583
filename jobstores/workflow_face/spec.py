"""Stores for tests, from a nested specification of what is to be in them.

A specification is a list of tasks, `{"elements": [{"iterations": [{"EARs": [{}]}]}]}`;
every level may be left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobstores.workflow_face.rows import (
    StoreEAR,
    StoreElement,
    StoreElementIter,
    StoreTask,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobstores.workflow_face.facade import PersistentStore

Rows = tuple[list[StoreTask], list[StoreElement], list[StoreElementIter], list[StoreEAR]]


def rows_of(spec: Sequence[Mapping[str, Any]]) -> Rows:
    """Tasks, elements, iterations and runs, with the ids that a store gives them."""
    tasks: list[StoreTask] = []
    elements: list[StoreElement] = []
    iterations: list[StoreElementIter] = []
    runs: list[StoreEAR] = []
    for number, task in enumerate(spec):
        first = len(elements)
        for index, element in enumerate(task.get("elements", ())):
            first_iteration = len(iterations)
            for iteration in element.get("iterations", ()):
                first_run = len(runs)
                for run in iteration.get("EARs", ()):
                    runs.append(_run(len(runs), len(iterations), run))
                ids: dict[int, list[int]] = {}
                for added in runs[first_run:]:
                    ids.setdefault(added.action_idx, []).append(added.id_)
                iterations.append(
                    _iteration(len(iterations), len(elements), ids, iteration)
                )
            children = list(range(first_iteration, len(iterations)))
            elements.append(_element(len(elements), number, index, children, element))
        ids_here = list(range(first, len(elements)))
        tasks.append(StoreTask(number, number, False, ids_here, {}))
    return tasks, elements, iterations, runs


def fill(store: PersistentStore, spec: Sequence[Mapping[str, Any]]) -> None:
    """Add to an empty store what a specification says."""
    tasks, elements, iterations, runs = rows_of(spec)
    with store.batch_update():
        for task in tasks:
            store.add_task(task.index, task.task_template or {})
        for element in elements:
            store.add_element(
                element.task_ID, element.es_idx, element.seq_idx, element.src_idx
            )
        store.add_element_iterations(
            [i.element_ID for i in iterations],
            [i.data_idx for i in iterations],
            [i.schema_parameters for i in iterations],
            [i.loop_idx for i in iterations],
        )
        store.add_EARs(
            [r.elem_iter_ID for r in runs],
            [r.action_idx for r in runs],
            [r.commands_idx for r in runs],
            [r.data_idx for r in runs],
            [r.metadata for r in runs],
        )


def _element(
    id_: int, task: int, index: int, children: list[int], given: Mapping[str, Any]
) -> StoreElement:
    return StoreElement(
        id_,
        False,
        index,
        given.get("es_idx", 0),
        given.get("seq_idx", {}),
        given.get("src_idx", {}),
        task,
        children,
    )


def _iteration(
    id_: int, element: int, runs: dict[int, list[int]], given: Mapping[str, Any]
) -> StoreElementIter:
    return StoreElementIter(
        id_,
        False,
        element,
        False,
        runs,
        given.get("data_idx", {}),
        given.get("schema_parameters", []),
        given.get("loop_idx", {}),
    )


def _run(id_: int, iteration: int, given: Mapping[str, Any]) -> StoreEAR:
    return StoreEAR(
        id_,
        False,
        iteration,
        given.get("action_idx", 0),
        given.get("commands_idx", []),
        given.get("data_idx", {}),
        metadata=given.get("metadata", {}),
    )
