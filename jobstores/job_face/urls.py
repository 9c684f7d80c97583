"""Files that come from a URL, or go to one."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING
from urllib.error import URLError
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

from jobstores.errors import NotFoundError, UnavailableError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator

_HTTP = ("http", "https")
_TIMEOUT_S = 60
_GONE = (404, 410)


def local_path(url: str) -> str | None:
    """The path that a `file:` URL or a bare path names, or None: another scheme."""
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return unquote(parts.path)
    return url if not parts.scheme else None


@contextmanager
def opened(url: str) -> Iterator[IO[bytes]]:
    """What a `file:`, `http:` or `https:` URL names, as a stream.

    Raises:
        NotFoundError: there is nothing.
        UnavailableError: the server failed.
        UnsupportedError: the scheme is another.
    """
    path = local_path(url)
    if path is not None:
        if not os.path.isfile(path):
            raise NotFoundError(f"{url}: there is no such file")
        with open(path, "rb") as source:
            yield source
        return
    if urlsplit(url).scheme not in _HTTP:
        raise UnsupportedError(f"{url}: file:, http: and https: URLs can be imported")
    try:
        answer = urlopen(url, timeout=_TIMEOUT_S)  # noqa: S310 (checked above)
    except URLError as error:
        if getattr(error, "code", None) in _GONE:
            raise NotFoundError(f"{url}: there is no such file") from error
        raise UnavailableError(f"{url}: {error.reason}") from error
    with answer:
        yield answer


def export_path(url: str) -> str:
    """The local path to export to; its directory is made.

    Raises:
        UnsupportedError: the URL is no `file:` URL.
    """
    path = local_path(url)
    if path is None:
        raise UnsupportedError(f"{url}: files can be exported to file: URLs and paths")
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    return path
