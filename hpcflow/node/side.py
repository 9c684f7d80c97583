"""Side segments: what users' own scripts said of a run by `hpcflow callback`.

Each callback is a process of its own and writes a segment of its own, beside the
item's. The item reads them only when a run ended without all of its outputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, Set

from jobstores.errors import JobStoreError
from jobstores.segments import directory_prefix, read_segment, segment_key

if TYPE_CHECKING:
    from jobstores.decisions import Item
    from jobstores.port import ObjectPort
    from jobstores.records import Record


def side_prefix(item: Item, attempt: int) -> str:
    """What the keys of an attempt's side segments begin with; a number follows."""
    return f"{segment_key(*item, attempt)}.side."


class SideRecords:
    """The records of an attempt's side segments, each segment read once."""

    def __init__(self, port: ObjectPort, item: Item, attempt: int) -> None:
        self._port = port
        self._directory = directory_prefix(*item)
        self._begin = side_prefix(item, attempt).rpartition("/")[2]
        self._read: Set[str] = set()
        self._records: Dict[int, List[Record]] = {}

    def of(self, run: int) -> List[Record]:
        """What was said of a run, the earliest first."""
        new = [
            name
            for name in self._port.list(self._directory)
            if name.startswith(self._begin) and name not in self._read
        ]
        for name in new:
            for record in read_segment(self._port, f"{self._directory}/{name}").records:
                self._records.setdefault(record["run"], []).append(record)
            self._read.add(name)
        return sorted(self._records.pop(run, []), key=lambda record: int(record["at"]))


class Said:
    """What the side records of one run add up to."""

    def __init__(self, records: List[Record]) -> None:
        self.values: Dict[str, Any] = {}
        self.skip = ""
        self.exit: int | None = None
        for record in records:
            if record["t"] == "set":
                self.values[record["name"]] = record["value"]
            elif record["t"] == "skip":
                self.skip = record["why"]
            elif record["t"] == "end":
                self.exit = record["exit"]


def said_of(sides: SideRecords, run: int) -> Said:
    """What was said of a run; nothing where the storage does not answer."""
    try:
        return Said(sides.of(run))
    except JobStoreError:
        return Said([])
