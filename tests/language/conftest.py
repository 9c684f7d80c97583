"""Where the workflows of these tests run."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.language.checks")


@pytest.fixture
def no_settings(tmp_path_factory, monkeypatch):
    """No settings of the user's, and a home with nothing in it."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.delenv("HPCFLOW_CONFIG", raising=False)
    monkeypatch.delenv("HPCFLOW_SCHEDULER", raising=False)
    return home


@pytest.fixture
def local_scheduler(no_settings, monkeypatch):
    """As `no_settings`, and a runtime directory that nobody else waits for."""
    monkeypatch.setenv("HPCFLOW_LOCAL_CORES", "2")
    monkeypatch.setenv("HPCFLOW_RUNTIME_DIR", str(no_settings / ".runtime"))
