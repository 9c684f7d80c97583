"""Threads that start at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobstores.port import ObjectPort

T = TypeVar("T")


def race(count: int, action: Callable[[int], T]) -> list[T]:
    """The answers of an action that as many threads run at once, given their number."""
    barrier = threading.Barrier(count)

    def run(number: int) -> T:
        barrier.wait()
        return action(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def tag_of(port: ObjectPort, key: str) -> str:
    """The tag of an object that is there."""
    found = port.stat(key)
    assert found is not None, f"{key} is not there"
    return found.tag
