"""Files that all jobs share, by names that users choose."""

from __future__ import annotations

from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from jobstores.errors import NotFoundError, UnsupportedError
from jobstores.job_face import names, streams

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobstores.port import ObjectPort


class SharedFiles:
    """The shared files of one store, by name."""

    def __init__(self, port: ObjectPort) -> None:
        self._port = port

    @contextmanager
    def writing(
        self,
        name: str,
        *,
        encrypted: bool | None = None,
        encoding: str | None = None,
        errors: str | None = None,
    ) -> Iterator[IO[Any]]:
        """A stream to a shared file, new or not, which appears, whole, at the end.

        Raises:
            InvalidKeyError: the name is outside the grammar.
            ConflictError: somebody else wrote it meanwhile; theirs is kept.
            UnsupportedError: it must be encrypted, and the store does not encrypt.
        """
        key = names.shared_key(name)
        if encrypted and not getattr(self._port, "encrypts", False):
            raise UnsupportedError(
                f"{self._port.locator}: {name} must be encrypted, and this store does not"
                " encrypt; give it a key, or take a storage that encrypts"
            )
        found = self._port.stat(key)
        writer = streams.FileWriter(
            self._port, key, executable=False, expected=found.tag if found else ""
        )
        with streams.publishing(writer, encoding, errors) as stream:
            yield stream

    def open(self, name: str) -> streams.FileReader:
        """A shared file's content.

        Raises:
            InvalidKeyError: the name is outside the grammar.
            NotFoundError: there is no such file.
        """
        key = names.shared_key(name)
        try:
            return streams.FileReader(self._port, key)
        except NotFoundError:
            raise NotFoundError(
                f"{self._port.locator}: there is no shared file {name!r}"
            ) from None

    def exists(self, name: str) -> bool:
        """Whether there is a shared file of that name."""
        return self._port.stat(names.shared_key(name)) is not None
