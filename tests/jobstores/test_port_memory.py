"""The reference backend passes its own conformance suite."""

from __future__ import annotations

import pytest

from jobstores.backends.memory import MemoryPort
from jobstores.testing import PortConformance, port_machine


class TestMemoryPort(PortConformance):
    @pytest.fixture
    def port(self, request):
        return MemoryPort(request.node.nodeid)

    @pytest.fixture
    def second(self, port):
        return MemoryPort(port.locator.partition(":")[2])

    def raw_get(self, port, key):
        held = port.memory.held.get(key)
        return None if held is None else held.data

    def raw_set(self, port, key, data):
        port.memory.hold(key, data)

    def raw_leftover(self, port, key):
        pass  # a killed process takes its memory along


def _clients():
    port = MemoryPort()
    return port, port, lambda: None


TestMemoryMachine = port_machine(_clients).TestCase


def test_ports_of_one_name_share_and_others_do_not():
    MemoryPort("x-shared").put("a", b"1")
    assert MemoryPort("x-shared").get("a") == b"1"
    assert MemoryPort("y-other").stat("a") is None
    assert MemoryPort().stat("a") is None
