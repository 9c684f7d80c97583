"""From the elements of element sets to a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hpcflow.model.command_text import Form, parse_command_text
from hpcflow.model.workflow import ElementSet, Indices, InputColumn, ResourceColumn, Task
from hpcflow.template.columns import join, joinable

if TYPE_CHECKING:
    from hpcflow.model.environment import Executable, ExecutableInstance
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


def check_uses(task: Task, place: Place, context: Context) -> None:
    """What a task's actions use is there with the resources of all its elements.

    That is: an instance of each executable, and a value of each resource.
    """
    for action, column in zip(task.schema.actions, task.resources, strict=True):
        forms = [
            part
            for command in action.commands
            for part in parse_command_text(command.command)
            if isinstance(part, Form)
        ]
        for name in sorted({form.name for form in forms if form.kind == "resource"}):
            if any(getattr(resources, name) is None for resources in column.table):
                message = f"a command uses the resource {name!r}, which is not set"
                context.problems.add(place.at, place.path, message)
        labels = {form.name for form in forms if form.kind == "executable"}
        labels |= {action.script.executable} if action.script is not None else set()
        for executable in context.environments[action.environment].executables:
            if executable.label in labels:
                _check_instances(executable, action.environment, column, place, context)


def _check_instances(
    executable: Executable,
    environment: str,
    column: ResourceColumn,
    place: Place,
    context: Context,
) -> None:
    needs = {(resources.num_cores, resources.parallel_mode) for resources in column.table}
    for cores, mode in sorted(needs, key=str):
        if not any(_fits(instance, cores, mode) for instance in executable.instances):
            in_mode = f" in the parallel mode {mode!r}" if mode else ""
            context.problems.add(
                place.at,
                place.path,
                f"the executable {executable.label!r} of {environment!r} has no instance "
                f"for {cores} cores{in_mode}",
                expected=" or ".join(_describe(i) for i in executable.instances),
            )


def _fits(instance: ExecutableInstance, cores: int, mode: str | None) -> bool:
    return cores in instance.num_cores and (
        mode is None or instance.parallel_mode in (None, mode)
    )


def _describe(instance: ExecutableInstance) -> str:
    cores = instance.num_cores
    text = (
        str(cores.start) if cores.start == cores.stop else f"{cores.start} to {cores.stop}"
    )
    if cores.step != 1:
        text += f" by {cores.step}"
    return text if instance.parallel_mode is None else f"{text} ({instance.parallel_mode})"
