"""A job item's process as the node side has it: it records events, and nothing else.

    PYTHON -I -S event_writer.py PROJECT PLAN WRITER TELL...

PLAN is the file of `tests.campaigns.events.Plan`. The writer takes up its items one
after the other, each as the item's next attempt, and skips the runs that an earlier
attempt recorded. After every append that returned, the file `acknowledged/WRITER`
says how many of its runs are recorded. To standard output goes a line when as many as
one of TELL are; to the descriptor NOTIFY, if the plan has one, a byte for every item.

Standard library only.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import time
from typing import Any

COUNT = struct.Struct("<Q")


def main(project: str, plan_file: str, number: str, *tell: str) -> int:
    """Record all events of one writer; 3: something acknowledged was missing."""
    sys.path.insert(0, project)
    from jobstores.open import open_port

    with open(plan_file, encoding="ascii") as stream:
        plan = json.load(stream)
    port = open_port(plan["locator"])
    place = os.path.join(plan["acknowledged"], number)
    acknowledged = os.open(place, os.O_RDWR | os.O_CREAT)
    done = os.pread(acknowledged, COUNT.size, 0)
    known = COUNT.unpack(done)[0] if done else 0
    size = plan["events"]
    # Of the item that the last known event is of, only the closing may be missing.
    for index in range(max(0, known - 1) // size, plan["items"]):
        state = _Item(plan, int(number), index, acknowledged, known, set(map(int, tell)))
        if not state.execute(port):
            return 3
        if plan["notify"] is not None:
            os.write(plan["notify"], b".")
    return 0


class _Item:
    """One item of one writer."""

    def __init__(
        self,
        plan: dict[str, Any],
        writer: int,
        index: int,
        acknowledged: int,
        known: int,
        tell: set[int],
    ) -> None:
        self.plan = plan
        self.first = (writer * plan["items"] + index) * plan["events"]
        self.place = 0, writer // plan["writers_per_job"]
        self.number = writer % plan["writers_per_job"] * plan["items"] + index
        self.base = index * plan["events"]
        self.acknowledged = acknowledged
        self.known = known
        self.tell = tell

    def execute(self, port: Any) -> bool:
        """One attempt; whether all that was acknowledged before was there."""
        from jobstores.attempts import Fenced, Item, start
        from jobstores.process_identity import identity

        try:
            attempt = start(
                port,
                Item(*self.place, self.number),
                {"at": _now_us(), **identity()},
                silence_s=1.0,  # for claims of killed processes: who lives is known
                monotonic=time.monotonic,
                sleep=time.sleep,
            )
        except Fenced:  # the item was closed, and its job is packed already
            return bool(self.known >= self.base + self.plan["events"])
        missing = set(range(self.first, self.first + self.known - self.base))
        if missing - attempt.accepted.keys():
            sys.stderr.write(f"lost: {sorted(missing - attempt.accepted.keys())}\n")
            return False
        self._record(attempt)
        attempt.writer.append({"t": "close", "at": _now_us(), "why": "done"})
        attempt.writer.sync()
        attempt.writer.close()
        return True

    def _record(self, attempt: Any) -> None:
        for event in range(self.plan["events"]):
            run = self.first + event
            if run not in attempt.accepted:
                at = _now_us()
                attempt.writer.append({"t": "start", "run": run, "at": at})
                attempt.writer.append(_end(run, at))
                if event % 50 == 0:
                    attempt.writer.sync()
            count = self.base + event + 1
            if count > self.known:
                os.pwrite(self.acknowledged, COUNT.pack(count), 0)
            if count in self.tell:
                os.write(1, b"%d\n" % count)
                if event == self.plan["events"] - 1:
                    time.sleep(3600)  # is killed where all is recorded, nothing closed


def _end(run: int, at: int) -> dict[str, Any]:
    return {
        "t": "end",
        "run": run,
        "start": at,
        "at": _now_us(),
        "ok": True,
        "exit": 0,
        "mem": 4096 * (run % 1000),
        "user": 0.01,
        "sys": 0.002,
        "out": {"y": 7 * run + 1},
    }


def _now_us() -> int:
    return time.time_ns() // 1000


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
