"""A job's `rows.bin`: what differs between its rows, as columns. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hpcflow.compile.guards import made_of
from hpcflow.compile.loops import concerns, with_feedback
from hpcflow.compile.row_columns import Numbers, Texts, encode_rows
from hpcflow.compile.row_sources import RowSources
from hpcflow.compile.sources import (
    Made,
    action_sources,
    chosen_sources,
    own_runs,
    rule_path,
    rule_source,
)
from hpcflow.compile.terminations import looked_at, rule_of
from hpcflow.compile.value_classes import condition_input
from hpcflow.model.conditions import split_path
from hpcflow.model.loops import loops_around, turns_of
from hpcflow.model.workflow import FromValues
from jobstores import values

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hpcflow.compile.plan import JobPlan
    from hpcflow.compile.sources import Source
    from hpcflow.model.loops import Termination
    from hpcflow.model.schema import Action
    from hpcflow.model.workflow import Indices, Part, Workflow


class RowBuilder:
    """Collects the columns that a job's steps need, and writes its rows."""

    def __init__(self, workflow: Workflow, plans: Sequence[JobPlan], plan: JobPlan) -> None:
        self._workflow = workflow
        self._plan = plan
        self._sources = RowSources(workflow, plans, plan)
        self._elements: list[tuple[Indices, int]] = []

    def element_column(self, task: int) -> int:
        """The column that holds the elements of a task."""
        elements = self._plan.rows[task]
        for known, column in self._elements:
            if np.array_equal(known, elements):
                return column
        column = self._sources.add(Numbers("%d", (elements,)))
        self._elements.append((elements, column))
        return column

    def inputs(self, step: int) -> dict[str, dict[str, Any]]:
        """Where each input of a step is, as `job.json` says it."""
        task, action, _ = self._plan.steps[step]
        consumers = self._plan.rows[task]
        found: dict[str, dict[str, Any]] = {}
        for name, source in action_sources(
            self._workflow, task, action, self._plan.iteration or 0
        ).items():
            found[name] = self._whole(task, name, source, consumers)
        for place, changed in self._later_turns(task):
            for name, source in action_sources(changed, task, action).items():
                self._add_turn(
                    found[name], place, self._whole(task, name, source, consumers)
                )
        script = self._workflow.tasks[task].schema.actions[action].script
        for name in script.all_iterations if script is not None else ():
            found[name]["earlier"] = self._earlier(task, action, name)
        return found

    def _earlier(self, task: int, action: int, name: str) -> list[dict[str, Any]]:
        """Where an input was in earlier iterations, where each has jobs of its own."""
        loops, iteration = self._workflow.loops, self._plan.iteration or 0
        consumers = self._plan.rows[task]
        found = []
        for turn in range(iteration):
            source = action_sources(self._workflow, task, action, turn)[name]
            document = self._whole(task, name, source, consumers)
            if len(loops_around(loops, task)) > 1:  # inner ones may have ended before it
                own = own_runs(self._workflow, task, action, turn)
                document["ran"] = self._sources.candidates(own, consumers)
            found.append({"turns": turns_of(loops, task, turn), **document})
        return found

    def _whole(
        self, task: int, name: str, source: Source, consumers: Indices
    ) -> dict[str, Any]:
        """Where an input is, with what the template puts into it."""
        found = self._sources.document(name, source, consumers)
        if not isinstance(source, Made) or source.column is not None:
            parts = self._parts(task, name, source)
            if parts:
                found["parts"] = [self._sources.part(name, p, consumers) for p in parts]
            tolerant = self._workflow.tasks[task].schema.tolerances.get(name)
            if tolerant is not None:
                found["allow_failed"] = list(tolerant)
            found = self._of_chosen(task, name, found)
        return found

    def _parts(self, task: int, name: str, source: Source) -> tuple[Part, ...]:
        """What is put into an input's value; of values of the template it is done."""
        if isinstance(source, FromValues) and source.offsets is None:
            return ()
        return self._workflow.tasks[task].parts.get(name, ())

    def _later_turns(self, task: int) -> Iterator[tuple[int, Workflow]]:
        """By loop of the job, innermost first, what a task sees in its later turns."""
        for place in range(len(self._plan.loops) - 1, -1, -1):
            loop = self._workflow.loops[self._plan.loops[place].loop]
            if concerns(self._workflow, loop, task):
                yield place, with_feedback(self._workflow, loop)

    @staticmethod
    def _add_turn(found: dict[str, Any], place: int, later: dict[str, Any]) -> None:
        if later != {key: value for key, value in found.items() if key != "again"}:
            found.setdefault("again", []).append([place, later])

    def rules(self, step: int, rules: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Rules of a step as `job.json` has them: each with where it finds its value."""
        task, action, resources = self._plan.steps[step]
        consumers = self._plan.rows[task]
        found: list[dict[str, Any]] = []
        for rule in rules:
            path = rule_path(rule)
            root, name, inside = split_path(path)
            source = rule_source(
                self._workflow, task, action, rule, self._plan.iteration or 0
            )
            document: dict[str, Any] = {"rule": dict(rule), "name": name, "path": inside}
            if root == "resources":
                value = values.encode(getattr(resources, name), path)
                document["source"] = {"from": "constant", "value": value}
            elif source is not None:
                document["source"] = self._looked_at(task, root, name, source, consumers)
                for place, changed in self._later_turns(task):
                    later = rule_source(changed, task, action, rule)
                    assert later is not None
                    self._add_turn(
                        document["source"],
                        place,
                        self._looked_at(task, root, name, later, consumers),
                    )
            found.append(document)
        return found

    def step_rules(self, step: int) -> list[dict[str, Any]]:
        """What decides whether a step's runs are executed: rules of it, and of its task."""
        task, action, _ = self._plan.steps[step]
        model = self._workflow.tasks[task]
        found = self.rules(step, model.schema.actions[action].rules)
        known: list[dict[str, Any]] = []
        for name, chosen in model.chosen.items():
            if chosen.members.offsets is None:
                known += [one for one in self._chosen(task, name) if one not in known]
        return found + known

    def _chosen(self, task: int, name: str) -> list[dict[str, Any]]:
        """The rules for what an input is taken from, as those of steps."""
        consumers = self._plan.rows[task]
        found = []
        for rule, source in chosen_sources(
            self._workflow, task, name, self._plan.iteration or 0
        ):
            _, looked_at, inside = split_path(rule_path(rule))
            document = self._sources.document(looked_at, source, consumers)
            found.append(
                {"rule": dict(rule), "name": looked_at, "path": inside, "source": document}
            )
        return found

    def _of_chosen(self, task: int, name: str, found: dict[str, Any]) -> dict[str, Any]:
        """Where a group is of which only members that fulfil rules are taken."""
        chosen = self._workflow.tasks[task].chosen.get(name)
        if chosen is None or chosen.members.offsets is None:
            return found
        rules = self._chosen(task, name)
        if "allow_failed" in found:
            for rule in rules:
                rule["source"]["allow_failed"] = found["allow_failed"]
        return {"from": "chosen", "source": found, "rules": rules}

    def command_rules(self, step: int, action: Action) -> dict[str, dict[str, Any]]:
        """Of each command with rules: the input that says whether they hold."""
        return {
            condition_input(number): {
                "from": "rules",
                "rules": self.rules(step, command.rules),
            }
            for number, command in enumerate(action.commands)
            if command.rules
        }

    def guards(self) -> list[dict[str, Any]]:
        """What decides whether rows are executed, as `job.json` has it."""
        found = []
        for guard in self._plan.guards:
            consumers = self._plan.rows[self._plan.steps[0].task]
            column = self._sources.candidates(made_of(guard), consumers)
            document = guard.document
            if guard.ends is not None:
                rule = self._ending_rule(guard.ends, guard.taken, guard.elements[consumers])
                document = {"rules": [rule]}
            found.append({"column": column, **document})
        return found

    def ending_rules(self, ends: Termination) -> list[dict[str, Any]]:
        """What ends a loop of the job's rows, where that is no output, as rules."""
        source = looked_at(self._workflow, ends, self._plan.iteration or 0)
        consumers = self._plan.rows[ends.task]
        found = self._ending_rule(ends, source, consumers)
        for place, changed in self._later_turns(ends.task):
            later = self._ending_rule(ends, looked_at(changed, ends), consumers)
            if "source" in later:
                self._add_turn(found["source"], place, later["source"])
        return [found]

    def _ending_rule(
        self, ends: Termination, source: Source | None, consumers: Indices
    ) -> dict[str, Any]:
        rule = rule_of(ends)
        root, name, inside = split_path(rule["path"])
        document: dict[str, Any] = {"rule": rule, "name": name, "path": inside}
        if source is not None:
            found = self._looked_at(ends.task, root, name, source, consumers)
            document["source"] = found
        return document

    def _looked_at(
        self, task: int, root: str, name: str, source: Source, consumers: Indices
    ) -> dict[str, Any]:
        """Where what a rule looks at is, with what the template puts into it."""
        found = self._sources.document(name, source, consumers)
        parts = self._parts(task, name, source)
        if parts and root == "inputs":
            found["parts"] = [self._sources.part(name, part, consumers) for part in parts]
        return found

    def texts(self, texts: list[str], index: Indices) -> int:
        """A column of JSON texts: `texts[index[row]]`."""
        return self._sources.add(Texts(texts, index))

    def run_variables(self, step: int) -> dict[str, int]:
        """Environment variables of a step's runs that differ by row: their columns."""
        task, action, _ = self._plan.steps[step]
        elements = self._plan.rows[task]
        model = self._workflow.tasks[task]
        numbers = {"HPCFLOW_REPEAT_IDX": model.repeat}
        if model.seeds is not None:
            numbers["HPCFLOW_RUN_SEED"] = model.seeds[action]
        return {
            name: self._optional_numbers(column[elements])
            for name, column in numbers.items()
            if column is not None
        }

    def _optional_numbers(self, numbers: Indices) -> int:
        """A column of numbers; null where they are -1."""
        if (numbers >= 0).all():
            return self._sources.add(Numbers("%d", (numbers,)))
        different, places = np.unique(numbers, return_inverse=True)
        texts = ["null" if n < 0 else str(n) for n in different.tolist()]
        return self._sources.add(Texts(texts, places))

    def encode(self) -> bytes:
        """The content of `rows.bin`."""
        return encode_rows(self._sources.columns, self._plan.num_rows)
