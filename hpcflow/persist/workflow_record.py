"""A workflow in its store: a small info object, one document, and columns.

* `info`, which every commit repeats and `show` reads alone: name, id, and per
  task its size, ids and names of inputs and outputs; later the submissions.
* the document `model`: schemas, environments, resources, the template's text.
* per task T and input I, one-column tables below `inputs/T/I/`: `values` and
  `index` (an input from values), or `elements` (an input from a task), and
  `offsets` for groups; per action A with more than one set of resources,
  `resources/T/A/index`. They are of different lengths, hence tables of their own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcflow.model.workflow import (
    ElementSet,
    FromTask,
    FromValues,
    InputColumn,
    ResourceColumn,
    Task,
    ValueTable,
    Workflow,
)
from hpcflow.persist.documents import (
    environment_from_json,
    environment_to_json,
    resources_from_json,
    resources_to_json,
    schema_from_json,
    schema_to_json,
)
from jobstores.workflow_store import IdRange, WorkflowStore

if TYPE_CHECKING:
    from jobstores.generations import Base

FORMAT = 1

Tables = dict[str, dict[str, tuple[str, Any]]]


@dataclass(frozen=True, slots=True)
class WorkflowRecord:
    """What `WorkflowStore.create` takes."""

    info: dict[str, Any]
    documents: dict[str, bytes]
    tables: Tables
    ranges: tuple[IdRange, ...]


def encode_workflow(
    workflow: Workflow, *, workflow_id: str, created: str, version: str
) -> WorkflowRecord:
    """Lay a new workflow out for its store. `created` is UTC, ISO 8601."""
    tables: Tables = {}
    task_documents = [_encode_task(task, tables) for task in workflow.tasks]
    model = {
        "format": FORMAT,
        "template_path": workflow.template_path,
        "template_source": workflow.template_source,
        "seeds": workflow.seeds,
        "environments": [environment_to_json(e) for e in workflow.environments.values()],
        "tasks": task_documents,
    }
    info = {
        "format": FORMAT,
        "name": workflow.name,
        "doc": workflow.doc,
        "id": workflow_id,
        "created": created,
        "hpcflow": version,
        "tasks": [_task_info(task) for task in workflow.tasks],
        "submissions": [],
    }
    ranges = tuple(
        IdRange(str(task.index), task.run_base, task.num_runs, _outputs(task))
        for task in workflow.tasks
    )
    return WorkflowRecord(info, {"model": json.dumps(model).encode()}, tables, ranges)


def _outputs(task: Task) -> tuple[str, ...]:
    return tuple(task.schema.outputs)


def _task_info(task: Task) -> dict[str, Any]:
    return {
        "name": task.name,
        "elements": task.num_elements,
        "actions": task.num_actions,
        "max_iterations": task.max_iterations,
        "run_base": task.run_base,
        "parameter_base": task.parameter_base,
        "inputs": list(task.inputs),
        "outputs": list(_outputs(task)),
    }


def _encode_task(task: Task, tables: Tables) -> dict[str, Any]:
    inputs = []
    for position, (name, column) in enumerate(task.inputs.items()):
        document, columns = _encode_input(column)
        for part, data in columns.items():
            tables[f"inputs/{task.index}/{position}/{part}"] = {part: data}
        inputs.append({"name": name, **document})
    resources = []
    for action, uses in enumerate(task.resources):
        resources.append([resources_to_json(r) for r in uses.table])
        if len(uses.table) > 1:
            tables[f"resources/{task.index}/{action}/index"] = {
                "index": ("int", uses.index.astype(np.int64))
            }
    return {
        "name": task.name,
        "schema": schema_to_json(task.schema),
        "inputs": inputs,
        "resources": resources,
        "element_sets": [[s.first, s.count, list(s.groups)] for s in task.element_sets],
    }


def _encode_input(column: InputColumn) -> tuple[dict[str, Any], dict[str, tuple[str, Any]]]:
    columns: dict[str, tuple[str, Any]] = {}
    if column.offsets is not None:
        columns["offsets"] = ("int", column.offsets)
    if isinstance(column, FromTask):
        columns["elements"] = ("int", column.elements)
        return {"from": "task", "task": column.task, "output": column.output}, columns
    columns["values"] = (column.table.kind, column.table.data)
    columns["index"] = ("int", column.index)
    return {"from": "values", "kind": column.table.kind}, columns


class WorkflowReader:
    """Reads a workflow's parts from its store, one column at a time."""

    def __init__(self, store: WorkflowStore, base: Base) -> None:
        self._store = store
        self._base = base
        self._model: dict[str, Any] | None = None

    @property
    def model(self) -> dict[str, Any]:
        """The `model` document."""
        if self._model is None:
            self._model = json.loads(self._store.document(self._base, "model"))
        return self._model

    def workflow(self) -> Workflow:
        """The whole workflow, its columns read."""
        environments = [environment_from_json(e) for e in self.model["environments"]]
        info = self._base.info
        return Workflow(
            name=info["name"],
            doc=info["doc"],
            tasks=tuple(self.task(t) for t in range(len(info["tasks"]))),
            environments={e.name: e for e in environments},
            template_source=self.model["template_source"],
            template_path=self.model["template_path"],
            seeds=self.model["seeds"],
        )

    def task(self, index: int) -> Task:
        """One task, its columns read."""
        info = self._base.info["tasks"][index]
        document = self.model["tasks"][index]
        names = [item["name"] for item in document["inputs"]]
        return Task(
            index=index,
            name=info["name"],
            schema=schema_from_json(document["schema"]),
            num_elements=info["elements"],
            run_base=info["run_base"],
            parameter_base=info["parameter_base"],
            inputs={name: self.input(index, p) for p, name in enumerate(names)},
            resources=tuple(
                self._resources(index, a, info["elements"])
                for a in range(len(document["resources"]))
            ),
            element_sets=tuple(
                ElementSet(first, count, tuple(groups))
                for first, count, groups in document["element_sets"]
            ),
            max_iterations=info["max_iterations"],
        )

    def input(self, task: int, position: int) -> InputColumn:
        """One input of one task: how each element gets it."""
        document = self.model["tasks"][task]["inputs"][position]
        prefix = f"inputs/{task}/{position}"
        grouped = f"{prefix}/offsets" in self._base.tables
        offsets = self._column(prefix, "offsets") if grouped else None
        if document["from"] == "task":
            elements = self._column(prefix, "elements")
            return FromTask(document["task"], document["output"], elements, offsets)
        data = self._column(prefix, "values")
        index = self._column(prefix, "index")
        return FromValues(ValueTable(document["kind"], data), index, offsets)

    def _resources(self, task: int, action: int, num_elements: int) -> ResourceColumn:
        table = tuple(
            resources_from_json(r) for r in self.model["tasks"][task]["resources"][action]
        )
        if len(table) == 1:
            return ResourceColumn(table, np.zeros(num_elements, dtype=np.int32))
        index = self._column(f"resources/{task}/{action}", "index")
        return ResourceColumn(table, index.astype(np.int32))

    def _column(self, prefix: str, part: str) -> Any:
        return self._store.column(self._base, f"{prefix}/{part}", part)
