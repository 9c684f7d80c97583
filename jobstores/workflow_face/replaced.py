"""Paths beside a store: the workflow that a new one of its name replaced, for a while."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from typing import TYPE_CHECKING, Any

from jobstores.errors import (
    AlreadyExistsError,
    NotFoundError,
    UnavailableError,
    UnsupportedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobstores.workflow_face.pending import Session
    from jobstores.workflow_face.tables import Work

_TRIES = 10
_WAIT_S = 0.05  # doubled each time: about 25 s in all
_REPLACED = "replaced_workflow"


def remove_path(path: str, fs: Any, sleep: Callable[[float], None] = time.sleep) -> None:
    """Remove a file or a directory, trying again while something holds on to it.

    Nothing there is no error.

    fs: an fsspec file system; None is the local one.

    Raises:
        UnavailableError: it could not be removed; the message says why.
    """
    wait = _WAIT_S
    for left in range(_TRIES - 1, -1, -1):
        try:
            if fs is not None:
                if fs.exists(path):
                    fs.rm(path, recursive=True)
            elif os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            elif os.path.lexists(path):
                os.remove(path)
        except FileNotFoundError:
            pass  # somebody else removes it, too: look again
        except OSError as error:
            if not left:
                raise UnavailableError(f"{path} can't be removed: {error}") from error
            sleep(wait)
            wait *= 2
            continue
        if not (fs.exists(path) if fs is not None else os.path.lexists(path)):
            return
    raise UnavailableError(f"{path} can't be removed: it comes back each time")


def rename_path(replaced: str, original: str, fs: Any) -> None:
    """Give what was renamed for a while its name back.

    Raises:
        NotFoundError: there is nothing of the name `replaced`.
        AlreadyExistsError: there is something of the name `original`; nothing changed.
    """
    exists = os.path.lexists if fs is None else fs.exists
    if not exists(replaced):
        raise NotFoundError(f"{replaced} is not there, so can't become {original}")
    if exists(original):
        raise AlreadyExistsError(
            f"{original} is there, so {replaced} can't get that name; remove it first"
        )
    if fs is not None:
        fs.mv(replaced, original, recursive=True)
        return
    try:
        os.rename(replaced, original)
    except OSError as error:
        raise UnavailableError(f"{replaced} can't become {original}: {error}") from error


def reinstate(session: Session, fs: Any) -> None:
    """Put the workflow that this one replaced back in its place; this one is removed.

    Where none was replaced, nothing happens.

    Raises:
        NotFoundError: the replaced workflow is not where it was put; nothing changed.
        UnsupportedError: the store is not in a directory.
    """
    replaced = session.read().document("workflow").get(_REPLACED)
    if not replaced:
        return
    path = directory(session)
    if not (os.path.lexists if fs is None else fs.exists)(replaced):
        raise NotFoundError(f"the replaced workflow is not at {replaced}; nothing changed")
    session.discard()
    aside = f"{path}.{secrets.token_hex(4)}"
    rename_path(path, aside, fs)
    rename_path(replaced, path, fs)
    remove_path(aside, fs)


def remove(session: Session, fs: Any) -> None:
    """Remove the workflow that this one replaced: it is not needed any more."""
    replaced = session.read().document("workflow").get(_REPLACED)
    if not replaced:
        return
    directory(session)
    session.check_writable()
    remove_path(replaced, fs)

    def change(work: Work) -> None:
        work.touch("workflow").pop(_REPLACED, None)

    session.change(change)


def directory(session: Session) -> str:
    """The directory that the store is.

    Raises:
        UnsupportedError: it is none.
    """
    marker = session.port.path("store.json")
    if marker is None:
        raise UnsupportedError(
            f"{session.port.locator} is no directory, so no workflow was set aside for it"
            " under another path"
        )
    return os.path.dirname(marker)
