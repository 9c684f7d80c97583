"""The conformance suite on the local scheduler."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from schedulers import load
from schedulers.testing import SchedulerConformance

if TYPE_CHECKING:
    from pathlib import Path

    from schedulers.port import Scheduler


class TestLocal(SchedulerConformance):
    @pytest.fixture
    def scheduler(self, tmp_path: Path) -> Scheduler:
        return load("local", state_dir=tmp_path / "state", cores=4)

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        odd = tmp_path / 'it\'s 100%j of (a) "dir"'
        odd.mkdir()
        return odd
