"""A directory whose columns are lines of JSON, to be read with `less` and `jq`.

Locator `file:PATH`. All else is as in `jobstores.backends.posix`. But for packs, which
have an index in binary, a store of that kind is lines of text.
"""

from __future__ import annotations

from jobstores.backends.posix import PosixPort


class FilePort(PosixPort):
    """An `ObjectPort` over one directory, for small workflows and for debugging."""

    scheme = "file"
    column_format = "ndjson"
