"""Making a workflow: from a checked template to a directory, all or nothing."""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hpcflow import __version__
from hpcflow.errors import ExistsError, StorageError
from hpcflow.persist.workflow_record import encode_workflow
from jobstores.backends import files
from jobstores.backends.posix import PosixPort
from jobstores.workflow_store import WorkflowStore

if TYPE_CHECKING:
    from hpcflow.model.workflow import Workflow


def default_path(name: str, now: datetime) -> Path:
    """Where a workflow goes when nobody says: `NAME_<date>_<time>` in this directory."""
    return Path(f"{name}_{now.strftime('%Y-%m-%d_%H%M%S')}")


def make_workflow(workflow: Workflow, path: Path | None = None) -> Path:
    """Write a new workflow; return its absolute path.

    It is written beside its final place and renamed, so that it appears complete
    or not at all.

    Raises:
        ExistsError: the path is taken.
        StorageError: it can't be written there.
    """
    now = datetime.now(UTC)
    target = (path or default_path(workflow.name, now)).absolute()
    if os.path.lexists(target):
        raise ExistsError(
            f"{target} exists already; nothing was changed. "
            "Give another place with --path, or remove it first."
        )
    scratch = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch.mkdir()
        _write(workflow, scratch, now)
        _publish(scratch, target)
    except OSError as error:
        raise StorageError(f"cannot write {target}: {error}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def _write(workflow: Workflow, scratch: Path, now: datetime) -> None:
    record = encode_workflow(
        workflow,
        workflow_id=uuid.uuid4().hex,
        created=now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        version=__version__,
    )
    WorkflowStore.create(
        PosixPort(str(scratch)),
        info=record.info,
        documents=record.documents,
        tables=record.tables,
        ranges=record.ranges,
    )


def _publish(scratch: Path, target: Path) -> None:
    """Rename; a directory that appeared meanwhile is not replaced unless empty."""
    try:
        scratch.rename(target)
    except OSError as error:
        if os.path.lexists(target):
            raise ExistsError(f"{target} appeared while the workflow was made") from error
        raise
    with suppress(OSError):  # it is there; only its name may not survive a power cut
        files.sync(str(target.parent))
