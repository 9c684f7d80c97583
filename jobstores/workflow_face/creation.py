"""Making a store that has nothing in it but a name and a template."""

from __future__ import annotations

import os
import secrets
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jobstores import values
from jobstores.errors import AlreadyExistsError
from jobstores.open import open_port, parse_locator
from jobstores.workflow_face.arrays import Codec
from jobstores.workflow_face.layout import document_name
from jobstores.workflow_store import WorkflowStore

if TYPE_CHECKING:
    from collections.abc import Mapping


def write_empty(
    locator: str,
    template: Mapping[str, Any],
    components: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> None:
    """Make a store at a locator, or a path; nothing is left of one that can't be made.

    settings: what the document `workflow` is to say.

    Raises:
        UnstorableError: something of it can't be stored, or there is no such compressor.
        AlreadyExistsError: there is a store already.
    """
    Codec(settings["compressor"], settings["compressor_kwargs"])
    given = {"workflow": settings, "template": template, "components": components}
    documents = {
        document_name(name): values.dumps(dict(document), name).encode()
        for name, document in given.items()
    }
    now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    info = {
        "format": 1,
        "name": settings["name"],
        "doc": "",
        "id": secrets.token_hex(16),
        "created": now,
        "hpcflow": "",
        "tasks": [],
        "submissions": [],
    }
    WorkflowStore.create(
        open_port(locator), info=info, documents=documents, tables={}, ranges=()
    )


def make_room(locator: str, *, overwrite: bool) -> None:
    """Remove what is at a locator, if it may be.

    Raises:
        AlreadyExistsError: it may not, and there is something.
    """
    scheme, name = parse_locator(locator)
    there = os.path.lexists(name) if scheme in ("zarr", "file") else None
    if there is None:
        port = open_port(locator)
        there = bool(port.list(""))
    if not there:
        return
    if not overwrite:
        raise AlreadyExistsError(f"{locator} is there already; nothing was changed")
    if scheme in ("zarr", "file"):
        shutil.rmtree(name)
    else:
        port.delete_tree("")
