"""Files of parameters: their contents kept in the store, or only where they are."""

from __future__ import annotations

import os
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from jobstores import values
from jobstores.errors import CorruptError, JobStoreError, NotFoundError
from jobstores.keys import is_part
from jobstores.workflow_face import parameters
from jobstores.workflow_face.layout import FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jobstores.port import ObjectPort
    from jobstores.workflow_face.pending import Session


def add_file(
    session: Session,
    source: Mapping[str, Any],
    save: bool,
    **given: Any,
) -> int:
    """Add a parameter that is a file; its id. `given` as for `_noted`."""
    info, staged = _noted(session, **given)
    return parameters.add_file(session, info, source, staged, save)


def set_file(
    session: Session,
    parameter: int | None,
    save: bool,
    *,
    clean_up: bool,
    path: str | None,
    store_contents: bool,
    **given: Any,
) -> None:
    """Note a file, as the value of a parameter where one is given.

    clean_up: remove the file at `path` once what was in it is safely stored.
    """
    if clean_up and not (store_contents and path):
        raise ValueError(
            "clean_up removes the file at `path` after its contents were stored: give"
            " `path` and store_contents=True"
        )
    info, staged = _noted(session, path=path, store_contents=store_contents, **given)
    after = _remover(str(path)) if clean_up else None
    parameters.set_file(session, parameter, info, staged, after, save)


def contents(session: Session, parameter: int) -> bytes:
    """The bytes of the file that a parameter is.

    Raises:
        NotFoundError: the parameter is no file, or the file is gone.
        CorruptError: what is stored fails its checksum.
    """
    work = session.read()
    rows = work.rows("parameters", [parameter], "parameter")
    table = work.table("parameter_values")
    if table["state"][rows][0] != FILE:
        raise NotFoundError(f"parameter {parameter} is no file")
    info = values.loads(table["value"][rows][0])
    if not info.get("store_contents"):
        return _read(info["path"])
    data = session.port.get(info["key"])
    if (len(data), zlib.crc32(data)) != (info["bytes"], info["crc32"]):
        raise CorruptError(f"{session.port.locator}: {info['key']} fails its checksum")
    return data


def shown(port: ObjectPort, info: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of a file; its path is where it is now."""
    if not info.get("store_contents") or "key" not in info:
        return dict(info)
    return {**info, "path": port.path(info["key"])}


def _noted(
    session: Session,
    *,
    store_contents: bool,
    is_input: bool,
    path: str | None,
    contents: str | bytes | None,
    filename: str | None,
) -> tuple[dict[str, Any], list[str]]:
    """What a file's row says, and the prefixes of what was written for it."""
    session.check_writable()
    name = filename or (os.path.basename(path) if path else None)
    if not name:
        raise ValueError("a file needs `filename`, or a `path` that ends in its name")
    info: dict[str, Any] = {
        "filename": name,
        "is_input": is_input,
        "store_contents": store_contents,
        "path": os.path.abspath(path) if path else None,
    }
    if not store_contents:
        if path is None or contents is not None:
            raise ValueError(
                "without store_contents a file is known by its `path` alone, and"
                " `contents` would be lost"
            )
        return info, []
    if contents is None and path is None:
        raise ValueError("store_contents needs `contents`, or the `path` of a file")
    data = _read(str(path)) if contents is None else contents
    data = data.encode() if isinstance(data, str) else data
    prefix = session.stage()
    key = f"{prefix}/{name if is_part(name) else 'file'}"
    try:
        session.port.put(key, data, durable=False)
    except BaseException:
        with suppress(JobStoreError):
            session.port.delete_tree(prefix)
        raise
    info.update(key=key, bytes=len(data), crc32=zlib.crc32(data))
    return info, [prefix]


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise NotFoundError(f"{path} can't be read: {error.strerror}") from error


def _remover(path: str) -> Callable[[], None]:
    def remove() -> None:
        with suppress(FileNotFoundError):
            os.remove(path)

    return remove
