"""Whole stores: zip, unzip, copy, delete, rechunk."""

from __future__ import annotations

import os
import secrets
import shutil
from typing import TYPE_CHECKING, Any

from jobstores.errors import AlreadyExistsError, UnsupportedError
from jobstores.open import open_port, parse_locator
from jobstores.workflow_face.layout import table_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobstores.workflow_face.pending import Session

_NO_USE = ("lease/", "probe/")  # to a reader of an archive
_SCRATCH = "execute/"
_WAIT_S = 10.0


def zip_store(
    session: Session,
    name: str,
    path: str,
    log: Callable[[str], None] | None,
    *,
    overwrite: bool,
    include_execute: bool,
) -> str:
    """Write the store as one zip file; the path of the file.

    path: the file, or a directory for a file that is named like the workflow.

    Raises:
        UnsupportedError: it is one already.
        AlreadyExistsError: there is something at the path; nothing was changed.
    """
    from jobstores.backends.zip import write_zip

    if session.port.read_only:
        raise UnsupportedError(f"{session.port.locator} is a zip file already")
    _refuse_pending(session)
    target = os.path.abspath(
        os.path.join(path, f"{name or 'workflow'}.zip") if os.path.isdir(path) else path
    )
    if not overwrite and os.path.lexists(target):
        raise AlreadyExistsError(f"{target} is there already; nothing was changed")
    left_out = _NO_USE if include_execute else (*_NO_USE, _SCRATCH)
    _say(log, f"writing {target}")
    with session.store.lease(_WAIT_S):
        write_zip(session.port, target, exclude=lambda key: key.startswith(left_out))
    return target


def unzip_store(
    session: Session, name: str, path: str, log: Callable[[str], None] | None
) -> str:
    """Make a directory of an archive, complete or not at all; its path.

    path: the new directory, or an existing one in which to make it.

    Raises:
        UnsupportedError: the store is no archive.
        AlreadyExistsError: there is something at the path; nothing was changed.
    """
    from jobstores.backends.posix import PosixPort
    from jobstores.backends.zip import unzip

    scheme, archive = parse_locator(session.port.locator)
    if scheme != "zip":
        raise UnsupportedError(f"{session.port.locator} is no zip file to unpack")
    inside = os.path.isdir(path)
    target = os.path.abspath(os.path.join(path, name or "workflow") if inside else path)
    if os.path.lexists(target):
        raise AlreadyExistsError(f"{target} is there already; nothing was changed")
    scratch = f"{target}.{secrets.token_hex(4)}.unfinished"
    _say(log, f"writing {target}")
    try:
        os.makedirs(scratch)
        unzip(archive, PosixPort(scratch))
        os.rename(scratch, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def copy_store(session: Session, path: str | None) -> str:
    """Copy the store, as it is committed; the locator of the copy.

    path: a locator, a path, or None for a name beside it.

    Raises:
        AlreadyExistsError: there is something already; nothing was changed.
    """
    from jobstores.operations.copy import copy

    _refuse_pending(session)
    locator = path or _beside(session.port.locator)
    scheme, name = parse_locator(locator)
    if path and ":" not in path:  # a bare path: of the kind that this store is
        scheme, _ = parse_locator(session.port.locator)
        locator = f"{scheme}:{name}"
    if os.path.sep in name and os.path.lexists(name) and scheme in ("zarr", "file", "zip"):
        raise AlreadyExistsError(f"{name} is there already; nothing was changed")
    if scheme == "zip":
        return _copy_zip(session.port.locator, name)
    target = open_port(locator)
    if not session.port.read_only:
        copy(session.port, target)
    elif target.list(""):
        raise AlreadyExistsError(f"{target.locator} is not empty; nothing was changed")
    else:
        from jobstores.backends.zip import unzip

        unzip(parse_locator(session.port.locator).name, target)
    return target.locator


def _copy_zip(locator: str, target: str) -> str:
    source = parse_locator(locator).name
    scratch = f"{target}.{secrets.token_hex(4)}.unfinished"
    try:
        shutil.copyfile(source, scratch)
        os.link(scratch, target)  # of several copies to one name one succeeds
    except FileExistsError:
        raise AlreadyExistsError(f"{target} is there already") from None
    finally:
        if os.path.lexists(scratch):
            os.remove(scratch)
    return f"zip:{target}"


def _beside(locator: str) -> str:
    stem, dot, end = locator.rpartition(".zip")
    mark = "-copy" if locator.startswith("aws:") else "_copy"  # a bucket's name has no _
    first = f"{stem}{mark}{dot}{end}" if dot and not end else f"{locator}{mark}"
    if not os.path.lexists(parse_locator(first).name):
        return first
    raise AlreadyExistsError(f"{first} is there already; name another place")


def delete_store(session: Session) -> None:
    """Remove the store with all that is in it."""
    scheme, name = parse_locator(session.port.locator)
    session.discard()
    if scheme == "zip":
        os.remove(name)
        return
    from jobstores.operations.delete import delete

    delete(session.port)
    if scheme in ("zarr", "file") and os.path.isdir(name) and not os.listdir(name):
        os.rmdir(name)


def rechunk_tables(
    session: Session,
    tables: tuple[str, ...],
    chunk_size: int | None,
    *,
    backup: bool,
    progress: Callable[[int, int | None], None] | None,
) -> None:
    """Write tables anew in other chunks; those that there are."""
    from jobstores.operations.rechunk import rechunk

    session.check_writable()
    _refuse_pending(session)
    base = session.store.base()
    known = ("runs", "parameters", *(table_name(name) for name in tables))
    given: dict[str, Any] = {} if progress is None else {"progress": progress}
    for name in known:
        if name not in base.tables and name != "parameters":
            continue
        if name in ("runs", "parameters") and name != tables[0]:
            continue
        rechunk(session.store, name, chunk_rows=chunk_size, backup=backup, **given)


def _refuse_pending(session: Session) -> None:
    if session.has_pending:
        raise UnsupportedError(
            f"{session.port.locator} has pending changes: `save` them first"
        )


def _say(log: Callable[[str], None] | None, text: str) -> None:
    if log is not None:
        log(text)
