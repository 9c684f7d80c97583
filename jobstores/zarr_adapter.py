"""An `ObjectPort` as a store of zarr-python, which this module imports.

Keys of the zarr store are keys of the port below a prefix. Writes are not durable
until `sync_tree`. Calls are made one after the other, in the order in which zarr asks,
or in threads where the port gains by it; its errors pass through as they are. Zarr
takes a chunk that is not there for one of nothing but fill values; where all were
written (`whole`) it is damage.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.core.buffer import default_buffer_prototype

from jobstores.backends.many import at_once
from jobstores.errors import AlreadyExistsError, CorruptError, NotFoundError
from jobstores.keys import join

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from zarr.core.buffer import Buffer, BufferPrototype

    from jobstores.errors import JobStoreError
    from jobstores.port import ObjectPort


@cache
def _threads(number: int) -> ThreadPoolExecutor:
    """Threads for the calls of ports of that `parallel`, of all arrays together."""
    return ThreadPoolExecutor(number, thread_name_prefix="zarr-port")


os.register_at_fork(after_in_child=_threads.cache_clear)  # threads stay with the parent


class PortStore(Store):
    """The keys of a port below a prefix, for zarr.

    whole: it is one array, every chunk of which was written: a missing one raises
        CorruptError, or NotFoundError if the array was removed meanwhile.
    """

    supports_writes = True
    supports_deletes = True
    supports_listing = True

    def __init__(
        self,
        port: ObjectPort,
        prefix: str = "",
        *,
        read_only: bool = False,
        whole: bool = False,
    ) -> None:
        super().__init__(read_only=read_only or port.read_only)
        self.port = port
        self.prefix = prefix
        self.whole = whole
        self._at_once = at_once(port)

    def with_read_only(self, read_only: bool = False) -> Self:
        """The same keys, for reading alone or for writing too."""
        return type(self)(self.port, self.prefix, read_only=read_only, whole=self.whole)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, PortStore)
            and self.port is other.port
            and self.prefix == other.prefix
            and (self.read_only, self.whole) == (other.read_only, other.whole)
        )

    def __hash__(self) -> int:
        return hash((id(self.port), self.prefix))

    def __str__(self) -> str:
        return join(self.port.locator, self.prefix)

    def _key(self, key: str) -> str:
        return join(self.prefix, key.rstrip("/")) if key else self.prefix

    async def _call(self, method: Callable[..., Any], *arguments: Any) -> Any:
        if self._at_once <= 1:
            return method(*arguments)
        loop, threads = asyncio.get_running_loop(), _threads(self._at_once)
        return await loop.run_in_executor(threads, method, *arguments)

    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """The value, or a part of it, or None."""
        name, start, stop = self._key(key), 0, None
        if isinstance(byte_range, RangeByteRequest):
            start, stop = byte_range.start, byte_range.end
        elif isinstance(byte_range, OffsetByteRequest):
            start = byte_range.offset
        elif isinstance(byte_range, SuffixByteRequest):
            found = await self._call(self.port.stat, name)
            if found is None:
                return None
            start = max(0, found.size - byte_range.suffix)
        try:
            data = await self._call(self.port.get, name, start, stop)
        except NotFoundError:
            if self.whole and key.startswith("c/"):
                raise self._incomplete(key) from None
            return None
        return (prototype or default_buffer_prototype()).buffer.from_bytes(data)

    def _incomplete(self, key: str) -> JobStoreError:
        if self.port.stat(self._key("zarr.json")) is None:
            return NotFoundError(f"{self}: the column was removed while it was read")
        return CorruptError(f"{self}: the column is damaged: its chunk {key} is missing")

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        """Several values, in the order asked for."""
        asked = (self.get(key, prototype, part) for key, part in key_ranges)
        return list(await asyncio.gather(*asked))

    async def exists(self, key: str) -> bool:
        """Whether there is a value."""
        return await self._call(self.port.stat, self._key(key)) is not None

    async def set(self, key: str, value: Buffer) -> None:
        """Store a value."""
        self._check_writable()
        put, name = self.port.put, self._key(key)
        await self._call(lambda: put(name, value.to_bytes(), durable=False))

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        """Store a value where there is none."""
        self._check_writable()
        try:
            self.port.put(self._key(key), value.to_bytes(), create=True, durable=False)
        except AlreadyExistsError:
            return

    async def delete(self, key: str) -> None:
        """Remove a value."""
        self._check_writable()
        self.port.delete(self._key(key))

    async def delete_dir(self, prefix: str) -> None:
        """Remove all values below a prefix."""
        self._check_writable()
        self.port.delete_tree(self._key(prefix))

    async def list(self) -> AsyncIterator[str]:
        """All keys."""
        async for key in self.list_prefix(""):
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """All keys that begin with some text."""
        above = f"{self.prefix}/" if self.prefix else ""
        for key in self.port.walk(self._key(prefix.rpartition("/")[0])):
            name = key[len(above) :]
            if name.startswith(prefix):
                yield name

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Names directly below a prefix."""
        for name in self.port.list(self._key(prefix)):
            yield name.rstrip("/")
