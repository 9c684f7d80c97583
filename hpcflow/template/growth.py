"""Templates whose tasks go behind those of a workflow that is there.

The workflow's tasks stand before those of the template, as if both were one template:
they are upstream, and indices of tasks and default names of loops count from them on.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from hpcflow.model.workflow import Addition, Offers
from hpcflow.template.blocks import Blocks
from hpcflow.template.labels import any_label
from hpcflow.template.resolve import Origin, TaskState, Upstream

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from hpcflow.model.environment import Environment
    from hpcflow.model.loops import Loop
    from hpcflow.model.schema import TaskSchema
    from hpcflow.model.workflow import Task, Workflow
    from hpcflow.template.context import Context, Place

SEVERAL = "several"


def can_grow(workflow: Workflow) -> bool:
    """Whether all that new tasks must know of a workflow's tasks was kept."""
    return all(task.offers is not None for task in workflow.tasks)


def offers_of(state: TaskState, *, choosing: bool = False) -> Offers:
    """What later tasks must know of a task that is worked out.

    choosing: an element set takes certain element iterations alone.
    """
    origins = {
        name: [one for source in sources if source is not None for one in source.all]
        for name, sources in state.sources.items()
    }
    holders = {
        name: tuple(sorted({one.task for one in found if one.kind == "input"}))
        for name, found in origins.items()
    }
    return Offers(
        {
            name: tuple(
                tuple(one.kind for one in source.all) if source is not None else ()
                for source in sources
            )
            for name, sources in state.sources.items()
        },
        dict(state.groups),
        {name: (origin.name, origin.where) for name, origin in state.labels.items()},
        tuple(
            name
            for name, found in origins.items()
            if any(
                one.kind in ("input", "output")
                and (choosing or one.where or one.iterations is not None or one.part)
                for one in found
            )
        ),
        {name: tasks for name, tasks in holders.items() if tasks},
    )


def state_of(task: Task) -> TaskState:
    """A workflow's task, as the tasks behind it see it."""
    offers = task.offers
    assert offers is not None
    return TaskState(
        task.index,
        task.name,
        task.schema,
        task,
        {name: [_origin(kinds) for kinds in sets] for name, sets in offers.origins.items()},
        [(one.first, one.count) for one in task.element_sets],
        dict(offers.groups),
        {
            name: Origin("output", task.index, output, None, rules)
            for name, (output, rules) in offers.labels.items()
        },
    )


def _origin(kinds: tuple[str, ...]) -> Origin:
    if len(kinds) == 1:
        return Origin(kinds[0])
    return Origin(SEVERAL, options=tuple(Origin(kind) for kind in kinds))


class Before:
    """The tasks that stand before a template's own: those of a workflow, or none."""

    def __init__(self, workflow: Workflow | None = None) -> None:
        self.tasks: tuple[Task, ...] = () if workflow is None else workflow.tasks
        self.loops: tuple[Loop, ...] = () if workflow is None else workflow.loops
        self.blocks = Blocks(self.tasks)

    @property
    def names(self) -> list[str]:
        """The names of the tasks."""
        return [task.name for task in self.tasks]

    @property
    def uses(self) -> Counter[str]:
        """How often each schema is used."""
        return Counter(task.schema.name for task in self.whole_tasks)

    @property
    def whole_tasks(self) -> list[Task]:
        """The first blocks of all tasks."""
        return [task for task in self.tasks if task.continues is None]

    def upstream(self, number: int | None = None) -> Upstream:
        """The first so many entries of the record, or all, as what is behind sees them.

        Each task is there with all of its blocks, in the place of the first one.
        """
        found = Upstream()
        for task in self.tasks[:number]:
            if task.continues is None:
                found.add(state_of(self.blocks.whole(task.index)))
            else:
                block = TaskState(task.index, task.name, task.schema, task)
                found.add_block(block)
        return found

    @property
    def schemas(self) -> dict[str, TaskSchema]:
        """The schemas of the tasks; of those with labels the first."""
        return {task.schema.name: task.schema for task in reversed(self.tasks)}

    @property
    def bases(self) -> tuple[int, int]:
        """The next free run id and parameter id."""
        runs = (task.run_base + task.num_runs for task in self.tasks)
        parameters = (task.parameter_base + task.num_parameters for task in self.tasks)
        return max(runs, default=0), max(parameters, default=0)

    @property
    def num_groups(self) -> int:
        """The next free number of a group."""
        numbers = (
            int(group.max(initial=-1))
            for task in self.tasks
            if task.offers is not None
            for group in task.offers.groups.values()
        )
        return max(numbers, default=-1) + 1

    def check_schema(self, schema: TaskSchema, place: Place, context: Context) -> None:
        """A schema of a name that the workflow knows is the one that it knows."""
        known = self.schemas.get(schema.name)
        if known is None:
            return
        wild = {i.parameter for i in schema.inputs if i.name == any_label(i.parameter)}
        if _unlabelled(known, wild) != _unlabelled(schema, wild):
            context.problems.add(
                place.at,
                place.path,
                f"the workflow has another schema named {schema.name!r}",
                expected="the same, or another name",
            )

    def check_sources(self, state: TaskState, place: Place, context: Context) -> None:
        """No new task takes over an input that a loop of the workflow changes."""
        origins = [o for of_input in state.sources.values() for o in of_input if o]
        taken = {
            (one.task, one.name)
            for origin in origins
            for one in origin.all
            if one.kind == "input"
        }
        for loop in self.loops:
            for task, name in sorted(taken & {(f.task, f.input) for f in loop.feedback}):
                context.problems.add(
                    place.at,
                    place.path,
                    f"the loop {loop.name!r} changes {name!r} of task "
                    f"{self.tasks[task].name!r}, which {state.name!r} takes over; that is "
                    "not supported yet",
                    expected="an output as the source",
                )


def _unlabelled(schema: TaskSchema, wild: Collection[str]) -> TaskSchema:
    """A schema without the inputs of parameters whose labels tasks give."""
    if not wild:
        return schema
    return replace(
        schema,
        inputs=tuple(item for item in schema.inputs if item.parameter not in wild),
        actions=tuple(
            replace(
                action,
                inputs=tuple(n for n in action.inputs if n.partition("[")[0] not in wild),
            )
            for action in schema.actions
        ),
    )


def check_environments(
    known: Mapping[str, Environment],
    used: Mapping[str, Environment],
    place: Place,
    context: Context,
) -> None:
    """Environments that new tasks share with the workflow's are what they were.

    hpcflow's own may have moved: its newest Python serves old and new tasks.
    """
    for key, environment in used.items():
        if known.get(key, environment) != environment and (
            environment.name not in context.built_in
        ):
            context.problems.add(
                place.at,
                place.path,
                f"the workflow has another environment {key!r}",
                expected="the same, or another name",
            )


def grown(
    workflow: Workflow,
    tasks: tuple[Task, ...],
    loops: tuple[Loop, ...],
    environments: Mapping[str, Environment],
    context: Context,
    template: tuple[str, str],
    first: int,
) -> Workflow:
    """The workflow with more tasks.

    tasks: all of them. loops, environments: those of the new ones. template: its text
    and its path. first: the first entry of the record that the template has made.
    """
    addition = Addition(first, *template, dict(context.seeds))
    return replace(
        workflow,
        tasks=tasks,
        loops=(*workflow.loops, *loops),
        environments={**workflow.environments, **environments},
        imports=(*workflow.imports, *context.imports),
        additions=(*workflow.additions, addition),
    )


def name_tasks(names: Iterable[str], before: Before) -> list[str]:
    """The unique names of new tasks, by their schemas' names.

    A schema's name alone where one task uses it; else with _1, _2, ... in order. Names
    that there are stay.
    """
    schemas = list(names)
    earlier = before.uses
    total, seen = Counter(schemas), Counter(earlier)
    found = []
    for name in schemas:
        seen[name] += 1
        alone = total[name] + earlier[name] == 1
        found.append(name if alone else f"{name}_{seen[name]}")
    return found
