"""The mark that there is a store: made once, checked when it is opened."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from jobstores.errors import (
    AlreadyExistsError,
    CorruptError,
    NotFoundError,
    UnsupportedError,
)
from jobstores.job_face import names

if TYPE_CHECKING:
    from jobstores.port import ObjectPort

FORMAT = 1


def make(port: ObjectPort, now_us: int) -> str:
    """Make the mark; the new store's id.

    Raises:
        AlreadyExistsError: there is one.
        UnsupportedError: the storage can't keep what the port promises.
    """
    probe = getattr(port, "probe", None)
    if probe is not None:
        probe()
    store_id = names.fresh()
    text = {"format": FORMAT, "id": store_id, "at": now_us}
    try:
        port.put(names.MARKER, json.dumps(text).encode() + b"\n", create=True)
    except AlreadyExistsError:
        raise AlreadyExistsError(
            f"{port.locator} holds jobs already: resume them, or destroy the store first"
        ) from None
    return store_id


def check(port: ObjectPort) -> str:
    """The store's id.

    Raises:
        NotFoundError: there is no store.
        UnsupportedError: a newer version made it.
        CorruptError: the mark is damaged.
    """
    try:
        data = port.get(names.MARKER)
    except NotFoundError:
        raise NotFoundError(
            f"{port.locator} holds no jobs: nothing was initialised there"
        ) from None
    try:
        text = json.loads(data)
        number, store_id = int(text["format"]), str(text["id"])
    except (ValueError, KeyError, TypeError):
        raise CorruptError(f"{port.locator}: {names.MARKER} is damaged") from None
    if number > FORMAT:
        raise UnsupportedError(
            f"{port.locator}: its jobs have format {number}, this version reads up to"
            f" {FORMAT}: install a newer one"
        )
    return store_id
