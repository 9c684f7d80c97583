"""The lease: one holder, proven or watched to be gone before it is taken over."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any

import pytest

from jobstores.backends.memory import MemoryPort
from jobstores.backends.posix import PosixPort
from jobstores.errors import BusyError, LeaseLostError, UnavailableError
from jobstores.lease import LeaseTiming, acquire, remove_old
from jobstores.process_identity import identity
from jobstores.records import encode_record
from jobstores.segments import read_segment
from tests.jobstores.store_doubles import FakeClock, HookedPort, killing

HOLDER = {"t": "holder", "at": 1_700_000_000_000_000, "nonce": "x"}
ELSEWHERE = {"host": "node17", "boot": "b", "pid": 4242, "pid_start": 1, "pid_ns": "p"}


def timing(clock: FakeClock) -> LeaseTiming:
    return LeaseTiming(
        monotonic=clock.monotonic,
        boottime=clock.monotonic,
        sleep=clock.sleep,
        beat_in_background=False,
    )


def held(port: Any, **holder: Any) -> Any:
    """A lease held by somebody else; the handle to beat with."""
    handle = port.create_segment("lease/000001")
    handle.append(encode_record(0, {**HOLDER, **holder}))
    return handle


def test_a_lease_is_taken_and_given_back() -> None:
    port, clock = MemoryPort(), FakeClock()
    with acquire(port, timing=timing(clock)) as first:
        assert first.number == 1
        assert first.own()
    assert not first.own()
    with acquire(port, timing=timing(clock)) as second:
        assert second.number == 2
    assert clock.slept == 0.0
    records = read_segment(port, "lease/000001").records
    assert [record["t"] for record in records] == ["holder", "released"]
    first.release()


def test_a_live_holder_on_this_host_is_named_at_once() -> None:
    port, clock = MemoryPort(), FakeClock()
    held(port, **identity())
    with pytest.raises(BusyError) as caught:
        acquire(port, timing=timing(clock))
    assert clock.slept == 0.0
    message = str(caught.value)
    for part in (str(identity()["pid"]), identity()["host"], "2023-11-14T22:13:20"):
        assert part in message


def test_a_dead_holder_on_this_host_is_succeeded_at_once() -> None:
    port, clock = MemoryPort(), FakeClock()
    held(port, **{**identity(), "boot": "the boot before"})
    with acquire(port, timing=timing(clock)) as lease:
        assert lease.number == 2
    assert clock.slept == 0.0


def test_a_silent_holder_elsewhere_is_succeeded_after_the_silence() -> None:
    port, clock = MemoryPort(), FakeClock()
    held(port, **ELSEWHERE)
    with acquire(port, timing=timing(clock)) as lease:
        assert lease.number == 2
    assert clock.slept >= 70.0


def test_a_holder_elsewhere_that_beats_is_busy() -> None:
    port = MemoryPort()
    handle = held(port, **ELSEWHERE)
    clock = FakeClock(lambda now: handle.append(b"beat") if now > 1018 else None)
    with pytest.raises(BusyError, match="process 4242 on host node17"):
        acquire(port, timing=timing(clock))
    assert clock.slept < 25


def test_a_claim_without_a_holder_is_watched() -> None:
    port, clock = MemoryPort(), FakeClock()
    port.create_segment("lease/000001").close()
    with acquire(port, timing=timing(clock)) as lease:
        assert lease.number == 2
    assert clock.slept >= 70.0


def test_waiting_for_a_live_holder_ends_when_it_releases() -> None:
    port = MemoryPort()
    handle = held(port, **identity())

    def release(now: float) -> None:
        if 1030 < now < 1040:
            handle.append(encode_record(1, {"t": "released", "at": 2}))

    clock = FakeClock(release)
    with acquire(port, wait_s=60.0, timing=timing(clock)) as lease:
        assert lease.number == 2
    assert 30 <= clock.slept < 40


def test_a_lease_that_others_removed_after_it_was_listed_is_not_watched() -> None:
    port, clock = MemoryPort(), FakeClock()
    acquire(port, timing=timing(clock)).release()
    left = [25]

    def others_go_on(method: str, _: str) -> None:
        while method == "read_segment" and left[0]:
            left[0] -= 1
            with acquire(port, timing=timing(clock)) as lease:
                remove_old(port, lease)

    with acquire(HookedPort(port, others_go_on), timing=timing(clock)) as lease:
        assert lease.number == 27
    assert (left, clock.slept) == ([0], 0.0)


def test_waiting_for_a_live_holder_ends_in_time() -> None:
    port, clock = MemoryPort(), FakeClock()
    held(port, **identity())
    with pytest.raises(BusyError):
        acquire(port, wait_s=60.0, timing=timing(clock))
    assert 60 <= clock.slept < 62


def test_a_holder_whose_last_beat_is_old_does_not_own() -> None:
    port, clock = MemoryPort(), FakeClock()
    with acquire(port, timing=timing(clock)) as lease:
        clock.now += 29.0
        assert lease.own()
        lease.beat()
        clock.now += 29.0
        assert lease.own()
        clock.now += 2.0
        assert not lease.own()
        with pytest.raises(LeaseLostError, match="nothing was committed"):
            lease.check()


def test_a_beat_counts_from_before_it_was_synced() -> None:
    clock = FakeClock()
    store = MemoryPort()

    def slow(name: str, key: str) -> None:
        clock.now += 29.0 if name in ("put", "sync") else 0.0

    with acquire(HookedPort(store, slow), timing=timing(clock)) as lease:
        assert lease.own()
        clock.now += 2.0
        assert not lease.own()
        lease.beat()
        assert lease.own()
        clock.now += 2.0
        assert not lease.own()


def test_a_beat_that_fails_does_not_count() -> None:
    clock, store, broken = FakeClock(), MemoryPort(), [False]

    def before(name: str, key: str) -> None:
        if name == "sync" and broken[0]:
            raise UnavailableError("gone")

    with acquire(HookedPort(store, before), timing=timing(clock)) as lease:
        clock.now += 20.0
        broken[0] = True
        with pytest.raises(UnavailableError):
            lease.beat()
        clock.now += 11.0
        assert not lease.own()


def test_who_was_succeeded_does_not_own() -> None:
    port, clock = MemoryPort(), FakeClock()
    with acquire(port, timing=timing(clock)) as lease:
        port.create_segment("lease/000002").close()
        assert not lease.own()


def test_of_many_takers_one_wins(tmp_path: Any) -> None:
    held_at_once, most, failures = [0], [0], []

    def take() -> None:
        try:
            port = PosixPort(str(tmp_path))
            with acquire(port, wait_s=60.0, timing=LeaseTiming(sleep=lambda _: None)):
                held_at_once[0] += 1
                most[0] = max(most[0], held_at_once[0])
                held_at_once[0] -= 1
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failures.append(error)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (failures, most) == ([], [1])


def test_the_lease_is_renewed_in_the_background() -> None:
    port = MemoryPort()
    fast = LeaseTiming(silence_s=0.5, beat_s=0.005, own_s=0.2)
    with acquire(port, timing=fast) as lease:
        waiter = threading.Event()
        while len(read_segment(port, "lease/000001").records) < 4:
            waiter.wait(0.005)
        assert lease.own()
    assert "lease" not in {thread.name for thread in threading.enumerate()}


def test_a_killed_holder_is_succeeded_at_once(tmp_path: Any) -> None:
    text = (
        "import os, signal, sys; from jobstores.backends.posix import PosixPort;"
        "from jobstores.lease import acquire;"
        "lease = acquire(PosixPort(sys.argv[1])); os.kill(os.getpid(), signal.SIGKILL)"
    )
    ran = subprocess.run([sys.executable, "-c", text, str(tmp_path)], check=False)
    assert ran.returncode == -9
    clock = FakeClock()
    with acquire(PosixPort(str(tmp_path)), timing=timing(clock)) as lease:
        assert lease.number == 2
    assert clock.slept == 0.0


@pytest.mark.parametrize("at", range(1, 8))
def test_a_taker_killed_at_any_call_is_succeeded_at_once(tmp_path: Any, at: int) -> None:
    child = os.fork()
    if not child:
        port = killing(PosixPort(str(tmp_path)), at, lambda *_: True)
        acquire(port, timing=timing(FakeClock())).release()
        os._exit(0)
    os.waitpid(child, 0)
    clock = FakeClock()
    with acquire(PosixPort(str(tmp_path)), timing=timing(clock)):
        pass
    assert clock.slept == 0.0


@pytest.mark.parametrize("failing", ["put", "append_segment"])
def test_a_claim_that_fails_is_withdrawn(failing: str) -> None:
    store, clock = MemoryPort(), FakeClock()
    calls = []

    def fault(name: str, key: str) -> None:
        if name == failing and not calls:
            calls.append(key)
            if name == "put":  # it happened, but for the sync of the name
                identified = encode_record(0, {**HOLDER, **identity(), "nonce": "n"})
                store.put(key, identified, create=True)
            raise UnavailableError("gone")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jobstores.lease.secrets.token_hex", lambda _: "n")
        with pytest.raises(UnavailableError):
            acquire(HookedPort(store, fault), timing=timing(clock))
    with acquire(store, timing=timing(clock)) as lease:
        assert lease.number == 2
    assert clock.slept == 0.0


def test_old_leases_are_removed_and_their_numbers_are_of_no_use() -> None:
    port, clock = MemoryPort(), FakeClock()
    for _ in range(5):
        with acquire(port, timing=timing(clock)) as lease:
            pass
    with acquire(port, timing=timing(clock)) as lease:
        remove_old(port, lease, keep=2)
        assert port.list("lease") == ["000005", "000006"]

        class LateListing(MemoryPort):
            """Lists once as it was long ago."""

            asked = 0

            def list(self, prefix: str) -> list[str]:
                self.asked += 1
                return [] if self.asked == 1 else port.list(prefix)

        slow = LateListing()
        slow.memory = port.memory
        with pytest.raises(BusyError):
            acquire(slow, timing=timing(clock))
        assert lease.own()
