"""Adding tasks, elements, iterations and runs: rows of columns, many at a time."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from jobstores import values
from jobstores.errors import AlreadyExistsError, NotFoundError, UnsupportedError
from jobstores.workflow_face.tables import as_ids, texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Sized

    from jobstores.workflow_face.pending import Session
    from jobstores.workflow_face.tables import Work


def add_task(session: Session, index: int, template: Mapping[str, Any], save: bool) -> int:
    """Add a task at a place among the tasks; its id."""
    values.encode(dict(template), "task_template")
    given = copy.deepcopy(dict(template))

    def change(work: Work) -> int:
        tasks = work.document("tasks")
        made = len(work.made.tasks)
        if not made <= index <= made + len(tasks):
            raise NotFoundError(
                f"a task can be added at place {made} to {made + len(tasks)}, not {index}"
            )
        added: int = made + len(tasks)
        work.touch("tasks").insert(
            index - made, {"id": added, "template": copy.deepcopy(given)}
        )
        return added

    new: int = session.change(change, save, allocates=True)
    return new


def add_element_set(session: Session, task: int, document: Any, save: bool) -> None:
    """Append an element set to a task's template."""
    values.encode(document, "es_js")
    given = copy.deepcopy(document)

    def change(work: Work) -> None:
        if task < len(work.made.tasks):
            raise UnsupportedError(
                f"task {task} was made of a template, which can't be changed; add a task"
            )
        found = task_record(work, task)
        work.touch("tasks")
        found["template"].setdefault("element_sets", []).append(copy.deepcopy(given))

    session.change(change, save)


def task_record(work: Work, task: int) -> dict[str, Any]:
    """What the document `tasks` says of a task, by its id."""
    for record in work.document("tasks"):
        if record["id"] == task:
            found: dict[str, Any] = record
            return found
    known = len(work.made.tasks) + len(work.document("tasks"))
    raise NotFoundError(
        f"{work.snapshot.port.locator}: there is no task {task}; there are {known}"
    )


def add_elements(
    session: Session,
    task: int,
    es_idx: Sequence[int],
    seq_idx: Sequence[Mapping[str, int]],
    src_idx: Sequence[Mapping[str, int]],
    save: bool,
) -> list[int]:
    """Add elements to a task, one for each row; their ids."""
    count = same_lengths(es_idx=es_idx, seq_idx=seq_idx, src_idx=src_idx)
    columns = {
        "task": task,
        "es_idx": as_ids(es_idx),
        "seq_idx": texts(seq_idx, "seq_idx"),
        "src_idx": texts(src_idx, "src_idx"),
    }

    def change(work: Work) -> list[int]:
        before = 0
        if task < len(work.made.tasks):
            before = work.made.tasks[task].elements if task >= 0 else -1
        else:
            task_record(work, task)
        if before < 0:
            raise NotFoundError(f"there is no task {task}")
        first = before + work.num_added(task)
        index = range(first, first + count)
        work.note_added(task, count)
        return list(work.add("elements", count, {**columns, "index": list(index)}))

    new: list[int] = session.change(change, save, allocates=True)
    return new


def add_iterations(
    session: Session,
    elements: Sequence[int],
    data_idx: Sequence[Mapping[str, Any]],
    schema_parameters: Sequence[Sequence[str]],
    loop_idx: Sequence[Mapping[str, int]],
    save: bool,
) -> list[int]:
    """Add an iteration to each of some elements; their ids."""
    count = same_lengths(
        element_IDs=elements,
        data_idx=data_idx,
        schema_parameters=schema_parameters,
        loop_idx=loop_idx,
    )
    ids = as_ids(elements)
    columns = {
        "element": ids,
        "data_idx": texts(data_idx, "data_idx"),
        "schema_parameters": texts(schema_parameters, "schema_parameters"),
    }
    loops = texts(loop_idx, "loop_idx")

    def change(work: Work) -> list[int]:
        check_parents(work, "elements", ids, "element")
        new = work.add("iterations", count, columns, initialised=False, loop_idx=loops)
        return list(new)

    new: list[int] = session.change(change, save, allocates=True)
    return new


def add_runs(
    session: Session,
    iterations: Sequence[int],
    action_idx: Sequence[int],
    commands_idx: Sequence[Sequence[int]],
    data_idx: Sequence[Mapping[str, Any]],
    metadata: Sequence[Mapping[str, Any]],
    save: bool,
) -> list[int]:
    """Add a run to each of some iterations; their ids."""
    count = same_lengths(
        elem_iter_IDs=iterations,
        action_idx=action_idx,
        commands_idx=commands_idx,
        data_idx=data_idx,
        metadata=metadata,
    )
    ids = as_ids(iterations)
    columns = {
        "iteration": ids,
        "action": as_ids(action_idx),
        "commands_idx": texts(commands_idx, "commands_idx"),
        "data_idx": texts(data_idx, "data_idx"),
        "metadata": texts(metadata, "metadata"),
    }

    def change(work: Work) -> list[int]:
        check_parents(work, "iterations", ids, "iteration")
        state = dict.fromkeys(("submission", "success", "exit", "start", "end"), -1)
        return list(work.add("runs", count, columns, skip=False, **state))

    new: list[int] = session.change(change, save, allocates=True)
    return new


def set_initialised(session: Session, iterations: Sequence[int], save: bool) -> None:
    """Note that all runs of some iterations were added."""
    ids = as_ids(iterations)

    def change(work: Work) -> None:
        check_parents(work, "iterations", ids, "iteration")
        added = ids[work.added(ids)]  # others were made with all their runs
        rows = work.rows("iterations", added, "iteration")
        work.set_rows("iteration_states", rows, {"initialised": True})

    session.change(change, save)


def check_parents(work: Work, table: str, ids: Any, what: str) -> None:
    """Refuse ids of a table that are neither added nor made.

    Raises:
        NotFoundError: there is no such id.
    """
    added = ids[work.added(ids)]
    work.rows(table, added, what)
    if len(added) < len(ids):
        made = ids[~work.added(ids)]
        bound = {
            "elements": work.made.num_elements,
            "iterations": work.made.num_iterations,
        }[table]
        if made.min() < 0 or made.max() >= bound:
            raise NotFoundError(
                f"{work.snapshot.port.locator}: there is no {what} among"
                f" {made.min()} to {made.max()} but 0 to {bound - 1}"
            )


def same_lengths(**columns: Sized) -> int:
    """The length that all columns have.

    Raises:
        ValueError: they differ.
    """
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"one row each was expected, but the lengths are {lengths}")
    return next(iter(lengths.values()))


def refuse_taken(known: Mapping[int, Any], index: int, what: str) -> None:
    """Refuse an index that is in use.

    Raises:
        AlreadyExistsError: it is.
    """
    if index in known:
        raise AlreadyExistsError(f"there is a {what} {index} already")
