"""The ports that count and misbehave do what they say."""

from __future__ import annotations

import pytest

from jobstores.backends.memory import MemoryPort
from jobstores.errors import TransientError, UnavailableError
from jobstores.testing import (
    CountingPort,
    FaultyPort,
    KilledError,
    PortConformance,
)


class TestCountingPort(PortConformance):
    """A wrapped port is a port."""

    @pytest.fixture
    def port(self):
        return CountingPort(MemoryPort())

    @pytest.fixture
    def second(self, port):
        return CountingPort(port.inner)

    def raw_get(self, port, key):
        held = port.inner.memory.held.get(key)
        return None if held is None else held.data

    def raw_set(self, port, key, data):
        port.inner.memory.hold(key, data)

    def raw_leftover(self, port, key):
        pass


def test_calls_are_counted():
    port = CountingPort(MemoryPort())
    port.put("a", b"1")
    with port.open_write("b") as file:
        file.write(b"2")
    handle = port.create_segment("s")
    handle.append(b"3")
    handle.sync()
    handle.close()
    assert list(port.walk("")) == ["a", "b", "s"]
    assert port.calls == [
        ("put", "a"), ("open_write", "b"), ("publish", "b"), ("create_segment", "s"),
        ("append", "s"), ("sync", "s"), ("close", "s"), ("walk", ""),
    ]  # fmt: skip
    assert port.counts["put"] == 1
    port.reset()
    assert not port.calls


def test_a_call_fails():
    port = FaultyPort(MemoryPort(), {2: "fail"})
    port.put("a", b"1")
    with pytest.raises(TransientError):
        port.put("a", b"2")
    assert port.get("a") == b"1"


def test_an_answer_is_lost():
    port = FaultyPort(MemoryPort(), {1: "lose"}, error=UnavailableError("gone"))
    with pytest.raises(UnavailableError):
        port.put("a", b"1")
    assert port.get("a") == b"1"


@pytest.mark.parametrize(("fault", "there"), [("kill", False), ("kill after", True)])
def test_a_process_dies(fault, there):
    port = FaultyPort(MemoryPort(), {2: fault}, only=("put", "append", "publish"))
    handle = port.create_segment("s")
    handle.append(b"1")
    with pytest.raises(KilledError):
        handle.append(b"2")
    with pytest.raises(KilledError):
        port.get("s")
    assert port.inner.get("s") == (b"12" if there else b"1")


def test_another_client_comes_first():
    inner = MemoryPort()
    port = FaultyPort(inner, {1: lambda: inner.put("a", b"theirs")}, only=("get",))
    inner.put("a", b"ours")
    assert port.get("a") == b"theirs"
    assert port.get("a") == b"theirs"


def test_a_file_whose_publication_fails_is_discarded():
    port = FaultyPort(MemoryPort(), {1: "fail"}, only=("publish",))
    with pytest.raises(TransientError), port.open_write("a") as file:
        file.write(b"x")
    assert port.inner.stat("a") is None
