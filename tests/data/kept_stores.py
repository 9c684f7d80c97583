"""Makes the stores in `format_1/`, which every later version has to read.

    python -m tests.data.kept_stores zarr file aws s3

They are made once for each format of stores, and again only where the format grew before
it was released. What is in them is said below, in plain Python. `s3` needs a server, as
tests of that mark do.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import pathlib
import re
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from jobstores.attempts import Item, start
from jobstores.backends.zip import write_zip
from jobstores.columns import write_columns
from jobstores.generations import IdRange
from jobstores.object_values import Dilled
from jobstores.open import open_port
from jobstores.references import put_reference
from jobstores.values import encode
from jobstores.workflow_store import WorkflowStore
from tests.data import kept_services
from tests.jobstores import aws_stores, s3_scenes
from tests.jobstores.simpledb_fake import serving

if TYPE_CHECKING:
    from collections.abc import Collection

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "format_1")


class Point:
    """Says how it is stored."""

    def __init__(self, x: float, y: float) -> None:
        self.x = x
        self.y = y

    def __to_store__(self) -> Any:
        return [self.x, self.y]

    @classmethod
    def __from_store__(cls, value: Any) -> Point:
        return cls(*value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((self.x, self.y))

    def __repr__(self) -> str:
        return f"Point({self.x}, {self.y})"


ZONE = dt.timezone(dt.timedelta(hours=2), "here")
VALUES: list[Any] = [
    None, True, -5, 2**5000, 1.5, -0.0, float("inf"), 2 - 1j, "ü\n\U0001f600", "\udc80",
    b"\0\xff", bytearray(b"x"), [1, [2]], (1, ()), {1, "a"}, frozenset({(1,)}),
    {"a": {"b": None}}, {1: 2, (3,): 4}, {"$int": 1}, dt.date(2026, 1, 2),
    dt.datetime(2026, 1, 2, 3, 4, 5, 6), dt.datetime(2026, 1, 2, tzinfo=ZONE),
    dt.time(1, 2, tzinfo=dt.UTC), dt.timedelta(-1, 2, 3), pathlib.PurePosixPath("/a b"),
    pathlib.PureWindowsPath("c:\\x"), np.float32(0.1), np.datetime64("2026-01-02", "D"),
    np.str_("a"), np.arange(6, dtype=">i2").reshape(2, 3), np.array(2.5), np.zeros((0, 2)),
    np.asfortranarray([[1.0, 2.0], [3.0, 4.0]]), np.array(["a", "bc"]),
    np.array([(1, 2.5, "x")], dtype=[("a", "<i4"), ("b", ">f8"), ("c", "U3")]),
    np.zeros(1, dtype=[("a", "i4"), ("b", "f8")])[["b", "a"]],
    np.array(["", "ü"], dtype=np.dtypes.StringDType()),
    np.ma.masked_array([1.0, 2.0], mask=[0, 1], fill_value=9.0), re.IGNORECASE,
    Point(1, 2.5), Dilled.of_bytes(b"\x80\x04K\x01."),
]  # fmt: skip
STRINGS = ["", "ü", "two\nlines", "a\0b", 'a "quoted" text', "x" * 300]
TABLES: dict[str, dict[str, tuple[str, Any]]] = {
    "inputs/plain": {
        "i": ("int", [0, -1, 2**63 - 1, -(2**63), 7, 8]),
        "f": ("float", [0.1, -0.0, float("inf"), float("-inf"), float("nan"), 5e-324]),
        "b": ("bool", [True, False, True, True, False, False]),
        "s": ("string", STRINGS),
    },
    "inputs/values": {"v": ("json", VALUES)},
    "inputs/none": {"i": ("int", []), "s": ("string", [])},
    "inputs/a name/of another kind": {"x": ("int", [5])},
}
DOCUMENTS = {"model": b'{"tasks": []}', "empty": b"", "binary": bytes(range(256))}
INFO = {"name": "kept", "submissions": []}
RANGES = (IdRange("0", 0, 10, ("y",)), IdRange("1", 10, 5, ()))
LARGE = ["a large value"] * 50
REFERENCE = "values/0/1/0.0/5.y"
ROWS = {
    0: {"state": 3, "exit": 0, "why": "", "memory": 4096, "user": 0.5},
    1: {"state": 4, "exit": 9, "why": "exit 9: ü", "memory": -1, "user": None},
    2: {"state": 5, "exit": -1, "why": "rule", "memory": -1, "user": None},
}
OUTPUTS = {0: 1.5, 1: None}
CHUNKED = list(range(250))
CHUNKED_KEY = "gen/chunked"


def _play(store: WorkflowStore, item: Item, records: list[dict[str, Any]]) -> None:
    attempt = start(
        store.port,
        item,
        {"at": 1},
        silence_s=1.0,
        monotonic=time.monotonic,
        sleep=time.sleep,
    )
    for record in records:
        attempt.writer.append(record)
    attempt.writer.sync()


def make(port: Any) -> WorkflowStore:
    """A store with a folded and packed job, and one that is running."""
    store = WorkflowStore.create(
        port, info=INFO, documents=DOCUMENTS, tables=TABLES, ranges=RANGES
    )
    with store.lease() as lease:
        store.commit(lease, store.base(), jobs={(0, 0): 1, (0, 1): 1})
    full = {"exit": 0, "mem": 4096, "user": 0.5, "sys": 0.25, "log": [0, 1, 2]}
    _play(
        store,
        Item(0, 0, 0),
        [
            {"t": "end", "run": 0, "start": 1, "at": 2, "ok": True, "out": {"y": 1.5},
             **full},
            {"t": "end", "run": 1, "start": 1, "at": 3, "ok": False, "exit": 9,
             "why": "exit 9: ü", "out": {"y": None}},
            {"t": "skip", "run": 2, "at": 4, "why": "rule"},
            {"t": "close", "at": 9, "why": "done"},
        ],
    )  # fmt: skip
    with store.lease() as lease:
        store.fold(lease)
    large = put_reference(store.port, REFERENCE, encode(LARGE))
    _play(
        store,
        Item(0, 1, 0),
        [
            {"t": "start", "run": 5, "at": 50},
            {"t": "end", "run": 5, "start": 50, "at": 60, "ok": True, "out": {"y": large}},
            {"t": "start", "run": 6, "at": 61},
        ],
    )
    write_columns(
        store.port, CHUNKED_KEY, {"x": ("int", CHUNKED)}, chunk_rows=100
    )  # no generation names it: tables of this size have one chunk
    return store


def is_segment(key: str) -> bool:
    """Whether a key of a kept store is a segment, not an object."""
    return key.startswith(("segments/", "lease/"))


def load(port: Any, folder: str) -> None:
    """Put what is in a kept store's folder into any storage, by its port."""
    source = open_port(folder)
    for key in sorted(source.walk("")):
        data = source.get(key)
        if is_segment(key):
            handle = port.create_segment(key)
            handle.append(data)
            handle.sync()
            handle.close()
        else:
            port.put(key, data)


def main(names: Collection[str]) -> None:
    """Make some of them anew."""
    for name in names:
        target = f"{FOLDER}/{name}"
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(target)
        if name == "zarr":
            zarr = make(open_port(f"zarr:{target}"))
            write_zip(zarr.port, f"{FOLDER}/store.zip")
        elif name == "file":
            make(open_port(f"file:{target}"))
        elif name == "aws":
            with serving() as fake:
                port = aws_stores.new_port(fake)
                make(port)
                kept_services.dump_domain(port, fake, target)
        elif name == "s3":
            bucket = s3_scenes.port()
            make(bucket)
            kept_services.dump_bucket(bucket, target)
            bucket.delete_tree("")
        else:
            raise SystemExit(f"zarr, file, aws, s3 are known, not {name}")


if __name__ == "__main__":
    from tests.data.kept_stores import main as make_all  # classes by their own name

    make_all(sys.argv[1:])
