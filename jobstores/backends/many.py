"""Many calls at once: threads where a port gains by them.

On S3 an object costs a round trip, so one after the other is slow: a port says by
`parallel` how many calls at once it pays to make (absent: one). Whoever reads or writes
many objects asks `at_once` and uses `map_many`; on a disk that is a plain loop.

Standard library only, Python 3.9: this runs on compute nodes.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Callable, Iterable, Iterator, List, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

    from jobstores.port import ObjectPort

T = TypeVar("T")
R = TypeVar("R")


def at_once(*ports: ObjectPort) -> int:
    """How many calls at once it pays to make, of actions that use all these ports."""
    return max(getattr(port, "parallel", 1) for port in ports)


def map_many(parallel: int, action: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """The answers of an action on each item, in the items' order.

    With `parallel` 1 it is `map`. Else up to so many actions run at once, in threads, and
    at most twice as many items are taken ahead of the answers that were given out. What
    fails, or an interruption, ends the whole: what had begun is waited for, so that
    nothing is written any more once the caller knows; what had not is dropped.
    """
    if parallel <= 1:
        return map(action, items)
    return _in_threads(parallel, action, iter(items))


def _in_threads(parallel: int, action: Callable[[T], R], items: Iterator[T]) -> Iterator[R]:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(parallel) as pool:
        waiting: List[Future[R]] = []
        try:
            first = itertools.islice(items, 2 * parallel)
            waiting.extend(pool.submit(action, item) for item in first)
            while waiting:
                answer = waiting.pop(0).result()
                following = itertools.islice(items, 1)
                waiting.extend(pool.submit(action, item) for item in following)
                yield answer
        finally:
            for future in waiting:
                future.cancel()
