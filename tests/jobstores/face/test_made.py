"""A workflow that hpcflow made is read through the face, and added to."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hpcflow.model.resources import Resources
from hpcflow.model.schema import Action, Command, SchemaInput, TaskSchema
from hpcflow.model.workflow import (
    ElementSet,
    FromTask,
    FromValues,
    ResourceColumn,
    Task,
    Workflow,
    value_table,
)
from hpcflow.persist.workflow_record import encode_workflow
from jobstores.attempts import Item
from jobstores.errors import ConflictError, NotFoundError, UnsupportedError
from jobstores.open import open_port
from jobstores.workflow_face.facade import PersistentStore
from jobstores.workflow_face.layout import MADE_FIRST
from jobstores.workflow_store import WorkflowStore
from tests.jobstores.face.scenes import again, generation
from tests.jobstores.store_scenes import end, fold, play, rows

if TYPE_CHECKING:
    from collections.abc import Callable

SIM = TaskSchema(
    objective="sim",
    inputs=(SchemaInput("x", "x"), SchemaInput("q", "q")),
    outputs=("y", "z"),
    actions=(
        Action(commands=(Command("a"), Command("b")), inputs=("x",), outputs=("y",)),
        Action(commands=(Command("c"),), inputs=("q", "y"), outputs=("z",)),
    ),
)
SUM = TaskSchema(
    objective="sum",
    inputs=(SchemaInput("y", "y", group="all"), SchemaInput("z", "z")),
    outputs=("s",),
    actions=(Action(commands=(Command("d"),), inputs=("y", "z"), outputs=("s",)),),
)
ONE = ResourceColumn((Resources(),), np.zeros(3, dtype=np.int32))
BOTH = ({"a": (1,)}, "text")


def workflow(max_iterations: int) -> Workflow:
    runs, parameters = 3 * max_iterations * 2, 3 * max_iterations * 4
    sim = Task(
        index=0,
        name="sim",
        schema=SIM,
        num_elements=3,
        run_base=0,
        parameter_base=0,
        inputs={
            "x": FromValues(value_table([10, 20, 30]), np.array([2, 1, 0])),
            "q": FromValues(value_table(list(BOTH)), np.array([0, 1, 0])),
        },
        resources=(ONE, ONE),
        element_sets=(ElementSet(0, 2), ElementSet(2, 1, ("all",))),
        max_iterations=max_iterations,
    )
    total = Task(
        index=1,
        name="sum",
        schema=SUM,
        num_elements=1,
        run_base=runs,
        parameter_base=parameters,
        inputs={
            "y": FromTask(0, "y", np.array([0, 2]), np.array([0, 2])),
            "z": FromTask(0, "z", np.array([1])),
        },
        resources=(ONE,),
        element_sets=(ElementSet(0, 1),),
    )
    return Workflow("made", "words", (sim, total), {}, "name: made\n", "t.yaml")


@pytest.fixture
def made(locator: str) -> PersistentStore:
    return make(locator)


def make(locator: str, max_iterations: int = 1) -> PersistentStore:
    """A workflow of two tasks; run ids are 0 to 5, and 6, unless there are iterations."""
    record = encode_workflow(
        workflow(max_iterations),
        workflow_id="w1",
        created="2026-01-02T00:00:00Z",
        version="9",
    )
    WorkflowStore.create(
        open_port(locator),
        info=record.info,
        documents=record.documents,
        tables=record.tables,
        ranges=record.ranges,
    )
    return PersistentStore.open(locator, wait_s=0.2)


def plain(store: PersistentStore) -> WorkflowStore:
    return WorkflowStore(open_port(store.path))


def submit(store: PersistentStore, steps: list[list[int]], items: int = 1) -> int:
    """A submission of one job; its number."""
    opened = plain(store)
    with opened.lease() as lease:
        base = opened.base()
        known = base.info["submissions"]
        job = {"index": 0, "name": "j", "steps": steps, "items": items, "rows": 1}
        added = {"at": f"2026-01-0{len(known) + 3}", "path": "/p", "jobs": [job]}
        info = {**base.info, "submissions": [*known, added]}
        opened.commit(lease, base, info=info, jobs={(len(known), 0): items})
    return len(known)


def moment(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / 1e6, UTC)


@pytest.mark.method(
    "get_name",
    "get_template",
    "get_template_components",
    "get_tasks",
    "get_creation_info",
    "get_loops",
    "get_submissions",
)
def test_what_it_was_made_with_is_read(made: PersistentStore) -> None:
    assert made.get_name() == "made"
    assert made.get_creation_info() == {
        "app_info": {"name": "hpcflow", "version": "9"},
        "create_time": "2026-01-02T00:00:00Z",
        "id": "w1",
    }
    template = made.get_template()
    assert (template["name"], template["doc"], template["loops"]) == ("made", "words", [])
    assert (template["source"], template["path"]) == ("name: made\n", "t.yaml")
    assert [t["schema"] for t in template["tasks"]] == ["sim", "sum"]
    assert template["tasks"][0]["element_sets"] == [
        {"first": 0, "count": 2, "groups": []},
        {"first": 2, "count": 1, "groups": ["all"]},
    ]
    schemas = made.get_template_components()["task_schemas"]
    assert sorted(schemas) == ["sim", "sum"]
    assert schemas["sim"]["outputs"] == ["y", "z"]
    assert [(t.id_, t.index, t.element_IDs) for t in made.get_tasks()] == [
        (0, 0, [0, 1, 2]),
        (1, 1, [3]),
    ]
    assert (made.get_loops(), made.get_submissions()) == ({}, {})
    assert (made.num_tasks_cache, made.num_EARs_cache) == (2, 7)
    assert submit(made, [[0, 0]]) == 0
    (found,) = made.get_submissions().values()
    assert found["jobscripts"][0]["steps"] == [[0, 0]]
    assert found["submission_parts"] == {"2026-01-03": [0]}


@pytest.mark.method(
    "get_elements", "get_element_iterations", "get_EARs", "get_task_elements"
)
def test_elements_iterations_and_runs_follow_from_arithmetic(made: PersistentStore) -> None:
    last = made.get_elements([2])[0]
    assert (last.task_ID, last.index, last.es_idx, last.iteration_IDs) == (0, 2, 1, [2])
    assert last.seq_idx == {"x": 0, "q": 0}
    assert made.get_elements([3])[0].src_idx == {"z": 1}
    iteration = made.get_element_iterations([2])[0]
    assert (iteration.element_ID, iteration.EARs_initialised) == (2, True)
    assert iteration.EAR_IDs == {0: [4], 1: [5]}
    assert iteration.data_idx == {
        "inputs.x": 8,
        "inputs.q": 9,
        "outputs.y": 10,
        "outputs.z": 11,
    }
    first, second = made.get_EARs([4, 5])
    assert (first.elem_iter_ID, first.action_idx, first.commands_idx) == (2, 0, [0, 1])
    assert first.data_idx == {"inputs.x": 8, "outputs.y": 10}
    assert (second.action_idx, second.data_idx) == (1, {"inputs.q": 9, "outputs.z": 11})
    assert (first.success, first.start_time, first.submission_idx) == (None, None, None)
    (nested,) = made.get_task_elements(1)
    assert nested["iterations"][0]["EARs"][0][0]["id"] == 6
    for read in (made.get_elements, made.get_element_iterations):
        for wrong in (4, -1):
            with pytest.raises(NotFoundError, match="no such id"):
                read([wrong])
    for wrong in (7, -1):
        with pytest.raises(NotFoundError, match="no such id"):
            made.get_EARs([wrong])


RECORDS = [
    end(0, out={"y": 1}, exit=0),
    end(1, out={"z": {"$tuple": [1, 2]}}, exit=0),
    end(2, ok=False, exit=3, why="exit code 3"),
    {"t": "skip", "run": 3, "at": 50, "why": "failed before"},
    {"t": "start", "run": 4, "at": 60},
]


@pytest.mark.parametrize("folded", [False, True])
def test_what_jobs_record_is_read_before_and_after_a_fold(
    made: PersistentStore, folded: bool
) -> None:
    submit(made, [[0, 0], [0, 1]])
    attempt = play(open_port(made.path), Item(0, 0, 0), *RECORDS, close=False)
    assert made.get_EARs([4])[0].metadata == {"state": "running"}
    attempt.writer.append(end(4, out={"y": 5}, exit=0))
    attempt.writer.append({"t": "close", "at": 999, "why": "done"})
    attempt.writer.sync()
    if folded:
        fold(plain(made))
    runs = made.get_EARs(range(7))
    assert [r.success for r in runs] == [True, True, False, None, True, None, None]
    assert [r.skip for r in runs] == [False, False, False, True, False, False, False]
    assert [r.exit_code for r in runs] == [0, 0, 3, None, 0, None, None]
    assert [r.submission_idx for r in runs] == [0, 0, 0, 0, 0, 0, None]
    assert (runs[2].start_time, runs[2].end_time) == (moment(2), moment(102))
    assert made.get_EAR_skipped(3)
    outputs = made.get_parameters([2, 3, 6, 7, 10])
    assert [p.data for p in outputs] == [1, (1, 2), None, None, 5]
    assert made.get_parameter_set_statuses([2, 3, 6, 7, 10]) == [1, 1, 0, 0, 1]
    group, single, total = made.get_parameters([12, 13, 14])
    assert (group.data, group.is_set) == ([1, 5], True)
    assert (single.data, single.is_set) == (None, False)
    assert (total.data, total.is_set) == (None, False)


@pytest.mark.method("get_parameters", "get_parameter_sources", "check_parameters_exist")
def test_inputs_have_values_and_sources(made: PersistentStore) -> None:
    found = made.get_parameters([0, 1, 4, 5, 8])
    assert [p.data for p in found] == [30, BOTH[0], 20, BOTH[1], 10]
    assert all(p.is_set and not p.is_pending for p in found)
    where = {"task": 0, "element": 1, "iteration": 0}
    assert made.get_parameter_sources([4, 7, 12]) == [
        {"type": "local_input", **where, "name": "x"},
        {"type": "EAR_output", **where, "name": "z", "EAR_ID": 3},
        {
            "type": "task",
            "task": 1,
            "element": 0,
            "iteration": 0,
            "name": "y",
            "param_IDs": [2, 10],
        },
    ]
    assert made.check_parameters_exist([0, 14, 15, -1]) == [True, True, False, False]


def test_iterations_that_a_run_is_known_of_are_there(locator: str) -> None:
    made = make(locator, max_iterations=3)
    assert made.get_elements([0, 1])[1].iteration_IDs == [3]
    submit(made, [[0, 0]])
    play(open_port(locator), Item(0, 0, 0), end(6 + 2), end(0))
    elements = made.get_elements([0, 1, 2])
    assert [e.iteration_IDs for e in elements] == [[0], [3, 4], [6]]
    fold(plain(made))
    assert made.get_elements([1])[0].iteration_IDs == [3, 4]
    iteration = made.get_element_iterations([4])[0]
    assert (iteration.element_ID, iteration.EAR_IDs) == (1, {0: [8], 1: [9]})
    assert made.get_EARs([8])[0].success


def test_what_is_added_lies_next_to_what_was_made(made: PersistentStore) -> None:
    with made.batch_update():
        task = made.add_task(2, {"schema": "more"})
        element = made.add_element(0, 1, {"x": 5}, {})
        other = made.add_element(task, 0, {}, {})
        parameter = made.add_set_parameter("v", {"type": "x"})
        on_made = made.add_element_iteration(0, {"inputs.x": parameter}, [])
        iteration = made.add_element_iteration(element, {}, [])
        run = made.add_EAR(on_made, 0, [0], {}, {})
        extra = made.add_EAR(0, 1, [0], {}, {})
        made.add_loop({"name": "l"}, {}, [], 1, [on_made])
        made.set_EARs_initialised(0)
    assert task == 2
    assert min(element, other, on_made, run, parameter) == MADE_FIRST
    reader = again(made)
    assert [t.element_IDs for t in reader.get_tasks()] == [[0, 1, 2, element], [3], [other]]
    added, first = reader.get_elements([element, 0])
    assert (added.index, added.iteration_IDs) == (3, [iteration])
    assert first.iteration_IDs == [0, on_made]
    assert reader.get_element_iterations([0])[0].EAR_IDs == {0: [0], 1: [1, extra]}
    assert reader.get_element_iterations([on_made])[0].loop_idx == {"l": 0}
    assert reader.get_parameters([parameter])[0].data == "v"
    reader.set_EAR_end(run, 2, False)
    assert made.get_EARs([run])[0].exit_code == 2
    assert len(made.get_template()["tasks"]) == 3


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.add_element_set(0, {}),
        lambda s: s.set_parameter_value(0, 1),
        lambda s: s.set_parameter_value(2, 1),
        lambda s: s.update_param_source({2: {}}),
        lambda s: s.set_EAR_submission_index(0, 1),
        lambda s: s.add_submission(0, {}),
        lambda s: s.add_submission_part(0, "t", []),
        lambda s: s.set_jobscript_metadata(0, 0, process_ID=1),
    ],
)
def test_what_the_template_fixed_is_refused(
    made: PersistentStore, change: Callable[[PersistentStore], Any]
) -> None:
    before = generation(made)
    with pytest.raises(UnsupportedError, match="made of a template"):
        change(made)
    assert generation(made) == before


@pytest.mark.method("set_EAR_start", "set_EAR_end", "set_EAR_skip")
def test_outcomes_given_by_hand_are_rows_that_reports_and_folds_agree_on(
    made: PersistentStore,
) -> None:
    started = made.set_EAR_start(0)
    assert made.get_EARs([0])[0].start_time == started
    ended = made.set_EAR_end(0, 0, True)
    made.set_EARs_end([5, 2], [1, 2], False)
    made.set_EAR_skip(3)
    for reader in (made, again(made)):
        runs = reader.get_EARs([0, 2, 3, 5, 6])
        assert [r.success for r in runs] == [True, False, None, False, None]
        assert [r.exit_code for r in runs] == [0, 2, None, 1, None]
        assert [r.skip for r in runs] == [False, False, True, False, False]
        assert (runs[0].start_time, runs[0].end_time) == (started, ended)
    summary = plain(made).base().summary
    assert summary["0"] == {0: 2, 3: 1, 4: 2, 5: 1}
    submit(made, [[0, 0], [0, 1]])
    play(open_port(made.path), Item(0, 0, 0), end(2), end(4))
    before = [made.get_EARs([run])[0].success for run in range(6)]
    fold(plain(made))
    assert [made.get_EARs([run])[0].success for run in range(6)] == before
    assert before == [True, None, True, None, True, False]
    assert rows(plain(made), "state", "submission") == {
        0: [3, -1],
        2: [3, 0],
        3: [5, -1],
        4: [3, 0],
        5: [4, -1],
    }


def test_what_a_job_may_still_record_is_refused_until_it_cannot(
    made: PersistentStore,
) -> None:
    submit(made, [[0, 0]])
    for change in (
        made.set_EAR_start,
        made.set_EAR_skip,
        lambda n: made.set_EAR_end(n, 0, True),
    ):
        with pytest.raises(ConflictError, match="run 2 belongs to job 0 of submission 0"):
            change(2)
    made.set_EAR_skip(3)  # of an action that is in no job
    play(open_port(made.path), Item(0, 0, 0), end(0), end(2, ok=False, exit=1))
    with pytest.raises(ConflictError, match="run 2 belongs"):
        made.set_EAR_end(2, 0, True)
    assert fold(plain(made)).packed == ("0/0",)
    with pytest.raises(ConflictError, match="run 0 has succeeded"):
        made.set_EARs_end([2, 0], 0, True)
    assert made.get_EARs([2])[0].success is False
    made.set_EAR_end(2, 0, True)
    assert made.get_EARs([2])[0].success is True
    assert rows(plain(made), "state", "submission", "exit")[2] == [3, 0, 0]


def test_outcomes_that_are_pending_are_read_and_conflict_with_anothers(
    made: PersistentStore,
) -> None:
    other = again(made)
    made.set_EAR_skip(0, save=False)
    other.set_EAR_end(2, 1, False, save=False)
    assert made.get_EAR_skipped(0)
    assert not other.get_EAR_skipped(0)
    made.save()
    other.save()
    assert [r.success for r in again(made).get_EARs([0, 2])] == [None, False]
    made.set_EAR_end(4, 1, False, save=False)
    other.set_EAR_skip(4)
    with pytest.raises(ConflictError, match="changed by another process"):
        made.save()
    made.set_EAR_skip(6, save=False)
    submit(made, [[1, 0]])
    with pytest.raises(ConflictError, match="belongs to job"):
        made.save()
    assert not made.get_EAR_skipped(6)


def test_a_zipped_workflow_that_was_made_is_read(tmp_path: Any) -> None:
    made = make(f"memory:{uuid.uuid4().hex}")
    play_and_fold = Item(submit(made, [[0, 0]]), 0, 0)
    play(open_port(made.path), play_and_fold, end(0, out={"y": 1}))
    zipped = PersistentStore.open(made.zip(str(tmp_path)))
    assert zipped.get_EARs(range(7)) == made.get_EARs(range(7))
    assert zipped.get_parameters(range(15)) == made.get_parameters(range(15))
    assert zipped.get_parameters([2])[0].data == 1
