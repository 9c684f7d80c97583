"""Command files of a job's steps, as `job.json` says them, and those given. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcflow.model.schema import file_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpcflow.compile.plan import JobPlan
    from hpcflow.compile.rows import RowBuilder
    from hpcflow.model.schema import CommandFile, TaskSchema
    from hpcflow.model.workflow import GivenFile, Indices, Task, Workflow


def names_of_files(schema: TaskSchema) -> dict[str, str]:
    """The names of the command files that commands may write, by label."""
    return {file.label: file.name for file in schema.files if not file.is_regex}


class JobFiles:
    """The files that the user gave for the elements of a job, each content once."""

    def __init__(self, workflow: Workflow, plan: JobPlan) -> None:
        self._workflow = workflow
        self._plan = plan
        self._names: dict[bytes, str] = {}

    @property
    def contents(self) -> dict[str, bytes]:
        """The files of the job's directory that steps refer to, by name."""
        return {name: content for content, name in self._names.items()}

    def of_step(self, index: int, rows: RowBuilder) -> dict[str, Any] | None:
        """The member `files` of a step; None where it has to do with none."""
        step = self._plan.steps[index]
        task = self._workflow.tasks[step.task]
        files = task.schema.actions[step.action].files
        if not files.used:
            return None
        known = {file.label: file for file in task.schema.files}
        names: dict[str, Any] = {}
        for label in files.used:
            name = known[label].name
            names[label] = {"regex": name} if known[label].is_regex else name
        wanted = files.makes if files.replaceable else self._needed(task, step.action)
        elements = self._plan.rows[step.task]
        given = {label: self._given(task, label, elements, rows) for label in wanted}
        found: dict[str, Any] = {
            "names": names,
            "needs": list(files.needs),
            "makes": list(files.makes),
            "saves": list(files.saves),
            "removes": list(files.removes),
            "arguments": dict(files.arguments),
            "given": {label: source for label, source in given.items() if source},
        }
        return {key: value for key, value in found.items() if value}

    def _needed(self, task: Task, action: int) -> list[str]:
        """What an action needs that no earlier action makes."""
        made = {name for other in task.schema.actions[:action] for name in other.passes}
        needs = task.schema.actions[action].files.needs
        return [label for label in needs if file_value(label) not in made]

    def _given(
        self, task: Task, label: str, elements: Indices, rows: RowBuilder
    ) -> Mapping[str, Any] | None:
        """Where each row's given file is: its place, or null where there is none."""
        file = next(file for file in task.schema.files if file.label == label)
        places = [
            next((self._place(f, file) for f in one.files if f.label == label), None)
            for one in task.element_sets
        ]
        if not any(places):
            return None
        firsts = np.array([one.first for one in task.element_sets], dtype=np.int64)
        sets = np.searchsorted(firsts, elements, side="right") - 1
        used = [places[number] for number in np.unique(sets).tolist()]
        if not any(used):
            return None
        if all(place == used[0] for place in used):
            return {"from": "constant", "value": used[0]}
        return {"from": "row", "column": rows.texts([json.dumps(p) for p in places], sets)}

    def _place(self, given: GivenFile, file: CommandFile) -> list[str]:
        """A name in the job's directory, or an absolute path; and the run's name for it."""
        name = given.name if file.is_regex else file.name
        if given.content is None:
            return [given.path, name]
        return [self._names.setdefault(given.content, f"file_{len(self._names)}"), name]
