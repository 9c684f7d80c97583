"""Locators: the text that names a store, and the port that it opens.

========================== ==================================================
`zarr:PATH`, a directory   `jobstores.backends.posix`
`zip:PATH`, a .zip file    `jobstores.backends.zip`, read-only
`memory:NAME`              `jobstores.backends.memory`
`file:` `s3://` `aws:`     not supported yet
========================== ==================================================

This is the one place where locators are parsed and backends are named. A backend is
imported when it is opened.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from jobstores.errors import NotFoundError, UnsupportedError

if TYPE_CHECKING:
    from jobstores.port import ObjectPort

_SCHEME = re.compile(r"([a-z][a-z0-9]+):(?!\d+$)(.*)", re.DOTALL)
_PLANNED = ("file", "s3", "aws")


class Locator(NamedTuple):
    """A parsed locator: scheme "zarr", "zip" or "memory", and the rest of it."""

    scheme: str
    name: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.name}"


def parse_locator(text: str) -> Locator:
    """A locator's parts; a bare path is a zip file where it ends in .zip.

    A path that begins like a scheme is written with `./`.

    Raises:
        UnsupportedError: the scheme is unknown, or is not supported yet.
    """
    if not text:
        raise UnsupportedError(
            "an empty locator: a path or one such as zarr:PATH was expected"
        )
    match = _SCHEME.match(text)
    if match is None or os.path.exists(text):
        is_zip = text.endswith(".zip") and not os.path.isdir(text)
        return Locator("zip" if is_zip else "zarr", os.path.abspath(text))
    scheme, name = match.groups()
    if scheme in _PLANNED:
        raise UnsupportedError(
            f"{text}: stores of the kind {scheme}: are not supported yet;"
            " zarr:PATH, zip:PATH and memory:NAME are"
        )
    if scheme not in ("zarr", "zip", "memory"):
        raise UnsupportedError(
            f"{text}: unknown kind of store {scheme}: ; zarr:PATH, zip:PATH and"
            " memory:NAME are known (for a path of that name write ./ before it)"
        )
    if not name:
        raise UnsupportedError(f"{text}: nothing follows {scheme}:")
    return Locator(scheme, name if scheme == "memory" else os.path.abspath(name))


def open_port(locator: str) -> ObjectPort:
    """The port that a locator names. A directory need not be there; a zip file must.

    Raises:
        UnsupportedError: as `parse_locator`.
        NotFoundError: there is no such zip file, or a file where a directory should be.
        CorruptError: it is no zip file.
    """
    scheme, name = parse_locator(locator)
    if scheme == "memory":
        from jobstores.backends.memory import MemoryPort

        return MemoryPort(name)
    if scheme == "zip":
        from jobstores.backends.zip import ZipPort

        return ZipPort(name)
    if os.path.isfile(name):
        raise NotFoundError(
            f"{name} is a file, and a store is a directory or a zip file (zip:{name})"
        )
    from jobstores.backends.posix import PosixPort

    return PosixPort(name)
