"""Storages on which the job-store face is tried, and ports that answer with tags."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobstores.backends.memory import MemoryPort
from jobstores.faults import CountingPort, FaultyPort
from jobstores.job_face import JobStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BACKENDS = ["memory", "tagged", "zarr", "file", "aws", "s3"]


class TaggedMemoryPort(MemoryPort):
    """Memory whose answers carry tags, as those of storage over HTTP do."""

    def get_tagged(self, key):
        with self.memory.lock:
            data = self.get(key)
            return data, self.stat(key).tag

    def put_tagged(self, key, data, *, create=False, if_match=None):
        with self.memory.lock:
            self.put(key, data, create=create, if_match=if_match)
            return self.stat(key).tag


class _Tagged:
    """Counts, or spoils, the two calls that answer with tags."""

    def get_tagged(self, key):
        return self._call("get_tagged", key, lambda: self.inner.get_tagged(key))

    def put_tagged(self, key, data, *, create=False, if_match=None):
        def put():
            return self.inner.put_tagged(key, data, create=create, if_match=if_match)

        return self._call("put_tagged", key, put)


class TaggedCountingPort(_Tagged, CountingPort):
    pass


class TaggedFaultyPort(_Tagged, FaultyPort):
    pass


def counting(port):
    """The port, counted."""
    return (TaggedCountingPort if hasattr(port, "get_tagged") else CountingPort)(port)


def faulty(port, faults, **given):
    """The port, with calls that go wrong."""
    return (TaggedFaultyPort if hasattr(port, "get_tagged") else FaultyPort)(
        port, faults, **given
    )


@dataclass
class Scene:
    """A storage with an initialized store; `port` makes one more client of it."""

    name: str
    port: Callable[[], Any]
    folder: Path  # for files of the test's own
    directory: Path | None = None  # where the storage is one

    def store(self) -> JobStore:
        return JobStore(self.port())

    def keys(self) -> set[str]:
        """What lies in the storage."""
        return set(self.port().walk(""))

    def inodes(self) -> int:
        """Files and directories of the storage, or keys where it is no directory."""
        if self.directory is None:
            return len(self.keys())
        return sum(
            len(folders) + len(files) for _, folders, files in os.walk(self.directory)
        )

    def damage(self, key: str, data: bytes) -> None:
        """Change an object behind the store's back."""
        if self.directory is not None:
            (self.directory / key).write_bytes(data)
        else:
            self.port().put(key, data)

    def read(self, file_id: str) -> bytes:
        with self.store().read_file_stream(file_id) as stream:
            return stream.read()


def write(store, content, *arguments, **given) -> str:
    """A new file's id."""
    with store.write_file_stream(*arguments, **given) as (stream, file_id):
        stream.write(content)
    return file_id


def make_job(store, data=b"a job"):
    return store.create_job(store.assign_job_id(), data)
