"""Ports that count, and ports that misbehave on purpose: for tests and budgets.

`CountingPort` counts calls; `FaultyPort` fails, delays, or loses the answer of the
n-th call, or dies there.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from jobstores.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

    from jobstores.port import ObjectPort, ObjectStat, SegmentHandle


class WrappedPort:
    """A port that does what another does; a subclass's `_call` comes in between.

    Calls on segments and files are calls too: `append`, `sync`, `close`; `publish` is
    the close of a file that makes it an object.
    """

    def __init__(self, inner: ObjectPort) -> None:
        self.inner = inner
        self.locator = inner.locator
        self.read_only = inner.read_only
        self.column_format = inner.column_format

    def _call(self, method: str, key: str, action: Callable[[], Any]) -> Any:
        raise NotImplementedError

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """As the inner port."""
        data: bytes = self._call("get", key, lambda: self.inner.get(key, start, stop))
        return data

    def put(
        self,
        key: str,
        data: bytes,
        *,
        create: bool = False,
        if_match: str | None = None,
        durable: bool = True,
    ) -> None:
        """As the inner port."""
        self._call(
            "put",
            key,
            lambda: self.inner.put(
                key, data, create=create, if_match=if_match, durable=durable
            ),
        )

    def open_write(self, key: str) -> BinaryIO:
        """As the inner port."""
        file = self._call("open_write", key, lambda: self.inner.open_write(key))
        return _WrappedFile(file, key, self._call)  # type: ignore[return-value]

    def stat(self, key: str) -> ObjectStat | None:
        """As the inner port."""
        found: ObjectStat | None = self._call("stat", key, lambda: self.inner.stat(key))
        return found

    def list(self, prefix: str) -> list[str]:
        """As the inner port."""
        names: list[str] = self._call("list", prefix, lambda: self.inner.list(prefix))
        return names

    def delete(self, key: str) -> None:
        """As the inner port."""
        self._call("delete", key, lambda: self.inner.delete(key))

    def delete_tree(self, prefix: str) -> None:
        """As the inner port."""
        self._call("delete_tree", prefix, lambda: self.inner.delete_tree(prefix))

    def sync_tree(self, prefix: str) -> None:
        """As the inner port."""
        self._call("sync_tree", prefix, lambda: self.inner.sync_tree(prefix))

    def create_segment(self, key: str) -> SegmentHandle:
        """As the inner port."""
        handle = self._call("create_segment", key, lambda: self.inner.create_segment(key))
        return _WrappedSegment(handle, key, self._call)

    def append_segment(self, key: str) -> SegmentHandle:
        """As the inner port."""
        handle = self._call("append_segment", key, lambda: self.inner.append_segment(key))
        return _WrappedSegment(handle, key, self._call)

    def read_segment(self, key: str, start: int = 0) -> bytes:
        """As the inner port."""
        data: bytes = self._call(
            "read_segment", key, lambda: self.inner.read_segment(key, start)
        )
        return data

    def path(self, key: str) -> str | None:
        """As the inner port; no call, since nothing is asked of the storage."""
        return self.inner.path(key)

    def walk(self, prefix: str) -> Iterator[str]:
        """As the inner port; one call."""
        keys: Iterator[str] = self._call("walk", prefix, lambda: self.inner.walk(prefix))
        return keys


class _WrappedSegment:
    def __init__(self, inner: SegmentHandle, key: str, call: Callable[..., Any]) -> None:
        self._inner = inner
        self._key = key
        self._call = call

    def append(self, data: bytes) -> None:
        self._call("append", self._key, lambda: self._inner.append(data))

    def sync(self) -> None:
        self._call("sync", self._key, self._inner.sync)

    def close(self) -> None:
        self._call("close", self._key, self._inner.close)


class _WrappedFile:
    def __init__(self, inner: BinaryIO, key: str, call: Callable[..., Any]) -> None:
        self._inner = inner
        self._key = key
        self._call = call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def close(self) -> None:
        if not self._inner.closed:
            self._call("publish", self._key, self._inner.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._inner.__exit__(kind, error, trace)
            return
        try:
            self.close()
        except BaseException as failure:
            self._inner.__exit__(type(failure), failure, failure.__traceback__)
            raise


class CountingPort(WrappedPort):
    """Counts calls: `counts` by method, and `calls` as (method, key) in order."""

    def __init__(self, inner: ObjectPort) -> None:
        super().__init__(inner)
        self.parallel: int = getattr(inner, "parallel", 1)
        self.calls: list[tuple[str, str]] = []

    @property
    def counts(self) -> Counter[str]:
        """Calls by method."""
        return Counter(method for method, _ in self.calls)

    def reset(self) -> None:
        """Begin again at nothing."""
        self.calls.clear()

    def _call(self, method: str, key: str, action: Callable[[], Any]) -> Any:
        self.calls.append((method, key))
        return action()


class KilledError(BaseException):
    """The process that used a `FaultyPort` is dead: no handler for errors runs."""


class FaultyPort(CountingPort):
    """A port one call of which goes wrong.

    faults: by number of the call, from 1:
        "fail": nothing is done, `error` is raised.
        "lose": it is done, `error` is raised: the answer was lost.
        "kill": nothing is done, here and from here on: `KilledError`.
        "kill after": it is done, then as "kill".
        a function: it is called first, for instance to wait, or to let another
            client do something.
    only: methods whose calls are counted; empty: all.
    """

    def __init__(
        self,
        inner: ObjectPort,
        faults: Mapping[int, str | Callable[[], object]],
        *,
        only: tuple[str, ...] = (),
        error: Exception | None = None,
    ) -> None:
        super().__init__(inner)
        self.parallel = 1  # so that the n-th call is the same one every time
        self._faults = faults
        self._only = only
        self._error = error or TransientError("a fault on purpose")
        self._dead = False

    def _call(self, method: str, key: str, action: Callable[[], Any]) -> Any:
        if self._dead:
            raise KilledError
        if self._only and method not in self._only:
            return action()
        self.calls.append((method, key))
        fault = self._faults.get(len(self.calls))
        if fault is None:
            return action()
        if not isinstance(fault, str):
            fault()
            return action()
        self._dead = fault.startswith("kill")
        if fault in ("lose", "kill after"):
            action()
        elif fault not in ("fail", "kill"):
            raise ValueError(f"no such fault: {fault!r}")
        raise KilledError if self._dead else self._error
