"""Every test has locks and slots of its own, so that tests don't wait for each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def runtime_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "runtime"
    monkeypatch.setenv("HPCFLOW_RUNTIME_DIR", str(folder))
    monkeypatch.delenv("HPCFLOW_LOCAL_CORES", raising=False)
    return folder
