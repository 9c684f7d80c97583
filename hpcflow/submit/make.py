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
from jobstores.errors import UnsupportedError
from jobstores.linked import write_link
from jobstores.open import Locator, open_port, parse_locator
from jobstores.workflow_store import WorkflowStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpcflow.model.workflow import Workflow
    from jobstores.port import ObjectPort

FOLDER_STORES = ("zarr", "file")
_NOT_SHARED = ("memory", "zip")  # of one process, or never changed


def default_path(name: str, now: datetime) -> Path:
    """Where a workflow goes when nobody says: `NAME_<date>_<time>` in this directory."""
    return Path(f"{name}_{now.strftime('%Y-%m-%d_%H%M%S')}")


def make_workflow(
    workflow: Workflow,
    path: Path | None = None,
    *,
    store: str = "zarr",
    environment: Mapping[str, str] = os.environ,
    files: Mapping[str, bytes] | None = None,
) -> Path:
    """Write a new workflow; return the absolute path of its folder.

    It is written beside its final place and renamed, so that it appears complete
    or not at all.

    store: "zarr" or "file", for a store in the folder itself, or the locator of a place
        elsewhere; one that ends in a slash gets the folder's name added.
    files: further ones for the folder, by name.
    environment: the settings that opening a store elsewhere needs are taken from it.

    Raises:
        ExistsError: the path is taken, or there is a store already.
        StorageError: it can't be written there, or `store` names no place for one.
    """
    if store == "file" and workflow.compression:
        raise StorageError(
            "a store of the kind file has text that is not compressed: leave "
            "`store_kwargs` out of the template, or take another kind of store"
        )
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
        port = _place(store, scratch, target.name, environment)
        _write(workflow, port, now)
        for name, content in (files or {}).items():
            (scratch / name).write_bytes(content)
        try:
            _publish(scratch, target)
        except (OSError, ExistsError):
            if store not in FOLDER_STORES:
                port.delete_tree("")  # made just now, and nobody was told of it
            raise
    except OSError as error:
        raise StorageError(f"cannot write {target}: {error}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def _place(
    store: str, scratch: Path, name: str, environment: Mapping[str, str]
) -> ObjectPort:
    """Where the store goes; a folder that will belong to a store elsewhere is linked."""
    if store in FOLDER_STORES:
        return open_port(f"{store}:{scratch}")
    is_parent = store.endswith("/") and not store.endswith("//")
    locator = str(elsewhere(store + name if is_parent else store))
    port = open_port(locator)
    write_link(str(scratch), locator, environment)
    return port


def elsewhere(store: str) -> Locator:
    """The locator of a place where a workflow's store can be, apart from its folder.

    Raises:
        StorageError: it is none.
    """
    try:
        locator = parse_locator(store)
    except UnsupportedError as error:
        raise StorageError(f"the store can't be {error}") from error
    if locator.scheme in _NOT_SHARED or not store.startswith(f"{locator.scheme}:"):
        raise StorageError(
            f"the store can't be {store}: expected zarr or file, for one in the workflow's "
            "folder, or a place such as s3://BUCKET/PREFIX, aws:REGION:NAME or zarr:PATH"
        )
    return locator


def _write(workflow: Workflow, port: ObjectPort, now: datetime) -> None:
    record = encode_workflow(
        workflow,
        workflow_id=uuid.uuid4().hex,
        created=now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        version=__version__,
    )
    WorkflowStore.create(
        port,
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
