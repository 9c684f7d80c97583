"""Parameters: set once, given back equal, arrays read when they are asked for."""

from __future__ import annotations

import enum
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from jobstores.errors import (
    AlreadyExistsError,
    CorruptError,
    NotFoundError,
    UnstorableError,
)
from jobstores.open import open_port
from jobstores.workflow_face.arrays import ChunkedArray
from jobstores.workflow_face.facade import PersistentStore
from tests.jobstores.face.conftest import make
from tests.jobstores.face.scenes import again, generation

if TYPE_CHECKING:
    from collections.abc import Callable

VALUES: list[Any] = [
    None,
    True,
    2**70,
    float("inf"),
    1 + 2j,
    "text \u2713",
    b"\x00\xff",
    [1, [2.5, None]],
    (1, "a"),
    {1, 2},
    {"a": {"$b": 1}, 2: "c"},
    {"$zarr": {"key": "store.json"}},
    {"$object": "store.json", "bytes": 1, "crc32": 2},
    datetime(2026, 1, 2, 3, 4, 5, 6),
    Path("a/b"),
    np.float32(1.5),
    "x" * 200_000,
]
ARRAYS = [
    np.arange(6).reshape(2, 3),
    np.array(3.5),
    np.empty((0, 4), dtype=np.float32),
    np.array([True, False]),
    np.array([1 + 2j]),
    np.arange(5, dtype=np.uint16)[::2],
]
INLINE = [
    np.array(["a", "bc"]),
    np.array([1, 2], dtype=">i4"),
    np.array([(1, 2.5)], dtype=[("n", "i4"), ("x", "f8")]),
    np.ma.masked_array([1, 2], mask=[True, False]),
]


@pytest.mark.method("add_set_parameter", "get_parameters", "check_parameters_exist")
def test_values_come_back_equal_with_their_type_and_source(store: PersistentStore) -> None:
    with store.batch_update():
        ids = [store.add_set_parameter(value, {"type": "local"}) for value in VALUES]
        assert [p.data for p in store.get_parameters(ids)] == VALUES
    found = again(store).get_parameters(ids)
    assert [p.data for p in found] == VALUES
    assert [type(p.data) for p in found] == [type(value) for value in VALUES]
    assert all(p.is_set and not p.is_pending and p.file is None for p in found)
    assert found[0].source == {"type": "local"}
    assert store.check_parameters_exist([0, ids[-1], ids[-1] + 1, -1]) == [
        True,
        True,
        False,
        False,
    ]
    with pytest.raises(NotFoundError, match="no parameter 17"):
        store.get_parameters([17])


@pytest.mark.method(
    "add_unset_parameter", "set_parameter_value", "get_parameter_set_statuses"
)
def test_a_parameter_is_set_once(store: PersistentStore) -> None:
    one, two = store.add_unset_parameter({"type": "a"}), store.add_unset_parameter({})
    store.set_parameter_value(two, {"x": 1})
    reader = again(store)
    assert reader.get_parameter_set_statuses([one, two]) == [False, True]
    assert [p.data for p in reader.get_parameters([one, two])] == [None, {"x": 1}]
    with pytest.raises(AlreadyExistsError, match=f"parameter {two} has its value"):
        store.set_parameter_value(two, 2)
    with pytest.raises(NotFoundError, match="no parameter 2"):
        store.set_parameter_value(2, 2)
    store.set_parameter_value(one, {"path": "a"}, is_file=True)
    (found,) = again(store).get_parameters([one])
    assert (found.is_set, found.data, found.file) == (True, None, {"path": "a"})


def test_an_object_that_cant_be_stored_is_refused_by_name_and_nothing_is_set(
    store: PersistentStore,
) -> None:
    ids = store.add_unset_parameters([{}, {}])
    objects = len(list(open_port(store.path).walk("values")))
    loop: list[Any] = []
    loop.append(loop)
    for bad in (object(), loop, np.array([object()])):
        given = [np.arange(3), {"a": [np.arange(2), bad]}]
        with pytest.raises(UnstorableError, match=rf"parameter {ids[1]}"):
            store.set_parameter_values(ids, given)
    with pytest.raises(UnstorableError, match="cannot store an object of type"):
        store.set_parameter_value(ids[0], enum)
    with pytest.raises(UnstorableError, match="source"):
        store.add_set_parameter(np.arange(3), {"type": object()})
    assert store.get_parameter_set_statuses(ids) == [False, False]
    assert len(list(open_port(store.path).walk("values"))) == objects


def test_arrays_are_zarr_arrays_and_numpy_arrays_where_copies_are_asked_for(
    store: PersistentStore,
) -> None:
    import zarr

    ids = store.add_set_parameters(ARRAYS, [{}] * len(ARRAYS))
    nested = store.add_set_parameter({"a": (ARRAYS[0], ["b", ARRAYS[1]])}, {})
    reader = again(store)
    for id_, array in zip(ids, ARRAYS, strict=True):
        (lazy,), (copy,) = (
            reader.get_parameters([id_]),
            reader.get_parameters([id_], dataset_copy=True),
        )
        assert isinstance(lazy.data, zarr.Array)
        assert type(copy.data) is np.ndarray
        for found in (np.asarray(lazy.data[...]), copy.data):
            assert (found.dtype, found.shape) == (array.dtype, array.shape)
            np.testing.assert_array_equal(found, array)
    data = reader.get_parameters([nested])[0].data
    assert isinstance(data["a"][0], zarr.Array)
    np.testing.assert_array_equal(data["a"][0][1], [3, 4, 5])
    assert data["a"][1][0] == "b"


def test_arrays_that_zarr_has_no_type_for_come_back_as_they_were(
    store: PersistentStore,
) -> None:
    ids = store.add_set_parameters(INLINE, [{}] * len(INLINE))
    for array, found in zip(INLINE, again(store).get_parameters(ids), strict=True):
        assert type(found.data) is type(array)
        assert found.data.dtype == array.dtype
        np.testing.assert_array_equal(found.data, array)


@pytest.mark.parametrize(
    ("compressor", "options", "name"),
    [
        ("blosc", {"cname": "lz4", "clevel": 3, "shuffle": 1}, "blosc"),
        ("zstd", {"level": 2}, "zstd"),
        ("gzip", None, "gzip"),
        (None, None, "crc32c"),
    ],
)
def test_compressor_and_chunks_are_of_ones_choice(
    locator: str, compressor: str | None, options: Any, name: str
) -> None:
    store = make(locator, compressor=compressor, compressor_kwargs=options)
    array = np.arange(60).reshape(6, 10)
    id_ = store.add_set_parameter(ChunkedArray(array, (4, 5)), {})
    again_ = store.add_set_parameter(store.get_parameters([id_])[0].data, {})
    for found in again(store).get_parameters([id_, again_]):
        assert found.data.chunks == (4, 5)
        assert name in str(found.data.compressors[0]).lower()
        np.testing.assert_array_equal(found.data[:], array)


@pytest.mark.method("write_empty_workflow")
@pytest.mark.parametrize(
    ("compressor", "options"),
    [("lzma", None), ("zstd", {"depth": 3}), ("blosc", {"shuffle": 9})],
)
def test_an_unknown_compressor_or_option_is_refused_when_the_store_is_made(
    locator: str, compressor: str, options: Any
) -> None:
    with pytest.raises(UnstorableError, match="compressor"):
        make(locator, compressor=compressor, compressor_kwargs=options)
    with pytest.raises(NotFoundError):
        PersistentStore.open(locator)


def test_a_damaged_array_is_noticed(store: PersistentStore) -> None:
    id_ = store.add_set_parameter(np.arange(100), {})
    port = open_port(store.path)
    (key,) = [k for k in port.walk("values") if k.endswith("c/0")]
    port.put(key, port.get(key)[:-1] + b"?")
    with pytest.raises(CorruptError, match="damaged"):
        store.get_parameters([id_], dataset_copy=True)
    port.delete(key)
    with pytest.raises(CorruptError, match="missing"):
        store.get_parameters([id_], dataset_copy=True)


@pytest.mark.method("update_param_source", "get_parameter_sources")
def test_sources_are_updated_name_by_name(store: PersistentStore) -> None:
    one = store.add_unset_parameter({"type": "a", "n": 1})
    two = store.add_unset_parameter({"type": "b"})
    store.update_param_source({one: {"n": (2,), "m": 3}})
    assert again(store).get_parameter_sources([two, one]) == [
        {"type": "b"},
        {"type": "a", "n": (2,), "m": 3},
    ]


@pytest.mark.method("set_parameter_values", "add_unset_parameters", "add_set_parameters")
def test_many_parameters_are_set_in_one_generation(store: PersistentStore) -> None:
    ids = store.add_unset_parameters([{"n": n} for n in range(50)])
    before = generation(store)
    store.set_parameter_values(ids[1:], [n * 2 for n in range(49)])
    assert generation(store) == before + 1
    found = again(store).get_parameters(ids)
    assert [p.data for p in found] == [None, *(n * 2 for n in range(49))]
    assert found[3].source == {"n": 3}
    for given, message in [
        (([ids[0]], [1, 2]), "1 parameters and 2 values"),
        (([ids[0], ids[0]], [1, 2]), "two values"),
    ]:
        with pytest.raises((ValueError, AlreadyExistsError), match=message):
            store.set_parameter_values(*given)
    with pytest.raises(ValueError, match="2 values and 1 sources"):
        store.add_set_parameters([1, 2], [{}])


@pytest.mark.parametrize("undo", [lambda s: s.discard(), lambda s: s.save()])
def test_arrays_of_changes_that_were_taken_back_are_removed(
    store: PersistentStore, undo: Callable[[PersistentStore], None]
) -> None:
    port = open_port(store.path)
    store.add_set_parameter(np.arange(3), {}, save=False)
    assert list(port.walk("values"))
    undo(store)
    kept = again(store).check_parameters_exist([0]) == [True]
    assert bool(list(port.walk("values"))) == kept
