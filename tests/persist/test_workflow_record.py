"""A workflow that is written to a store comes back equal."""

from __future__ import annotations

import numpy as np
import pytest

from hpcflow.model.environment import (
    CoreRange,
    Environment,
    Executable,
    ExecutableInstance,
)
from hpcflow.model.resources import Resources
from hpcflow.model.schema import (
    MISSING,
    Action,
    Capture,
    Command,
    SchemaInput,
    Script,
    TaskSchema,
)
from hpcflow.model.workflow import (
    ElementSet,
    FromTask,
    FromValues,
    ResourceColumn,
    Task,
    Workflow,
    value_table,
)
from hpcflow.persist.documents import resources_from_json, resources_to_json
from hpcflow.persist.workflow_record import WorkflowReader, encode_workflow
from jobstores.backends.posix import PosixPort
from jobstores.workflow_store import WorkflowStore

MAKE = TaskSchema(
    objective="make",
    method="fast",
    inputs=(
        SchemaInput("x", "x"),
        SchemaInput("p[one]", "p", default=(1, None)),
        SchemaInput("q", "q", default=None),
    ),
    outputs=("y",),
    actions=(
        Action(
            commands=(Command("echo", stdout=Capture("y", "list", (("delim", ","),))),),
            inputs=("x",),
            outputs=("y",),
        ),
    ),
)
GATHER = TaskSchema(
    objective="gather",
    inputs=(SchemaInput("y", "y", group="all"),),
    outputs=("z",),
    actions=(
        Action("py", script=Script("g.py", "def g(y): ..."), inputs=("y",), outputs=("z",)),
    ),
)
SMALL, LARGE = Resources(), Resources(num_cores=4, directives=(("--x", None), ("--y", "1")))


def workflow() -> Workflow:
    rows = np.arange(3)
    made = Task(
        index=0,
        name="make_fast",
        schema=MAKE,
        num_elements=3,
        run_base=0,
        parameter_base=0,
        inputs={
            "x": FromValues(value_table([1.5, float("inf"), -0.0]), rows),
            "p[one]": FromValues(value_table([(1, None)]), np.zeros(3, dtype=np.int64)),
            "q": FromValues(value_table([{"a": [1]}, "text"]), np.array([0, 1, 0])),
        },
        resources=(ResourceColumn((SMALL, LARGE), np.array([0, 1, 0], dtype=np.int32)),),
        element_sets=(ElementSet(0, 2, ("all",)), ElementSet(2, 1)),
    )
    gathered = Task(
        index=1,
        name="gather",
        schema=GATHER,
        num_elements=1,
        run_base=3,
        parameter_base=12,
        inputs={"y": FromTask(0, "y", np.array([0, 1]), np.array([0, 2]))},
        resources=(ResourceColumn((SMALL,), np.zeros(1, dtype=np.int32)),),
        element_sets=(ElementSet(0, 1),),
    )
    environment = Environment(
        "py",
        "module load python",
        (Executable("python_script", (ExecutableInstance("python", CoreRange(1, 8, 2)),)),),
    )
    return Workflow(
        name="demo",
        doc="text",
        tasks=(made, gathered),
        environments={"py": environment},
        template_source="name: demo\n",
        template_path="demo.yaml",
        seeds={"tasks[0].sequences[0].values::from_normal.seed": 42},
    )


@pytest.fixture
def restored(tmp_path):
    record = encode_workflow(
        workflow(), workflow_id="abc", created="2026-01-01T00:00:00Z", version="1"
    )
    WorkflowStore.create(
        PosixPort(str(tmp_path / "wk")),
        info=record.info,
        documents=record.documents,
        tables=record.tables,
        ranges=record.ranges,
    )
    store = WorkflowStore(PosixPort(str(tmp_path / "wk")))
    return WorkflowReader(store, store.base()).workflow()


def test_the_parts_that_are_not_columns_come_back_equal(restored):
    original = workflow()
    assert restored.environments == original.environments
    assert (restored.name, restored.doc) == (original.name, original.doc)
    assert restored.template_source == original.template_source
    assert restored.seeds == original.seeds
    for ours, theirs in zip(restored.tasks, original.tasks, strict=True):
        assert ours.schema == theirs.schema
        assert ours.element_sets == theirs.element_sets
        assert (ours.name, ours.run_base, ours.num_elements) == (
            theirs.name,
            theirs.run_base,
            theirs.num_elements,
        )


def test_a_missing_default_is_not_a_default_of_none(restored):
    x, p, q = restored.tasks[0].schema.inputs
    assert x.default is MISSING
    assert p.default == (1, None)
    assert q.default is None


def test_every_element_has_the_values_it_had(restored):
    for name, column in workflow().tasks[0].inputs.items():
        ours = restored.tasks[0].inputs[name]
        for element in range(3):
            before = column.table[int(column.index[element])]
            after = ours.table[int(ours.index[element])]
            assert repr(after) == repr(before)  # repr tells -0.0 from 0.0, 1 from 1.0


def test_groups_and_upstream_elements_come_back(restored):
    column = restored.tasks[1].inputs["y"]
    assert isinstance(column, FromTask)
    assert (column.task, column.output) == (0, "y")
    assert column.elements.tolist() == [0, 1]
    assert column.offsets.tolist() == [0, 2]


def test_each_element_keeps_its_resources(restored):
    column = restored.tasks[0].resources[0]
    assert [column.table[i] for i in column.index] == [SMALL, LARGE, SMALL]


@pytest.mark.parametrize("resources", [SMALL, LARGE])
def test_resources_as_json_and_back(resources):
    assert resources_from_json(resources_to_json(resources)) == resources
