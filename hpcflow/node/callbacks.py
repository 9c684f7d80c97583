"""Callbacks: what users' own scripts say of their runs, and how the item hears it.

Each `hpcflow callback` is a process of its own. It finds the item's attempt by the
HPCFLOW_* variables that every run has, writes one record into a segment of its own
beside the item's (a side segment), and marks the run's log, so that the item looks
for side segments after just those runs.
"""

from __future__ import annotations

import json
import os
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Dict, List, Set

from hpcflow.node import log
from hpcflow.node.outputs import fitted, shortened
from jobstores import values
from jobstores.decisions import Item
from jobstores.errors import AlreadyExistsError, JobStoreError
from jobstores.linked import open_records
from jobstores.references import put_reference
from jobstores.segments import SegmentWriter, directory_prefix, read_segment, segment_key

if TYPE_CHECKING:
    from jobstores.port import ObjectPort, SegmentHandle
    from jobstores.records import Record

USAGE = """\
usage: hpcflow callback set NAME VALUE | set NAME --json TEXT
       hpcflow callback start [RUN] | end [RUN] --exit N | skip [RUN] --why TEXT
A VALUE is text. RUN is the current run where it is left out.
"""
EX_USAGE = 64
EX_UNAVAILABLE = 69


class _UsageError(Exception):
    """The command line is not understood."""


def main(arguments: List[str]) -> int:
    """Write what the command line says; returns the exit status."""
    if arguments[:1] in (["--help"], ["-h"]):
        sys.stdout.write(USAGE)
        return 0
    try:
        record = parse(arguments, os.environ)
        _write(record, os.environ)
    except _UsageError as error:
        sys.stderr.write(f"hpcflow callback: {error}\n{USAGE}")
        return EX_USAGE
    except (JobStoreError, OSError) as error:
        sys.stderr.write(f"hpcflow callback: nothing was recorded: {error}\n")
        return EX_UNAVAILABLE
    return 0


def parse(arguments: List[str], environment: Any) -> Record:
    """The record that a command line asks for, but for its time.

    Raises:
        _UsageError: it is not understood.
        UnstorableError: the value can't be stored.
    """
    words = list(arguments)
    if not words:
        raise _UsageError("what is to be recorded?")
    verb = words.pop(0)
    if verb == "set":
        return _set(words, environment)
    options = {"end": "--exit", "skip": "--why", "start": ""}
    if verb not in options:
        raise _UsageError(f"{verb!r} is not known")
    given = _option(words, options[verb]) if options[verb] else None
    record: Record = {"t": verb, "run": _run(words, environment)}
    if verb == "end":
        record["exit"] = _integer(given or "", "--exit")
    elif verb == "skip":
        record["why"] = shortened(given or "")
    return record


def _set(words: List[str], environment: Any) -> Record:
    as_json = "--json" in words
    if as_json:
        words.remove("--json")
    if len(words) != 2:
        raise _UsageError("set expects NAME VALUE or NAME --json TEXT")
    name, text = words
    value: Any = text
    if as_json:
        try:
            value = json.loads(text)
        except ValueError as error:
            raise _UsageError(f"{text[:80]!r} is not JSON: {error}") from None
    run = _run([], environment)
    return {"t": "set", "run": run, "name": name, "value": values.encode(value, name)}


def _option(words: List[str], name: str) -> str:
    try:
        place = words.index(name)
        words.pop(place)
        return words.pop(place)
    except (ValueError, IndexError):
        raise _UsageError(f"{name} is missing, or its value") from None


def _run(words: List[str], environment: Any) -> int:
    if len(words) > 1:
        raise _UsageError(f"{words[1]!r} was not expected")
    text = words[0] if words else environment.get("HPCFLOW_RUN_ID", "")
    return _integer(text, "RUN (or HPCFLOW_RUN_ID)")


def _integer(text: str, what: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise _UsageError(f"{what}: expected a whole number, found {text!r}") from None


def _write(record: Record, environment: Any) -> None:
    where: Dict[str, int] = {
        name: _integer(environment.get(f"HPCFLOW_{name}", ""), f"HPCFLOW_{name}")
        for name in ("SUB_IDX", "JS_IDX", "ITEM_IDX", "ATTEMPT")
    }
    port = open_records(environment.get("HPCFLOW_WK_PATH", ""), environment)
    item = Item(where["SUB_IDX"], where["JS_IDX"], where["ITEM_IDX"])
    attempt = where["ATTEMPT"]
    handle, number = _new_segment(port, _side_prefix(item, attempt))
    record["at"] = time.time_ns() // 1000
    if record["t"] == "set":
        name = record["name"]
        prefix = f"values/{item.submission}/{item.job}/{item.item}.{attempt}/side.{number}"
        put = partial(put_reference, port)
        record["value"] = fitted({name: record["value"]}, prefix, record["run"], put)[name]
    writer = SegmentWriter(handle)
    writer.append(record)
    writer.sync()
    writer.close()
    log.mark(environment.get("HPCFLOW_RUN_STD_PATH", ""))


def _new_segment(port: ObjectPort, prefix: str) -> tuple[SegmentHandle, int]:
    while True:
        number = time.time_ns()
        try:
            return port.create_segment(f"{prefix}{number}"), number
        except AlreadyExistsError:
            continue


# --- how the item hears of it -----------------------------------------------------------


def _side_prefix(item: Item, attempt: int) -> str:
    """What the keys of an attempt's side segments begin with; a number follows."""
    return f"{segment_key(*item, attempt)}.side."


class Said:
    """What the callbacks of one run add up to. skip: why; exit: the status to go by."""

    def __init__(self, records: List[Record]) -> None:
        self.values: Dict[str, Any] = {}
        self.skip: str | None = None
        self.exit: int | None = None
        for record in records:
            if record["t"] == "set":
                self.values[record["name"]] = record["value"]
            elif record["t"] == "skip":
                self.skip = record["why"]
            elif record["t"] == "end":
                self.exit = record["exit"]


class SideRecords:
    """The records of an attempt's side segments, each segment read once."""

    def __init__(self, port: ObjectPort, item: Item, attempt: int) -> None:
        self._port = port
        self._directory = directory_prefix(*item)
        self._begin = _side_prefix(item, attempt).rpartition("/")[2]
        self._read: Set[str] = set()
        self._records: Dict[int, List[Record]] = {}

    def of(self, run: int) -> Said:
        """What was said of a run.

        Raises:
            JobStoreError: the storage does not answer.
        """
        for name in self._port.list(self._directory):
            if not name.startswith(self._begin) or name in self._read:
                continue
            for record in read_segment(self._port, f"{self._directory}/{name}").records:
                self._records.setdefault(record["run"], []).append(record)
                self._read.add(name)  # else its callback, of another run, is yet to write
        records = self._records.get(run, [])
        return Said(sorted(records, key=lambda record: int(record["at"])))
