"""A workflow in its store: a small info object, one document, and columns.

* `info`, which every commit repeats and `show` reads alone: name, id, and per
  task its size, ids and names of inputs and outputs; later the submissions.
* the document `model`: schemas, environments, resources, the template's text; and
  `file_0`, `file_1`, ...: the files that the user gave.
* per task T and input I, one-column tables below `inputs/T/I/`: `values` and
  `index` (an input from values), or `elements` (an input from a task), and
  `offsets` for groups; or `part` and `row` (an input of several origins), and those of
  origin K below `from_K/`; `part_K_values`, `part_K_index` and `part_K_offsets` of what is
  put into the input's values; `repeats/T/index` and `repeats/T/seeds_A`; per action A
  with more than one set of resources, `resources/T/A/index`; per value taken from another
  workflow, `imports/K/elements`, of that one's task; per group of its elements that later
  tasks may take, `groups/T/K/numbers`. They are of different lengths, hence tables of
  their own.
* loops: in `info` their names, ranges of tasks and numbers of iterations, in `model`
  the rest (see `loop_records`).

A workflow that grows gets more of the same: what is there stays as it is, only `info`
and `model` are written anew, with what they had and the new tasks behind it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcflow.model.workflow import (
    Addition,
    Chosen,
    ElementSet,
    FromSeveral,
    FromTask,
    FromValues,
    GivenFile,
    Import,
    Indices,
    InputColumn,
    Offers,
    Part,
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
from hpcflow.persist.loop_records import loops_from_json, loops_to_json
from jobstores.workflow_store import IdRange, WorkflowStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hpcflow.model.loops import Loop
    from jobstores.generations import Base

FORMAT = 1
_FILE = "file_"

_IMPORT_FIELDS = ("task", "input", "workflow", "workflow_id", "other_task", "name")

Tables = dict[str, dict[str, tuple[str, Any]]]


@dataclass(frozen=True, slots=True)
class WorkflowRecord:
    """What `WorkflowStore.create` takes, or `commit` for a workflow that grows."""

    info: dict[str, Any]
    documents: dict[str, bytes]
    tables: Tables
    ranges: tuple[IdRange, ...]


def encode_workflow(
    workflow: Workflow, *, workflow_id: str, created: str, version: str
) -> WorkflowRecord:
    """Lay a new workflow out for its store. `created` is UTC, ISO 8601."""
    tables: Tables = {}
    files = _Files()
    task_documents = [_encode_task(task, tables, files) for task in workflow.tasks]
    model = {
        "format": FORMAT,
        "template_path": workflow.template_path,
        "template_source": workflow.template_source,
        "seeds": workflow.seeds,
        "environments": [environment_to_json(e) for e in workflow.environments.values()],
        "tasks": task_documents,
    }
    if workflow.imports:
        model["imports"] = _encode_imports(workflow, tables)
    if workflow.loops:
        model["loops"] = loops_to_json(workflow.loops, tables)
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
    if workflow.config:
        info["config"] = workflow.config
    commands = _commands(workflow)
    if commands:
        info["commands"] = commands
    if workflow.compression:
        info["compression"] = workflow.compression
    if workflow.loops:
        info["loops"] = _loops_info(workflow)
    documents = {"model": json.dumps(model).encode(), **files.documents}
    return WorkflowRecord(info, documents, tables, _ranges(workflow.tasks))


def encode_growth(
    workflow: Workflow, info: dict[str, Any], model: dict[str, Any], files: int
) -> WorkflowRecord:
    """Lay out what a workflow has grown by.

    workflow: with its new tasks, loops and imports behind those it had. info, model: as
    they were. files: how many documents of given files there are.
    """
    tables: Tables = {}
    given = _Files(files)
    new = workflow.tasks[len(info["tasks"]) :]
    task_documents = [_encode_task(task, tables, given) for task in new]
    environments = workflow.environments.values()
    model = {
        **model,
        "environments": [environment_to_json(e) for e in environments],
        "tasks": [*model["tasks"], *task_documents],
        "additions": [_addition_to_json(one) for one in workflow.additions],
    }
    info = {**info, "tasks": [*info["tasks"], *map(_task_info, new)]}
    commands = _commands(workflow)
    if commands:
        info["commands"] = commands
    imports = _encode_imports(workflow, tables, len(model.get("imports", ())))
    if imports:
        model["imports"] = [*model.get("imports", ()), *imports]
    first_loop = len(model.get("loops", ()))
    loops = loops_to_json(workflow.loops[first_loop:], tables, first_loop)
    if loops:
        model["loops"] = [*model.get("loops", ()), *loops]
        info["loops"] = _loops_info(workflow)
    documents = {"model": json.dumps(model).encode(), **given.documents}
    return WorkflowRecord(info, documents, tables, _ranges(new))


def count_files(documents: Iterable[str]) -> int:
    """How many of a store's documents are files that the user gave."""
    return sum(name.startswith(_FILE) for name in documents)


def _ranges(tasks: Iterable[Task]) -> tuple[IdRange, ...]:
    return tuple(
        IdRange(str(task.index), task.run_base, task.num_runs, _outputs(task))
        for task in tasks
    )


def _commands(workflow: Workflow) -> dict[str, dict[str, list[str]]]:
    """The commands in place of schedulers' own, by scheduler; "": the configuration's."""
    found: dict[str, dict[str, list[str]]] = {}
    for task in workflow.tasks:
        for column in task.resources:
            for resources in column.table:
                for what, words in resources.commands:
                    found.setdefault(resources.scheduler or "", {})[what] = list(words)
    return found


def _loops_info(workflow: Workflow) -> list[list[Any]]:
    return [[o.name, o.first, o.last, o.iterations] for o in workflow.loops]


def _addition_to_json(one: Addition) -> dict[str, Any]:
    return {
        "first_task": one.first_task,
        "template_path": one.template_path,
        "template_source": one.template_source,
        "seeds": one.seeds,
    }


class _Files:
    """The files that the user gave, as documents, each content once.

    known: how many there are in the store already.
    """

    def __init__(self, known: int = 0) -> None:
        self._known = known
        self._names: dict[bytes, str] = {}

    def add(self, content: bytes) -> str:
        """The name of a content's document."""
        number = self._known + len(self._names)
        return self._names.setdefault(content, f"{_FILE}{number}")

    @property
    def documents(self) -> dict[str, bytes]:
        """The documents, by name."""
        return {name: content for content, name in self._names.items()}


def _encode_imports(
    workflow: Workflow, tables: Tables, first: int = 0
) -> list[dict[str, Any]]:
    """Where imported values come from; the elements they were of become a column."""
    documents = []
    for number, one in enumerate(workflow.imports[first:], first):
        tables[f"imports/{number}/elements"] = {"elements": ("int", one.elements)}
        documents.append({name: getattr(one, name) for name in _IMPORT_FIELDS})
    return documents


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
        **_continues(task),
    }


def _continues(task: Task) -> dict[str, Any]:
    """Of a block, what it continues and where."""
    if task.continues is None:
        return {}
    return {"continues": [task.continues, task.first_element, task.first_iteration]}


def _encode_set(one: ElementSet, given: _Files) -> list[Any]:
    """An element set; the files that it gives become documents."""
    described: list[Any] = [one.first, one.count, list(one.groups)]
    files = []
    for file in one.files:
        document: dict[str, Any] = {"label": file.label, "name": file.name}
        if file.content is None:
            document["path"] = file.path
        else:
            document["document"] = given.add(file.content)
        files.append(document)
    return [*described, files] if files else described


def _encode_task(task: Task, tables: Tables, files: _Files) -> dict[str, Any]:
    inputs = []
    for position, (name, column) in enumerate(task.inputs.items()):
        document, columns = _encode_input(column)
        for part, data in columns.items():
            name_of_column = part.rsplit("/", 1)[-1]
            tables[f"inputs/{task.index}/{position}/{part}"] = {name_of_column: data}
        parts = task.parts.get(name, ())
        if parts:
            document["parts"] = [
                _encode_part(part, f"inputs/{task.index}/{position}/part_{k}", tables)
                for k, part in enumerate(parts)
            ]
        if name in task.chosen:
            chosen = task.chosen[name]
            where, columns = _encode_input(chosen.members)
            document["where"] = {**where, "rules": list(chosen.rules)}
            for part, data in columns.items():
                tables[f"inputs/{task.index}/{position}/where/{part}"] = {part: data}
        inputs.append({"name": name, **document})
    _encode_repeats(task, tables)
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
        "element_sets": [_encode_set(one, files) for one in task.element_sets],
        **({"propagated": True} if task.propagated else {}),
        **({"group_rules": task.group_rules} if task.group_rules else {}),
        **_encode_offers(task, tables),
    }


def _encode_offers(task: Task, tables: Tables) -> dict[str, Any]:
    offers = task.offers
    if offers is None:
        return {}
    for number, numbers in enumerate(offers.groups.values()):
        tables[f"groups/{task.index}/{number}/numbers"] = {"numbers": ("int", numbers)}
    document: dict[str, Any] = {
        "origins": offers.origins,
        "groups": list(offers.groups),
        "labels": {
            name: [output, list(rules)] for name, (output, rules) in offers.labels.items()
        },
        "holders": offers.holders,
    }
    found = {key: value for key, value in document.items() if value or key == "origins"}
    return found if offers.chosen is None else {**found, "chosen": list(offers.chosen)}


def _encode_part(part: Part, prefix: str, tables: Tables) -> dict[str, Any]:
    document, columns = _encode_input(part.column)
    for name, data in columns.items():
        tables[f"{prefix}_{name}"] = {name: data}
    return {"path": list(part.path), "kind": document["kind"]}


def _encode_repeats(task: Task, tables: Tables) -> None:
    if task.repeat is not None:
        tables[f"repeats/{task.index}/index"] = {"index": ("int", task.repeat)}
    for action, seeds in enumerate(task.seeds if task.seeds is not None else ()):
        tables[f"repeats/{task.index}/seeds_{action}"] = {"seeds": ("int", seeds)}


def _encode_input(column: InputColumn) -> tuple[dict[str, Any], dict[str, tuple[str, Any]]]:
    columns: dict[str, tuple[str, Any]] = {}
    if column.offsets is not None:
        columns["offsets"] = ("int", column.offsets)
    if isinstance(column, FromTask):
        columns["elements"] = ("int", column.elements)
        return {"from": "task", "task": column.task, "output": column.output}, columns
    if isinstance(column, FromSeveral):
        columns |= {"part": ("int", column.part), "row": ("int", column.row)}
        documents = []
        for number, part in enumerate(column.parts):
            document, inner = _encode_input(part)
            documents.append(document)
            columns |= {f"from_{number}/{name}": data for name, data in inner.items()}
        return {"from": "several", "origins": documents}, columns
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
            environments={e.key: e for e in environments},
            template_source=self.model["template_source"],
            template_path=self.model["template_path"],
            seeds=self.model["seeds"],
            loops=self.loops(),
            imports=self.imports(),
            additions=tuple(Addition(**one) for one in self.model.get("additions", ())),
            config=info.get("config", {}),
            compression=info.get("compression", {}),
        )

    def loops(self) -> tuple[Loop, ...]:
        """The loops, their columns read."""
        documents = self.model.get("loops", ())
        return loops_from_json(documents, self._base.tables, self._column)

    def imports(self) -> tuple[Import, ...]:
        """Where values come from that were taken from other workflows."""
        return tuple(
            Import(**document, elements=self._column(f"imports/{number}", "elements"))
            for number, document in enumerate(self.model.get("imports", ()))
        )

    def task(self, index: int) -> Task:
        """One task, its columns read."""
        info = self._base.info["tasks"][index]
        document = self.model["tasks"][index]
        names = [item["name"] for item in document["inputs"]]
        continues, element, iteration = info.get("continues", (None, 0, 0))
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
                ElementSet(first, count, tuple(groups), self._given_files(*files))
                for first, count, groups, *files in document["element_sets"]
            ),
            max_iterations=info["max_iterations"],
            parts={
                name: parts
                for position, name in enumerate(names)
                if (parts := self.parts(index, position))
            },
            repeat=self._repeats(index),
            seeds=self._seeds(index, info["actions"]),
            offers=self._offers(index),
            continues=continues,
            first_element=element,
            first_iteration=iteration,
            propagated=document.get("propagated", False),
            chosen={
                name: found
                for position, name in enumerate(names)
                if (found := self._chosen(index, position)) is not None
            },
            group_rules={
                name: tuple(rules)
                for name, rules in document.get("group_rules", {}).items()
            },
        )

    def _chosen(self, task: int, position: int) -> Chosen | None:
        document = self.model["tasks"][task]["inputs"][position].get("where")
        if document is None:
            return None
        members = self._input(document, f"inputs/{task}/{position}/where")
        assert isinstance(members, FromTask)
        return Chosen(tuple(document["rules"]), members)

    def _offers(self, task: int) -> Offers | None:
        document = self.model["tasks"][task]
        if "origins" not in document:
            return None
        return Offers(
            {
                name: tuple(tuple(kinds) for kinds in sets)
                for name, sets in document["origins"].items()
            },
            {
                name: self._column(f"groups/{task}/{number}", "numbers")
                for number, name in enumerate(document.get("groups", ()))
            },
            {
                name: (output, tuple(rules))
                for name, (output, rules) in document.get("labels", {}).items()
            },
            tuple(document["chosen"]) if "chosen" in document else None,
            {name: tuple(tasks) for name, tasks in document.get("holders", {}).items()},
        )

    def parts(self, task: int, position: int) -> tuple[Part, ...]:
        """What is put into the values of one input of one task."""
        document = self.model["tasks"][task]["inputs"][position]
        found = []
        for number, part in enumerate(document.get("parts", ())):
            prefix = f"inputs/{task}/{position}/part_{number}"
            columns = {
                name: self._store.column(self._base, f"{prefix}_{name}", name)
                for name in ("values", "index", "offsets")
                if f"{prefix}_{name}" in self._base.tables
            }
            table = ValueTable(part["kind"], columns["values"])
            column = FromValues(table, columns["index"], columns.get("offsets"))
            found.append(Part(tuple(part["path"]), column))
        return tuple(found)

    def _repeats(self, task: int) -> Indices | None:
        if f"repeats/{task}/index" not in self._base.tables:
            return None
        index: Indices = self._column(f"repeats/{task}", "index")
        return index

    def _seeds(self, task: int, num_actions: int) -> Indices | None:
        if f"repeats/{task}/seeds_0" not in self._base.tables:
            return None
        tables = [f"repeats/{task}/seeds_{action}" for action in range(num_actions)]
        return np.stack([self._store.column(self._base, t, "seeds") for t in tables])

    def input(self, task: int, position: int) -> InputColumn:
        """One input of one task: how each element gets it."""
        document = self.model["tasks"][task]["inputs"][position]
        return self._input(document, f"inputs/{task}/{position}")

    def _input(self, document: dict[str, Any], prefix: str) -> InputColumn:
        grouped = f"{prefix}/offsets" in self._base.tables
        offsets = self._column(prefix, "offsets") if grouped else None
        if document["from"] == "task":
            elements = self._column(prefix, "elements")
            return FromTask(document["task"], document["output"], elements, offsets)
        if document["from"] == "several":
            parts = tuple(
                self._input(part, f"{prefix}/from_{number}")
                for number, part in enumerate(document["origins"])
            )
            part, row = self._column(prefix, "part"), self._column(prefix, "row")
            return FromSeveral(parts, part, row, offsets)
        data = self._column(prefix, "values")
        index = self._column(prefix, "index")
        return FromValues(ValueTable(document["kind"], data), index, offsets)

    def _given_files(self, files: Sequence[dict[str, Any]] = ()) -> tuple[GivenFile, ...]:
        return tuple(
            GivenFile(file["label"], file["name"], None, file["path"])
            if "path" in file
            else GivenFile(
                file["label"],
                file["name"],
                self._store.document(self._base, file["document"]),
            )
            for file in files
        )

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
