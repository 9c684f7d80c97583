"""What becomes of runs, one by one and a hundred thousand at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from jobstores.errors import NotFoundError
from jobstores.workflow_face.facade import PersistentStore
from tests.jobstores.face.scenes import again, element_with_runs, generation

if TYPE_CHECKING:
    from collections.abc import Callable

MANY = 100_000


@pytest.mark.method("set_EAR_start")
def test_a_run_starts_at_the_time_that_is_given_back(store: PersistentStore) -> None:
    one, two = element_with_runs(store, 2)
    before = datetime.now(UTC) - timedelta(microseconds=1)
    started = store.set_EAR_start(one)
    assert before <= started <= datetime.now(UTC)
    run, other = again(store).get_EARs([one, two])
    assert (run.start_time, run.end_time, run.success) == (started, None, None)
    assert other.start_time is None


@pytest.mark.method("set_EAR_end")
@pytest.mark.parametrize(("code", "success"), [(0, True), (-9, False), (3, False)])
def test_a_run_ends_with_its_exit_code(
    store: PersistentStore, code: int, success: bool
) -> None:
    one, _ = element_with_runs(store, 2)
    started = store.set_EAR_start(one)
    ended = store.set_EAR_end(one, code, success)
    run, other = again(store).get_EARs([one, one + 1])
    assert (run.start_time, run.end_time) == (started, ended)
    assert (run.exit_code, run.success) == (code, success)
    assert (other.exit_code, other.success) == (None, None)


@pytest.mark.method("set_EAR_skip", "get_EAR_skipped")
def test_a_run_is_skipped(store: PersistentStore) -> None:
    one, two = element_with_runs(store, 2)
    assert not store.get_EAR_skipped(one)
    store.set_EAR_skip(one)
    assert again(store).get_EAR_skipped(one) is True
    assert again(store).get_EAR_skipped(two) is False


@pytest.mark.method("set_EAR_submission_index")
def test_a_run_belongs_to_a_submission(store: PersistentStore) -> None:
    one, two = element_with_runs(store, 2)
    store.set_EAR_submission_index(two, 4)
    assert [r.submission_idx for r in again(store).get_EARs([one, two])] == [None, 4]


@pytest.mark.parametrize(
    "change",
    [
        lambda store, run: store.set_EAR_start(run),
        lambda store, run: store.set_EAR_end(run, 0, True),
        lambda store, run: store.set_EAR_skip(run),
        lambda store, run: store.set_EAR_submission_index(run, 0),
    ],
)
def test_runs_that_are_not_there_are_refused(
    store: PersistentStore, change: Callable[[PersistentStore, int], object]
) -> None:
    element_with_runs(store)
    for wrong in (1, -1):
        with pytest.raises(NotFoundError, match=f"no run {wrong}; 0 to 0 are there"):
            change(store, wrong)
    assert not store.has_pending


def test_many_runs_in_one_call_are_one_generation_and_few_calls_of_the_port() -> None:
    from jobstores.backends.memory import MemoryPort
    from tests.jobstores.store_doubles import counting

    PersistentStore.write_empty_workflow(
        None, {}, {}, "memory:many", None, "many", None, "", "", {}
    )
    port, calls = counting(MemoryPort("many"))
    port.column_format = "zarr"
    store = PersistentStore.on_port(port)
    with store.batch_update():
        element = store.add_element(store.add_task(0, {}), 0, {}, {})
        iteration = store.add_element_iteration(element, {}, [])
        ids = store.add_EARs(
            [iteration] * MANY, [0] * MANY, [[0]] * MANY, [{}] * MANY, [{}] * MANY
        )
    before = generation(store)
    calls.clear()
    codes = [n % 3 for n in range(MANY)]
    ended = store.set_EARs_end(ids, codes, [code == 0 for code in codes])
    assert generation(store) == before + 1
    assert calls.total() < 60, calls
    runs = again(store).get_EARs(ids[:3])
    assert [(r.exit_code, r.success, r.end_time) for r in runs] == [
        (0, True, ended),
        (1, False, ended),
        (2, False, ended),
    ]


@pytest.mark.method("set_EARs_start", "set_EARs_end", "set_EARs_skip")
def test_plural_forms_change_the_runs_that_are_named_and_no_others(
    store: PersistentStore,
) -> None:
    ids = element_with_runs(store, 6)
    before = generation(store)
    started = store.set_EARs_start(ids[:4])
    store.set_EARs_end([ids[1], ids[0]], [7, 0], [False, True])
    store.set_EARs_skip(ids[4:])
    store.set_EARs_submission_index([ids[5]], 2)
    assert generation(store) == before + 4
    runs = again(store).get_EARs(ids)
    assert [r.start_time == started for r in runs] == [True] * 4 + [False] * 2
    assert [r.exit_code for r in runs] == [0, 7, None, None, None, None]
    assert [r.success for r in runs] == [True, False, None, None, None, None]
    assert [r.skip for r in runs] == [False] * 4 + [True] * 2
    assert [r.submission_idx for r in runs] == [None] * 5 + [2]
    with pytest.raises(ValueError, match="lengths are"):
        store.set_EARs_end(ids, [0], True)
    with pytest.raises(TypeError, match="exit_codes: whole numbers"):
        store.set_EARs_end(ids, 0.5, True)  # type: ignore[arg-type]
