"""Operations on whole stores, by a workflow's path or a store's locator."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from hpcflow.app.context import translate
from hpcflow.errors import BusyWorkflowError, HpcflowError, StorageError
from hpcflow.remote.link import NAME as REMOTE_LINK
from hpcflow.remote.link import read_link
from hpcflow.remote.mirror import MirrorPort
from jobstores.errors import JobStoreError
from jobstores.linked import LINK, LinkedPort, open_folder
from jobstores.open import open_port
from jobstores.operations.delete import ForeignFilesError, foreign_files
from jobstores.operations.layout import silent
from jobstores.workflow_store import WorkflowStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobstores.operations.copy import CopyReport
    from jobstores.operations.delete import DeleteReport
    from jobstores.operations.info import StoreInfo
    from jobstores.operations.layout import Progress
    from jobstores.operations.rechunk import RechunkReport
    from jobstores.operations.repair import RepairReport
    from jobstores.operations.verify import VerifyReport
    from jobstores.port import ObjectPort


def open_place(text: str) -> ObjectPort:
    """The place that a path or a locator names; there may be no store yet.

    A workflow's folder whose store lies elsewhere is both together; so is one whose jobs
    run on another host, with what they leave there.
    """
    with _translated():
        if os.path.isdir(text):
            root = os.path.abspath(text)
            folder = open_folder(root)
            link = read_link(root)
            if link is not None:
                from hpcflow.app.remote import Remote

                return Remote.of(link).port(folder, root)
            return folder if isinstance(folder, LinkedPort) else open_port(text)
        return open_port(text)


def info(place: str, progress: Progress = silent) -> StoreInfo:
    """What a store consists of.

    Raises:
        NotAWorkflowError: there is none.
    """
    from jobstores.operations.info import info as counted

    with _translated():
        return counted(open_place(place), progress)


def verify(place: str, progress: Progress = silent) -> VerifyReport:
    """Check all that a store holds.

    Raises:
        NotAWorkflowError: there is none, nor what is left of one.
    """
    from jobstores.operations.verify import verify as checked

    with _translated():
        return checked(open_place(place), progress=progress)


def repair(place: str, progress: Progress = silent) -> RepairReport:
    """Check a store, repair what can be, fold again what that laid open, check again.

    Raises:
        NotAWorkflowError: there is none, nor what is left of one.
        BusyWorkflowError: another command is changing it.
        StorageError: it can't be written to.
    """
    from jobstores.operations.repair import repair as repaired

    port = open_place(place)
    _require_writable(port, "repaired")
    with _translated():
        report = repaired(port, cancelled=_cancelled(port), progress=progress)
    if report.generation is not None:
        from hpcflow.app.workflow import Workflow

        with suppress(HpcflowError):  # it is seen in the segments until a later fold
            Workflow.open(place).fold()
    return report


def rechunk(
    place: str,
    table: str = "all",
    *,
    chunk_rows: int | None = None,
    backup: bool = True,
    progress: Progress = silent,
) -> RechunkReport:
    """Lay a store's columns out anew; see `jobstores.operations.rechunk`.

    Raises:
        NotAWorkflowError: there is no store, or no such table.
        BusyWorkflowError: another command is changing it.
    """
    from jobstores.operations.rechunk import rechunk as laid_out

    port = open_place(place)
    _require_writable(port, "laid out anew")
    with _translated():
        store = WorkflowStore(port)
        return laid_out(
            store, table, chunk_rows=chunk_rows, backup=backup, progress=progress
        )


def copy(
    source: str,
    target: str,
    *,
    resume: bool = False,
    scratch: bool = False,
    progress: Progress = silent,
) -> CopyReport:
    """Copy a store to another place.

    scratch: with the runs' own directories too.

    Raises:
        NotAWorkflowError: there is no store.
        ExistsError: the target is not empty.
        StorageError: the target can't be written to.
    """
    from jobstores.operations.copy import copy as copied

    if target.endswith(".zip") or target.startswith("zip:"):
        raise StorageError(f"{target}: hpcflow zip writes zip files. Nothing was copied.")
    left_out = (REMOTE_LINK,) if scratch else (REMOTE_LINK, "execute/")

    def excluded(key: str) -> bool:
        return key.startswith(left_out) or "/local/" in key

    with _translated():
        return copied(
            open_place(source),
            open_place(target),
            resume=resume,
            exclude=excluded,
            progress=progress,
        )


def delete(place: str, progress: Progress = silent) -> DeleteReport:
    """Delete a store, and the workflow's folder; or complete what was begun.

    Raises:
        NotAWorkflowError: there is none, whole or half.
        BusyWorkflowError: its jobs are active, or another command is changing it.
        StorageError: there are files that are none of its; nothing was deleted.
    """
    from jobstores.operations.delete import delete as deleted

    port = open_place(place)
    with _translated():
        _check_idle(place)
        if isinstance(port, MirrorPort):
            foreign = [name for name in foreign_files(port.folder) if name != REMOTE_LINK]
            if foreign:
                raise ForeignFilesError(_foreign(place, foreign))
            port.remove_there(str(WorkflowStore(port).base().info["id"]))
            os.unlink(os.path.join(place, REMOTE_LINK))
            return deleted(port.folder, progress=progress)
        if not isinstance(port, LinkedPort):
            return deleted(port, progress=progress)
        foreign = [name for name in foreign_files(port.folder) if name != LINK]
        if foreign:
            raise ForeignFilesError(_foreign(place, foreign))
        report = deleted(port, progress=progress)
        port.folder.delete_tree("")
        return report


def _foreign(place: str, names: list[str]) -> str:
    return (
        f"{place} holds files that are none of the workflow's: {', '.join(names)}. "
        "Nothing was deleted: move them elsewhere first"
    )


def _check_idle(place: str) -> None:
    """Refuse where jobs are queued or running; what can't be read has none we know."""
    from hpcflow.app.workflow import Workflow
    from hpcflow.report.data import Phase

    try:
        active = Workflow.open(place).status().phase is Phase.ACTIVE
    except (HpcflowError, KeyError):  # damaged, or not a workflow's
        return
    if active:
        raise BusyWorkflowError(
            f"{place}: its jobs are active. Nothing was deleted: first end them with "
            "`hpcflow cancel`, or wait until they end"
        )


def _cancelled(port: ObjectPort) -> set[int]:
    """The submissions that the user cancelled, by their journals."""
    from hpcflow.persist.journal import read_journal

    names = (name.rstrip("/") for name in port.list("submissions"))
    return {int(n) for n in names if n.isdigit() and read_journal(port, int(n)).cancelled}


def _require_writable(port: ObjectPort, done: str) -> None:
    if port.read_only:
        raise StorageError(
            f"{port.locator} is an archive, which is only read, so it can't be {done}: "
            "unpack it with `hpcflow unzip`"
        )


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ForeignFilesError as error:
        raise StorageError(str(error)) from error
    except JobStoreError as error:
        raise translate(error) from error
