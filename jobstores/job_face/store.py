"""The job-store face: jobs, their files and logs, on any port.

Method by method it is the contract of Toil's job stores, except that a job's
description is bytes here, with a version token; `jobstores.toil_plugin` makes it
Toil's. What it promises beyond that contract is in docs/reference/job-store-face.md.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from jobstores.errors import AlreadyExistsError, ConflictError, NotFoundError
from jobstores.job_face import batch, groups, marker, names, public, streams, urls
from jobstores.job_face.files import Files, is_executable
from jobstores.job_face.jobs import Jobs, StoredJob
from jobstores.job_face.logs import Logs
from jobstores.job_face.shared_files import SharedFiles
from jobstores.job_face.sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jobstores.job_face.groups import Entry
    from jobstores.port import ObjectPort

_POLL_S = 0.2
_COPY = 1 << 20
CONFIG = "config.pickle"


class JobStore:
    """A store of jobs and files; `initialize` makes it, `resume` opens it.

    All methods raise `UnavailableError` and `TransientError` as the port does; after
    the latter a write has happened or not, but never half. Threads may share a store;
    a batch is its thread's own.
    """

    def __init__(self, port: ObjectPort) -> None:
        self.port = port
        self._jobs = Jobs(port)
        self._files = Files(port, self._jobs)
        self._shared = SharedFiles(port)
        self._logs = Logs(port)
        self._batch = threading.local()

    # --- the store ------------------------------------------------------------------

    def initialize(self, config: bytes | None = None) -> str:
        """Make the store, with a configuration that `resume` gives back; its id.

        The configuration is the shared file `config.pickle`.

        Raises:
            AlreadyExistsError: there is one.
        """
        store_id = marker.make(self.port, time.time_ns() // 1000)
        if config is not None:
            with self.write_shared_file_stream(CONFIG) as stream:
                stream.write(config)
        return store_id

    def resume(self) -> bytes:
        """Open the store; its configuration.

        Raises:
            NotFoundError: there is none, or its making was cut short.
            UnsupportedError: a newer version made it.
        """
        marker.check(self.port)
        with self.read_shared_file_stream(CONFIG) as stream:
            config: bytes = stream.read()
        return config

    def destroy(self) -> None:
        """Delete everything; again is no error. What else lies there is left alone."""
        levels = self.port.list(names.ROOT)
        if levels:
            public.withdraw_all(self.port)
        for level in levels:
            if level.endswith("/"):
                self.port.delete_tree(f"{names.ROOT}/{level}")
        self.port.delete_tree(names.ROOT)
        if not self.port.list(""):
            remove = getattr(self.port, "destroy", None)  # what holds the keys, too
            if remove is None:
                self.port.delete_tree("")
            else:
                remove()

    def sweep(self) -> int:
        """Remove what killed processes left; only while nobody else uses the store."""
        return sweep(self.port, self._jobs, self._files)

    # --- jobs -----------------------------------------------------------------------

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Create the jobs of this block together, at its end: all, or after an error none.

        A batch within a batch is part of it.
        """
        if self._pending() is not None:
            yield
            return
        entries: dict[str, Entry] = {}
        self._batch.entries = entries
        try:
            yield
        finally:
            self._batch.entries = None
        if entries:
            ready = {
                job_id: groups.Entry(
                    entry.version, entry.nonce, self._files.born(job_id), entry.data
                )
                for job_id, entry in entries.items()
            }
            batch.commit(self.port, self._jobs, ready)
            self._files.adopt(list(ready))

    def assign_job_id(self) -> str:
        """A new id, never given before; files may be written for it from now on."""
        job_id = self._jobs.assign()
        self._files.expect(job_id)
        return job_id

    def create_job(self, job_id: str, data: bytes) -> StoredJob:
        """Write a job; within a batch, when that ends.

        Raises:
            AlreadyExistsError: it was created before.
            InvalidKeyError: `assign_job_id` never gave that id.
        """
        pending = self._pending()
        if pending is None:
            made = self._jobs.create(job_id, data, files=self._files.born(job_id))
            self._files.adopt([job_id])
            return made
        if job_id in pending:
            raise AlreadyExistsError(f"job {job_id} is in this batch already")
        names.check_job_id(job_id)
        pending[job_id] = entry = groups.new_entry(bytes(data), files=False)
        return StoredJob(job_id, data, entry.version, entry.token)

    def job_exists(self, job_id: str) -> bool:
        """Whether there is such a job; one that is missing has finished."""
        return self._jobs.find(job_id) is not None

    def jobs(self) -> Iterator[StoredJob]:
        """The jobs that are found; others may come and go while one looks."""
        return self._jobs.all()

    def load_job(self, job_id: str, *, wait_s: float = 0.0) -> StoredJob:
        """A job as it is now.

        Args:
            job_id: which one.
            wait_s: for how long to look again for one that is not there, in seconds:
                on a network file system a new name may show late.

        Raises:
            NotFoundError: there is none.
        """
        deadline = time.monotonic() + wait_s
        while True:
            try:
                return self._jobs.load(job_id)
            except NotFoundError:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise
            time.sleep(min(_POLL_S, left))

    def update_job(self, job_id: str, data: bytes, token: str) -> StoredJob:
        """Replace a job's description, if its version is still that of the token.

        Raises:
            NotFoundError: the job was deleted; it does not come back.
            ConflictError: somebody else updated it since; load it again.
        """
        pending = self._pending() or {}
        entry = pending.get(job_id)
        if entry is None:
            return self._jobs.update(job_id, data, token)
        if entry.token != token:
            raise ConflictError(f"job {job_id} was updated since in this batch")
        pending[job_id] = entry = entry.successor(bytes(data))
        return StoredJob(job_id, data, entry.version, entry.token)

    def delete_job(self, job_id: str) -> None:
        """Delete a job and the files that go with it; none there is no error."""
        (self._pending() or {}).pop(job_id, None)
        entry = self._jobs.delete(job_id)
        if entry is None or entry.files:
            self._files.delete_owned(job_id)

    def _pending(self) -> dict[str, Entry] | None:
        found: dict[str, Entry] | None = getattr(self._batch, "entries", None)
        return found

    # --- files ----------------------------------------------------------------------

    def get_empty_file_store_id(
        self,
        job_id: str | None = None,
        cleanup: bool = False,
        basename: str | None = None,
        hints: list[str] | None = None,
    ) -> str:
        """Make an empty file; its id. Arguments as of `write_file_stream`."""
        with self.write_file_stream(job_id, cleanup, hints, basename) as (_, file_id):
            return file_id

    def write_file(
        self,
        local_path: str,
        job_id: str | None = None,
        cleanup: bool = False,
        hints: list[str] | None = None,
    ) -> str:
        """Copy a local file, and its executable bit, into the store; its id."""
        file_id = self._files.new_id(
            job_id, cleanup=cleanup, basename=os.path.basename(local_path), hints=hints
        )
        bit = is_executable(local_path)
        with self._files.writing(file_id, executable=bit) as stream:
            self._files.copy_in(local_path, stream)
        return file_id

    @contextmanager
    def write_file_stream(
        self,
        job_id: str | None = None,
        cleanup: bool = False,
        hints: list[str] | None = None,
        basename: str | None = None,
        encoding: str | None = None,
        errors: str | None = None,
        *,
        executable: bool = False,
    ) -> Iterator[tuple[IO[Any], str]]:
        """A stream to a new file, and its id; it appears when the block is left.

        After an exception in the block nothing is left of it.

        Args:
            job_id: the job it belongs to.
            cleanup: whether it is deleted with that job.
            hints: names under which a person would look for it.
            basename: the last part of its id, as far as a key can hold it.
            encoding: for a text stream; None: binary.
            errors: how encoding errors are handled, as of `open`.
            executable: the executable bit.
        """
        file_id = self._files.new_id(
            job_id, cleanup=cleanup, basename=basename, hints=hints
        )
        with self._files.writing(
            file_id, executable=executable, encoding=encoding, errors=errors
        ) as stream:
            yield stream, file_id

    def update_file(self, file_id: str, local_path: str) -> None:
        """Replace a file's content, and its executable bit, by a local file's.

        Raises:
            NotFoundError: there is no such file.
            ConflictError: somebody else rewrote it meanwhile.
        """
        bit = is_executable(local_path)
        with self._files.rewriting(file_id, executable=bit) as stream:
            self._files.copy_in(local_path, stream)

    @contextmanager
    def update_file_stream(
        self, file_id: str, encoding: str | None = None, errors: str | None = None
    ) -> Iterator[IO[Any]]:
        """A stream that replaces a file when the block is left; after an error it stays.

        Raises:
            NotFoundError: there is no such file, or it was deleted meanwhile.
            ConflictError: somebody else rewrote it meanwhile.
        """
        with self._files.rewriting(file_id, encoding=encoding, errors=errors) as stream:
            yield stream

    def file_exists(self, file_id: str) -> bool:
        """Whether there is such a file."""
        return self._files.stat_size(file_id) is not None

    def get_file_size(self, file_id: str) -> int:
        """A file's size in bytes; 0 where there is none."""
        return self._files.stat_size(file_id) or 0

    def file_is_executable(self, file_id: str) -> bool:
        """Whether a file was executable when it was written.

        Raises:
            NotFoundError: there is no such file.
        """
        return self._files.open(file_id).executable

    def read_file(self, file_id: str, local_path: str, symlink: bool = False) -> None:  # noqa: ARG002
        """Copy a file to a local path, checked to the last byte.

        It appears there whole, executable if it was. `symlink` says that a link would
        do; a copy is made all the same, since no one checks what is read by a link.

        Raises:
            NotFoundError: there is no such file.
            CorruptError: it was damaged; nothing appears.
        """
        self._files.copy_out(file_id, local_path)

    @contextmanager
    def read_file_stream(
        self, file_id: str, encoding: str | None = None, errors: str | None = None
    ) -> Iterator[IO[Any]]:
        """A stream of a file's content; each byte is checked before it is given out.

        Raises:
            NotFoundError: there is no such file.
            CorruptError: it was damaged.
            ConflictError: it was replaced while it was read.
        """
        with streams.reading(self._files.open(file_id), encoding, errors) as stream:
            yield stream

    def delete_file(self, file_id: str) -> None:
        """Delete a file; none there is no error."""
        self._files.delete(file_id)

    # --- shared files ---------------------------------------------------------------

    @contextmanager
    def write_shared_file_stream(
        self,
        shared_file_name: str,
        encrypted: bool | None = None,
        encoding: str | None = None,
        errors: str | None = None,
    ) -> Iterator[IO[Any]]:
        """A stream to the shared file of a name, new or not; it appears at the end.

        Raises:
            InvalidKeyError: the name is outside the grammar.
            ConflictError: somebody else wrote it meanwhile.
            UnsupportedError: it must be encrypted, and the store does not encrypt.
        """
        with self._shared.writing(
            shared_file_name, encrypted=encrypted, encoding=encoding, errors=errors
        ) as stream:
            yield stream

    @contextmanager
    def read_shared_file_stream(
        self,
        shared_file_name: str,
        encoding: str | None = None,
        errors: str | None = None,
    ) -> Iterator[IO[Any]]:
        """A stream of a shared file's content, checked.

        Raises:
            InvalidKeyError: the name is outside the grammar.
            NotFoundError: there is none of that name.
        """
        reader = self._shared.open(shared_file_name)
        with streams.reading(reader, encoding, errors) as stream:
            yield stream

    # --- logs -----------------------------------------------------------------------

    def write_logs(self, msg: str | bytes) -> None:
        """Store a log entry."""
        self._logs.write(msg.encode() if isinstance(msg, str) else msg)

    def read_logs(
        self, callback: Callable[[IO[bytes]], object], read_all: bool = False
    ) -> int:
        """Call back with each unread entry, as a stream; how many there were.

        With `read_all` also with those that were read before.

        Raises:
            ConflictError: another process reads the logs at the same time.
        """
        return self._logs.read(callback, read_all=read_all)

    # --- URLs -----------------------------------------------------------------------

    def get_public_url(self, file_id: str) -> str:
        """A URL at which others can read a file as it is now.

        Raises:
            NotFoundError: there is no such file.
            UnsupportedError: the storage has no URLs.
        """
        return public.publish(self.port, file_id, self._files.open(file_id))

    def get_shared_public_url(self, shared_file_name: str) -> str:
        """A URL at which others can read a shared file as it is now.

        Raises:
            NotFoundError: there is no such file.
            UnsupportedError: the storage has no URLs.
        """
        reader = self._shared.open(shared_file_name)
        return public.publish(self.port, f"shared/{shared_file_name}", reader)

    def import_file(self, url: str, shared_file_name: str | None = None) -> str | None:
        """Copy what a URL names into the store; its id, or None for a shared file.

        Raises:
            NotFoundError: there is nothing at the URL.
            UnsupportedError: it is no `file:`, `http:` or `https:` URL.
        """
        with urls.opened(url) as source:
            if shared_file_name is not None:
                with self.write_shared_file_stream(shared_file_name) as target:
                    _copy(source, target)
                return None
            path = urls.local_path(url)
            with self.write_file_stream(
                basename=os.path.basename(path or url),
                executable=path is not None and is_executable(path),
            ) as (target, file_id):
                _copy(source, target)
        return file_id

    def export_file(self, file_id: str, url: str) -> None:
        """Copy a file to a `file:` URL or a path, whose directory is made.

        Raises:
            NotFoundError: there is no such file.
            UnsupportedError: the URL is another.
        """
        self._files.copy_out(file_id, urls.export_path(url))


def _copy(source: IO[bytes], target: IO[bytes]) -> None:
    while block := source.read(_COPY):
        target.write(block)
