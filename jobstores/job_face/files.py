"""Files of a store: of nobody, or of a job, with which they are deleted.

An id is the file's key below `jobstore/`, and no id is ever given twice: it holds 64
random bits, or, for a file with hints, the next of a counter that only rises.
"""

from __future__ import annotations

import hashlib
import os
import random
import stat
import threading
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from jobstores.errors import (
    AlreadyExistsError,
    ConflictError,
    NotFoundError,
    TransientError,
)
from jobstores.job_face import frames, names, public, streams
from jobstores.job_face.tagged import create_tagged, read_tagged, swap_tagged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobstores.job_face.jobs import Jobs
    from jobstores.port import ObjectPort

_COPY = 1 << 20
_ROUNDS = 200
_READ_AGAIN = 5


class Files:
    """The files of one store, by id."""

    def __init__(self, port: ObjectPort, jobs: Jobs) -> None:
        self._port = port
        self._jobs = jobs
        self._lock = threading.Lock()
        self._unborn: dict[str, bool] = {}  # jobs that this process is about to create
        self._marked: set[str] = set()

    # --- jobs and their files -------------------------------------------------------

    def expect(self, job_id: str) -> None:
        """Note that this process gave out an id of a job, not created yet."""
        with self._lock:
            self._unborn[job_id] = False

    def born(self, job_id: str) -> bool:
        """Whether files were written for a job that is created now."""
        with self._lock:
            return self._unborn.pop(job_id, False)

    def adopt(self, job_ids: list[str]) -> None:
        """Let files go with jobs, just created, that other processes wrote for them."""
        for job_id in set(self._port.list(names.EARLY)).intersection(job_ids):
            self._jobs.mark_files(job_id)
            self._port.delete(f"{names.EARLY}/{job_id}")

    def delete_owned(self, job_id: str) -> None:
        """Delete all files that go with a job."""
        with self._lock:
            self._marked.discard(job_id)
            self._unborn.pop(job_id, None)
        if names.group_of(job_id) is not None:
            self._port.delete_tree(names.owned_prefix(job_id))
            public.withdraw_all(self._port, f"{names.OWNED}/{job_id}")
            self._port.delete(f"{names.EARLY}/{job_id}")

    def _own(self, job_id: str) -> None:
        """Make sure that who deletes the job looks for its files."""
        with self._lock:
            if job_id in self._unborn:
                self._unborn[job_id] = True
                return
            if job_id in self._marked:
                return
        if not self._jobs.mark_files(job_id):
            # It is not created yet, or somebody creates it just now: who comes second,
            # of its creator's look at these marks and our look at the job, sees the other.
            self._port.put(f"{names.EARLY}/{job_id}", b"")
            if self._jobs.mark_files(job_id):
                self._port.delete(f"{names.EARLY}/{job_id}")
        with self._lock:
            self._marked.add(job_id)

    # --- ids ------------------------------------------------------------------------

    def new_id(
        self,
        job_id: str | None,
        *,
        cleanup: bool,
        basename: str | None,
        hints: list[str] | None,
    ) -> str:
        """An id that no file has had; of a job's file where that is to go with it.

        Raises:
            NotFoundError: the job's id is none that `assign_job_id` gave.
        """
        name = names.safe_basename(basename)
        if job_id is not None and cleanup:
            if names.group_of(job_id) is None:
                raise NotFoundError(f"{job_id!r} is no id that assign_job_id gave")
            self._own(job_id)
            return f"{names.OWNED}/{job_id}/{names.fresh()}-{name}"
        kept = names.safe_hints(hints)
        if kept:
            path = "/".join(kept)
            return f"{names.HINTED}/{path}/files/{self._count(path)}/{name}"
        return f"{names.FREE}/{names.fresh()}-{name}"

    def _count(self, path: str) -> int:
        """The next number of files with these hints, from 1; none is given twice."""
        digest = hashlib.sha256(path.encode()).hexdigest()[:32]
        key = f"{names.COUNTERS}/{digest}"
        for turn in range(_ROUNDS):
            try:
                data, tag = read_tagged(self._port, key)
                number = int(data.split()[0]) + 1
                swap_tagged(self._port, key, _counted(number), tag)
            except NotFoundError:
                try:
                    create_tagged(self._port, key, _counted(1))
                except AlreadyExistsError:
                    continue
                return 1
            except ConflictError:
                time.sleep(random.uniform(0, 0.002 * min(turn + 1, 50)))  # noqa: S311
                continue
            return number
        raise TransientError(f"{self._port.locator}: {key} keeps changing")

    # --- writing --------------------------------------------------------------------

    @contextmanager
    def writing(
        self,
        file_id: str,
        *,
        executable: bool = False,
        encoding: str | None = None,
        errors: str | None = None,
    ) -> Iterator[IO[Any]]:
        """A stream to a new file, which appears when the block is left without error."""
        key = names.file_key(file_id)
        writer = streams.FileWriter(self._port, key, executable=executable, expected=None)
        with streams.publishing(writer, encoding, errors) as stream:
            yield stream

    @contextmanager
    def rewriting(
        self,
        file_id: str,
        *,
        executable: bool | None = None,
        encoding: str | None = None,
        errors: str | None = None,
    ) -> Iterator[IO[Any]]:
        """As `writing`, to a file that is there; the executable bit stays if None.

        Raises:
            NotFoundError: there is no such file, or it was deleted meanwhile.
            ConflictError: somebody else rewrote it meanwhile.
        """
        key = names.file_key(file_id)
        tag = self._tag(key, file_id)
        if executable is None:
            executable = streams.FileReader(self._port, key).executable
        writer = streams.FileWriter(self._port, key, executable=executable, expected=tag)
        try:
            with streams.publishing(writer, encoding, errors) as stream:
                yield stream
        except ConflictError:
            self._tag(key, file_id)
            raise

    def copy_in(self, local_path: str, stream: IO[bytes]) -> None:
        """Copy a local file's content to a stream."""
        with open(local_path, "rb") as source:
            while block := source.read(_COPY):
                stream.write(block)

    def delete(self, file_id: str) -> None:
        """Delete a file; none there is no error."""
        try:
            key = names.file_key(file_id)
        except NotFoundError:
            return
        if file_id.startswith(f"{names.HINTED}/"):
            self._port.delete_tree(key.rpartition("/")[0])
        else:
            self._port.delete(key)
        public.withdraw(self._port, file_id)

    # --- reading --------------------------------------------------------------------

    def stat_size(self, file_id: str) -> int | None:
        """The size of a file's content in bytes, or None: there is no such file."""
        try:
            found = self._port.stat(names.file_key(file_id))
        except NotFoundError:
            return None
        return None if found is None else frames.content_size(found.size)

    def open(self, file_id: str) -> streams.FileReader:
        """A file's content.

        Raises:
            NotFoundError: there is no such file.
        """
        try:
            return streams.FileReader(self._port, names.file_key(file_id))
        except NotFoundError:
            raise self.missing(file_id) from None

    def copy_out(self, file_id: str, local_path: str) -> None:
        """Copy a file to a local path, where it appears whole, executable if it was.

        Raises:
            NotFoundError: there is no such file.
            CorruptError: it was damaged; nothing appears.
        """
        for _ in range(_READ_AGAIN):
            try:
                return _save(self.open(file_id), local_path)
            except ConflictError:
                continue
        raise TransientError(f"{self._port.locator}: file {file_id} keeps changing")

    def missing(self, file_id: str) -> NotFoundError:
        """The error for a file that is not there."""
        return NotFoundError(
            f"{self._port.locator}: there is no file {file_id}: it was deleted, or never"
            " written whole"
        )

    def _tag(self, key: str, file_id: str) -> str:
        found = self._port.stat(key)
        if found is None:
            raise self.missing(file_id)
        return found.tag


def is_executable(local_path: str) -> bool:
    """Whether a local file's owner may execute it."""
    return bool(os.stat(local_path).st_mode & stat.S_IXUSR)


def _counted(number: int) -> bytes:
    """A counter's bytes: no two writes of it have the same."""
    return b"%d %s\n" % (number, names.fresh().encode())


def _save(reader: streams.FileReader, local_path: str) -> None:
    """Write a file beside the path, then rename it there."""
    partial = f"{local_path}.{names.fresh()}.part"
    try:
        with open(partial, "xb") as target, streams.reading(reader) as source:
            while block := source.read(_COPY):
                target.write(block)
        if reader.executable:
            mode = os.stat(partial).st_mode
            os.chmod(partial, mode | stat.S_IXUSR)
        os.replace(partial, local_path)
    except BaseException:
        if os.path.exists(partial):
            os.unlink(partial)
        raise
