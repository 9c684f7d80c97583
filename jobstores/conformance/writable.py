"""The fixtures of the write half of the conformance suite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobstores.conformance.reading import CONTENT, PortReading

if TYPE_CHECKING:
    from jobstores.port import ObjectPort


class WritablePort(PortReading):
    """What the tests of a backend that can be written to must give.

    refuses_nesting: the backend notices a key below a key; `port_machine` is told too.
    """

    refuses_nesting = True

    @pytest.fixture
    def port(self) -> ObjectPort:
        """A port to an empty store."""
        raise NotImplementedError

    @pytest.fixture
    def second(self, port: ObjectPort) -> ObjectPort:
        """Another client of the same store."""
        raise NotImplementedError

    def raw_get(self, port: ObjectPort, key: str) -> bytes | None:
        """What the storage holds, past the port."""
        raise NotImplementedError

    def raw_set(self, port: ObjectPort, key: str, data: bytes) -> None:
        """Change what the storage holds, past the port."""
        raise NotImplementedError

    def raw_leftover(self, port: ObjectPort, key: str) -> None:
        """Leave in the storage what a process killed within `put` leaves."""
        raise NotImplementedError

    @pytest.fixture
    def stored(self, port: ObjectPort) -> ObjectPort:
        """A port to a store that holds `CONTENT`."""
        for key, data in CONTENT.items():
            port.put(key, data)
        return port
