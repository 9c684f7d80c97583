"""From the elements of element sets to a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hpcflow.model.command_text import Form, parse_command_text
from hpcflow.model.workflow import ElementSet, Indices, InputColumn, ResourceColumn, Task
from hpcflow.template.columns import join, joinable

if TYPE_CHECKING:
    from hpcflow.model.environment import CoreRange
    from hpcflow.model.resources import Resources
    from hpcflow.template.context import Context, Place
    from hpcflow.template.element_sets import ElementSetSpec
    from hpcflow.template.expand import ExpandedSet
    from hpcflow.template.resolve import TaskState


def join_sets(
    state: TaskState,
    specs: list[ElementSetSpec],
    sets: list[ExpandedSet],
    bases: tuple[int, int],
    context: Context,
) -> Task | None:
    """Make a task of its element sets, and note their ranges and groups in the state.

    bases: the first run id and the first parameter id. None where an input comes from
    different tasks in different element sets, which is reported.
    """
    schema = state.schema
    inputs: dict[str, InputColumn] = {}
    for item in schema.inputs:
        columns = [one.columns[item.name] for one in sets]
        if not joinable(columns):
            place = specs[-1].place
            context.problems.add(
                place.at,
                place.path,
                f"an input that comes from different origins in different element sets "
                f"({item.name!r}) is not supported yet",
                expected="two tasks",
            )
            return None
        inputs[item.name] = join(columns)
    firsts = [0, *np.cumsum([one.count for one in sets]).tolist()]
    state.sets = [(first, one.count) for first, one in zip(firsts, sets, strict=False)]
    state.groups = _join_groups(sets)
    resources = _join_resources(sets)
    return Task(
        state.index,
        state.name,
        schema,
        firsts[-1],
        *bases,
        inputs,
        (resources,) * len(schema.actions),
        tuple(
            ElementSet(first, count, spec.groups)
            for (first, count), spec in zip(state.sets, specs, strict=True)
        ),
    )


def _join_groups(sets: list[ExpandedSet]) -> dict[str, Indices]:
    names = dict.fromkeys(name for one in sets for name in one.groups)
    return {
        name: np.concatenate(
            [one.groups.get(name, np.full(one.count, -1, dtype=np.int64)) for one in sets]
        )
        for name in names
    }


def _join_resources(sets: list[ExpandedSet]) -> ResourceColumn:
    table: dict[Resources, int] = {}
    parts = []
    for one in sets:
        resources, index = one.resources
        places = [table.setdefault(item, len(table)) for item in resources]
        parts.append(np.array(places, dtype=np.int32)[index])
    return ResourceColumn(tuple(table), np.concatenate(parts))


def parameter_count(task: Task) -> int:
    """The size of a task's range of parameter ids."""
    per_iteration = len(task.schema.inputs) + len(task.schema.outputs)
    return task.num_elements * task.max_iterations * per_iteration


def check_executables(task: Task, place: Place, context: Context) -> None:
    """Every executable that a task's commands use has an instance for their cores."""
    for action in task.schema.actions:
        environment = context.environments[action.environment]
        wanted = {
            part.name
            for command in action.commands
            for part in parse_command_text(command.command)
            if isinstance(part, Form) and part.kind == "executable"
        }
        if action.script is not None:
            wanted.add(action.script.executable)
        for executable in environment.executables:
            if executable.label not in wanted:
                continue
            for cores in sorted(
                {resources.num_cores for resources in task.resources[0].table}
            ):
                if not any(
                    cores in instance.num_cores for instance in executable.instances
                ):
                    ranges = [_describe(i.num_cores) for i in executable.instances]
                    context.problems.add(
                        place.at,
                        place.path,
                        f"the executable {executable.label!r} of {environment.name!r} has "
                        f"no instance for {cores} cores",
                        expected=" or ".join(ranges),
                    )


def _describe(cores: CoreRange) -> str:
    if cores.start == cores.stop:
        return str(cores.start)
    step = f" by {cores.step}" if cores.step != 1 else ""
    return f"{cores.start} to {cores.stop}{step}"
