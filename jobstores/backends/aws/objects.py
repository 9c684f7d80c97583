"""The items of a store's domain: each change is one conditional update of one item.

Blobs are written before an item points to them, and removed once none does. A write
whose answer was lost is looked up: versions name the writes before them, so it shows
whether it was done, also when others have written since.

Standard library only, Python 3.9: this runs on compute nodes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, List, Optional, Tuple

from jobstores.backends.aws.items import (
    HEAD,
    VERSION,
    Head,
    Item,
    Part,
    Values,
    decode,
    decode_head,
    encode,
    has_parts,
    new_name,
    next_version,
    was_done,
)
from jobstores.backends.aws.simpledb import ConditionError, NoDomainError
from jobstores.errors import (
    AlreadyExistsError,
    ConflictError,
    TransientError,
    UnavailableError,
)
from jobstores.keys import check_key

if TYPE_CHECKING:
    from jobstores.backends.aws.content import Contents
    from jobstores.backends.aws.domain import Domain
    from jobstores.backends.aws.simpledb_answers import Attributes

Parts = Tuple[Part, ...]


class UnsureError(TransientError):
    """An answer was lost, and others have written since: it may have been done."""

    kind = "unsure"


class Items:
    """Objects and segments by key.

    locator: what error messages call the store.
    """

    def __init__(self, domain: Domain, contents: Contents, locator: str) -> None:
        self.contents = contents
        self._domain = domain
        self._simpledb = domain.simpledb
        self._locator = locator

    def place(self, key: str) -> str:
        """What error messages call a key."""
        return f"{self._locator}: {key}"

    def now(self) -> float:
        """The time by the service's clock (Unix seconds)."""
        return self._simpledb.server_time()

    def get(self, key: str) -> Optional[Item]:
        """The item of a key; None where there is none."""
        found = self._attributes(key, ())
        return decode(found, self.contents.checker, self.place(key))

    def head(self, key: str) -> Optional[Head]:
        """Version, size and time of a key's item; None where there is none."""
        return decode_head(self._attributes(key, (VERSION, HEAD)), self.place(key))

    def below(self, prefix: str) -> Tuple[List[str], List[Part]]:
        """The keys below a prefix, and all their parts."""
        names, with_parts = [], []
        for name, held in self._domain.versions(prefix, VERSION):
            names.append(name)
            if has_parts(held.get(VERSION, [""])[0]):
                with_parts.append(name)
        parts: List[Part] = []
        for name, held in self._domain.found(with_parts):
            item = decode(held, self.contents.checker, self.place(name))
            parts += item.parts if item is not None else ()
        return names, parts

    def create(self, key: str, parts: Parts, tail: bytes) -> Item:
        """Let content be the object, where there is none.

        Raises:
            AlreadyExistsError: there is one.
        """
        name = new_name()
        version = next_version(name, None, has_parts=bool(parts))
        item = Item(version, name, self.now(), parts, tail)
        try:
            self.follow(key, item, None)
        except ConditionError as error:
            raise AlreadyExistsError(f"{self.place(key)}: there is one already") from error
        except NoDomainError as error:
            raise UnavailableError(
                f"{self.place(key)}: the store's domain {self._domain.name} is gone:"
                " somebody removed the store"
            ) from error
        return item

    def swap(self, key: str, parts: Parts, tail: bytes, version: str) -> str:
        """Let content be the object in place of that version; the new version.

        Raises:
            ConflictError: there is another, or none.
        """
        old: Parts = ()
        is_there = self._domain.ready()
        if is_there and has_parts(version):
            found, old = self._version_and_parts(key)
            is_there = found == version
        after = self._replaced(key, parts, tail, version, old) if is_there else None
        if after is None:
            raise ConflictError(f"{self.place(key)}: it was changed since it was read")
        return after

    def set(self, key: str, parts: Parts, tail: bytes) -> None:
        """Let content be the object in place of any."""
        version: Optional[str] = None
        old: Parts = ()
        while True:
            if version is not None and self._replaced(key, parts, tail, version, old):
                return
            if version is None:
                try:
                    self.create(key, parts, tail)
                except AlreadyExistsError:
                    pass  # what is there is replaced
                else:
                    return
            version, old = self._version_and_parts(key)

    def follow(self, key: str, item: Item, after: Optional[Item]) -> None:
        """Let an item follow what there is known to be (None: nothing), or refuse.

        Raises:
            ConditionError: there is something else, and this was not done.
            NoDomainError: the store is gone.
            UnsureError: there is something else, and whether this was done can't be told.
        """
        values = encode(item, self.contents.checker, since=after)
        expected = None if after is None else after.version
        self._write(key, item.version, values, expected)

    def remove(self, key: str) -> None:
        """Remove an item and its blobs; none there is no error."""
        check_key(key)
        while self._domain.ready():
            version, parts = self._version_and_parts(key)
            if version is None:
                return
            try:
                self._simpledb.delete(self._domain.name, key, (VERSION, version))
            except ConditionError:
                continue  # gone, or replaced
            except NoDomainError:
                return
            self.contents.remove(parts)
            return

    def _replaced(
        self, key: str, parts: Parts, tail: bytes, version: str, old: Parts
    ) -> Optional[str]:
        """The new version once content has taken the place of that one, whose parts go.

        None: there was another, or none.
        """
        name = new_name()
        after = next_version(name, version, has_parts=bool(parts))
        item = Item(after, name, self.now(), parts, tail)
        try:
            self._write(key, after, encode(item, self.contents.checker), version)
        except (ConditionError, NoDomainError):
            return None
        self.contents.remove(old)
        return after

    def _write(
        self, key: str, version: str, values: Values, expected: Optional[str]
    ) -> None:
        try:
            self._simpledb.put(self._domain.name, key, values, (VERSION, expected))
        except ConditionError as error:
            if not error.unsure:
                raise
            current, _ = self._version_and_parts(key)
            done = was_done(version, expected, current)
            if done is None:
                raise UnsureError(
                    f"{self.place(key)}: an answer was lost, and it has changed since:"
                    " whether it was written can't be told"
                ) from error
            if not done:
                raise

    def _version_and_parts(self, key: str) -> Tuple[Optional[str], Parts]:
        """What there is now; the parts are asked for only where there are some."""
        version = self._attributes(key, (VERSION,)).get(VERSION, [None])[0]
        if version is None or not has_parts(version):
            return version, ()
        item = self.get(key)
        return (None, ()) if item is None else (item.version, item.parts)

    def _attributes(self, key: str, names: Tuple[str, ...]) -> Attributes:
        """Those of an item; empty where there is none, or no store."""
        check_key(key)
        found = self._domain.read_with_marker(key)
        if found is not None:
            return found
        if not self._domain.ready():
            return {}
        try:
            return self._simpledb.get(self._domain.name, key, names)
        except NoDomainError:
            return {}
