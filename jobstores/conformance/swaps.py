"""Create-only and compare-and-swap, alone and in races."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest

from jobstores.conformance.races import race, tag_of
from jobstores.conformance.writable import WritablePort
from jobstores.errors import AlreadyExistsError, ConflictError

if TYPE_CHECKING:
    from jobstores.port import ObjectPort


class CreateOnly(WritablePort):
    """Of any number of creators one wins."""

    def test_create_only_once(self, port: ObjectPort, second: ObjectPort) -> None:
        """The first stays as it is; after a delete there is room again."""
        port.put("a/b", b"first", create=True)
        for other in (port, second):
            with pytest.raises(AlreadyExistsError):
                other.put("a/b", b"later", create=True)
        assert port.get("a/b") == b"first"
        second.delete("a/b")
        port.put("a/b", b"again", create=True)
        assert second.get("a/b") == b"again"

    def test_create_and_if_match_exclude_each_other(self, port: ObjectPort) -> None:
        """Asking for both is a programming error."""
        with pytest.raises(ValueError, match="exclude"):
            port.put("a", b"", create=True, if_match="x")

    def test_of_many_creators_one_wins(self, port: ObjectPort, second: ObjectPort) -> None:
        """16 threads, two clients, one name a round; the winner's content stays."""
        clients = (port, second)
        for round_number in range(20):
            key = f"race/{round_number}"
            won = race(16, partial(_create, clients, key))
            assert sum(won) == 1, won
            assert port.get(key) == b"%d" % won.index(True) * 1000


def _create(clients: tuple[ObjectPort, ObjectPort], key: str, number: int) -> bool:
    try:
        clients[number % 2].put(key, b"%d" % number * 1000, create=True, durable=False)
    except AlreadyExistsError:
        return False
    return True


class Swaps(WritablePort):
    """A swap succeeds only on what it has seen."""

    def test_swap_needs_the_right_tag(self, port: ObjectPort, second: ObjectPort) -> None:
        """A stale tag, an unknown one, and a tag of nothing: a conflict, no change."""
        port.put("a", b"1")
        tag = tag_of(port, "a")
        second.put("a", b"2", if_match=tag)
        for stale in (tag, "no such tag"):
            with pytest.raises(ConflictError):
                port.put("a", b"3", if_match=stale)
        assert port.get("a") == b"2"
        port.put("a", b"4", if_match=tag_of(second, "a"))
        assert second.get("a") == b"4"

    def test_swap_of_what_is_gone_does_not_bring_it_back(self, port: ObjectPort) -> None:
        """Deleted, deleted and made anew, never there: a conflict."""
        port.put("a", b"1")
        tag = tag_of(port, "a")
        port.delete("a")
        with pytest.raises(ConflictError):
            port.put("a", b"2", if_match=tag)
        assert port.stat("a") is None
        port.put("a", b"1")
        with pytest.raises(ConflictError):
            port.put("a", b"2", if_match=tag)
        with pytest.raises(ConflictError):
            port.put("never/there", b"", if_match=tag)
        assert list(port.walk("")) == ["a"]

    def test_each_replacement_has_its_own_tag(self, port: ObjectPort) -> None:
        """By equal content too, at any speed, deleted in between or not."""
        tags = set()
        for number in range(100):
            port.put("a", b"same", durable=False)
            tags.add(tag_of(port, "a"))
            port.put("a", b"same", if_match=tag_of(port, "a"), durable=False)
            tags.add(tag_of(port, "a"))
            if number % 2:
                port.delete("a")
        assert len(tags) == 200

    def test_counters_count(self, port: ObjectPort, second: ObjectPort) -> None:
        """8 threads, two clients, no increment lost."""
        port.put("n", b"0")

        def count(number: int) -> None:
            client = (port, second)[number % 2]
            for _ in range(10):
                while not _increment(client, "n"):
                    pass

        race(8, count)
        assert port.get("n") == b"80"

    def test_a_tag_is_swapped_at_most_once(
        self, port: ObjectPort, second: ObjectPort
    ) -> None:
        """With plain puts and deletes in between."""
        port.put("n", b"0")
        swapped: list[str] = []

        def swap(client: ObjectPort) -> None:
            for number in range(25):
                found = client.stat("n")
                with suppress(ConflictError):
                    if found is not None:
                        client.put("n", b"%d" % number, if_match=found.tag, durable=False)
                        swapped.append(found.tag)

        def disturb(client: ObjectPort) -> None:
            for _ in range(10):
                client.put("n", b"plain", durable=False)
                client.delete("n")
                with suppress(AlreadyExistsError):
                    client.put("n", b"new", create=True, durable=False)

        def act(number: int) -> None:
            client = (port, second)[number % 2]
            (swap if number < 6 else disturb)(client)

        race(8, act)
        assert [tag for tag, times in Counter(swapped).items() if times > 1] == []
        port.delete("n")
        assert port.list("") == []


def _increment(port: ObjectPort, key: str) -> bool:
    tag = tag_of(port, key)
    value = int(port.get(key))
    try:
        port.put(key, b"%d" % (value + 1), if_match=tag, durable=False)
    except ConflictError:
        return False
    return True
