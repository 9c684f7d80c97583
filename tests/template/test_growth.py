"""A template in two parts, the second added to a workflow of the first, is the whole."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hpcflow.persist.workflow_record import (
    WorkflowReader,
    count_files,
    encode_growth,
    encode_workflow,
)
from hpcflow.template.load import Options, examine
from hpcflow.template.nodes import plain
from hpcflow.template.problems import Positions, Problems
from hpcflow.template.yaml12 import parse_yaml
from jobstores.backends.memory import MemoryPort
from jobstores.workflow_store import WorkflowStore
from tests.language.cases import ALL_CASES, read_case, write_case

if TYPE_CHECKING:
    from hpcflow.model.workflow import Workflow

OPTIONS = Options(draw_seed=lambda: 7)


def stored(workflow: Workflow) -> tuple[WorkflowStore, Workflow]:
    """A workflow in a store, and as it is read from there."""
    record = encode_workflow(workflow, workflow_id="id", created="now", version="1")
    store = WorkflowStore.create(
        MemoryPort(),
        info=record.info,
        documents=record.documents,
        tables=record.tables,
        ranges=record.ranges,
    )
    return store, WorkflowReader(store, store.base()).workflow()


def read(template, variables=None, onto=None):
    options = replace(OPTIONS, variables=variables or {}, onto=onto)
    return examine(json.dumps(template), options=options)


def add(template, store, known, variables=None):
    """The workflow with a template's tasks, in its store and as it is read from there."""
    examined = read(template, variables, known)
    assert examined.workflow is not None, [str(p) for p in examined.problems]
    base = store.base()
    model = WorkflowReader(store, base).model
    files = count_files(base.documents)
    record = encode_growth(examined.workflow, base.info, model, files)
    with store.lease() as lease:
        base = store.commit(
            lease,
            base,
            info=record.info,
            documents=record.documents,
            tables=record.tables,
            ranges=record.ranges,
        )
    return WorkflowReader(store, base).workflow()


def halves(template, number):
    """A template's tasks before a number, and the others; None where a loop has both."""
    first = {**template, "tasks": template["tasks"][:number], "loops": []}
    second = {**template, "tasks": template["tasks"][number:], "loops": []}
    names = [task["schema"] for task in template["tasks"]]
    for loop in template.get("loops", ()):
        places = [t if isinstance(t, int) else names.index(t) for t in loop["tasks"]]
        if min(places) < number <= max(places):
            return None
        (first if max(places) < number else second)["loops"].append(loop)
    return [
        {key: value for key, value in part.items() if key != "loops" or value}
        for part in (first, second)
    ]


def splits():
    for path in ALL_CASES:
        case = read_case(path)
        root = parse_yaml(case.template, Problems(Positions("", case.template)))
        if case.problems or root is None:
            continue
        template = plain(root)
        names = [task["schema"] for task in template["tasks"]]
        if not all(isinstance(name, str) for name in names) or "meta_tasks" in template:
            continue
        for number in range(1, len(names)):
            parts = None
            if not set(names[:number]) & set(names[number:]):
                parts = halves(template, number)
            if parts is not None:
                yield pytest.param(template, parts, case, id=f"{case.name}-{number}")


SPLITS = list(splits())


def test_there_are_many_such_templates():
    assert len(SPLITS) > 25


def same(one, other):
    """Equal, with arrays inside."""
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


@pytest.mark.parametrize(("template", "parts", "case"), SPLITS)
def test_two_parts_make_the_whole(template, parts, case, tmp_path, monkeypatch):
    write_case(case, tmp_path)
    monkeypatch.chdir(tmp_path)
    variables = case.var
    whole = read(template, variables).workflow
    first = read(parts[0], variables).workflow
    assert whole is not None
    if first is None:
        pytest.skip("the first part alone is no template")
    _, whole = stored(whole)
    grown = add(parts[1], *stored(first), variables)
    records = [
        encode_workflow(one, workflow_id="id", created="now", version="1")
        for one in (whole, replace(grown, additions=()))
    ]
    expected, found = records
    assert found.ranges == expected.ranges
    assert same(found.tables, expected.tables)
    assert found.info == expected.info
    given = [{k: v for k, v in r.documents.items() if k != "model"} for r in records]
    assert given[0] == given[1]
    models = [json.loads(record.documents["model"]) for record in records]
    for key in ("tasks", "loops", "imports"):
        assert models[1].get(key) == models[0].get(key)
    assert all(
        environment in models[1]["environments"]
        for environment in models[0]["environments"]
    )


SCHEMA = {
    "objective": "s",
    "inputs": [{"parameter": "x"}],
    "outputs": [{"parameter": "x"}],
    "actions": [
        {
            "commands": [
                {"command": "echo <<parameter:x>>", "stdout": "<<int(parameter:x)>>"}
            ]
        }
    ],
}


def of(*tasks, schema=SCHEMA, **more):
    return {"template_components": {"task_schemas": [schema]}, "tasks": list(tasks), **more}


ONE = of({"schema": "s", "inputs": {"x": 1}})


def problems(template, first=ONE):
    """The errors of a template that is added to a workflow."""
    _, known = stored(read(first).workflow)
    examined = read(template, onto=known)
    assert examined.workflow is None
    return [problem for problem in examined.problems if problem.severity == "error"]


def test_tasks_are_named_behind_those_of_their_schema():
    store, known = stored(read(ONE).workflow)
    grown = add(of({"schema": "s"}, {"schema": "s"}), store, known)
    assert [task.name for task in grown.tasks] == ["s", "s_2", "s_3"]
    again = add(of({"schema": "s", "inputs": {"x": 2}}), store, grown)
    assert [task.name for task in again.tasks] == ["s", "s_2", "s_3", "s_4"]
    assert [one.first_task for one in again.additions] == [1, 3]


def test_schemas_of_the_workflow_need_no_definition():
    store, known = stored(read(ONE).workflow)
    grown = add({"tasks": [{"schema": "s"}]}, store, known)
    assert grown.tasks[1].inputs["x"].task == 0


def test_another_schema_of_a_name_that_there_is():
    other = {**SCHEMA, "inputs": [{"parameter": "x", "default_value": 3}]}
    (problem,) = problems(of({"schema": "s"}, schema=other))
    assert problem.path == "tasks[0]"
    assert problem.message == "the workflow has another schema named 's'"


def test_another_environment_of_a_name_that_there_is():
    def template(setup):
        action = {**SCHEMA["actions"][0], "environments": [{"environment": "e"}]}
        schema = {**SCHEMA, "actions": [action]}
        found = of({"schema": "s", "inputs": {"x": 1}}, schema=schema)
        found["template_components"]["environments"] = [{"name": "e", "setup": setup}]
        return found

    (problem,) = problems(template("two"), template("one"))
    assert problem.message == "the workflow has another environment 'e'"
    assert read(template("one"), onto=stored(read(template("one")).workflow)[1]).workflow


@pytest.mark.parametrize("tasks", [[0], ["s"], [0, 1]])
def test_a_loop_around_a_task_that_is_there(tasks):
    (problem,) = problems(
        of({"schema": "s"}, loops=[{"tasks": tasks, "num_iterations": 2}])
    )
    assert problem.path == "loops[0].tasks"
    assert "'s' is in the workflow already" in problem.message
    assert "s_2, which are 1 to 1" in problem.expected.replace("'", "")


def test_loops_are_named_apart_from_those_there_are():
    looped = of(
        {"schema": "s", "inputs": {"x": 1}}, loops=[{"tasks": [0], "num_iterations": 2}]
    )
    store, known = stored(read(looped).workflow)
    grown = add(
        of({"schema": "s"}, loops=[{"tasks": [1], "num_iterations": 3}]), store, known
    )
    assert [(o.name, o.first, o.last, o.iterations) for o in grown.loops] == [
        ("loop_0", 0, 0, 2),
        ("loop_1", 1, 1, 3),
    ]
    assert [task.max_iterations for task in grown.tasks] == [2, 3]
    named = of(
        {"schema": "s"}, loops=[{"name": "loop_0", "tasks": [1], "num_iterations": 3}]
    )
    (problem,) = problems(named, looped)
    assert "two loops named 'loop_0'" in problem.message


def test_an_input_that_a_loop_of_the_workflow_changes_is_not_taken_over():
    looped = of(
        {"schema": "s", "inputs": {"x": 1}}, loops=[{"tasks": [0], "num_iterations": 2}]
    )
    taking = of({"schema": "s", "input_sources": {"x": ["task.0.input"]}})
    (problem,) = problems(taking, looped)
    assert problem.path == "tasks[0]"
    assert "the loop 'loop_0' changes 'x' of task 's'" in problem.message
