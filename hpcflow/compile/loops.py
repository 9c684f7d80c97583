"""Loops in jobs: which ones pass within a job's rows, and what their steps then read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hpcflow.compile.plan import PlannedLoop
from hpcflow.model.loops import feeding_loop, loops_around
from hpcflow.model.workflow import FromTask
from hpcflow.persist.loop_records import termination_to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpcflow.compile.plan import JobPlan, Step
    from hpcflow.model.loops import Loop
    from hpcflow.model.workflow import Workflow


def with_feedback(workflow: Workflow, loop: Loop, task: int) -> Workflow:
    """The workflow as a task sees it in a later turn of a loop than its first."""
    changed = {
        one.input: FromTask(one.producer, one.output, one.elements, one.offsets)
        for one in loop.feedback
        if one.task == task
    }
    if not changed:
        return workflow
    tasks = list(workflow.tasks)
    tasks[task] = replace(tasks[task], inputs={**tasks[task].inputs, **changed})
    return replace(workflow, tasks=tuple(tasks))


def as_seen(workflow: Workflow, task: int, iteration: int) -> Workflow:
    """The workflow as one iteration of a task sees it."""
    for index in loops_around(workflow.loops, task):  # what an inner one changes wins
        loop = workflow.loops[index]
        fed = {
            one.input
            for one in loop.feedback
            if feeding_loop(workflow.loops, task, one.input, iteration) == index
        }
        if fed:
            only = tuple(one for one in loop.feedback if one.input in fed)
            workflow = with_feedback(workflow, replace(loop, feedback=only), task)
    return workflow


def planned_loops(workflow: Workflow, steps: Sequence[Step]) -> tuple[PlannedLoop, ...]:
    """The loops that a job's rows go through: those over tasks that it executes."""
    found = []
    for index, loop in enumerate(workflow.loops):
        inside = [k for k, step in enumerate(steps) if loop.holds(step.task)]
        if inside:
            found.append(PlannedLoop(index, inside[0], inside[-1]))
    return tuple(found)


def loops_json(workflow: Workflow, plan: JobPlan) -> list[dict[str, Any]]:
    """The loops of a job as `job.json` has them."""
    found = []
    for planned in plan.loops:
        loop = workflow.loops[planned.loop]
        document: dict[str, Any] = {
            "name": loop.name,
            "first": planned.first,
            "last": planned.last,
            "iterations": loop.iterations,
        }
        termination = termination_to_json(loop.termination)
        if loop.termination is not None and termination is not None:
            task = workflow.tasks[loop.termination.task]
            made = (loop.termination.task, task.schema.producer(loop.termination.output))
            places = [(step.task, step.action) for step in plan.steps]
            del termination["task"]
            document["termination"] = {"step": places.index(made), **termination}
        found.append(document)
    return found
