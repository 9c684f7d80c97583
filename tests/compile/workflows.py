"""Small constructors of workflows, and random workflows, to compile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st

from hpcflow.compile.grouping import CompileOptions
from hpcflow.compile.jobscript import JobScriptSettings
from hpcflow.model.resources import Resources
from hpcflow.model.schema import Action, Capture, Command, SchemaInput, TaskSchema
from hpcflow.model.workflow import (
    ElementSet,
    FromTask,
    FromValues,
    InputColumn,
    ResourceColumn,
    Task,
    Workflow,
    value_table,
)

if TYPE_CHECKING:
    from hpcflow.model.environment import Environment

ID = "3f0c9a12-aa"
LOCAL = CompileOptions(default_scheduler="local", local_cores=4)
SLURM = CompileOptions(default_scheduler="slurm", local_cores=4)
SETTINGS = JobScriptSettings(
    directives=("#SBATCH --job-name=demo",),
    item_index_shell="${SLURM_ARRAY_TASK_ID:-0}",
    id_variables=("SLURM_JOB_ID", "SLURM_ARRAY_TASK_ID"),
    python="/opt/python/bin/python3",
    node_main="/opt/hpcflow/node/__main__.py",
    workflow_path="/home/ada/it's here",
    umask=0o027,
)


def column(values: list[Any]) -> FromValues:
    """An input with a value for each element."""
    return FromValues(value_table(values), np.arange(len(values), dtype=np.int64))


def same(value: Any, count: int) -> FromValues:
    """An input with one value for all elements."""
    return FromValues(value_table([value]), np.zeros(count, dtype=np.int64))


def made_by(task: int, output: str, elements: list[int]) -> FromTask:
    """An input from an upstream task's elements."""
    return FromTask(task, output, np.array(elements, dtype=np.int64))


def grouped(task: int, output: str, groups: list[list[int]]) -> FromTask:
    """An input of lists of an upstream task's outputs."""
    members = np.array([e for group in groups for e in group], dtype=np.int64)
    offsets = np.cumsum([0, *map(len, groups)], dtype=np.int64)
    return FromTask(task, output, members, offsets)


def echo(output: str, *inputs: str, **fields: Any) -> Action:
    """An action whose one command prints its inputs as its output."""
    forms = " ".join(f"<<parameter:{name}>>" for name in inputs)
    command = Command(f"echo {forms}", stdout=Capture(output))
    return Action(commands=(command,), inputs=inputs, outputs=(output,), **fields)


class WorkflowBuilder:
    """Adds tasks one after the other, with their ranges of ids."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self._runs = 0
        self._parameters = 0

    def add(
        self,
        name: str,
        num_elements: int,
        actions: list[Action],
        inputs: dict[str, InputColumn] | None = None,
        resources: list[tuple[tuple[Resources, ...], list[int]]] | Resources | None = None,
    ) -> int:
        """Add a task; `resources` are a table and an index per action, or all the same."""
        inputs = inputs or {}
        outputs = tuple(dict.fromkeys(o for action in actions for o in action.outputs))
        if resources is None or isinstance(resources, Resources):
            one = (resources or Resources(),)
            resources = [(one, [0] * num_elements) for _ in actions]
        task = Task(
            index=len(self.tasks),
            name=name,
            schema=TaskSchema(
                objective=name,
                inputs=tuple(SchemaInput(n, n.partition("[")[0]) for n in inputs),
                outputs=outputs,
                actions=tuple(actions),
            ),
            num_elements=num_elements,
            run_base=self._runs,
            parameter_base=self._parameters,
            inputs=inputs,
            resources=tuple(
                ResourceColumn(table, np.array(index, dtype=np.int32))
                for table, index in resources
            ),
            element_sets=(ElementSet(0, num_elements),),
        )
        self._runs += task.num_runs
        self._parameters += num_elements * (len(inputs) + len(outputs))
        self.tasks.append(task)
        return task.index

    def workflow(self, *environments: Environment) -> Workflow:
        """The workflow of these tasks."""
        return Workflow(
            name="demo",
            doc="",
            tasks=tuple(self.tasks),
            environments={e.name: e for e in environments},
            template_source="",
            template_path="demo.yaml",
        )


RESOURCES = (
    Resources(),
    Resources(success_exit_codes=(0, 3)),
    Resources(num_cores=2),
    Resources(elements_per_job=2, concurrency=2),
    Resources(use_job_array=False),
    Resources(scheduler="local"),
)

OPTIONS = st.builds(
    CompileOptions,
    default_scheduler=st.sampled_from(["local", "slurm"]),
    local_cores=st.integers(1, 5),
    max_array_items=st.fixed_dictionaries({"slurm": st.integers(1, 6)}),
)


@st.composite
def input_columns(draw: st.DrawFn, tasks: list[Task], count: int) -> InputColumn:
    """Any kind of input of a task with so many elements."""
    upstream = [t for t in tasks if t.num_elements]
    if not upstream or draw(st.integers(0, 3)) == 0:
        values = draw(st.sampled_from([[7], [1, 2], [0.5, float("nan")], ["a", None, [1]]]))
        picks = draw(
            st.lists(st.integers(0, len(values) - 1), min_size=count, max_size=count)
        )
        index = np.array(picks, dtype=np.int64)
        return FromValues(value_table(values), index)
    task = draw(st.sampled_from(upstream))
    output = draw(st.sampled_from(task.schema.outputs))
    one = st.integers(0, task.num_elements - 1)
    if draw(st.booleans()):
        if task.num_elements == count and draw(st.booleans()):
            order = draw(st.permutations(range(count)) | st.just(range(count)))
            return made_by(task.index, output, list(order))
        return made_by(
            task.index, output, draw(st.lists(one, min_size=count, max_size=count))
        )
    groups = st.lists(one, max_size=6) | st.just(list(range(task.num_elements)))
    return grouped(
        task.index, output, draw(st.lists(groups, min_size=count, max_size=count))
    )


@st.composite
def workflows(draw: st.DrawFn) -> Workflow:
    """Workflows of up to four tasks, of actions that read anything made before them."""
    built = WorkflowBuilder()
    size = draw(st.integers(1, 7))
    for number in range(draw(st.integers(1, 4))):
        count = draw(st.sampled_from([size, size, 1, draw(st.integers(1, 7))]))
        names = [f"i{n}" for n in range(draw(st.integers(0, 2)))]
        inputs = {name: draw(input_columns(built.tasks, count)) for name in names}
        actions, resources = [], []
        for action in range(draw(st.integers(1, 3))):
            readable = [*names, *(o for a in actions for o in a.outputs)]
            reads = (
                draw(st.lists(st.sampled_from(readable), unique=True)) if readable else []
            )
            output = f"o{number}_{draw(st.sampled_from([action, 0]))}"
            actions.append(echo(output, *reads))
            table = draw(st.lists(st.sampled_from(RESOURCES), min_size=1, max_size=3))
            index = st.integers(0, len(table) - 1)
            picks = draw(st.lists(index, min_size=count, max_size=count))
            resources.append((tuple(table), picks))
        if draw(st.booleans()):
            resources = [resources[0]] * len(actions)
        built.add(f"t{number}", count, actions, inputs, resources)
    return built.workflow()
