"""What every backend must pass, and ports that misbehave on purpose.

A backend's tests subclass `PortConformance`, give the fixtures `port` and `second`
(another client of the same storage) and the raw accessors, which bypass the port, and
take the `TestCase` of `port_machine`. A read-only backend's subclass
`ReadOnlyConformance`. Needs pytest and Hypothesis; `jobstores.faults` needs neither.
"""

from __future__ import annotations

from jobstores.conformance.machine import port_machine
from jobstores.conformance.objects import Objects, UnfinishedObjects
from jobstores.conformance.reading import (
    BAD_KEYS,
    CONTENT,
    ODD_KEYS,
    PortReading,
    ReadOnlyConformance,
)
from jobstores.conformance.segments import Segments
from jobstores.conformance.swaps import CreateOnly, Swaps
from jobstores.faults import CountingPort, FaultyPort, KilledError, WrappedPort

__all__ = [
    "BAD_KEYS",
    "CONTENT",
    "ODD_KEYS",
    "CountingPort",
    "FaultyPort",
    "KilledError",
    "PortConformance",
    "PortReading",
    "ReadOnlyConformance",
    "WrappedPort",
    "port_machine",
]


class PortConformance(Objects, UnfinishedObjects, CreateOnly, Swaps, Segments):
    """All guarantees of `jobstores.port`, each checked against an empty store."""
