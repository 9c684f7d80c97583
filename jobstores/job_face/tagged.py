"""Read and swap objects with as few requests as the port allows.

A port may offer two more methods, which spare a `stat` before each swap and a
read after it:

* `get_tagged(key) -> (bytes, tag)`: an object's bytes and the tag they go with.
* `put_tagged(key, data, *, create=False, if_match=None) -> tag`: as `put`, and
  the tag of what was put, or None where no answer told it.

Storage over HTTP has both at no cost, as answers carry the tag. Without them the
same is done by `stat` and `get`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from jobstores.errors import NotFoundError

if TYPE_CHECKING:
    from jobstores.port import ObjectPort


@runtime_checkable
class TaggedPort(Protocol):
    """What a port offers beside `ObjectPort` where tags come with the answers."""

    def get_tagged(self, key: str) -> tuple[bytes, str]:
        """An object's bytes, and its tag.

        Raises:
            NotFoundError: there is no such object.
        """

    def put_tagged(
        self, key: str, data: bytes, *, create: bool = False, if_match: str | None = None
    ) -> str | None:
        """As `put`; the tag of what was put, or None where no answer told it."""


def read_tagged(port: ObjectPort, key: str) -> tuple[bytes, str]:
    """An object's bytes, and its tag or one that it had before.

    A swap with a tag that is too old fails, so nothing is lost by it.

    Raises:
        NotFoundError: there is no such object.
    """
    if isinstance(port, TaggedPort):
        return port.get_tagged(key)
    found = port.stat(key)
    if found is None:
        raise NotFoundError(f"{port.locator}: there is no {key}")
    return port.get(key), found.tag


def create_tagged(port: ObjectPort, key: str, data: bytes) -> str | None:
    """Put, create-only; the new tag where the port tells it.

    Raises:
        AlreadyExistsError: there is one.
    """
    if isinstance(port, TaggedPort):
        return port.put_tagged(key, data, create=True)
    port.put(key, data, create=True)
    return None


def swap_tagged(port: ObjectPort, key: str, data: bytes, tag: str) -> str | None:
    """Put in the place of the object with that tag; the new tag where the port tells it.

    Raises:
        ConflictError: the object is another by now, or gone.
    """
    if isinstance(port, TaggedPort):
        return port.put_tagged(key, data, if_match=tag)
    port.put(key, data, if_match=tag)
    return None
