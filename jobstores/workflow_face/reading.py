"""The face's rows of many ids: what was added, and what was made."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from jobstores import values
from jobstores.errors import NotFoundError
from jobstores.view import collector_paused
from jobstores.workflow_face import arrays, files
from jobstores.workflow_face.layout import FILE, UNSET
from jobstores.workflow_face.made_reader import MadeReader, moment
from jobstores.workflow_face.rows import (
    StoreEAR,
    StoreElement,
    StoreElementIter,
    StoreParameter,
    StoreTask,
    as_dict,
)
from jobstores.workflow_face.tables import as_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from jobstores.workflow_face.pending import Session


class Reader:
    """Reads rows of one moment of a store."""

    def __init__(self, session: Session) -> None:
        work = session.read()
        self._view = session.view() if work.is_made else None
        self._work = session.work
        self._port = session.port
        self._made = MadeReader(self._work, self._view) if self._view else None

    # --- tasks ------------------------

    def tasks(self) -> list[StoreTask]:
        """All tasks, in their order."""
        work = self._work
        made = len(work.made.tasks)
        records = work.document("tasks")
        ids = [*range(made), *(record["id"] for record in records)]
        added = work.children("elements", "task", ids)
        committed = work.committed("tasks")
        templates = [None] * made + [record["template"] for record in records]
        return [
            StoreTask(
                id_=id_,
                index=index,
                is_pending=id_ >= made + committed,
                element_IDs=[*(work.made.element_ids(id_) if id_ < made else ()), *more],
                task_template=copy.deepcopy(templates[index]),
            )
            for index, (id_, more) in enumerate(zip(ids, added, strict=True))
        ]

    def tasks_by_id(self, ids: Sequence[int]) -> list[StoreTask]:
        """Tasks, in the order asked for."""
        found = {task.id_: task for task in self.tasks()}
        for id_ in ids:
            if id_ not in found:
                raise NotFoundError(f"there is no task {id_}; there are {sorted(found)}")
        return [found[id_] for id_ in ids]

    def task_at(self, index: int) -> StoreTask:
        """The task at a place."""
        tasks = self.tasks()
        if not 0 <= index < len(tasks):
            raise NotFoundError(f"there is no task at {index}; there are {len(tasks)}")
        return tasks[index]

    def task_elements(
        self, task: int, indices: Iterable[int] | None
    ) -> list[dict[str, Any]]:
        """Elements of a task with their iterations and runs, as dicts."""
        ids = self.tasks_by_id([task])[0].element_IDs
        wanted = range(len(ids)) if indices is None else list(indices)
        for index in wanted:
            if not 0 <= index < len(ids):
                raise NotFoundError(
                    f"task {task} has no element {index}; it has {len(ids)}"
                )
        elements = self.elements([ids[index] for index in wanted])
        iterations = self._by_id(self.iterations, (e.iteration_IDs for e in elements))
        runs = self._by_id(
            self.runs, (ids for i in iterations.values() for ids in i.EAR_IDs.values())
        )
        return [_nested(element, iterations, runs) for element in elements]

    @staticmethod
    def _by_id(read: Callable[[Sequence[int]], list[Any]], ids: Any) -> dict[int, Any]:
        return {row.id_: row for row in read([id_ for group in ids for id_ in group])}

    # --- elements, iterations, runs ------------------------

    def elements(self, ids: Sequence[int]) -> list[StoreElement]:
        """Elements, in the order asked for."""
        work = self._work
        table = work.table("elements")
        children = work.children("iterations", "element", ids)

        def added(row: int, id_: int, iterations: list[int]) -> StoreElement:
            return StoreElement(
                id_=id_,
                is_pending=row >= table.committed,
                index=int(table["index"][row]),
                es_idx=int(table["es_idx"][row]),
                seq_idx=values.loads(table["seq_idx"][row]),
                src_idx=values.loads(table["src_idx"][row]),
                task_ID=int(table["task"][row]),
                iteration_IDs=iterations,
            )

        def made(reader: MadeReader, id_: int, iterations: list[int]) -> StoreElement:
            found = reader.element(id_)
            found.iteration_IDs.extend(iterations)
            return found

        return self._rows("elements", "element", ids, added, made, children)

    def iterations(self, ids: Sequence[int]) -> list[StoreElementIter]:
        """Iterations, in the order asked for."""
        work = self._work
        table, states = work.table("iterations"), work.table("iteration_states")
        actions = work.table("runs")["action"]
        children = work.children("runs", "iteration", ids)

        def by_action(runs: list[int]) -> dict[int, list[int]]:
            found: dict[int, list[int]] = {}
            for run in runs:
                found.setdefault(int(actions[run - work.first]), []).append(run)
            return found

        def added(row: int, id_: int, runs: list[int]) -> StoreElementIter:
            return StoreElementIter(
                id_=id_,
                is_pending=row >= table.committed,
                element_ID=int(table["element"][row]),
                EARs_initialised=bool(states["initialised"][row]),
                EAR_IDs=by_action(runs),
                data_idx=values.loads(table["data_idx"][row]),
                schema_parameters=values.loads(table["schema_parameters"][row]),
                loop_idx=values.loads(states["loop_idx"][row]),
            )

        def made(reader: MadeReader, id_: int, runs: list[int]) -> StoreElementIter:
            found = reader.iteration(id_)
            for action, more in by_action(runs).items():
                found.EAR_IDs.setdefault(action, []).extend(more)
            return found

        return self._rows("iterations", "iteration", ids, added, made, children)

    def runs(self, ids: Sequence[int]) -> list[StoreEAR]:
        """Runs, in the order asked for."""
        table, states = self._work.table("runs"), self._work.table("run_states")

        def added(row: int, id_: int, _: Any) -> StoreEAR:
            ended = states["end"][row] >= 0
            return StoreEAR(
                id_=id_,
                is_pending=row >= table.committed,
                elem_iter_ID=int(table["iteration"][row]),
                action_idx=int(table["action"][row]),
                commands_idx=values.loads(table["commands_idx"][row]),
                data_idx=values.loads(table["data_idx"][row]),
                submission_idx=_known(states["submission"][row]),
                skip=bool(states["skip"][row]),
                success=bool(states["success"][row]) if ended else None,
                start_time=moment(int(states["start"][row])),
                end_time=moment(int(states["end"][row])),
                exit_code=int(states["exit"][row]) if ended else None,
                metadata=values.loads(table["metadata"][row]),
            )

        def made(reader: MadeReader, id_: int, _: Any) -> StoreEAR:
            return reader.run(id_)

        return self._rows("runs", "run", ids, added, made, ids)

    def skipped(self, run: int) -> bool:
        """Whether a run is not to be executed."""
        return self.runs([run])[0].skip

    # --- parameters ------------------------

    def parameters(self, ids: Sequence[int], *, dataset_copy: bool) -> list[StoreParameter]:
        """Parameters, in the order asked for; arrays as NumPy's if `dataset_copy`."""
        table = self._work.table("parameters")
        cells = self._work.table("parameter_values")

        def added(row: int, id_: int, _: Any) -> StoreParameter:
            state, text = int(cells["state"][row]), cells["value"][row]
            data, file = None, None
            if state == FILE:
                file = files.shown(self._port, values.loads(text))
            elif state != UNSET:
                data = arrays.decode(self._port, text, copy=dataset_copy)
            source = values.loads(table["source"][row])
            pending = row >= table.committed
            return StoreParameter(id_, pending, state != UNSET, data, file, source)

        def made(reader: MadeReader, id_: int, _: Any) -> StoreParameter:
            return reader.parameter(id_)

        return self._rows("parameters", "parameter", ids, added, made, ids)

    def sources(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        """Sources of parameters, in the order asked for."""
        column = self._work.table("parameters")["source"]
        return self._rows(
            "parameters",
            "parameter",
            ids,
            lambda row, _, __: values.loads(column[row]),
            lambda reader, id_, _: reader.source(id_),
            ids,
        )

    def are_set(self, ids: Sequence[int]) -> list[bool]:
        """Whether parameters have a value, in the order asked for."""
        if self._made is None:
            rows = self._work.rows("parameters", ids, "parameter")
            found = self._work.table("parameter_values")["state"][rows] != UNSET
            return [bool(each) for each in found.tolist()]
        column = self._work.table("parameter_values")["state"]
        return self._rows(
            "parameters",
            "parameter",
            ids,
            lambda row, _, __: bool(column[row] != UNSET),
            lambda reader, id_, _: reader.parameter(id_).is_set,
            ids,
        )

    def exist(self, ids: Sequence[int]) -> list[bool]:
        """Whether there are parameters of these ids."""
        rows = as_ids(ids) - self._work.first
        added = (rows >= 0) & (rows < self._work.count("parameters"))
        found = []
        for id_, known in zip(ids, added.tolist(), strict=True):
            if not known:
                try:
                    self._work.made.parameter(id_)
                    known = True
                except NotFoundError:
                    pass
            found.append(known)
        return found

    def _rows(
        self,
        table: str,
        what: str,
        ids: Sequence[int],
        added: Callable[[int, int, Any], Any],
        made: Callable[[MadeReader, int, Any], Any],
        more: Iterable[Any],
    ) -> list[Any]:
        """Rows of ids: by `added` where they were added, else by `made`."""
        wanted = as_ids(ids)
        if self._made is not None:
            self._work.rows(table, wanted[wanted >= self._work.first], what)
        else:
            self._work.rows(table, wanted, what)
        first = self._work.first
        with collector_paused():
            return [
                made(self._made, id_, extra)
                if self._made is not None and id_ < first
                else added(id_ - first, id_, extra)
                for id_, extra in zip(wanted.tolist(), more, strict=True)
            ]


def _known(number: int) -> int | None:
    return None if number < 0 else int(number)


def _nested(element: StoreElement, iterations: Any, runs: Any) -> dict[str, Any]:
    """An element as a dict with its iterations, and those with their runs by action."""
    nested = []
    for id_ in element.iteration_IDs:
        row = as_dict(iterations[id_])
        row["EARs"] = {
            action: [as_dict(runs[run]) for run in ids]
            for action, ids in iterations[id_].EAR_IDs.items()
        }
        nested.append(row)
    return {**as_dict(element), "iterations": nested}
