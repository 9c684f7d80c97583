"""Many objects at once: threads where a port gains by them.

On S3 an object costs a round trip, so one after the other is slow: a port says by
`parallel` how many calls at once it pays to make (absent: one). What fails, fails the
whole, after the calls that had begun.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Callable, Iterable, Iterator, List, Tuple, TypeVar

if TYPE_CHECKING:
    from jobstores.port import ObjectPort

T = TypeVar("T")
R = TypeVar("R")


def put_many(
    port: ObjectPort, objects: Iterable[Tuple[str, bytes]], *, durable: bool = True
) -> None:
    """Write objects, given as keys and contents, in any order."""
    for _ in map_many(port, lambda one: port.put(*one, durable=durable), objects):
        pass


def get_many(port: ObjectPort, keys: Iterable[str]) -> Iterator[bytes]:
    """The objects' bytes, in the order of the keys; few more are read than were taken.

    Raises:
        NotFoundError: one is not there.
    """
    return map_many(port, port.get, keys)


def delete_many(port: ObjectPort, keys: Iterable[str]) -> None:
    """Remove objects; what is not there is no error."""
    for _ in map_many(port, port.delete, keys):
        pass


def map_many(port: ObjectPort, action: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """The answers of an action on each item, in order, as many at once as pays.

    At most twice as many items are taken ahead of the answers that were given out.
    """
    parallel: int = getattr(port, "parallel", 1)
    if parallel <= 1:
        return map(action, items)
    return _in_threads(parallel, action, iter(items))


def _in_threads(parallel: int, action: Callable[[T], R], items: Iterator[T]) -> Iterator[R]:
    from concurrent.futures import Future, ThreadPoolExecutor

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
