"""A store's domain: who it belongs to, its making and end, and the names in it.

The item `~store` marks a domain as a store of ours; no key begins with `~`. It holds the
layout's number, when it was made, and whether contents are encrypted.

Standard library only, Python 3.9: this runs on compute nodes.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Callable, Iterator, List, Optional, Tuple

from jobstores.backends.aws.items import new_name
from jobstores.backends.aws.simpledb import (
    MAX_BATCH,
    MAX_COMPARED,
    MAX_SELECTED,
    ConditionError,
    NoDomainError,
    quoted_name,
    quoted_value,
)
from jobstores.errors import CorruptError, UnavailableError, UnsupportedError

if TYPE_CHECKING:
    from jobstores.backends.aws.simpledb import SimpleDb
    from jobstores.backends.aws.simpledb_answers import Attributes

LAYOUT = "1"
MARKER = "~store"
_AFTER_KEYS = "~"  # sorts after every key
_NEW_DOMAIN_S = 60.0  # how long the service may take until a new domain can be used


class Domain:
    """The domain that holds a store's items.

    secret: what contents are encrypted with, or None.
    prepare: makes what the store needs besides, before the domain is marked.
    """

    def __init__(
        self,
        simpledb: SimpleDb,
        name: str,
        secret: Optional[bytes] = None,
        prepare: Optional[Callable[[], None]] = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.simpledb = simpledb
        self.name = name
        self._secret = secret
        self._prepare = prepare
        self._sleep = sleep
        self._known = False  # the marker was seen, and fits

    def ready(self) -> bool:
        """Whether the store is there and ours to use; asked once.

        Raises:
            UnsupportedError: it is of a newer layout, or of something else, or is
                encrypted with another key.
        """
        if not self._known:
            try:
                found = self.simpledb.get(self.name, MARKER)
            except NoDomainError:
                return False
            if not found:
                self._check_empty()
                return False
            self._check(found)
            self._known = True
        return True

    def read_with_marker(self, name: str) -> Optional[Attributes]:
        """All attributes of an item, asked for together with the store's marker.

        So a process that makes few requests is spared one. None: the marker is known
        already, or is not there, which `ready` looks into.

        Raises:
            UnsupportedError: as `ready`.
        """
        if self._known:
            return None
        found = dict(self.found([MARKER, name]))
        if MARKER not in found:
            return None
        self._check(found[MARKER])
        self._known = True
        return found.get(name, {})

    def make(self) -> None:
        """Make the domain and mark it as a store; one that is there stays.

        Raises:
            UnsupportedError: as `ready`.
        """
        if self.ready():
            return
        if self._prepare is not None:
            self._prepare()
        self.simpledb.create_domain(self.name)
        self._settle(self._mark)
        if not self.ready():
            raise UnavailableError(f"{self.name}: the domain was made, and has gone again")

    def destroy(self) -> None:
        """Remove the domain with all items; none there is no error."""
        self.simpledb.delete_domain(self.name)
        self._known = False

    def for_writing(self) -> None:
        """Make the domain if this is the store's first write."""
        if not self._known and not self.ready():
            self.make()

    def names(self, prefix: str, *, level: bool = False) -> Iterator[str]:
        """Names of items below a prefix (a path), sorted.

        level: of each deeper level only what the pages happen to hold; the rest of it is
            jumped over.
        """
        low, high = (f"{prefix}/", f"{prefix}0") if prefix else ("", _AFTER_KEYS)
        start, depth, token = low, len(low), None
        while True:
            try:
                page = self.simpledb.select(self._range("itemName()", start, high), token)
            except NoDomainError:
                return
            token = page.token
            for name, _ in page.items:
                yield name
            if token is None:
                return
            if page.items:
                start, token = page.items[-1][0], None
                slash = start.find("/", depth)
                if level and slash >= 0:
                    start = start[: slash + 1] + _AFTER_KEYS

    def found(self, names: List[str]) -> Iterator[Tuple[str, Attributes]]:
        """All attributes of the items of those names that are there."""
        for first in range(0, len(names), MAX_COMPARED):
            wanted = ", ".join(map(quoted_value, names[first : first + MAX_COMPARED]))
            yield from self._all(
                self._select("*", f"where itemName() in ({wanted}) limit {MAX_SELECTED}")
            )

    def versions(self, prefix: str, attribute: str) -> Iterator[Tuple[str, Attributes]]:
        """The items below a prefix with one attribute of each."""
        low, high = (f"{prefix}/", f"{prefix}0") if prefix else ("", _AFTER_KEYS)
        return self._all(self._range(quoted_name(attribute), low, high))

    def remove(self, names: List[str]) -> None:
        """Remove items, whatever they hold by then."""
        for first in range(0, len(names), MAX_BATCH):
            self.simpledb.delete_items(self.name, names[first : first + MAX_BATCH])

    def _all(self, expression: str) -> Iterator[Tuple[str, Attributes]]:
        token = None
        while True:
            try:
                page = self.simpledb.select(expression, token)
            except NoDomainError:
                return
            yield from page.items
            token = page.token
            if token is None:
                return

    def _range(self, what: str, low: str, high: str) -> str:
        return self._select(
            what,
            f"where itemName() > {quoted_value(low)} and itemName() < {quoted_value(high)}"
            f" order by itemName() limit {MAX_SELECTED}",
        )

    def _select(self, what: str, rest: str) -> str:
        return f"select {what} from {quoted_name(self.name)} {rest}"  # noqa: S608 - quoted

    def _settle(self, action: Callable[[], Any]) -> None:
        """Do it once the service knows the new domain everywhere."""
        waited, pause_s = 0.0, 0.1
        while True:
            try:
                action()
            except NoDomainError:
                if waited >= _NEW_DOMAIN_S:
                    raise
            else:
                return
            self._sleep(pause_s)
            waited += pause_s
            pause_s = min(2 * pause_s, 5.0)

    def _mark(self) -> None:
        self._check_empty()
        salt = new_name()
        values = [
            ("layout", LAYOUT),
            ("made", f"{self.simpledb.server_time():.0f}"),
            ("encrypted", f"{salt} {self._key_id(salt)}" if self._secret else "no"),
        ]
        try:  # noqa: SIM105 (contextlib would be one more import on a compute node)
            self.simpledb.put(self.name, MARKER, values, ("layout", None))
        except ConditionError:
            pass  # somebody else was quicker, or our own first try

    def _check_empty(self) -> None:
        """Raise, where a domain without our marker holds something."""
        page = self.simpledb.select(self._select("itemName()", "limit 1"))
        names = [name for name, _ in page.items if name != MARKER]
        if names and not self.simpledb.get(self.name, MARKER):  # nor since then
            raise UnsupportedError(
                f"the domain {self.name} holds items ({names[0]!r}) and no {MARKER}: it is"
                " not a store of this kind, perhaps one that another program made: choose"
                " another name"
            )

    def _check(self, marker: Attributes) -> None:
        layout, encrypted = (marker.get(n, [""])[0] for n in ("layout", "encrypted"))
        if layout != LAYOUT:
            raise UnsupportedError(
                f"{self.name}: the store has layout {layout!r}, and {LAYOUT} is known here:"
                " use a newer version"
            )
        if encrypted == "no":
            if self._secret:
                raise UnsupportedError(
                    f"{self.name}: the store is not encrypted, and a key is set: unset it,"
                    " or make another store"
                )
            return
        salt, _, key_id = encrypted.partition(" ")
        if not key_id:
            raise CorruptError(f"{self.name}: {MARKER} can't be read: {marker}")
        if not self._secret:
            raise UnsupportedError(f"{self.name}: the store is encrypted: set its key")
        if self._key_id(salt) != key_id:
            raise UnsupportedError(
                f"{self.name}: the store is encrypted with another key than the one set"
            )

    def _key_id(self, salt: str) -> str:
        """What tells keys apart, and says nothing of them."""
        import hmac

        found = hmac.new(self._secret or b"", f"store {salt}".encode(), "sha256")
        return found.hexdigest()[:16]
