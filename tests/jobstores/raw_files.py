"""How the conformance suite looks below a port whose objects are files of the same name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from jobstores.backends import files

if TYPE_CHECKING:
    from jobstores.port import ObjectPort


class RawFiles:
    """To inherit from before `PortConformance`."""

    def raw_get(self, port: ObjectPort, key: str) -> bytes | None:
        """The file's bytes, if there is one."""
        try:
            with open(port.path(key), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def raw_set(self, port: ObjectPort, key: str, data: bytes) -> None:
        """Write the file in place."""
        with open(port.path(key), "wb") as file:
            file.write(data)

    def raw_leftover(self, port: ObjectPort, key: str) -> None:
        """What a writer that was killed leaves beside it."""
        name = port.path(key)
        os.makedirs(os.path.dirname(name), exist_ok=True)
        with open(files.hidden_beside(name, "t"), "wb") as file:
            file.write(b"half")
