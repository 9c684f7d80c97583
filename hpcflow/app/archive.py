"""A workflow as one zip file, and back."""

from __future__ import annotations

import os
import shutil
import uuid
from typing import TYPE_CHECKING

from hpcflow.errors import ExistsError, NotAWorkflowError, StorageError
from hpcflow.remote.link import NAME as REMOTE_LINK
from hpcflow.submit.advance import fold_workflow
from jobstores.backends.posix import PosixPort
from jobstores.backends.zip import unzip, write_zip
from jobstores.errors import JobStoreError, NotFoundError
from jobstores.operations.layout import silent

if TYPE_CHECKING:
    from pathlib import Path

    from hpcflow.app.context import OpenWorkflow
    from jobstores.operations.layout import Progress

# What is of no use to a reader of the archive: the lease, and the supervisor's state.
# Nor does a copy belong to the jobs on another host.
_LEFT_OUT = ("lease/", REMOTE_LINK)


def zip_workflow(
    opened: OpenWorkflow, target: Path, *, scratch: bool, progress: Progress = silent
) -> Path:
    """Fold, then write the store into one file; return its absolute path.

    Interrupted, it leaves no file.

    Raises:
        ExistsError: the target exists.
    """
    if os.path.lexists(target):
        raise ExistsError(f"{target} exists already; nothing was changed.")
    left_out = _LEFT_OUT if scratch else (*_LEFT_OUT, "execute/")

    def excluded(key: str) -> bool:
        return key.startswith(left_out) or "/local/" in key

    fold_workflow(opened.store, opened.scheduler)
    with opened.store.lease(wait_s=10.0):
        write_zip(opened.store.port, str(target), exclude=excluded, progress=progress)
    return target.absolute()


def unzip_workflow(archive: Path, target: Path, progress: Progress = silent) -> Path:
    """Unpack an archive to a directory, complete or not at all; return its path.

    Raises:
        ExistsError: the target exists.
        NotAWorkflowError: the file is not a workflow's archive.
    """
    if os.path.lexists(target):
        raise ExistsError(f"{target} exists already; nothing was changed.")
    scratch = target.absolute().with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    try:
        scratch.mkdir(parents=True)
        unzip(str(archive), PosixPort(str(scratch)), progress=progress)
        scratch.rename(target)
    except NotFoundError as error:
        raise NotAWorkflowError(f"{archive}: {error}") from error
    except (OSError, JobStoreError) as error:
        raise StorageError(f"cannot unzip {archive}: {error}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target.absolute()
