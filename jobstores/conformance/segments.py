"""Segments: claimed once, appended to by one."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest

from jobstores.conformance.races import race
from jobstores.conformance.writable import WritablePort
from jobstores.errors import AlreadyExistsError, JobStoreError, NotFoundError

if TYPE_CHECKING:
    from jobstores.port import ObjectPort


class Segments(WritablePort):
    """A segment has one claimer, and grows in order."""

    def test_a_segment_grows(self, port: ObjectPort, second: ObjectPort) -> None:
        """In order, seen by every client once appended."""
        handle = port.create_segment("s/1")
        assert second.read_segment("s/1") == b""
        handle.append(b"one\n")
        assert second.read_segment("s/1") == b"one\n"
        handle.append(b"")
        handle.append(b"two\n")
        handle.sync()
        handle.sync()
        assert second.read_segment("s/1", 4) == b"two\n"
        handle.append(b"x" * 300_000)
        handle.close()
        handle.close()
        found = second.stat("s/1")
        assert found is not None
        assert found.size == 300_008
        assert list(second.walk("")) == ["s/1"]

    def test_a_segment_is_claimed_once(self, port: ObjectPort, second: ObjectPort) -> None:
        """As with create-only objects."""
        port.create_segment("s/1").close()
        for client in (port, second):
            with pytest.raises(AlreadyExistsError):
                client.create_segment("s/1")

    def test_of_many_claimers_one_wins(self, port: ObjectPort, second: ObjectPort) -> None:
        """16 threads, two clients."""
        clients = (port, second)
        for round_number in range(10):
            key = f"race/{round_number}/s"
            won = race(16, partial(_claim, clients, key))
            assert sum(won) == 1, won
            assert port.read_segment(key) == b"%d" % won.index(True)

    def test_append_segment_goes_on(self, port: ObjectPort, second: ObjectPort) -> None:
        """At the end of what is there, or from nothing."""
        for client, data in ((port, b"one"), (second, b"two"), (port, b"three")):
            handle = client.append_segment("s/side")
            handle.append(data)
            handle.sync()
            handle.close()
        assert port.read_segment("s/side") == b"onetwothree"

    def test_a_deleted_segment_stays_deleted(
        self, port: ObjectPort, second: ObjectPort
    ) -> None:
        """What its writer appends later comes to nobody's eyes."""
        handle = port.create_segment("s/1")
        handle.append(b"one")
        second.delete("s/1")
        with suppress(JobStoreError):
            handle.append(b"two")
        with suppress(JobStoreError):
            handle.close()
        assert list(second.walk("")) == []
        with pytest.raises(NotFoundError):
            second.read_segment("s/1")


def _claim(clients: tuple[ObjectPort, ObjectPort], key: str, number: int) -> bool:
    try:
        handle = clients[number % 2].create_segment(key)
    except AlreadyExistsError:
        return False
    handle.append(b"%d" % number)
    handle.close()
    return True
