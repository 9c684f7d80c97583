"""What ends a loop: its condition, and what that looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpcflow.model.conditions import ConditionError, parse_condition, split_path
from hpcflow.model.loops import Termination
from hpcflow.template.nodes import Node, broken, child, key_at, plain
from hpcflow.template.problems import listed, nearest
from hpcflow.template.resources import RESOURCES_IN_RULES, field_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpcflow.template.context import Context
    from hpcflow.template.loops import LoopRange, TaskNames
    from hpcflow.template.problems import Path
    from hpcflow.template.resolve import TaskState


def read_termination(
    loop: LoopRange, states: Sequence[TaskState | None], tasks: TaskNames, context: Context
) -> Termination | None:
    """When a loop ends, before the most of its iterations; None where nothing says so."""
    task = _termination_task(loop, tasks, context)
    node = child(loop.node, "termination")
    where, condition = child(node, "path"), child(node, "condition")
    if task is None or where is None or condition is None or broken(condition):
        return None
    path: Path = (*loop.path, "termination")
    given = plain(condition)
    try:
        parse_condition(given)
    except ConditionError as error:
        for fault in error.faults:
            at, inside = _place(condition, fault.where)
            context.problems.add(
                at,
                (*path, "condition", *inside),
                fault.message,
                expected=fault.expected or (listed(fault.valid) if fault.valid else ""),
                suggestion=nearest(fault.found, fault.valid) if fault.found else "",
            )
    root, name, steps = split_path(where.value)
    state = states[task]
    if state is not None:
        name = _known_name(root, name, state, where, (*path, "path"), context)
    parts = tuple(int(step) if step.isdecimal() else step for step in steps)
    return Termination(task, name, parts, given, root)


def _known_name(
    root: str, name: str, state: TaskState, where: Node, path: Path, context: Context
) -> str:
    """What a path names of a task; itself, and a problem, where there is no such thing."""
    schema = state.schema
    if root == "environments":
        context.problems.add(
            where.at,
            path,
            f"{where.value!r} stays, so it can't end a loop after an iteration",
            expected="outputs.NAME, inputs.NAME or resources.ITEM of a task of the loop, "
            "which `termination_task` names",
        )
        return name
    known = {
        "outputs": list(schema.outputs),
        "inputs": [item.name for item in schema.inputs],
        "resources": list(RESOURCES_IN_RULES),
    }.get(root, [])
    labelled = [one for one in known if one.partition("[")[0] == name]
    if name not in known and root == "inputs" and len(labelled) == 1:
        return labelled[0]
    if name in known and schema.actions:
        return field_of(name) if root == "resources" else name
    if name in known:
        message = f"the task {state.name!r} has no actions, so it can't end a loop"
        expected = "another task of the loop, named by `termination_task`"
        context.problems.add(where.at, path, message, expected=expected)
        return name
    offered = [f"outputs.{output}" for output in schema.outputs]
    offered += [f"inputs.{item.name}" for item in schema.inputs]
    if root == "resources":
        offered = [f"resources.{item}" for item in RESOURCES_IN_RULES]
    context.problems.add(
        where.at,
        path,
        f"the task {state.name!r} has no {where.value!r}",
        expected=f"one of {listed(offered)}, or a part of it"
        if offered
        else "the output of another task, named by `termination_task`",
        suggestion=nearest(where.value, offered),
    )
    return name


def _termination_task(loop: LoopRange, tasks: TaskNames, context: Context) -> int | None:
    """The task whose values decide; None where it is not one of the loop's."""
    node = child(loop.node, "termination_task")
    if node is None:
        return loop.last
    path = (*loop.path, "termination_task")
    span = tasks.find(node.value)
    if span is None:
        tasks.report_unknown(node, path, context)
        return None
    if "termination" not in loop.node.value:
        context.problems.add(node.at, path, "there is no `termination` for this task")
    if not loop.first <= span[-1] <= loop.last:
        inside = [tasks.names[n] for n in range(loop.first, loop.last + 1)]
        context.problems.add(
            node.at,
            path,
            f"the task {tasks.names[span[-1]]!r} is not in the loop",
            expected=f"one of {listed(inside)}",
        )
        return None
    return span[-1]


def _place(node: Node, where: tuple[str | int, ...]) -> tuple[int, Path]:
    """The offset and path of a part of a value, as far as there is one."""
    for depth, step in enumerate(where):
        value = node.value
        if isinstance(value, dict) and step in value:
            if depth == len(where) - 1:
                return key_at(node, step), where
            node = value[step]
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            node = value[step]
        else:
            return node.at, where[:depth]
    return node.at, where
