"""Objects: put, open files, delete, listings, and what killed writers leave."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest

from jobstores.conformance.races import race, tag_of
from jobstores.conformance.reading import CONTENT, ODD_KEYS
from jobstores.conformance.writable import WritablePort
from jobstores.errors import InvalidKeyError
from jobstores.keys import MAX_KEY

if TYPE_CHECKING:
    from jobstores.port import ObjectPort


class Objects(WritablePort):
    """Objects appear and change whole, at once for all clients, and go when told."""

    @pytest.mark.parametrize("size", [0, 1, 4096, 5_000_001])
    def test_put_then_get(self, port: ObjectPort, second: ObjectPort, size: int) -> None:
        """What is put is there at once, for every client, and in the storage."""
        data = bytes(size // 2) + b"\xfe" * (size - size // 2)
        port.put("a/b", data)
        assert port.get("a/b") == second.get("a/b") == self.raw_get(port, "a/b") == data
        found = second.stat("a/b")
        assert found is not None
        assert found.size == size

    def test_put_replaces(self, port: ObjectPort, second: ObjectPort) -> None:
        """By shorter data too."""
        port.put("a", b"long content")
        second.put("a", b"short")
        assert port.get("a") == second.get("a") == b"short"

    def test_reads_are_fresh(self, port: ObjectPort) -> None:
        """Nothing is answered from a cache of this process."""
        port.put("a/b", b"one")
        assert port.get("a/b") == b"one"
        assert port.list("a") == ["b"]
        self.raw_set(port, "a/b", b"other")
        self.raw_set(port, "a/c", b"new")
        assert port.get("a/b") == b"other"
        assert port.get("a/c") == b"new"
        assert sorted(port.list("a")) == ["b", "c"]
        found = port.stat("a/b")
        assert found is not None
        assert found.size == 5

    @pytest.mark.parametrize("key", ODD_KEYS, ids=lambda key: key[:20])
    def test_odd_keys_come_back_from_listings(self, port: ObjectPort, key: str) -> None:
        """The key grammar holds in both directions."""
        assert len(key) <= MAX_KEY
        port.put(key, key.encode())
        assert port.get(key) == key.encode()
        assert list(port.walk("")) == [key]
        prefix, _, name = key.rpartition("/")
        assert port.list(prefix) == [name]
        port.delete(key)
        assert list(port.walk("")) == []

    def test_a_key_can_have_no_keys_below_it(self, port: ObjectPort) -> None:
        """Where the backend can notice."""
        if not self.refuses_nesting:
            pytest.skip("the backend can't notice")
        port.put("a/b", b"")
        for key in ("a", "a/b/c", "a/b/c/d"):
            with pytest.raises(InvalidKeyError):
                port.put(key, b"")
            with pytest.raises(InvalidKeyError):
                port.put(key, b"", create=True)
            with pytest.raises(InvalidKeyError):
                port.create_segment(key)
            with pytest.raises(InvalidKeyError):
                port.append_segment(key)
        assert list(port.walk("")) == ["a/b"]

    def test_a_name_can_become_a_level_and_a_name_again(self, port: ObjectPort) -> None:
        """Once nothing is below it any more."""
        port.put("a/b/c", b"1")
        port.delete("a/b/c")
        port.put("a", b"2")
        assert port.get("a") == b"2"
        port.delete("a")
        port.create_segment("a/b").close()
        port.delete("a/b")
        port.create_segment("a").close()
        assert list(port.walk("")) == ["a"]

    def test_objects_put_without_sync_are_there(
        self, port: ObjectPort, second: ObjectPort
    ) -> None:
        """`sync_tree` makes them durable, which no test can see."""
        for number in range(20):
            port.put(f"g/{number}/x", b"%d" % number, durable=False)
        assert second.get("g/7/x") == b"7"
        port.sync_tree("g")
        port.sync_tree("")
        port.sync_tree("not/there")
        assert len(list(second.walk("g"))) == 20

    def test_delete_of_what_is_not_there(self, stored: ObjectPort) -> None:
        """No error, no effect; nor does a prefix or a key above count."""
        for key in ("x", "x/y", "a", "a/b", "top/x"):
            stored.delete(key)
        for prefix in ("x", "x/y", "top", "to"):
            stored.delete_tree(prefix)
        assert sorted(stored.walk("")) == sorted(CONTENT)

    def test_delete_takes_one(self, stored: ObjectPort, second: ObjectPort) -> None:
        """And is idempotent, for any client."""
        stored.delete("a/b/c")
        second.delete("a/b/c")
        stored.delete("a/b/c")
        assert second.stat("a/b/c") is None
        assert sorted(second.walk("")) == sorted(set(CONTENT) - {"a/b/c"})
        assert self.raw_get(stored, "a/b/c") is None

    def test_delete_tree_takes_what_is_below(self, stored: ObjectPort) -> None:
        """Not what merely begins alike."""
        stored.delete_tree("a")
        assert sorted(stored.walk("")) == ["ab/f", "top"]
        assert stored.list("") == ["ab/", "top"]
        stored.delete_tree("")
        assert stored.list("") == []
        stored.put("a/b/c", b"again")
        assert stored.get("a/b/c") == b"again"

    def test_of_many_deleters_none_fails(
        self, port: ObjectPort, second: ObjectPort
    ) -> None:
        """And the object is gone after any of them returns."""
        clients = (port, second)
        for round_number in range(10):
            key = f"a/{round_number}"
            port.put(key, b"x", durable=False)
            assert all(race(6, partial(_delete, clients, key)))


def _delete(clients: tuple[ObjectPort, ObjectPort], key: str, number: int) -> bool:
    client = clients[number % 2]
    client.delete(key)
    return client.stat(key) is None


class UnfinishedObjects(WritablePort):
    """What is not finished is not there."""

    def test_readers_never_see_half_an_object(
        self, port: ObjectPort, second: ObjectPort
    ) -> None:
        """Nor none, while it is replaced."""
        size = 300_000
        port.put("a", bytes(size))
        stop = threading.Event()

        def write_or_read(number: int) -> None:
            if number == 0:
                for content in range(60):
                    port.put("a", bytes([content]) * size, durable=False)
                stop.set()
            while not stop.is_set():
                data = second.get("a")
                assert len(data) == size
                assert data.count(data[:1]) == size

        race(3, write_or_read)

    def test_a_writer_killed_leaves_nothing_to_see(self, port: ObjectPort) -> None:
        """Neither in the object, nor in listings, nor in the way of later writes."""
        port.put("a/b", b"old")
        for key in ("a/b", "a/new", "c/new"):
            self.raw_leftover(port, key)
        assert port.get("a/b") == b"old"
        assert list(port.walk("")) == ["a/b"]
        assert port.list("a") == ["b"]
        assert port.list("c") == []
        port.put("a/b", b"1", if_match=tag_of(port, "a/b"))
        port.put("a/new", b"2", create=True)
        port.put("c/new", b"3")
        assert [port.get(key) for key in ("a/b", "a/new", "c/new")] == [b"1", b"2", b"3"]
        port.delete_tree("")
        assert port.list("") == []

    def test_an_open_file_is_invisible_until_closed(
        self, port: ObjectPort, second: ObjectPort
    ) -> None:
        """Then it is there, whole; closing again does nothing."""
        with port.open_write("a/b") as file:
            file.write(b"one, ")
            assert second.stat("a/b") is None
            assert list(second.walk("")) == []
            file.write(b"two")
        assert second.get("a/b") == b"one, two"
        second.put("a/b", b"later")
        file.close()
        assert second.get("a/b") == b"later"

    def test_an_open_file_replaces_when_closed(self, port: ObjectPort) -> None:
        """Not before."""
        port.put("a", b"old")
        with port.open_write("a") as file:
            file.write(b"x" * 3_000_000)
            assert port.get("a") == b"old"
        assert port.get("a") == b"x" * 3_000_000

    def test_an_exception_discards_an_open_file(self, port: ObjectPort) -> None:
        """Nothing stays of it."""
        port.put("a", b"old")
        for key in ("a", "b/c"):
            with pytest.raises(ZeroDivisionError), port.open_write(key) as file:
                file.write(b"x" * 100_000)
                raise ZeroDivisionError
        assert port.get("a") == b"old"
        assert list(port.walk("")) == ["a"]

    def test_a_forgotten_open_file_is_discarded(self, port: ObjectPort) -> None:
        """Only `close` makes it an object."""
        file = port.open_write("a")
        file.write(b"x")
        del file
        assert list(port.walk("")) == []
