"""How our stores are named in Toil's `--jobStore`.

============================ =================================
in Toil                      is our
============================ =================================
`zarr:PATH`                  `zarr:PATH`
`hpcflow-file:PATH`          `file:PATH` (Toil has its own `file:`)
`s3://BUCKET/PREFIX`         `s3://BUCKET/PREFIX`
`hpcflow-aws:REGION:NAME`    `aws:REGION:NAME` (Toil has its own `aws:`)
============================ =================================
"""

from __future__ import annotations

import os
from typing import NamedTuple

from jobstores.errors import JobStoreError

_OURS = {"zarr": "zarr:", "hpcflow-file": "file:", "s3": "s3:", "hpcflow-aws": "aws:"}
_PATHS = ("zarr", "hpcflow-file")


class UnusableLocatorError(JobStoreError, ValueError):
    """A locator that Toil could not pass to its workers."""

    kind = "unusable_locator"


class ToilLocator(NamedTuple):
    """A locator of ours: as Toil's commands take it, absolute, and as `open_port` does."""

    toil: str
    ours: str


def parse(text: str) -> ToilLocator | None:
    """The locator, if it is one of ours; None: it is for Toil itself.

    Raises:
        UnusableLocatorError: it holds a space, or nothing follows its scheme.
    """
    scheme, colon, rest = text.partition(":")
    if not colon or scheme not in _OURS:
        return None
    if not rest:
        raise UnusableLocatorError(f"{text}: nothing follows {scheme}:")
    if scheme in _PATHS:
        rest = os.path.abspath(rest)
    if any(letter.isspace() for letter in rest):
        raise UnusableLocatorError(
            f"{scheme}:{rest}: a job store's locator must hold no space, since Toil passes"
            " it to its workers as a word of a command line; choose another place, or a"
            " symbolic link without spaces to it"
        )
    return ToilLocator(f"{scheme}:{rest}", f"{_OURS[scheme]}{rest}")
