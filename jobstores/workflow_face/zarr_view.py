"""A generation as one Zarr hierarchy: a group per table, an array per column.

What later generations left alone lies where older ones wrote it; here it is in one
place, by its name. Columns that are lines of JSON are shown as Zarr arrays as well.
Arrays of parameters are below `arrays/`, named by their parameter's id.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

from zarr.abc.store import ByteRequest, Store

from jobstores.backends.memory import MemoryPort
from jobstores.columns import read_column, write_column
from jobstores.errors import ReadOnlyError
from jobstores.zarr_adapter import PortStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from zarr.core.buffer import Buffer, BufferPrototype

    from jobstores.columns import ColumnRef
    from jobstores.port import ObjectPort

_GROUP = b'{"zarr_format":3,"node_type":"group","attributes":{}}'


class GenerationStore(Store):
    """A read-only Zarr store over the columns, and other arrays, of one generation.

    columns: by path in the hierarchy. arrays: keys of Zarr arrays, by path.
    """

    supports_writes = False
    supports_deletes = False
    supports_listing = True

    def __init__(
        self, port: ObjectPort, columns: dict[str, ColumnRef], arrays: dict[str, str]
    ) -> None:
        super().__init__(read_only=True)
        self._port = port
        self._columns = columns
        self._arrays = arrays
        self._shown: dict[str, PortStore] = {}
        self._below: dict[str, set[str]] = {"": set()}
        for path in (*columns, *arrays):
            parts = path.split("/")
            for depth, part in enumerate(parts):
                self._below.setdefault("/".join(parts[:depth]), set()).add(part)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, GenerationStore)
            and self._port is other._port
            and (self._columns, self._arrays) == (other._columns, other._arrays)
        )

    def __hash__(self) -> int:
        return hash((id(self._port), frozenset(self._columns.items())))

    def __str__(self) -> str:
        return self._port.locator

    def with_read_only(self, read_only: bool = False) -> Self:
        """Itself, where reading is all that is wanted.

        Raises:
            ReadOnlyError: writing is.
        """
        if not read_only:
            raise ReadOnlyError("a generation is never changed; commit another")
        return type(self)(self._port, self._columns, self._arrays)

    async def _find(self, key: str) -> tuple[PortStore, str] | None:
        """The array that a key is in, and the key in it."""
        parts = key.strip("/").split("/")
        for depth in range(len(parts), 0, -1):
            path = "/".join(parts[:depth])
            if path in self._columns or path in self._arrays:
                return await self._store(path), "/".join(parts[depth:])
        return None

    async def _store(self, path: str) -> PortStore:
        if path not in self._shown:
            ref = self._columns.get(path)
            if ref is None or ref.format == "zarr":
                key = self._arrays[path] if ref is None else ref.key
                self._shown[path] = PortStore(self._port, key, read_only=True, whole=True)
            else:  # in another thread, as this one runs the loop that Zarr waits for
                self._shown[path] = await asyncio.to_thread(_converted, self._port, ref)
        return self._shown[path]

    def _group(self, key: str) -> bytes | None:
        name = key.strip("/")
        if name.rpartition("/")[2] != "zarr.json":
            return None
        return _GROUP if name.rpartition("/")[0] in self._below else None

    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """The value, or a part of it, or None."""
        from zarr.core.buffer import default_buffer_prototype

        group = self._group(key)
        if group is not None:
            given = prototype or default_buffer_prototype()
            return given.buffer.from_bytes(group)
        found = await self._find(key)
        return (
            None if found is None else await found[0].get(found[1], prototype, byte_range)
        )

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        """Several values, in the order asked for."""
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    async def exists(self, key: str) -> bool:
        """Whether there is a value."""
        if self._group(key) is not None:
            return True
        found = await self._find(key)
        return found is not None and await found[0].exists(found[1])

    async def set(self, key: str, value: Buffer) -> None:  # noqa: ARG002
        """Refused."""
        self._refuse(key)

    async def delete(self, key: str) -> None:
        """Refused."""
        self._refuse(key)

    def _refuse(self, key: str) -> None:
        raise ReadOnlyError(f"{self}: {key}: a generation is never changed")

    async def list(self) -> AsyncIterator[str]:
        """All keys."""
        for level in self._below:
            yield f"{level}/zarr.json".lstrip("/")
        for path in (*self._columns, *self._arrays):
            async for key in (await self._store(path)).list():
                yield f"{path}/{key}"

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """All keys that begin with some text."""
        async for key in self.list():
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Names directly below a prefix."""
        name = prefix.strip("/")
        if name in self._below:
            yield "zarr.json"
            for each in sorted(self._below[name]):
                yield each
            return
        found = await self._find(name)
        if found is not None:
            async for each in found[0].list_dir(found[1]):
                yield each


def _converted(port: ObjectPort, ref: ColumnRef) -> PortStore:
    """A column of another format as a Zarr array, in memory."""
    memory = MemoryPort()
    data = read_column(port, ref, encoded=True)
    write_column(memory, "", "column", data, ref.kind, encoded=True)
    return PortStore(memory, "column", read_only=True, whole=True)


def generation_store(
    port: ObjectPort, tables: Any, arrays: dict[int, list[str]]
) -> GenerationStore:
    """The store of a generation's tables, and of parameters' arrays by id."""
    columns = {
        f"{table}/{name}": ref
        for table, refs in tables.items()
        for name, ref in refs.items()
    }
    paths = {
        f"arrays/{id_}" if len(keys) == 1 else f"arrays/{id_}/{number}": key
        for id_, keys in arrays.items()
        for number, key in enumerate(keys)
    }
    return GenerationStore(port, columns, paths)
