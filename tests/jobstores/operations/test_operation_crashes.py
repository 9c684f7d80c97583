"""Operations killed before every call that writes: the store is as before or after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jobstores import generations
from jobstores.backends.memory import MemoryPort
from jobstores.errors import JobStoreError, NotFoundError
from jobstores.faults import KilledError
from jobstores.operations.copy import copy
from jobstores.operations.delete import delete
from jobstores.operations.layout import read_unfinished
from jobstores.operations.rechunk import rechunk
from jobstores.operations.repair import repair
from jobstores.operations.verify import verify
from tests.jobstores.operations.places import (
    DyingPort,
    checksums,
    clone,
    content,
    fill,
    opened,
)
from tests.jobstores.store_scenes import timing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(autouse=True)
def _dead_holders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever holds a lease has been killed, though its process is this one."""
    monkeypatch.setattr("jobstores.lease.proven_dead", lambda _: True)


@pytest.fixture(scope="module")
def made() -> MemoryPort:
    port = MemoryPort()
    fill(port)
    return port


def killed(port: MemoryPort, operate: Callable[[Any], Any]) -> Iterator[MemoryPort]:
    """The place as it was left, killed before each write in turn; at last as it is."""
    number = 0
    while True:
        number += 1
        left = clone(port)
        try:
            operate(DyingPort(left, number))
        except KilledError:
            yield left
        else:
            yield left
            assert number > 4
            return


def test_laying_out_anew(made):
    before, numbers = content(made), set()
    for left in killed(made, lambda port: rechunk(opened(port))):
        assert content(left) == before
        assert verify(left).clean
        numbers.add(opened(left).base().number)
    assert numbers == {4, 5}
    rechunk(opened(left))
    assert content(left) == before


def test_deleting(made):
    before, seen = content(made), set()
    for left in killed(made, lambda port: delete(port, timing=timing())):
        try:
            assert content(left) == before
            assert verify(left).clean
            seen.add("whole")
        except NotFoundError:
            half = read_unfinished(left) is not None
            seen.add("half" if half else "gone")
            assert half or list(left.walk("")) == []
        if list(left.walk("")):
            delete(left, timing=timing())
            assert list(left.walk("")) == []
    assert seen == {"whole", "half", "gone"}


def test_copying_to_a_target_that_dies(made):
    before, sums, seen = content(made), checksums(made), set()
    for left in killed(MemoryPort(), lambda port: copy(clone(made), port, timing=timing())):
        try:
            found = content(left)
        except NotFoundError:
            seen.add(False)
        else:
            assert found == before
            assert verify(left).clean
            seen.add(True)
        source = clone(made)
        if read_unfinished(left) is not None or not list(left.walk("")):
            copy(source, left, resume=True, timing=timing())
        assert content(left) == before
        assert verify(left).findings == ()
        assert checksums(source) == sums
    assert seen == {False, True}


def test_copying_from_a_source_that_dies(made):
    sums = checksums(made)
    for left in killed(made, lambda port: copy(port, MemoryPort(), timing=timing())):
        assert checksums(left) == sums
        assert verify(left).clean


@pytest.mark.parametrize("what", ["manifest", "marker", "column", "segment"])
def test_repairing(made, what):
    port = clone(made)
    store = opened(port)
    if what == "column":
        ref = rechunk(store, "inputs/0/0/index").base.tables["inputs/0/0/index"]["index"]
        key = f"{ref.key}/c/0"
    else:
        key = {
            "manifest": generations.manifest_key(4),
            "marker": "store.json",
            "segment": "segments/0/0/0/0.0",
        }[what]
    port.put(key, b"broken\n")
    whole = clone(port)
    repair(whole, timing=timing())
    after = content(whole)
    seen = set()
    for left in killed(port, lambda port: repair(port, timing=timing())):
        clean = verify(left).clean
        seen.add(clean)
        try:
            found = content(left)
        except JobStoreError:
            assert not clean
        else:
            assert found == after or not clean
        repair(left, timing=timing())
        assert verify(left).clean
        assert content(left) == after
        assert b"broken\n" in {left.read_segment(k) for k in left.walk("")}
    assert seen == {False, True}
