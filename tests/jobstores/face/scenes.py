"""Stores with something in them, and readers that share nothing with the writer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobstores.workflow_face.facade import PersistentStore

if TYPE_CHECKING:
    from collections.abc import Sequence


def again(store: PersistentStore) -> PersistentStore:
    """The same store, opened by another."""
    return PersistentStore.open(store.path, wait_s=0.2)


def generation(store: PersistentStore) -> int:
    """The number of the newest generation."""
    from jobstores.generations import numbers
    from jobstores.open import open_port

    return numbers(open_port(store.path))[-1]


def element_with_runs(store: PersistentStore, runs: int = 1) -> list[int]:
    """A task of one element with one iteration of so many runs; their ids."""
    task = store.add_task(0, {"schema": "h1"})
    element = store.add_element(task, 0, {}, {})
    iteration = store.add_element_iteration(element, {}, [])
    return store.add_EARs(
        [iteration] * runs,
        list(range(runs)),
        [[0]] * runs,
        [{"inputs.x": n} for n in range(runs)],
        [{"n": n} for n in range(runs)],
    )


def everything(store: PersistentStore) -> dict[str, Any]:
    """All that can be read of a store whose ids begin at 0."""
    tasks = store.get_tasks()
    runs = store.num_EARs_cache
    exist = store.check_parameters_exist(range(1000))
    parameters = [number for number, is_there in enumerate(exist) if is_there]
    return {
        "name": store.get_name(),
        "template": store.get_template(),
        "components": store.get_template_components(),
        "creation": store.get_creation_info(),
        "formats": (store.get_ts_fmt(), store.get_ts_name_fmt()),
        "tasks": tasks,
        "elements": [store.get_task_elements(task.id_) for task in tasks],
        "runs": store.get_EARs(range(runs)),
        "parameters": plain(store.get_parameters(parameters, dataset_copy=True)),
        "loops": store.get_loops(),
        "submissions": store.get_submissions(),
    }


def plain(parameters: Sequence[Any]) -> list[Any]:
    """Parameters as values that `==` compares."""
    return [(p.id_, p.is_set, _comparable(p.data), p.source) for p in parameters]


def _comparable(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return (str(value.dtype), value.tolist())
    if isinstance(value, (list, tuple)):
        return type(value)(_comparable(item) for item in value)
    if isinstance(value, dict):
        return {key: _comparable(item) for key, item in value.items()}
    return value
