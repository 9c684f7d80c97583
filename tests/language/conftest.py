"""Workflows of these tests run in this process' own corner of the local scheduler."""

from __future__ import annotations

import pytest


@pytest.fixture
def local_scheduler(tmp_path_factory, monkeypatch):
    """No settings of the user's, and a runtime directory that nobody else waits for."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.delenv("HPCFLOW_CONFIG", raising=False)
    monkeypatch.delenv("HPCFLOW_SCHEDULER", raising=False)
    monkeypatch.setenv("HPCFLOW_LOCAL_CORES", "2")
    monkeypatch.setenv("HPCFLOW_RUNTIME_DIR", str(home / ".runtime"))
