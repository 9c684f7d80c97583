"""The lease: one process at a time writes the base.

A lease is a segment `lease/N` that its holder claims by creating it, complete with
the record that says who it is, and renews by appending beats; the highest N counts.
Nobody removes another's: who finds the highest one released, its holder proven dead,
or silent for long enough by its own clock, claims the next number. The lease saves
work; the safety of the data rests on create-only commits.
"""

from __future__ import annotations

import secrets
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Callable, Self

from jobstores.errors import (
    AlreadyExistsError,
    BusyError,
    JobStoreError,
    LeaseLostError,
    NotFoundError,
)
from jobstores.process_identity import identity, proven_alive, proven_dead
from jobstores.records import Record, encode_record, parse_records
from jobstores.segments import SegmentWriter, append_serialised

if TYPE_CHECKING:
    from types import TracebackType

    from jobstores.port import ObjectPort

ROOT = "lease"


def boottime() -> float:
    """Seconds since boot, counting those the machine was suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class LeaseTiming:
    """The lease's times and clocks, in seconds.

    silence_s: how long a holder must be silent to count as gone.
    beat_s: how often a holder renews.
    own_s: how old a holder's last beat may be for it to go on.
    monotonic: the clock by which others' silence is watched.
    boottime: the clock by which the own beats age; it must count suspension.
    """

    silence_s: float = 70.0
    beat_s: float = 20.0
    own_s: float = 30.0
    monotonic: Callable[[], float] = time.monotonic
    boottime: Callable[[], float] = boottime
    sleep: Callable[[float], None] = time.sleep
    beat_in_background: bool = True


class Lease:
    """A held lease. Use it as a context manager: leaving releases it."""

    def __init__(
        self, port: ObjectPort, number: int, writer: SegmentWriter, timing: LeaseTiming
    ) -> None:
        self.number = number
        self._port = port
        self._writer = writer
        self._timing = timing
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._last_beat = float("-inf")
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def own(self) -> bool:
        """Whether this process still holds the lease, by a fresh look."""
        age = self._timing.boottime() - self._last_beat
        return age < self._timing.own_s and max(_numbers(self._port)) <= self.number

    def check(self) -> None:
        """Go on only as the holder.

        Raises:
            LeaseLostError: it isn't.
        """
        if not self.own():
            raise LeaseLostError(
                f"{self._port.locator}: this process was held up for so long that it lost "
                "the lease; nothing was committed: run the command again"
            )

    def beat(self) -> None:
        """Renew: append a beat and sync it."""
        self._record({"t": "beat", "at": _now_us()})

    def release(self) -> None:
        """Give the lease back. Doing it twice is no error."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        with self._lock:
            if self._last_beat == float("-inf"):
                return
            self._last_beat = float("-inf")
            try:
                self._writer.append({"t": "released", "at": _now_us()})
                self._writer.sync()
            except JobStoreError:
                pass  # others wait until it has been silent for long enough
            finally:
                self._writer.close()

    def _record(self, record: Record) -> None:
        with self._lock:
            begun = self._timing.boottime()
            self._writer.append(record)
            self._writer.sync()
            self._last_beat = begun

    def _start(self, claimed: float) -> None:
        """Hold it, since `claimed` by the boot-time clock."""
        self._last_beat = claimed
        if self._timing.beat_in_background:
            self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
            self._thread.start()

    def _renew(self) -> None:
        while not self._stop.wait(self._timing.beat_s):
            try:
                self.beat()
            except JobStoreError:
                continue  # `own` turns false in time


def acquire(
    port: ObjectPort, wait_s: float = 0.0, timing: LeaseTiming | None = None
) -> Lease:
    """Take the lease, waiting up to `wait_s` for a live holder to release it.

    A holder that can't be proven dead or alive from here is watched for up to
    `silence_s`, whatever `wait_s` says.

    Raises:
        BusyError: another process holds it and is alive.
    """
    timing = timing or LeaseTiming()
    deadline = timing.monotonic() + wait_s
    while True:
        top, data = _newest(port)
        holder = _free_or_holder(port, top, data, timing) if top else None
        if holder is None:
            lease = _take(port, top + 1, timing)
            if lease is not None:
                return lease
        elif timing.monotonic() >= deadline:
            raise BusyError(_busy_message(port, holder))
        else:
            timing.sleep(min(1.0, timing.silence_s / 14))


def remove_old(port: ObjectPort, lease: Lease, keep: int = 20) -> None:
    """Remove leases long gone. Who then takes a removed number finds a higher one."""
    for number in _numbers(port):
        if 0 < number <= lease.number - keep:
            port.delete(_key(number))


def _key(number: int) -> str:
    return f"{ROOT}/{number:06d}"


def _numbers(port: ObjectPort) -> list[int]:
    return [0, *(int(name) for name in port.list(ROOT) if name.isdigit())]


def _newest(port: ObjectPort) -> tuple[int, bytes]:
    """The highest number and what its holder wrote; 0 where there is none.

    Others may have taken so many leases since the listing that this one was removed:
    it is empty then, as one torn by a power failure, and nobody's silence to watch.
    """
    while True:
        number = max(_numbers(port))
        data = _read(port, _key(number)) if number else b""
        if data or number == max(_numbers(port)):
            return number, data


def _take(port: ObjectPort, number: int, timing: LeaseTiming) -> Lease | None:
    """Claim a number; None if it is taken.

    The name appears with the holder's record in it, so that the death of a holder can
    be proven whenever it comes.
    """
    nonce = secrets.token_hex(8)
    holder = {"t": "holder", "at": _now_us(), "nonce": nonce, **identity()}
    claimed = timing.boottime()
    try:
        port.put(_key(number), encode_record(0, holder), create=True)
        handle = port.append_segment(_key(number))
    except AlreadyExistsError:
        return None
    except JobStoreError:
        _withdraw(port, number, nonce)
        raise
    lease = Lease(port, number, SegmentWriter(handle, first_seq=1), timing)
    try:
        lease._start(claimed)  # noqa: SLF001 - this module's own
        if max(_numbers(port)) > number:  # ours was the number of one long removed
            lease.release()
            return None
    except BaseException:
        lease.release()
        raise
    return lease


def _withdraw(port: ObjectPort, number: int, nonce: str) -> None:
    """Release what a claim that failed may have left: its holder lives on."""
    with suppress(JobStoreError):
        records = parse_records(_read(port, _key(number))).records
        if records and records[0].get("nonce") == nonce:
            append_serialised(port, _key(number), {"t": "released", "at": _now_us()})


def _free_or_holder(
    port: ObjectPort, number: int, data: bytes, timing: LeaseTiming
) -> dict[str, Any] | None:
    """None if the lease may be taken over, else what is known of its live holder."""
    key = _key(number)
    records = parse_records(data).records
    if any(record["t"] == "released" for record in records):
        return None
    holder = records[0] if records else {}
    if proven_dead(holder):
        return None
    if proven_alive(holder):
        return holder
    begun = timing.monotonic()
    while True:
        now = timing.monotonic()  # before reading: what is read is at least as late
        if _read(port, key) != data:
            return holder or {"t": "holder"}
        if now - begun >= timing.silence_s:
            return None
        timing.sleep(min(2.0, timing.silence_s / 14))


def _read(port: ObjectPort, key: str) -> bytes:
    try:
        return port.read_segment(key)
    except NotFoundError:
        return b""


def _busy_message(port: ObjectPort, holder: dict[str, Any]) -> str:
    at = holder.get("at")
    since = "" if at is None else datetime.fromtimestamp(at / 1e6, UTC).isoformat()
    return (
        f"{port.locator} is being changed by process {holder.get('pid', '?')} on host "
        f"{holder.get('host', '?')} since {since or '?'}: wait until it is done"
    )


def _now_us() -> int:
    return time.time_ns() // 1000
