"""Tasks, elements, iterations and runs: what was added is what is read, by anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobstores.errors import NotFoundError, UnstorableError
from jobstores.workflow_face.rows import StoreEAR, StoreElement, StoreElementIter, StoreTask
from tests.jobstores.face.scenes import again, element_with_runs

if TYPE_CHECKING:
    from jobstores.workflow_face.facade import PersistentStore


@pytest.mark.method("add_task", "get_tasks", "get_tasks_by_IDs", "get_task", "get_template")
def test_tasks_are_in_the_order_of_their_places_and_keep_their_ids(
    store: PersistentStore,
) -> None:
    assert store.add_task(0, {"schema": "a"}) == 0
    assert store.add_task(0, {"schema": "b", "n": (1, 2)}) == 1
    b = StoreTask(1, 0, False, [], {"schema": "b", "n": (1, 2)})
    a = StoreTask(0, 1, False, [], {"schema": "a"})
    reader = again(store)
    assert reader.get_tasks() == [b, a]
    assert reader.get_tasks_by_IDs([1, 0, 1]) == [b, a, b]
    assert reader.get_task(1) == a
    template = reader.get_template()
    assert template["tasks"] == [b.task_template, a.task_template]
    assert template["resources"] == {"any": {"cores": 2}}
    for wrong in (2, -1):
        with pytest.raises(NotFoundError, match="no task"):
            reader.get_task(wrong)
        with pytest.raises(NotFoundError, match="no task"):
            reader.get_tasks_by_IDs([wrong])
    with pytest.raises(NotFoundError, match="place 0 to 2"):
        store.add_task(3, {})


@pytest.mark.method("add_element_set")
def test_element_sets_are_appended_to_their_tasks_template(store: PersistentStore) -> None:
    task = store.add_task(0, {"schema": "a"})
    store.add_element_set(task, {"inputs": {"x": 1}})
    store.add_element_set(task, {"inputs": {"x": (2,)}})
    sets = [{"inputs": {"x": 1}}, {"inputs": {"x": (2,)}}]
    assert again(store).get_template()["tasks"][0]["element_sets"] == sets
    with pytest.raises(NotFoundError, match="no task 7"):
        store.add_element_set(7, {})


@pytest.mark.method("add_element", "get_elements")
def test_elements_are_numbered_through_the_store_and_within_their_task(
    store: PersistentStore,
) -> None:
    first, second = store.add_task(0, {}), store.add_task(1, {})
    assert store.add_element(first, 0, {"x": 0}, {"x": 1}) == 0
    assert store.add_element(second, 0, {}, {}) == 1
    assert store.add_element(first, 3, {"x": 1}, {"x": 0}) == 2
    assert again(store).get_elements([2, 0]) == [
        StoreElement(2, False, 1, 3, {"x": 1}, {"x": 0}, first, []),
        StoreElement(0, False, 0, 0, {"x": 0}, {"x": 1}, first, []),
    ]
    assert store.get_tasks_by_IDs([first])[0].element_IDs == [0, 2]
    for wrong in (5, -1):
        with pytest.raises(NotFoundError, match="no task"):
            store.add_element(wrong, 0, {}, {})
    with pytest.raises(NotFoundError, match="no element 3; 0 to 2 are there"):
        store.get_elements([3])


@pytest.mark.method(
    "add_element_iteration", "get_element_iterations", "set_EARs_initialised"
)
def test_iterations_belong_to_elements_and_are_initialised_once_their_runs_are_added(
    store: PersistentStore,
) -> None:
    element = store.add_element(store.add_task(0, {}), 0, {}, {})
    names = ["inputs.x", "outputs.y"]
    one = store.add_element_iteration(element, {"inputs.x": 3}, names)
    two = store.add_element_iteration(element, {"inputs.x": [4, 5]}, names, {"loop": 1})
    store.set_EARs_initialised(two)
    assert again(store).get_element_iterations([one, two]) == [
        StoreElementIter(one, False, element, False, {}, {"inputs.x": 3}, names, {}),
        StoreElementIter(
            two, False, element, True, {}, {"inputs.x": [4, 5]}, names, {"loop": 1}
        ),
    ]
    assert store.get_elements([element])[0].iteration_IDs == [one, two]
    with pytest.raises(NotFoundError, match="no element 9"):
        store.add_element_iteration(9, {}, [])
    with pytest.raises(NotFoundError, match="no iteration 9"):
        store.set_EARs_initialised(9)


@pytest.mark.method("add_EAR", "get_EARs")
def test_runs_belong_to_iterations_by_action(store: PersistentStore) -> None:
    element = store.add_element(store.add_task(0, {}), 0, {}, {})
    iteration = store.add_element_iteration(element, {}, [])
    one = store.add_EAR(iteration, 1, [0, 2], {"inputs.x": 3}, {"env": "e"})
    two = store.add_EAR(iteration, 0, [], {}, {})
    three = store.add_EAR(iteration, 1, [1], {}, {})
    reader = again(store)
    assert reader.get_EARs([one]) == [
        StoreEAR(one, False, iteration, 1, [0, 2], {"inputs.x": 3}, metadata={"env": "e"})
    ]
    ids = reader.get_element_iterations([iteration])[0].EAR_IDs
    assert ids == {1: [one, three], 0: [two]}
    with pytest.raises(NotFoundError, match="no iteration 4"):
        store.add_EAR(4, 0, [], {}, {})
    with pytest.raises(NotFoundError, match="no run 3"):
        reader.get_EARs([0, 3])


@pytest.mark.method("get_task_elements")
def test_elements_of_a_task_come_with_iterations_and_runs(store: PersistentStore) -> None:
    (run,) = element_with_runs(store)
    store.add_element(0, 0, {"x": 1}, {})
    both = again(store).get_task_elements(0)
    (iteration,) = both[0]["iterations"]
    assert [e["id"] for e in both] == [0, 1]
    assert both[0]["iteration_IDs"] == [iteration["id"]]
    assert both[1] == {
        "id": 1,
        "is_pending": False,
        "index": 1,
        "es_idx": 0,
        "seq_idx": {"x": 1},
        "src_idx": {},
        "task_ID": 0,
        "iteration_IDs": [],
        "iterations": [],
    }
    assert iteration["EAR_IDs"] == {0: [run]}
    assert iteration["EARs"][0][0]["metadata"] == {"n": 0}
    assert again(store).get_task_elements(0, [1]) == [both[1]]
    with pytest.raises(NotFoundError, match="no element 2"):
        store.get_task_elements(0, [2])


def test_what_is_refused_leaves_nothing(store: PersistentStore) -> None:
    task = store.add_task(0, {})
    with pytest.raises(UnstorableError, match=r"seq_idx\[1\].x.*object"):
        store.add_elements(task, [0, 0], [{}, {"x": object()}], [{}, {}])  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="lengths are"):
        store.add_elements(task, [0, 0], [{}], [{}, {}])
    with pytest.raises(TypeError, match="ids are integers"):
        store.add_element(task, "zero", {}, {})  # type: ignore[arg-type]
    assert not store.has_pending
    assert store.get_tasks()[0].element_IDs == []
    assert store.add_element(task, 0, {}, {}) == 0


def test_what_is_given_is_copied_and_what_is_read_is_a_copy(store: PersistentStore) -> None:
    given = {"schema": ["a"]}
    store.add_task(0, given)
    given["schema"].append("b")
    store.get_tasks()[0].task_template["schema"].append("c")  # type: ignore[index]
    store.get_template()["tasks"].append("d")
    assert store.get_template()["tasks"] == [{"schema": ["a"]}]
    assert again(store).get_tasks()[0].task_template == {"schema": ["a"]}
