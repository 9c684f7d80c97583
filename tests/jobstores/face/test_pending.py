"""Pending changes: seen by who made them, committed whole or not at all, never mixed."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from jobstores.errors import BusyError, ConflictError, UnavailableError
from jobstores.open import open_port
from jobstores.workflow_store import WorkflowStore
from tests.jobstores.face.scenes import again, element_with_runs, everything, generation

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobstores.workflow_face.facade import PersistentStore


@pytest.mark.method("save", "has_pending")
def test_pending_changes_are_read_by_their_maker_and_by_others_once_saved(
    store: PersistentStore,
) -> None:
    before = generation(store)
    task = store.add_task(0, {"schema": "a"}, save=False)
    element = store.add_element(task, 0, {}, {}, save=False)
    iteration = store.add_element_iteration(element, {}, [], save=False)
    run = store.add_EAR(iteration, 0, [], {}, {}, save=False)
    parameter = store.add_set_parameter(np.arange(3), {"type": "a"}, save=False)
    store.set_EAR_skip(run, save=False)
    store.add_template_components({"task_schemas": {"h2": 2}}, save=False)
    assert store.has_pending is True
    assert generation(store) == before
    assert again(store).get_tasks() == []
    (row,) = store.get_tasks()
    assert (row.is_pending, row.element_IDs) == (True, [element])
    rows = [
        *store.get_elements([element]),
        *store.get_element_iterations([iteration]),
        *store.get_EARs([run]),
        *store.get_parameters([parameter]),
    ]
    assert all(row.is_pending for row in rows)
    assert store.get_EAR_skipped(run)
    assert store.get_parameters([parameter], dataset_copy=True)[0].data.tolist() == [
        0,
        1,
        2,
    ]
    assert store.get_template_components()["task_schemas"]["h2"] == 2
    store.save()
    assert store.has_pending is False
    assert generation(store) == before + 1
    assert everything(again(store)) == everything(store)
    assert not store.get_EARs([run])[0].is_pending
    assert again(store).get_EAR_skipped(run)


def test_a_batch_is_one_generation_and_invisible_until_then(store: PersistentStore) -> None:
    before = generation(store)
    with store.batch_update():
        runs = element_with_runs(store, 3)
        store.set_EARs_start(runs)
        store.save()
        store.set_parameter_value(store.add_unset_parameter({}), 1)
        assert again(store).get_tasks() == []
        assert store.get_EARs(runs)[0].is_pending
    assert generation(store) == before + 1
    assert len(again(store).get_EARs(runs)) == 3


def test_a_batch_left_by_an_exception_leaves_nothing(store: PersistentStore) -> None:
    element_with_runs(store)
    whole, before = everything(store), generation(store)
    with pytest.raises(KeyboardInterrupt), store.batch_update():
        store.add_task(1, {})
        store.set_EAR_start(0)
        store.add_set_parameter(np.arange(3), {})
        raise KeyboardInterrupt
    assert not store.has_pending
    assert generation(store) == before
    assert everything(store) == everything(again(store)) == whole
    assert list(open_port(store.path).walk("values")) == []
    assert again(store).add_task(1, {}) == 1  # the lease is free, and so is the id
    assert store.add_task(2, {}) == 2


def test_a_batch_in_a_batch_joins_it_and_its_failure_takes_back_its_own_part(
    store: PersistentStore,
) -> None:
    before = generation(store)
    with store.batch_update():
        store.add_task(0, {"schema": "kept"})
        with pytest.raises(RuntimeError), store.batch_update():
            store.add_task(1, {"schema": "gone"})
            raise RuntimeError
        with store.batch_update():
            store.add_task(1, {"schema": "too"})
        assert generation(store) == before
    assert generation(store) == before + 1
    assert [t.task_template for t in again(store).get_tasks()] == [
        {"schema": "kept"},
        {"schema": "too"},
    ]


def test_a_refused_change_leaves_the_rest_of_a_batch(store: PersistentStore) -> None:
    with store.batch_update():
        store.add_task(0, {})
        with pytest.raises(LookupError):
            store.add_element(7, 0, {}, {})
        store.add_element(0, 0, {}, {})
    assert [e["id"] for e in again(store).get_task_elements(0)] == [0]


def test_who_gives_out_ids_holds_the_lease_until_they_are_committed(
    store: PersistentStore,
) -> None:
    other = again(store)
    assert store.add_task(0, {}, save=False) == 0
    with pytest.raises(BusyError):
        other.add_task(0, {})
    assert not other.has_pending
    store.save()
    assert other.add_task(0, {}) == 1


def test_discarding_or_dropping_a_store_lets_go_of_the_lease(
    store: PersistentStore,
) -> None:
    other = again(store)
    store.add_task(0, {}, save=False)
    store.discard()
    assert (store.has_pending, store.get_tasks()) == (False, [])
    assert other.add_task(0, {}) == 0
    third = again(store)
    third.add_task(0, {}, save=False)
    del third
    gc.collect()
    assert other.add_task(0, {}) == 1


def test_changes_of_different_things_by_two_writers_both_stay(
    store: PersistentStore,
) -> None:
    runs = element_with_runs(store, 2)
    other = again(store)
    store.set_EAR_start(runs[0], save=False)
    store.update_param_source({}, save=False)
    other.set_EAR_skip(runs[1])
    store.save()
    first, second = again(store).get_EARs(runs)
    assert first.start_time is not None
    assert second.skip


@pytest.mark.parametrize(
    "change",
    [
        lambda store: store.set_EAR_start(0, save=False),
        lambda store: store.set_parameter_value(0, 1, save=False),
        lambda store: store.update_loop_num_iters(0, id(store), save=False),
        lambda store: store.update_param_source({0: {"n": id(store)}}, save=False),
        lambda store: store.set_jobscript_metadata(0, 0, process_ID=1, save=False),
        lambda store: store.add_submission_part(0, "t", [0], save=False),
    ],
)
def test_a_change_of_what_another_changed_meanwhile_is_a_conflict_and_changes_nothing(
    store: PersistentStore, change: Callable[[PersistentStore], Any]
) -> None:
    element_with_runs(store)
    store.add_unset_parameter({})
    store.add_loop({"name": "l"}, {}, [], 1, [])
    store.add_submission(0, {"jobscripts": [{}]})
    other = again(store)
    change(store)
    change(other)
    other.save()
    before = generation(store)
    with pytest.raises(ConflictError, match="changed by another process"):
        store.save()
    assert generation(store) == before
    assert not store.has_pending
    assert everything(store) == everything(other)
    store.add_task(0, {})


def test_pending_changes_survive_a_fold_of_another_process(store: PersistentStore) -> None:
    (run,) = element_with_runs(store)
    store.set_EAR_start(run, save=False)
    plain = WorkflowStore(open_port(store.path))
    with plain.lease() as lease:
        plain.commit(lease, plain.base(), info={**plain.base().info, "doc": "new"})
    store.save()
    assert again(store).get_EARs([run])[0].start_time is not None
    assert plain.base().info["doc"] == "new"


def test_a_commit_that_fails_leaves_nothing_and_can_be_tried_again(
    store: PersistentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    element_with_runs(store)
    whole = everything(store)

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise UnavailableError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(WorkflowStore, "commit", fail)
        with pytest.raises(UnavailableError):
            store.set_EAR_start(0)
        with pytest.raises(UnavailableError), store.batch_update():
            store.add_task(0, {})
        store.add_task(0, {}, save=False)
        with pytest.raises(UnavailableError):
            store.save()
    assert everything(again(store)) == whole
    assert store.has_pending
    store.save()
    assert len(again(store).get_tasks()) == 2
