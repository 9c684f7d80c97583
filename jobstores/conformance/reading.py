"""The read half of the conformance suite, and what a read-only backend adds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobstores.errors import InvalidKeyError, NotFoundError, ReadOnlyError
from jobstores.keys import MAX_PART

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jobstores.port import ObjectPort

BAD_KEYS = (
    "", "/", "a/", "/a", "a//b", ".", "..", "a/../b", "a/.", "a b", "a\\b", "a\n", "ä",
    "a~b", "a:b", "a*", "a\0b", "x" * (MAX_PART + 1), "/".join(["x" * 200] * 5),
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
        ("start", "stop"),
        [(0, 4), (3, 7), (3, None), (8, 99), (10, None), (99, None), (4, 4)],
    )
    def test_get_gives_a_range(
        self, stored: ObjectPort, start: int, stop: int | None
    ) -> None:
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
        below = [
            key for key in CONTENT if key.startswith(prefix.rstrip("/") + "/") or not prefix
        ]
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
