"""Open segments: each append is one conditional update of the segment's item.

The handle remembers what the item holds, so that an append asks for nothing. Where that
was wrong (another handle appended, an answer was lost), it looks and goes on behind what
is there. Of a segment that was deleted or replaced nothing comes back.

Standard library only, Python 3.9: this runs on compute nodes.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Optional

from jobstores.backends.aws.items import Item, new_name, next_version
from jobstores.backends.aws.objects import UnsureError
from jobstores.backends.aws.simpledb import ConditionError, NoDomainError
from jobstores.errors import CorruptError, NotFoundError

if TYPE_CHECKING:
    from jobstores.backends.aws.objects import Items


class AwsSegment:
    """An open segment. An append is durable and visible when it returns."""

    def __init__(self, items: Items, key: str, item: Item) -> None:
        self._items = items
        self._key = key
        self._born = item.born
        self._item: Optional[Item] = item  # None: deleted or replaced
        self._lock = threading.Lock()

    def append(self, data: bytes) -> None:
        """Append `data` whole, in order after all earlier appends."""
        with self._lock:
            while self._item is not None:
                before = self._item
                try:
                    self._item = self._appended(before, data)
                except ConditionError:
                    self._look()
                except NoDomainError:
                    self._item = None
                except UnsureError:
                    self._look()
                    if self._item is not None:
                        raise
                except NotFoundError as error:  # of a part that others have replaced
                    self._look()
                    if self._item == before:
                        place = self._items.place(self._key)
                        raise CorruptError(f"{place}: a part is lost: {error}") from error
                else:
                    return

    def sync(self) -> None:
        """Nothing: what was appended is durable."""

    def close(self) -> None:
        """Nothing to close."""

    def _appended(self, item: Item, data: bytes) -> Item:
        contents = self._items.contents
        parts, tail = contents.extend(item, data)
        version = next_version(new_name(), item.version, has_parts=bool(parts))
        after = Item(version, item.born, self._items.now(), parts, tail)
        try:
            self._items.follow(self._key, after, item)
        except ConditionError:
            contents.remove(set(parts) - set(item.parts))
            raise
        contents.remove(set(item.parts) - set(parts))
        return after

    def _look(self) -> None:
        found = self._items.get(self._key)
        self._item = found if found is not None and found.born == self._born else None
