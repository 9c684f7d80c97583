"""Stores of other programs, which are recognised so that a message can say what they are.

hpcflow 0.2, and programs built on it, kept a workflow as a Zarr v2 group (a directory or
a zip file), or as JSON files in a directory. In the group's attributes, and in
`metadata.json`, are `template` and `creation_info`, which names the program.

Standard library only, Python 3.9.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Optional, Tuple

from jobstores.errors import JobStoreError

if TYPE_CHECKING:
    from jobstores.port import ObjectPort

_PLACES = ((".zattrs", "a Zarr v2 store"), ("metadata.json", "a store of JSON files"))


def foreign_store(port: ObjectPort) -> Optional[str]:
    """What another program's store is, and what to do with it, in one line.

    None where nothing is recognised.
    """
    for key, kind in _PLACES:
        maker = _maker(port, key)
        if maker is not None:
            name, version = maker
            return (
                f"{port.locator} is a workflow of {name} {version} ({kind} as of hpcflow"
                f" 0.2), which this version can't open: read it with {name} {version}"
            )
    return None


def _maker(port: ObjectPort, key: str) -> Optional[Tuple[str, str]]:
    """The program that wrote an object, and its version."""
    try:
        document: Any = json.loads(port.get(key))
        info = document["creation_info"]["app_info"]
        if not isinstance(document["template"], dict):
            return None
        return str(info["name"]), str(info["version"])
    except (JobStoreError, ValueError, TypeError, KeyError, RecursionError):
        return None
