"""The conformance suite on the local scheduler."""

from __future__ import annotations

from pathlib import Path

import pytest

from schedulers import load
from schedulers.port import Scheduler
from schedulers.testing import SchedulerConformance


class TestLocal(SchedulerConformance):
    @pytest.fixture
    def scheduler(self, tmp_path: Path) -> Scheduler:
        return load("local", state_dir=tmp_path / "state", cores=4)
