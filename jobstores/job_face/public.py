"""URLs that others can read: of plain copies, made when somebody asks for one."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from jobstores.errors import UnsupportedError
from jobstores.job_face import names

if TYPE_CHECKING:
    from jobstores.job_face.streams import FileReader
    from jobstores.port import ObjectPort

_COPY = 1 << 20
_EXPIRES_S = 7 * 24 * 3600  # as long as S3 signs for


def publish(port: ObjectPort, file_id: str, reader: FileReader) -> str:
    """Make a plain copy of a file below `public/`, checked, and name it by a URL.

    The copy is of the file as it is now; ask again after a change.

    Raises:
        UnsupportedError: the storage has no URLs.
    """
    port = place(port)
    target = f"{names.PUBLIC}/{file_id}"
    url_of = getattr(port, "public_url", None)
    path = port.path(target)
    if url_of is None and path is None:
        raise UnsupportedError(
            f"{port.locator}: this storage has no URLs that other programs could read"
        )
    with port.open_write(target) as copy:
        while block := reader.read(_COPY):
            copy.write(block)
    if url_of is not None:
        return str(url_of(target, _EXPIRES_S))
    return f"file:{quote(str(path))}"


def withdraw(port: ObjectPort, file_id: str) -> None:
    """Remove a file's plain copy, if there is one."""
    place(port).delete(f"{names.PUBLIC}/{file_id}")


def withdraw_all(port: ObjectPort, below: str = "") -> None:
    """Remove the plain copies of all files, or of those below a prefix of their ids."""
    place(port).delete_tree(f"{names.PUBLIC}/{below}".rstrip("/"))


def place(port: ObjectPort) -> ObjectPort:
    """The port of plain copies: another where a store's objects have no URLs."""
    found: ObjectPort = getattr(port, "public_port", port)
    return found
