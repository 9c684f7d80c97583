"""Names, templates, components, loops, submissions, resources and caches."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from jobstores.errors import AlreadyExistsError, ConflictError, NotFoundError
from jobstores.workflow_face.facade import PersistentStore
from tests.jobstores.face.conftest import FORMATS, make
from tests.jobstores.face.scenes import again, element_with_runs, generation

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.method(
    "write_empty_workflow",
    "get_name",
    "get_creation_info",
    "get_ts_fmt",
    "get_ts_name_fmt",
    "ts_fmt",
    "get_template",
    "get_template_components",
)
def test_an_empty_workflow_says_what_it_was_made_with(store: PersistentStore) -> None:
    assert store.get_name() == "study"
    assert store.get_creation_info() == {"app_info": {"version": "1.2"}, "when": (2026, 1)}
    assert (store.get_ts_fmt(), store.get_ts_name_fmt()) == FORMATS
    assert store.ts_fmt == FORMATS[0]
    assert store.get_template() == {
        "name": "study",
        "resources": {"any": {"cores": 2}},
        "tasks": [],
        "loops": [],
    }
    assert store.get_template_components() == {"task_schemas": {"h1": {"objective": "sum"}}}
    assert (store.get_tasks(), store.get_loops(), store.get_submissions()) == ([], {}, {})
    with pytest.raises(AlreadyExistsError):
        make(store.path)


@pytest.mark.method("add_template_components", "get_template_components")
def test_components_are_added_and_known_ones_stay(store: PersistentStore) -> None:
    store.add_template_components({"task_schemas": {"h1": 0, "h2": 2}, "envs": {"e": (1,)}})
    assert again(store).get_template_components() == {
        "task_schemas": {"h1": {"objective": "sum"}, "h2": 2},
        "envs": {"e": (1,)},
    }


@pytest.mark.method("add_loop", "get_loops", "get_loops_by_IDs", "get_template")
def test_a_loop_has_its_facts_and_its_iterations_a_place_in_it(
    store: PersistentStore,
) -> None:
    element_with_runs(store)
    other = store.add_element_iteration(0, {}, [], {"outer": 2})
    store.add_loop({"name": "inner", "tasks": [0]}, {"x": {}}, ["outer"], 3, [other])
    store.add_loop({"name": "second"}, {}, [], {(0,): 1}, [])
    reader = again(store)
    loops = {
        0: {
            "loop_template": {"name": "inner", "tasks": [0]},
            "iterable_parameters": {"x": {}},
            "parents": ["outer"],
            "num_added_iterations": 3,
        },
        1: {
            "loop_template": {"name": "second"},
            "iterable_parameters": {},
            "parents": [],
            "num_added_iterations": {(0,): 1},
        },
    }
    assert reader.get_loops() == loops
    assert reader.get_loops_by_IDs([1]) == {1: loops[1]}
    assert [loop["name"] for loop in reader.get_template()["loops"]] == ["inner", "second"]
    iterations = reader.get_element_iterations([0, other])
    assert [i.loop_idx for i in iterations] == [{}, {"outer": 2, "inner": 0}]
    with pytest.raises(NotFoundError, match="no loop 2; there are 2"):
        reader.get_loops_by_IDs([2])
    with pytest.raises(NotFoundError, match="no iteration 9"):
        store.add_loop({"name": "third"}, {}, [], 1, [9])
    assert len(store.get_loops()) == 2


@pytest.mark.method("update_loop_num_iters", "update_loop_parents")
def test_a_loops_iterations_and_parents_are_updated(store: PersistentStore) -> None:
    store.add_loop({"name": "l"}, {}, [], 1, [])
    store.update_loop_num_iters(0, 5)
    assert again(store).get_loops()[0]["num_added_iterations"] == 5
    assert again(store).get_loops()[0]["parents"] == []
    store.update_loop_parents(0, 6, ["outer"])
    assert again(store).get_loops()[0]["num_added_iterations"] == 6
    assert again(store).get_loops()[0]["parents"] == ["outer"]
    with pytest.raises(NotFoundError, match="no loop 1"):
        store.update_loop_num_iters(1, 5)


@pytest.mark.method(
    "add_submission",
    "add_submission_part",
    "set_jobscript_metadata",
    "get_submissions",
    "get_submissions_by_ID",
)
def test_submissions_have_parts_and_jobscripts_with_metadata(
    store: PersistentStore,
) -> None:
    store.add_submission(0, {"jobscripts": [{"n": 0}, {"n": 1}], "os": "posix"})
    store.add_submission(3, {"jobscripts": []})
    store.add_submission_part(0, "2026-01-02", [1, 0])
    store.set_jobscript_metadata(
        0, 1, version_info={"v": (1,)}, scheduler_job_ID="77", submit_cmdline=["a"]
    )
    store.set_jobscript_metadata(0, 1, process_ID=4)
    first = {
        "jobscripts": [
            {"n": 0},
            {
                "n": 1,
                "version_info": {"v": (1,)},
                "scheduler_job_ID": "77",
                "submit_cmdline": ["a"],
                "process_ID": 4,
            },
        ],
        "os": "posix",
        "submission_parts": {"2026-01-02": [1, 0]},
    }
    third = {"jobscripts": [], "submission_parts": {}}
    reader = again(store)
    assert reader.get_submissions() == {0: first, 3: third}
    assert reader.get_submissions_by_ID([3]) == {3: third}
    with pytest.raises(NotFoundError, match="no submission 1; there are: 0, 3"):
        reader.get_submissions_by_ID([1])
    with pytest.raises(AlreadyExistsError, match="submission 3"):
        store.add_submission(3, {})
    with pytest.raises(AlreadyExistsError, match="2026-01-02"):
        store.add_submission_part(0, "2026-01-02", [])
    with pytest.raises(NotFoundError, match="no jobscript 2"):
        store.set_jobscript_metadata(0, 2)


@pytest.mark.method("using_resource")
@pytest.mark.parametrize("label", ["loops", "attrs", "metadata"])
def test_a_resource_is_read_and_updated_in_one_generation(
    store: PersistentStore, label: str
) -> None:
    store.add_loop({"name": "l"}, {}, [], 1, [])
    before = generation(store)

    def loops(content: object) -> list[dict[str, object]]:
        return content if label == "loops" else content["loops"]  # type: ignore[index,return-value]

    with store.using_resource(label, "read") as content:
        assert loops(content)[0]["parents"] == []
        loops(content)[0]["parents"] = ["lost"]
    with store.using_resource(label, "update"):
        pass
    assert generation(store) == before
    with pytest.raises(RuntimeError), store.using_resource(label, "update") as content:
        loops(content)[0]["parents"] = ["lost"]
        raise RuntimeError
    with store.using_resource(label, "update") as content:
        loops(content)[0]["parents"] = ["kept"]
    assert generation(store) == before + 1
    assert again(store).get_loops()[0]["parents"] == ["kept"]
    with (
        pytest.raises(ConflictError, match="'loops' was changed by another"),
        store.using_resource(label, "update") as content,
    ):
        loops(content)[0]["parents"] = ["mine"]
        again(store).update_loop_parents(0, 1, ["theirs"])
    assert store.get_loops()[0]["parents"] == ["theirs"]
    with (
        pytest.raises(NotFoundError, match="no resource 'x'"),
        store.using_resource("x", "read"),
    ):
        pass


@pytest.mark.method("cached_load")
def test_a_cached_load_gives_the_root_attributes_of_one_moment(
    store: PersistentStore,
) -> None:
    with store.cached_load() as root:
        assert (root["name"], root["num_added_tasks"]) == ("study", 0)
        assert (root["ts_fmt"], root["ts_name_fmt"]) == FORMATS
        assert root["template_components"] == store.get_template_components()
        again(store).add_task(0, {})
        assert store.get_tasks() == []
    assert len(store.get_tasks()) == 1


CACHES: list[tuple[str, Callable[[PersistentStore], object]]] = [
    ("task_cache", lambda s: s.get_tasks_by_IDs([0])),
    ("element_cache", lambda s: s.get_elements([0])),
    ("element_iter_cache", lambda s: s.get_element_iterations([0])),
    ("EAR_cache", lambda s: s.get_EARs([0])),
    ("parameter_cache", lambda s: s.get_parameters([0])),
    ("param_sources_cache", lambda s: s.get_parameter_sources([0])),
]


@pytest.mark.method("cache_ctx", "use_cache", *(name for name, _ in CACHES))
@pytest.mark.parametrize(("name", "read"), CACHES, ids=[name for name, _ in CACHES])
def test_rows_are_cached_within_a_context_until_something_changes(
    store: PersistentStore, name: str, read: Callable[[PersistentStore], list[object]]
) -> None:
    element_with_runs(store)
    store.add_set_parameter(1, {"type": "a"})
    read(store)
    assert (store.use_cache, getattr(store, name)) == (False, {})
    with store.cache_ctx():
        assert store.use_cache is True
        (row,) = read(store)
        assert getattr(store, name) == {0: row}
        assert read(store)[0] is row
        store.set_EAR_start(0)
        assert getattr(store, name) == {}
        assert read(store)[0] is not row
    assert (store.use_cache, getattr(store, name)) == (False, {})


@pytest.mark.method("num_tasks_cache", "num_EARs_cache")
def test_counts_are_of_what_is_committed(store: PersistentStore) -> None:
    element_with_runs(store, 3)
    assert (store.num_tasks_cache, store.num_EARs_cache) == (1, 3)
    store.add_EAR(0, 0, [], {}, {}, save=False)
    assert store.num_EARs_cache == 3
    store.save()
    with store.cache_ctx():
        assert (store.num_tasks_cache, store.num_EARs_cache) == (1, 4)


@pytest.mark.method("logger")
def test_the_logger_is_the_apps_or_the_packages(store: PersistentStore) -> None:
    assert store.logger.name == "jobstores.workflow_face"
    app = SimpleNamespace(persistence_logger=logging.getLogger("app.stores"))
    assert PersistentStore(app, None, store.path, None).logger.name == "app.stores"
