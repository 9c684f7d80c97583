"""A submitted workflow on plain columns: what these tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hpcflow.submit.make import make_workflow
from tests.submit import command_crasher
from tests.submit.scenes import workflow

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    command_crasher.use_plain_columns(monkeypatch)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A made workflow of three jobs in a row; beside it its scheduler's file, `taken`."""
    return make_workflow(workflow(tmp_path), tmp_path / "wk")
