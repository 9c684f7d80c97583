"""What every backend must pass, and ports that misbehave on purpose.

A backend's tests subclass `PortConformance`, give the fixtures `port` and `second`
(another client of the same storage) and the raw accessors, which bypass the port, and
make a `TestCase` of `port_machine`. A read-only backend takes `PortReading` alone.

`CountingPort` counts calls, for budgets; `FaultyPort` fails, delays, or loses the
answer of the n-th call, or dies there. Needs pytest and Hypothesis.
"""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from jobstores.backends.memory import MemoryPort
from jobstores.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidKeyError,
    JobStoreError,
    NotFoundError,
    ReadOnlyError,
    TransientError,
)
from jobstores.keys import MAX_KEY, MAX_PART

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from jobstores.port import ObjectPort, ObjectStat, SegmentHandle

BAD_KEYS = (
    "", "/", "a/", "/a", "a//b", ".", "..", "a/../b", "a/.", "a b", "a\\b", "a\n", "ä", "a~b",
    "a:b", "a*", "a\0b", "x" * (MAX_PART + 1), "/".join(["x" * 200] * 5),
)  # fmt: skip
"""Names outside the grammar; as prefixes the first and third are allowed."""

ODD_KEYS = (
    ".hidden", "...", "..a", "-", "_", "a.b-c_d", "A/b/C", "0", ".tmp/x", "x" * MAX_PART,
    "/".join(["y" * 224] * 4),
)  # fmt: skip
"""Unusual keys, all of them valid together."""

CONTENT: Mapping[str, bytes] = {
    "a/b/c": b"0123456789",
    "a/b/d": b"",
    "a/e": b"e",
    "ab/f": bytes(range(256)) * 1000,
    "top": b"\0\n\xff",
}
"""What the fixture `stored` holds."""


class PortReading:
    """The read half: what every backend, a read-only one too, must give."""

    @pytest.fixture
    def stored(self) -> ObjectPort:
        """A port to a store that holds `CONTENT`."""
        raise NotImplementedError

    def test_get_gives_the_whole_object(self, stored: ObjectPort) -> None:
        """All bytes, empty objects included."""
        assert {key: stored.get(key) for key in CONTENT} == CONTENT

    @pytest.mark.parametrize(
        ("start", "stop"), [(0, 4), (3, 7), (3, None), (8, 99), (10, None), (99, None), (4, 4)]
    )
    def test_get_gives_a_range(self, stored: ObjectPort, start: int, stop: int | None) -> None:
        """As slices do, ranges end where the object does."""
        assert stored.get("a/b/c", start, stop) == CONTENT["a/b/c"][start:stop]

    @pytest.mark.parametrize("key", ["x", "a/x", "a/b/c/x", "a", "a/b", "to", "top/x"])
    def test_what_is_not_there(self, stored: ObjectPort, key: str) -> None:
        """Neither an absent name nor a prefix is an object."""
        with pytest.raises(NotFoundError):
            stored.get(key)
        with pytest.raises(NotFoundError):
            stored.read_segment(key)
        assert stored.stat(key) is None

    def test_stat_tells_size_and_time(self, stored: ObjectPort) -> None:
        """The tag is text and stays while the object does."""
        for key, data in CONTENT.items():
            found, again = stored.stat(key), stored.stat(key)
            assert found is not None
            assert again is not None
            assert found.size == len(data)
            assert found.mtime > 0
            assert isinstance(found.tag, str)
            assert found.tag == again.tag

    @pytest.mark.parametrize(
        ("prefix", "names"),
        [
            ("", ["a/", "ab/", "top"]),
            ("a", ["b/", "e"]),
            ("a/", ["b/", "e"]),
            ("a/b", ["c", "d"]),
            ("ab", ["f"]),
            ("b", []),
            ("to", []),
            ("top", []),
            ("a/b/c", []),
            ("a/b/c/d", []),
        ],
    )
    def test_list_gives_one_level(
        self, stored: ObjectPort, prefix: str, names: list[str]
    ) -> None:
        """A prefix is a path, not the beginning of a text."""
        assert sorted(stored.list(prefix)) == names

    @pytest.mark.parametrize("prefix", ["", "a", "a/", "a/b", "ab", "b", "top"])
    def test_walk_gives_all_keys_below(self, stored: ObjectPort, prefix: str) -> None:
        """Each once, as whole keys."""
        below = [key for key in CONTENT if key.startswith(prefix.rstrip("/") + "/") or not prefix]
        assert sorted(stored.walk(prefix)) == sorted(below)

    def test_read_segment_reads_from_a_byte_on(self, stored: ObjectPort) -> None:
        """Past its end there is nothing, which is no error."""
        assert stored.read_segment("a/b/c") == b"0123456789"
        assert stored.read_segment("a/b/c", 7) == b"789"
        assert stored.read_segment("a/b/c", 10) == b""
        assert stored.read_segment("a/b/c", 11) == b""

    def test_path_is_the_objects_file_or_none(self, stored: ObjectPort) -> None:
        """Where there is a path, a plain `open` reads the object."""
        path = stored.path("a/b/c")
        if path is not None:
            with open(path, "rb") as file:
                assert file.read() == CONTENT["a/b/c"]

    @pytest.mark.parametrize("key", BAD_KEYS, ids=lambda key: repr(key)[:20])
    def test_bad_keys_are_refused_everywhere(self, stored: ObjectPort, key: str) -> None:
        """By every method, before anything is done."""
        calls: list[Callable[[], object]] = [
            lambda: stored.get(key),
            lambda: stored.put(key, b""),
            lambda: stored.put(key, b"", create=True),
            lambda: stored.open_write(key),
            lambda: stored.stat(key),
            lambda: stored.delete(key),
            lambda: stored.create_segment(key),
            lambda: stored.append_segment(key),
            lambda: stored.read_segment(key),
            lambda: stored.path(key),
        ]
        if key not in ("", "a/"):
            calls += [
                lambda: stored.list(key),
                lambda: stored.delete_tree(key),
                lambda: stored.sync_tree(key),
                lambda: list(stored.walk(key)),
            ]
        for call in calls:
            with pytest.raises(InvalidKeyError):
                call()


class PortConformance(PortReading):
    """All guarantees of `jobstores.port`, and how they are checked.

    refuses_nesting: the backend notices a key below a key.
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

    # --- objects -------------------------------------------------------------------

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
            for write in (
                lambda key=key: port.put(key, b""),
                lambda key=key: port.put(key, b"", create=True),
                lambda key=key: port.create_segment(key),
                lambda key=key: port.append_segment(key),
            ):
                with pytest.raises(InvalidKeyError):
                    write()
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

    # --- create-only -----------------------------------------------------------------

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

        def attempt(client: ObjectPort, key: str, number: int) -> bool:
            try:
                client.put(key, b"%d" % number * 1000, create=True, durable=False)
            except AlreadyExistsError:
                return False
            return True

        for round_number in range(20):
            key = f"race/{round_number}"
            won = _race(
                [
                    lambda n=n: attempt((port, second)[n % 2], key, n)  # noqa: B023
                    for n in range(16)
                ]
            )
            assert sum(won) == 1, won
            assert port.get(key) == b"%d" % won.index(True) * 1000

    # --- compare-and-swap ------------------------------------------------------------

    def test_swap_needs_the_right_tag(self, port: ObjectPort, second: ObjectPort) -> None:
        """A stale tag, an unknown one, and a tag of nothing: a conflict, no change."""
        port.put("a", b"1")
        tag = _tag(port, "a")
        second.put("a", b"2", if_match=tag)
        for stale in (tag, "no such tag"):
            with pytest.raises(ConflictError):
                port.put("a", b"3", if_match=stale)
        assert port.get("a") == b"2"
        port.put("a", b"4", if_match=_tag(second, "a"))
        assert second.get("a") == b"4"

    def test_swap_of_what_is_gone_does_not_bring_it_back(self, port: ObjectPort) -> None:
        """Deleted, deleted and made anew, never there: a conflict."""
        port.put("a", b"1")
        tag = _tag(port, "a")
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
            tags.add(_tag(port, "a"))
            port.put("a", b"same", if_match=_tag(port, "a"), durable=False)
            tags.add(_tag(port, "a"))
            if number % 2:
                port.delete("a")
        assert len(tags) == 200

    def test_counters_count(self, port: ObjectPort, second: ObjectPort) -> None:
        """8 threads, two clients, no increment lost."""
        port.put("n", b"0")

        def count(client: ObjectPort) -> None:
            for _ in range(25):
                while True:
                    tag = _tag(client, "n")
                    with suppress(ConflictError):
                        value = int(client.get("n"))
                        client.put("n", b"%d" % (value + 1), if_match=tag, durable=False)
                        break

        _race([lambda n=n: count((port, second)[n % 2]) for n in range(8)])
        assert port.get("n") == b"200"

    def test_a_tag_is_swapped_at_most_once(self, port: ObjectPort, second: ObjectPort) -> None:
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

        actions = [lambda n=n: swap((port, second)[n % 2]) for n in range(6)]
        _race([*actions, lambda: disturb(port), lambda: disturb(second)])
        assert [tag for tag, times in Counter(swapped).items() if times > 1] == []
        port.delete("n")
        assert port.list("") == []

    # --- half-done things --------------------------------------------------------------

    def test_readers_never_see_half_an_object(self, port: ObjectPort, second: ObjectPort) -> None:
        """Nor none, while it is replaced."""
        size = 300_000
        port.put("a", bytes(size))
        stop = threading.Event()

        def write() -> None:
            for number in range(60):
                port.put("a", bytes([number]) * size, durable=False)
            stop.set()

        def read() -> None:
            while not stop.is_set():
                data = second.get("a")
                assert len(data) == size
                assert data.count(data[:1]) == size

        _race([write, read, read])

    def test_a_writer_killed_leaves_nothing_to_see(self, port: ObjectPort) -> None:
        """Neither in the object, nor in listings, nor in the way of later writes."""
        port.put("a/b", b"old")
        for key in ("a/b", "a/new", "c/new"):
            self.raw_leftover(port, key)
        assert port.get("a/b") == b"old"
        assert list(port.walk("")) == ["a/b"]
        assert port.list("a") == ["b"]
        assert port.list("c") == []
        port.put("a/b", b"1", if_match=_tag(port, "a/b"))
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

    # --- many objects, and removing them ---------------------------------------------

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

    def test_of_many_deleters_none_fails(self, port: ObjectPort, second: ObjectPort) -> None:
        """And the object is gone after any of them returns."""
        for number in range(10):
            key = f"a/{number}"
            port.put(key, b"x", durable=False)

            def delete(client: ObjectPort, key: str = key) -> bool:
                client.delete(key)
                return client.stat(key) is None

            assert all(_race([lambda n=n: delete((port, second)[n % 2]) for n in range(6)]))

    # --- segments ----------------------------------------------------------------------

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

        def claim(client: ObjectPort, key: str, number: int) -> bool:
            try:
                handle = client.create_segment(key)
            except AlreadyExistsError:
                return False
            handle.append(b"%d" % number)
            handle.close()
            return True

        for round_number in range(10):
            key = f"race/{round_number}/s"
            won = _race(
                [
                    lambda n=n: claim((port, second)[n % 2], key, n)  # noqa: B023
                    for n in range(16)
                ]
            )
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

    def test_a_deleted_segment_stays_deleted(self, port: ObjectPort, second: ObjectPort) -> None:
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


class ReadOnlyConformance(PortReading):
    """The read half, and that every change is refused."""

    def test_every_change_is_refused(self, stored: ObjectPort) -> None:
        """With the way out in the message."""
        assert stored.read_only
        for change in (
            lambda: stored.put("a/b/c", b""),
            lambda: stored.put("new", b"", create=True),
            lambda: stored.put("a/b/c", b"", if_match="x"),
            lambda: stored.open_write("new"),
            lambda: stored.delete("a/b/c"),
            lambda: stored.delete("not-there"),
            lambda: stored.delete_tree("a"),
            lambda: stored.sync_tree(""),
            lambda: stored.create_segment("new"),
            lambda: stored.append_segment("a/e"),
        ):
            with pytest.raises(ReadOnlyError, match="unzip it first"):
                change()
        assert {key: stored.get(key) for key in stored.walk("")} == CONTENT


def _tag(port: ObjectPort, key: str) -> str:
    found = port.stat(key)
    assert found is not None, f"{key} is not there"
    return found.tag


def _race(actions: list[Callable[[], Any]]) -> list[Any]:
    """The answers of actions that start at once, each in its own thread."""
    barrier = threading.Barrier(len(actions))

    def run(action: Callable[[], Any]) -> Any:
        barrier.wait()
        return action()

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(run, actions))


# --- a port beside the reference ------------------------------------------------------

_KEYS = st.sampled_from(["a", "a/b", "a/c", "a/b/d", "ab", "ab/c", "e/f/g", ".h"])
_PREFIXES = st.sampled_from(["", "a", "a/", "a/b", "ab", "e", "e/f", "x"])
_DATA = st.binary(max_size=20)
_CLIENT = st.integers(0, 1)


def port_machine(
    make: Callable[[], tuple[ObjectPort, ObjectPort, Callable[[], None]]],
) -> type[RuleBasedStateMachine]:
    """A Hypothesis machine that does the same to a backend and to `MemoryPort`.

    make: gives two clients of one new, empty store, and what removes it.
    """

    class PortMachine(RuleBasedStateMachine):
        """Two clients interleaved; every answer and every error class compared."""

        @initialize()
        def start(self) -> None:
            first, second, self.discard = make()
            self.clients = (first, second)
            self.model = MemoryPort()
            self.tags: list[tuple[str, str, str]] = []  # key, the backend's, the model's
            self.handles: list[tuple[SegmentHandle, SegmentHandle]] = []

        def both(self, client: int, call: Callable[[ObjectPort], Any]) -> tuple[Any, Any]:
            ours, models = _outcome(call, self.clients[client]), _outcome(call, self.model)
            if isinstance(models, type) or isinstance(ours, type):
                assert ours == models
            return ours, models

        def same(self, client: int, call: Callable[[ObjectPort], Any]) -> None:
            ours, models = self.both(client, call)
            assert ours == models

        @rule(client=_CLIENT, key=_KEYS, data=_DATA, create=st.booleans())
        def put(self, client: int, key: str, data: bytes, create: bool) -> None:
            self.same(client, lambda port: port.put(key, data, create=create, durable=False))

        @rule(client=_CLIENT, key=_KEYS)
        def stat(self, client: int, key: str) -> None:
            ours, models = self.both(client, lambda port: port.stat(key))
            assert (ours is None) == (models is None)
            if ours is not None:
                assert ours.size == models.size
                self.tags.append((key, ours.tag, models.tag))

        @rule(client=_CLIENT, data=_DATA, which=st.integers(0, 1000))
        def swap(self, client: int, data: bytes, which: int) -> None:
            if self.tags:
                key, ours, models = self.tags[which % len(self.tags)]
                self.same(
                    client,
                    lambda port: port.put(
                        key,
                        data,
                        if_match=models if port is self.model else ours,
                        durable=False,
                    ),
                )

        @rule(client=_CLIENT, key=_KEYS, data=_DATA, close=st.booleans())
        def write_file(self, client: int, key: str, data: bytes, close: bool) -> None:
            def write(port: ObjectPort) -> None:
                with port.open_write(key) as file:
                    file.write(data)
                    if not close:
                        raise ConflictError("on purpose")

            self.same(client, write)

        @rule(client=_CLIENT, key=_KEYS, start=st.integers(0, 25), length=st.integers(0, 25))
        def get(self, client: int, key: str, start: int, length: int) -> None:
            self.same(client, lambda port: port.get(key, start, start + length))
            self.same(client, lambda port: port.read_segment(key, start))

        @rule(client=_CLIENT, key=_KEYS)
        def delete(self, client: int, key: str) -> None:
            self.same(client, lambda port: port.delete(key))

        @rule(client=_CLIENT, prefix=_PREFIXES)
        def delete_tree(self, client: int, prefix: str) -> None:
            self.same(client, lambda port: port.delete_tree(prefix))

        @rule(client=_CLIENT, key=_KEYS, create=st.booleans())
        def open_segment(self, client: int, key: str, create: bool) -> None:
            ours, models = self.both(
                client,
                lambda port: port.create_segment(key) if create else port.append_segment(key),
            )
            if not isinstance(ours, type):
                self.handles.append((ours, models))

        @rule(data=_DATA, which=st.integers(0, 1000), sync=st.booleans())
        def append(self, data: bytes, which: int, sync: bool) -> None:
            if self.handles:
                for handle in self.handles[which % len(self.handles)]:
                    handle.append(data)
                    if sync:
                        handle.sync()

        @rule(client=_CLIENT, prefix=_PREFIXES)
        def look(self, client: int, prefix: str) -> None:
            port = self.clients[client]
            names = sorted(port.list(prefix))
            full = [
                name
                for name in names
                if name[-1] != "/" or any(port.walk(_below(prefix, name)))
            ]
            assert full == self.model.list(prefix)
            assert sorted(port.walk(prefix)) == sorted(self.model.walk(prefix))

        @invariant()
        def equal(self) -> None:
            if hasattr(self, "model"):
                ours = {key: self.clients[0].get(key) for key in self.clients[1].walk("")}
                assert ours == {key: self.model.get(key) for key in self.model.walk("")}

        def teardown(self) -> None:
            if hasattr(self, "discard"):
                for ours, _ in self.handles:
                    ours.close()
                self.discard()

    PortMachine.TestCase.settings = settings(
        max_examples=60, stateful_step_count=40, deadline=None
    )
    return PortMachine


def _below(prefix: str, name: str) -> str:
    return f"{prefix.rstrip('/')}/{name}".lstrip("/")


def _outcome(call: Callable[[ObjectPort], Any], port: ObjectPort) -> Any:
    """The call's answer, or the class of its error."""
    try:
        return call(port)
    except JobStoreError as error:
        return type(error)


# --- ports that count or misbehave -----------------------------------------------------


class WrappedPort:
    """A port that does what another does; a subclass's `_call` comes in between.

    Calls on segments and files are calls too: `append`, `sync`, `close`; `publish` is
    the close of a file that makes it an object.
    """

    def __init__(self, inner: ObjectPort) -> None:
        self.inner = inner
        self.locator = inner.locator
        self.read_only = inner.read_only

    def _call(self, method: str, key: str, action: Callable[[], Any]) -> Any:
        raise NotImplementedError

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """As the inner port."""
        data: bytes = self._call("get", key, lambda: self.inner.get(key, start, stop))
        return data

    def put(
        self,
        key: str,
        data: bytes,
        *,
        create: bool = False,
        if_match: str | None = None,
        durable: bool = True,
    ) -> None:
        """As the inner port."""
        self._call(
            "put",
            key,
            lambda: self.inner.put(
                key, data, create=create, if_match=if_match, durable=durable
            ),
        )

    def open_write(self, key: str) -> BinaryIO:
        """As the inner port."""
        file = self._call("open_write", key, lambda: self.inner.open_write(key))
        return _WrappedFile(file, key, self._call)  # type: ignore[return-value]

    def stat(self, key: str) -> ObjectStat | None:
        """As the inner port."""
        found: ObjectStat | None = self._call("stat", key, lambda: self.inner.stat(key))
        return found

    def list(self, prefix: str) -> list[str]:
        """As the inner port."""
        names: list[str] = self._call("list", prefix, lambda: self.inner.list(prefix))
        return names

    def delete(self, key: str) -> None:
        """As the inner port."""
        self._call("delete", key, lambda: self.inner.delete(key))

    def delete_tree(self, prefix: str) -> None:
        """As the inner port."""
        self._call("delete_tree", prefix, lambda: self.inner.delete_tree(prefix))

    def sync_tree(self, prefix: str) -> None:
        """As the inner port."""
        self._call("sync_tree", prefix, lambda: self.inner.sync_tree(prefix))

    def create_segment(self, key: str) -> SegmentHandle:
        """As the inner port."""
        handle = self._call("create_segment", key, lambda: self.inner.create_segment(key))
        return _WrappedSegment(handle, key, self._call)

    def append_segment(self, key: str) -> SegmentHandle:
        """As the inner port."""
        handle = self._call("append_segment", key, lambda: self.inner.append_segment(key))
        return _WrappedSegment(handle, key, self._call)

    def read_segment(self, key: str, start: int = 0) -> bytes:
        """As the inner port."""
        data: bytes = self._call(
            "read_segment", key, lambda: self.inner.read_segment(key, start)
        )
        return data

    def path(self, key: str) -> str | None:
        """As the inner port; no call, since nothing is asked of the storage."""
        return self.inner.path(key)

    def walk(self, prefix: str) -> Iterator[str]:
        """As the inner port; one call."""
        keys: Iterator[str] = self._call("walk", prefix, lambda: self.inner.walk(prefix))
        return keys


class _WrappedSegment:
    def __init__(self, inner: SegmentHandle, key: str, call: Callable[..., Any]) -> None:
        self._inner = inner
        self._key = key
        self._call = call

    def append(self, data: bytes) -> None:
        self._call("append", self._key, lambda: self._inner.append(data))

    def sync(self) -> None:
        self._call("sync", self._key, self._inner.sync)

    def close(self) -> None:
        self._call("close", self._key, self._inner.close)


class _WrappedFile:
    def __init__(self, inner: BinaryIO, key: str, call: Callable[..., Any]) -> None:
        self._inner = inner
        self._key = key
        self._call = call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def close(self) -> None:
        if not self._inner.closed:
            self._call("publish", self._key, self._inner.close)

    def __enter__(self) -> _WrappedFile:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is not None:
            self._inner.__exit__(kind, error, trace)
            return
        try:
            self.close()
        except BaseException as failure:
            self._inner.__exit__(type(failure), failure, failure.__traceback__)
            raise


class CountingPort(WrappedPort):
    """Counts calls: `counts` by method, and `calls` as (method, key) in order."""

    def __init__(self, inner: ObjectPort) -> None:
        super().__init__(inner)
        self.calls: list[tuple[str, str]] = []

    @property
    def counts(self) -> Counter[str]:
        """Calls by method."""
        return Counter(method for method, _ in self.calls)

    def reset(self) -> None:
        """Begin again at nothing."""
        self.calls.clear()

    def _call(self, method: str, key: str, action: Callable[[], Any]) -> Any:
        self.calls.append((method, key))
        return action()


class KilledError(BaseException):
    """The process that used a `FaultyPort` is dead: no handler for errors runs."""


class FaultyPort(CountingPort):
    """A port one call of which goes wrong.

    faults: by number of the call, from 1:
        "fail": nothing is done, `error` is raised.
        "lose": it is done, `error` is raised: the answer was lost.
        "kill": nothing is done, here and from here on: `KilledError`.
        "kill after": it is done, then as "kill".
        a function: it is called first, for instance to wait, or to let another
            client do something.
    only: methods whose calls are counted; empty: all.
    """

    def __init__(
        self,
        inner: ObjectPort,
        faults: Mapping[int, str | Callable[[], object]],
        *,
        only: tuple[str, ...] = (),
        error: Exception | None = None,
    ) -> None:
        super().__init__(inner)
        self._faults = faults
        self._only = only
        self._error = error or TransientError("a fault on purpose")
        self._dead = False

    def _call(self, method: str, key: str, action: Callable[[], Any]) -> Any:
        if self._dead:
            raise KilledError
        if self._only and method not in self._only:
            return action()
        self.calls.append((method, key))
        fault = self._faults.get(len(self.calls))
        if fault is None:
            return action()
        if not isinstance(fault, str):
            fault()
            return action()
        self._dead = fault.startswith("kill")
        if fault in ("lose", "kill after"):
            action()
        elif fault not in ("fail", "kill"):
            raise ValueError(f"no such fault: {fault!r}")
        raise KilledError if self._dead else self._error
