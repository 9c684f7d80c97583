"""From the elements of element sets to a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hpcflow.model.command_text import Form, parse_command_text
from hpcflow.model.resources import RUN_RESOURCES
from hpcflow.model.workflow import (
    Chosen,
    ElementSet,
    FromTask,
    Indices,
    InputColumn,
    ResourceColumn,
    Task,
)
from hpcflow.template.columns import join
from hpcflow.template.parts import join_parts

if TYPE_CHECKING:
    from hpcflow.model.environment import Environment, Executable, ExecutableInstance
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
) -> Task:
    """Make a task of its element sets, and note their ranges and groups in the state.

    bases: the first run id and the first parameter id.
    """
    schema = state.schema
    inputs: dict[str, InputColumn] = {}
    for item in schema.inputs:
        columns = [one.columns[item.name] for one in sets]
        inputs[item.name] = join(columns)
    firsts = [0, *np.cumsum([one.count for one in sets]).tolist()]
    state.sets = [(first, one.count) for first, one in zip(firsts, sets, strict=False)]
    state.groups = _join_groups(sets)
    for name in inputs:
        taken = [one.taken_over[name] for one in sets if name in one.taken_over]
        whole = join(list(taken)) if len(taken) == len(sets) else None
        if isinstance(whole, FromTask):
            state.taken_over[name] = whole
    return Task(
        state.index,
        state.name,
        schema,
        firsts[-1],
        *bases,
        inputs,
        tuple(_join_resources(sets, action) for action in range(len(schema.actions))),
        tuple(
            ElementSet(first, count, tuple(group.name for group in spec.groups), spec.files)
            for (first, count), spec in zip(state.sets, specs, strict=True)
        ),
        parts={
            name: join_parts([(one.count, one.parts.get(name, ())) for one in sets])
            for name in inputs
            if any(name in one.parts for one in sets)
        },
        repeat=_join_optional([(one.count, one.repeat) for one in sets]),
        seeds=_join_optional([(one.count, one.seeds) for one in sets]),
        chosen=_join_chosen(specs, sets),
        group_rules=_join_group_rules(specs, sets),
    )


def _join_chosen(specs: list[ElementSetSpec], sets: list[ExpandedSet]) -> dict[str, Chosen]:
    """The rules that only runs decide; all element sets must have the same."""
    found: dict[str, Chosen] = {}
    for name in dict.fromkeys(name for one in sets for name in one.chosen):
        given = [one.chosen.get(name) for one in sets]
        known = [one for one in given if one is not None]
        whole = join([one.members for one in known])
        if (
            len(known) < len(given)
            or any(one.rules != known[0].rules for one in known)
            or not isinstance(whole, FromTask)
        ):
            _refuse_different(specs[0], f"for what {name!r} is taken from")
            continue
        found[name] = Chosen(known[0].rules, whole)
    return found


def _join_group_rules(
    specs: list[ElementSetSpec], sets: list[ExpandedSet]
) -> dict[str, tuple[dict[str, Any], ...]]:
    found: dict[str, tuple[dict[str, Any], ...]] = {}
    for name in dict.fromkeys(name for one in sets for name in one.group_rules):
        given = [one.group_rules.get(name, ()) for one in sets if name in one.groups]
        if any(rules != given[0] for rules in given):
            _refuse_different(specs[0], f"for the group {name!r}")
        found[name] = given[0]
    return found


def _refuse_different(spec: ElementSetSpec, what: str) -> None:
    spec.section.add(
        spec.place.at,
        spec.place.path,
        f"different rules of the element sets {what}, where only runs decide them, are not "
        "supported yet",
    )


def _join_optional(parts: list[tuple[int, Indices | None]]) -> Indices | None:
    """Numbers by element, in the last dimension, with -1 where a set has none."""
    given = [numbers for _, numbers in parts if numbers is not None]
    if not given:
        return None
    leading = given[0].shape[:-1]
    return np.concatenate(
        [
            np.full((*leading, count), -1, dtype=np.int64) if numbers is None else numbers
            for count, numbers in parts
        ],
        axis=-1,
    )


def _join_groups(sets: list[ExpandedSet]) -> dict[str, Indices]:
    names = dict.fromkeys(name for one in sets for name in one.groups)
    return {
        name: np.concatenate(
            [one.groups.get(name, np.full(one.count, -1, dtype=np.int64)) for one in sets]
        )
        for name in names
    }


def _join_resources(sets: list[ExpandedSet], action: int) -> ResourceColumn:
    table: dict[Resources, int] = {}
    parts = []
    for one in sets:
        resources, index = one.resources[action]
        places = [table.setdefault(item, len(table)) for item in resources]
        parts.append(np.array(places, dtype=np.int32)[index])
    return ResourceColumn(tuple(table), np.concatenate(parts))


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
            if not _is_set(name, task, column):
                message = f"a command uses the resource {name!r}, which is not set"
                context.problems.add(place.at, place.path, message)
        labels = {form.name for form in forms if form.kind == "executable"}
        labels |= {action.script.executable} if action.script is not None else set()
        for variant in context.variants[action.environment]:
            uses = [
                resources
                for resources in column.table
                if (resources.environment or action.environment) == variant.key
            ]
            if uses:
                _check_executables(variant, labels, uses, place, context)


def _check_executables(
    environment: Environment,
    labels: set[str],
    uses: list[Resources],
    place: Place,
    context: Context,
) -> None:
    """The chosen environment has the executables, for all resources of its runs."""
    known = {executable.label: executable for executable in environment.executables}
    for label in sorted(labels):
        if label in known:
            _check_instances(known[label], environment.key, uses, place, context)
        elif any(
            label == e.label for e in context.environments[environment.name].executables
        ):
            message = f"the environment {environment.key} has no executable {label!r}"
            context.problems.add(place.at, place.path, message)


def _is_set(name: str, task: Task, column: ResourceColumn) -> bool:
    """Whether all elements have a value of a resource."""
    if name in RUN_RESOURCES:
        numbers = task.seeds if name == "random_seed" else task.repeat
        return numbers is not None and bool((numbers >= 0).all())
    return all(getattr(resources, name) is not None for resources in column.table)


def _check_instances(
    executable: Executable,
    environment: str,
    uses: list[Resources],
    place: Place,
    context: Context,
) -> None:
    needs = {(resources.num_cores, resources.parallel_mode) for resources in uses}
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
