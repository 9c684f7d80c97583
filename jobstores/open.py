"""Locators: the text that names a store, and the port that it opens.

===================== ==================================================================
`zarr:PATH`           a directory, columns as Zarr arrays (`jobstores.backends.posix`)
`file:PATH`           a directory, columns as lines of JSON (`jobstores.backends.file`)
`zip:PATH`            a zip file of a store, read-only (`jobstores.backends.zip`)
`memory:NAME`         of this process (`jobstores.backends.memory`)
`s3://BUCKET/PREFIX`  below a prefix of a bucket, or all of it without `/PREFIX`
                      (`jobstores.backends.s3.port`)
`aws:REGION:NAME`     S3 and SimpleDB in the classic layout (`jobstores.backends.aws.port`)
a bare path           what lies there: `zip:` where it is a file or new name ending in
                      .zip; else a directory, `file:` or `zarr:` as its marker says,
                      and `zarr:` where there is no store yet
===================== ==================================================================

A path that begins like a scheme is written with `./`. This is the one place where
locators are parsed and backends are named. A backend is imported when it is opened.

Standard library only, Python 3.9: this runs on compute nodes.
"""

from __future__ import annotations

import json
import os
import re
from importlib import import_module
from typing import TYPE_CHECKING, Mapping, NamedTuple

from jobstores.errors import NotFoundError, UnsupportedError
from jobstores.keys import MARKER

if TYPE_CHECKING:
    from jobstores.port import ObjectPort

_SCHEME = re.compile(r"([a-z][a-z0-9]+):(?!\d+$)(.*)", re.DOTALL)
_KNOWN = "zarr:PATH, file:PATH, zip:PATH, memory:NAME, s3://BUCKET/PREFIX, aws:REGION:NAME"
_SCHEMES = ("zarr", "file", "zip", "memory", "s3", "aws")
_BUCKET = re.compile(r"//([^/]+)((?:/[^/]+)*)/?")
_AWS = re.compile(r"[a-z0-9-]+:[^:/]+")
_SERVICES = {
    "s3": ("jobstores.backends.s3.port", "open_s3"),
    "aws": ("jobstores.backends.aws.port", "open_aws"),
}
_BY_COLUMNS = {"zarr": "zarr", "ndjson": "file"}  # schemes by what the marker says


class Locator(NamedTuple):
    """A parsed locator: the scheme, such as "zarr", and the rest of it."""

    scheme: str
    name: str

    def __str__(self) -> str:
        return f"{self.scheme}:{'//' * (self.scheme == 's3')}{self.name}"


def parse_locator(text: str) -> Locator:
    """A locator's parts. Paths are made absolute; a bare one is looked at.

    Raises:
        UnsupportedError: the scheme is unknown, or what follows it is not of its form.
    """
    if not text:
        raise UnsupportedError(
            "an empty locator: a path or one such as zarr:PATH was expected"
        )
    match = _SCHEME.match(text)
    if match is None or os.path.exists(text):
        return _bare(os.path.abspath(text), text)
    scheme, name = match.groups()
    if scheme not in _SCHEMES:
        raise UnsupportedError(
            f"{text}: unknown kind of store {scheme}: ; these are known: {_KNOWN}"
            " (for a path of that name write ./ before it)"
        )
    if not name:
        raise UnsupportedError(f"{text}: nothing follows {scheme}:")
    if scheme == "s3":
        found = _BUCKET.fullmatch(name)
        if found is None:
            raise UnsupportedError(f"{text}: s3://BUCKET/PREFIX was expected")
        return Locator(scheme, "".join(found.groups()))
    if scheme == "aws" and not _AWS.fullmatch(name):
        raise UnsupportedError(f"{text}: aws:REGION:NAME was expected")
    is_path = scheme in ("zarr", "file", "zip")
    return Locator(scheme, os.path.abspath(name) if is_path else name)


def open_port(locator: str, environment: Mapping[str, str] | None = None) -> ObjectPort:
    """The port that a locator names. A directory need not be there; a zip file must.

    environment: for `s3:` and `aws:`, instead of this process's.

    Raises:
        UnsupportedError: as `parse_locator`; or the directory is a store of the other
            kind.
        NotFoundError: there is no such zip file, or a file where a directory should be.
        CorruptError: it is no zip file.
    """
    parsed = parse_locator(locator)
    scheme, name = parsed
    if scheme == "memory":
        from jobstores.backends.memory import MemoryPort

        return MemoryPort(name)
    if scheme == "zip":
        from jobstores.backends.zip import ZipPort

        return ZipPort(name)
    if scheme in _SERVICES:
        return _open_service(parsed, environment)
    return _open_directory(scheme, name)


def _open_directory(scheme: str, path: str) -> ObjectPort:
    if os.path.isfile(path):
        raise NotFoundError(
            f"{path} is a file, and a store is a directory or a zip file (zip:{path})"
        )
    is_there = _scheme_at(path)
    if is_there not in (None, scheme):
        raise UnsupportedError(
            f"{scheme}:{path}: there is a store of the kind {is_there}: already; open it"
            f" as {is_there}:{path}, or by its path alone"
        )
    if scheme == "file":
        from jobstores.backends.file import FilePort

        return FilePort(path)
    from jobstores.backends.posix import PosixPort

    return PosixPort(path)


def _open_service(locator: Locator, environment: Mapping[str, str] | None) -> ObjectPort:
    module, function = _SERVICES[locator.scheme]
    try:
        opener = getattr(import_module(module), function)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise UnsupportedError(
            f"{locator}: stores of the kind {locator.scheme}: are not supported yet"
        ) from None
    arguments = () if environment is None else (environment,)
    port: ObjectPort = opener(str(locator), *arguments)
    return port


def _bare(path: str, text: str) -> Locator:
    if text.endswith(".zip") and not os.path.isdir(path):
        return Locator("zip", path)
    return Locator(_scheme_at(path) or "zarr", path)


def _scheme_at(path: str) -> str | None:
    """The kind of the store in a directory; None if there is none that can be read.

    What is damaged, or of a newer version, is opened as any other, and says so when it
    is used.
    """
    try:
        with open(os.path.join(path, MARKER), "rb") as file:
            document = json.loads(file.read())
    except (OSError, ValueError):
        return None
    if not isinstance(document, dict):
        return None
    return _BY_COLUMNS.get(str(document.get("columns", "zarr")))
