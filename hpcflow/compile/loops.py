"""Loops in jobs: which ones pass within a job's rows, and what their steps then read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcflow.compile.plan import PlannedLoop
from hpcflow.model.loops import turn_numbers
from hpcflow.model.workflow import FromSeveral, FromTask
from hpcflow.persist.loop_records import termination_to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hpcflow.compile.plan import JobPlan, Step
    from hpcflow.model.loops import Feedback, Loop, Termination
    from hpcflow.model.workflow import InputColumn, Workflow


@dataclass(frozen=True, slots=True, eq=False)
class Fed(FromTask):
    """An input that an earlier turn of a loop makes.

    feedback: what says so. before: where it comes from while no turn has made it.
    """

    feedback: Feedback | None = None
    before: InputColumn | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FedInPart(FromSeveral):
    """An input that an earlier turn of a loop makes for some elements.

    before: where it comes from for the others, and for all while no turn has made it.
    """

    before: InputColumn | None = None


def with_feedback(workflow: Workflow, loop: Loop) -> Workflow:
    """The workflow as the tasks of a loop see it in a later turn than the first."""
    tasks = list(workflow.tasks)
    for one in loop.feedback:
        task = tasks[one.task]
        before = task.inputs.get(one.input)
        while isinstance(before, Fed | FedInPart):
            before = before.before
        fed: InputColumn
        if one.of_some and before is not None:
            rows = np.arange(len(one.elements), dtype=np.int64)
            some = np.maximum(one.elements, 0)
            made = Fed(one.producer, one.output, some, None, one)
            fed = FedInPart(
                (before, made), (one.elements >= 0).astype(np.int64), rows, None, before
            )
        else:
            fed = Fed(one.producer, one.output, one.elements, one.offsets, one, before)
        tasks[one.task] = replace(task, inputs={**task.inputs, one.input: fed})
    return replace(workflow, tasks=tuple(tasks))


def concerns(workflow: Workflow, loop: Loop, task: int) -> bool:
    """Whether a task may see other values in the later turns of a loop around it.

    Where rules may keep a task from making what is also its input, that is passed on to
    the tasks behind it: these see a change of it, too.
    """
    return loop.holds(task) and any(
        one.task == task or not surely_makes(workflow, one.task, one.input)
        for one in loop.feedback
    )


def surely_makes(workflow: Workflow, task: int, output: str) -> bool:
    """Whether every element of a task has an output, if no run fails.

    That is so too where the task does not have the output at all.
    """
    schema = workflow.tasks[task].schema
    makers = schema.producers(output)
    return not makers or schema.actions[makers[-1]].surely_makes(output)


def as_seen(workflow: Workflow, task: int, iteration: int) -> Workflow:
    """The workflow as one iteration of a task sees it."""
    turns = turn_numbers(workflow.loops, task, iteration)
    for index, turn in turns.items():  # what an inner one changes wins
        loop = workflow.loops[index]
        if turn and loop.feedback:
            workflow = with_feedback(workflow, loop)
    return workflow


def planned_loops(workflow: Workflow, steps: Sequence[Step]) -> tuple[PlannedLoop, ...]:
    """The loops that a job's rows go through: those over tasks that it executes."""
    found = []
    for index, loop in enumerate(workflow.loops):
        inside = [k for k, step in enumerate(steps) if loop.holds(step.task)]
        if inside:
            found.append(PlannedLoop(index, inside[0], inside[-1]))
    return tuple(found)


def loops_json(
    workflow: Workflow,
    plan: JobPlan,
    rules_of: Callable[[Termination], list[dict[str, Any]]],
) -> list[dict[str, Any]]:
    """The loops of a job as `job.json` has them.

    rules_of: gives the rules that say whether what a task has taken ends a loop.
    """
    found = []
    for planned in plan.loops:
        loop = workflow.loops[planned.loop]
        document: dict[str, Any] = {
            "name": loop.name,
            "first": planned.first,
            "last": planned.last,
            "iterations": loop.iterations,
            **({"first_turn": loop.first_turn} if loop.first_turn else {}),
        }
        termination = termination_to_json(loop.termination)
        if loop.termination is not None and loop.termination.root != "outputs":
            first = next(
                number
                for number, step in enumerate(plan.steps)
                if step.task == loop.termination.task
            )
            rules = rules_of(loop.termination)
            document["termination"] = {"step": first, "rules": rules}
        elif loop.termination is not None and termination is not None:
            task = workflow.tasks[loop.termination.task]
            places = [(step.task, step.action) for step in plan.steps]
            steps = [
                places.index((task.index, action))
                for action in task.schema.producers(loop.termination.output)
            ]
            del termination["task"]
            others = {"others": steps[1:]} if len(steps) > 1 else {}
            document["termination"] = {"step": steps[0], **others, **termination}
        found.append(document)
    return found
