"""Our job-store face as Toil's `AbstractJobStore`.

A job description is pickled. Two things say whether an update is made from the
newest version: the token of what this process saw last of the job, and Toil's own
version, which every `pre_update_hook` raises. (A token cannot travel with the
description: Toil commits copies of one, with versions reserved for them.)
"""

from __future__ import annotations

import os
import pickle
import stat
import threading
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote

from toil.fileStores import FileID
from toil.job import JobDescription, TemporaryID
from toil.jobStores.abstractJobStore import (
    AbstractJobStore,
    ConcurrentFileModificationException,
    JobStoreExistsException,
    NoSuchFileException,
    NoSuchJobException,
    NoSuchJobStoreException,
)

from jobstores.errors import AlreadyExistsError, ConflictError, NotFoundError
from jobstores.job_face import JobStore, StoredJob
from jobstores.open import open_port
from jobstores.toil_plugin.locators import UnusableLocatorError, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from urllib.parse import ParseResult

    from toil.common import Config
    from toil.lib.url import URLAccess

    from jobstores.port import ObjectPort


@contextmanager
def _file_errors(file_id: str) -> Iterator[None]:
    """Ours about a file, as Toil's."""
    try:
        yield
    except NotFoundError as error:
        raise NoSuchFileException(file_id) from error
    except ConflictError as error:
        raise ConcurrentFileModificationException(file_id) from error


class HpcflowJobStore(AbstractJobStore):  # type: ignore[misc]
    """A Toil job store on one of our backends.

    Args:
        locator: as `jobstores.toil_plugin.locators` has it.
        port: where it lies, instead of what the locator names.
    """

    def __init__(self, locator: str, port: ObjectPort | None = None) -> None:
        parsed = parse(locator)
        if parsed is None:
            raise UnusableLocatorError(f"{locator}: this is no locator of a store of ours")
        super().__init__(parsed.toil)
        self.face = JobStore(open_port(parsed.ours) if port is None else port)
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[str, int]] = {}  # token and Toil's version, by job

    def __repr__(self) -> str:
        return f"HpcflowJobStore({self.locator})"

    # --- the store ------------------------------------------------------------------

    def initialize(self, config: Config) -> None:
        """Make the store, give the workflow an id, and keep Toil's configuration."""
        try:
            self.face.initialize()
        except AlreadyExistsError as error:
            raise JobStoreExistsException(*self._name()) from error
        super().initialize(config)

    def resume(self) -> None:
        """Open the store and load Toil's configuration."""
        try:
            self.face.resume()
        except NotFoundError as error:
            raise NoSuchJobStoreException(*self._name()) from error
        super().resume()

    def destroy(self) -> None:
        """Delete everything in the store."""
        self.face.destroy()

    def clean(self, jobCache: Any = None) -> JobDescription:  # noqa: N803 (Toil's name)
        """As Toil does on a restart; what killed processes left goes first."""
        self.face.sweep()
        return super().clean(jobCache)

    def default_caching(self) -> bool:
        """Whether workers should keep files nearby: where the store is not a disk."""
        return self.face.port.path("x") is None

    def _name(self) -> tuple[str, str]:
        scheme, _, rest = self.locator.partition(":")
        return rest, scheme

    # --- jobs -----------------------------------------------------------------------

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Create the jobs of this block together, all or none."""
        with self.face.batch():
            yield

    def assign_job_id(self, job_description: JobDescription) -> None:
        """Give the described job an id."""
        job_description.jobStoreID = self.face.assign_job_id()

    def create_job(self, job_description: JobDescription) -> JobDescription:
        """Write a new job."""
        job_id = _id_of(job_description)
        job_description.pre_update_hook()
        stored = self.face.create_job(job_id, _pickled(job_description))
        self._saw(stored, job_description)
        return job_description

    def job_exists(self, job_id: str) -> bool:
        """Whether there is such a job."""
        return self.face.job_exists(str(job_id))

    def load_job(self, job_id: str) -> JobDescription:
        """The description of a job."""
        try:
            return self._unpickled(self.face.load_job(str(job_id)))
        except NotFoundError as error:
            raise NoSuchJobException(job_id) from error

    def update_job(self, job_description: JobDescription) -> None:
        """Replace a job by a newer version of it.

        Raises:
            NoSuchJobException: it was deleted.
            ConcurrentFileModificationException: somebody else updated it since.
        """
        job_id = _id_of(job_description)
        job_description.pre_update_hook()
        try:
            token = self._token_below(job_id, job_description._job_version)  # noqa: SLF001
            stored = self.face.update_job(job_id, _pickled(job_description), token)
        except NotFoundError as error:
            self._forget(job_id)
            raise NoSuchJobException(job_id) from error
        except ConflictError as error:
            raise ConcurrentFileModificationException(job_id) from error
        self._saw(stored, job_description)

    def delete_job(self, job_id: str) -> None:
        """Delete a job and the files that go with it."""
        self._forget(str(job_id))
        self.face.delete_job(str(job_id))

    def jobs(self) -> Iterator[JobDescription]:
        """The jobs that are found while one looks."""
        for stored in self.face.jobs():
            yield self._unpickled(stored)

    def _unpickled(self, stored: StoredJob) -> JobDescription:
        description: JobDescription = pickle.loads(stored.data)  # noqa: S301 (Toil's own)
        description.assignConfig(self.config)
        self._saw(stored, description)
        return description

    def _token_below(self, job_id: str, version: int) -> str:
        """The token of what this process saw last, or of what is there if nothing.

        Raises:
            NotFoundError: there is no such job.
            ConflictError: that is not older than the version.
        """
        with self._lock:
            seen = self._seen.get(job_id)
        if seen is None:
            self._unpickled(self.face.load_job(job_id))
            seen = self._seen[job_id]
        token, newest = seen
        if version <= newest:
            raise ConflictError(f"job {job_id}: version {version} can't follow {newest}")
        return token

    def _saw(self, stored: StoredJob, description: JobDescription) -> None:
        with self._lock:
            self._seen[stored.job_id] = (stored.token, description._job_version)  # noqa: SLF001

    def _forget(self, job_id: str) -> None:
        with self._lock:
            self._seen.pop(job_id, None)

    # --- files ----------------------------------------------------------------------

    def write_file(
        self,
        local_path: str,
        job_id: str | None = None,
        cleanup: bool = False,
        hints: list[str] | None = None,
    ) -> str:
        """Copy a local file into the store; its id."""
        return self.face.write_file(local_path, job_id, cleanup, hints)

    @contextmanager
    def write_file_stream(
        self,
        job_id: str | None = None,
        cleanup: bool = False,
        hints: list[str] | None = None,
        basename: str | None = None,
        encoding: str | None = None,
        errors: str | None = None,
    ) -> Iterator[tuple[IO[bytes], str]]:
        """A stream to a new file, and its id."""
        with self.face.write_file_stream(
            job_id, cleanup, hints, basename, encoding, errors
        ) as opened:
            yield opened

    def get_empty_file_store_id(
        self,
        job_id: str | None = None,
        cleanup: bool = False,
        basename: str | None = None,
        hints: list[str] | None = None,
    ) -> str:
        """Make an empty file; its id."""
        return self.face.get_empty_file_store_id(job_id, cleanup, basename, hints)

    def read_file(self, file_id: str, local_path: str, symlink: bool = False) -> None:
        """Copy a file to a local path."""
        with _file_errors(file_id):
            self.face.read_file(file_id, local_path, symlink)
        if getattr(file_id, "executable", False):
            os.chmod(local_path, os.stat(local_path).st_mode | stat.S_IXUSR)

    @contextmanager
    def read_file_stream(
        self, file_id: str, encoding: str | None = None, errors: str | None = None
    ) -> Iterator[IO[Any]]:
        """A stream of a file's content."""
        with (
            _file_errors(file_id),
            self.face.read_file_stream(file_id, encoding, errors) as stream,
        ):
            yield stream

    def update_file(self, file_id: str, local_path: str) -> None:
        """Replace a file by a local file."""
        with _file_errors(file_id):
            self.face.update_file(file_id, local_path)

    @contextmanager
    def update_file_stream(
        self, file_id: str, encoding: str | None = None, errors: str | None = None
    ) -> Iterator[IO[Any]]:
        """A stream that replaces a file."""
        with (
            _file_errors(file_id),
            self.face.update_file_stream(file_id, encoding, errors) as stream,
        ):
            yield stream

    def file_exists(self, file_id: str) -> bool:
        """Whether there is such a file."""
        return self.face.file_exists(file_id)

    def get_file_size(self, file_id: str) -> int:
        """A file's size in bytes; 0 where there is none."""
        return self.face.get_file_size(file_id)

    def delete_file(self, file_id: str) -> None:
        """Delete a file."""
        self.face.delete_file(file_id)

    def _import_file(
        self,
        otherCls: type[URLAccess],  # noqa: N803 (Toil's name)
        uri: ParseResult,
        shared_file_name: str | None = None,
        hardlink: bool = False,
        symlink: bool = True,
    ) -> FileID | None:
        """As Toil's, but a local file's executable bit goes into the store."""
        if shared_file_name is not None:
            return super()._import_file(otherCls, uri, shared_file_name, hardlink, symlink)
        path = unquote(uri.path) if uri.scheme == "file" else None
        if path is not None and os.path.isdir(path):
            raise IsADirectoryError(f"{path} is a directory, and a file was expected")
        executable = path is not None and os.access(path, os.X_OK)
        with self.face.write_file_stream(
            basename=os.path.basename(uri.path), executable=executable
        ) as (target, file_id):
            size, _ = otherCls._read_from_url(uri, target)  # noqa: SLF001 (Toil's way)
        return FileID(file_id, size, executable)

    def _export_file(
        self,
        otherCls: type[URLAccess],  # noqa: N803 (Toil's name)
        jobStoreFileID: FileID,  # noqa: N803 (Toil's name)
        url: ParseResult,
    ) -> None:
        """As Toil's, but executable where the store says so."""
        with _file_errors(jobStoreFileID):
            executable = self.face.file_is_executable(jobStoreFileID)
        if url.scheme == "file":
            folder = os.path.dirname(unquote(url.path))
            os.makedirs(folder, exist_ok=True)
        with self.read_file_stream(jobStoreFileID) as stream:
            otherCls._write_to_url(stream, url, executable)  # noqa: SLF001 (Toil's way)

    # --- shared files, logs, URLs -----------------------------------------------------

    @contextmanager
    def write_shared_file_stream(
        self,
        shared_file_name: str,
        encrypted: bool | None = None,
        encoding: str | None = None,
        errors: str | None = None,
    ) -> Iterator[IO[Any]]:
        """A stream to the shared file of a name."""
        with (
            _file_errors(shared_file_name),
            self.face.write_shared_file_stream(
                shared_file_name, encrypted, encoding, errors
            ) as stream,
        ):
            yield stream

    @contextmanager
    def read_shared_file_stream(
        self,
        shared_file_name: str,
        encoding: str | None = None,
        errors: str | None = None,
    ) -> Iterator[IO[Any]]:
        """A stream of a shared file's content."""
        with (
            _file_errors(shared_file_name),
            self.face.read_shared_file_stream(shared_file_name, encoding, errors) as stream,
        ):
            yield stream

    def write_logs(self, msg: str | bytes) -> None:
        """Store a log entry."""
        self.face.write_logs(msg)

    def read_logs(self, callback: Callable[..., Any], read_all: bool = False) -> int:
        """Call back with each unread log entry."""
        return self.face.read_logs(callback, read_all)

    def get_public_url(self, file_name: str) -> str:
        """A URL at which others can read a file."""
        with _file_errors(file_name):
            return self.face.get_public_url(file_name)

    def get_shared_public_url(self, shared_file_name: str) -> str:
        """A URL at which others can read a shared file."""
        with _file_errors(shared_file_name):
            return self.face.get_shared_public_url(shared_file_name)


def _id_of(description: JobDescription) -> str:
    """The id that `assign_job_id` gave a description."""
    if isinstance(description.jobStoreID, TemporaryID) or not description.jobStoreID:
        raise ValueError(f"{description} has no id yet: call assign_job_id first")
    return str(description.jobStoreID)


def _pickled(description: JobDescription) -> bytes:
    return pickle.dumps(description, pickle.HIGHEST_PROTOCOL)
