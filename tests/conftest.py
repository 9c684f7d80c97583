"""Tests that need a service run where it answers.

Elsewhere they are "not run", which one closing line counts; names in the
environment variable HPCFLOW_TEST_REQUIRE (`slurm,lammps`) fail instead. Tests marked
`thorough`, costly variants of others, run with HPCFLOW_TEST_THOROUGH=1; a line counts
those that are left out.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.effort import THOROUGH
from tests.services import PROBES, absence

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUIRE = "HPCFLOW_TEST_REQUIRE"
_PREFIX = "no service: "
_LEFT_OUT = "left to a thorough run"


def _required() -> set[str]:
    return {name.strip() for name in os.environ.get(REQUIRE, "").split(",") if name.strip()}


def pytest_configure(config: pytest.Config) -> None:
    """Refuse names of services that no test knows."""
    # Workflows that tests submit are not noted among the user's own.
    os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="hpcflow-test-state-")
    unknown = _required() - set(PROBES)
    if unknown:
        raise pytest.UsageError(
            f"{REQUIRE} names {', '.join(sorted(unknown))}; known are {', '.join(PROBES)}"
        )


def pytest_unconfigure() -> None:
    """Leave nothing behind."""
    shutil.rmtree(os.environ["XDG_STATE_HOME"], ignore_errors=True)


@pytest.fixture
def shared_path() -> Iterator[Path]:
    """A new folder that jobs of a cluster see too; `tmp_path` may be private to a host."""
    base = os.environ.get("HPCFLOW_TEST_SHARED")
    folder = Path(tempfile.mkdtemp(prefix="hpcflow-test-", dir=base))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave it to a thorough run, or probe the services it is marked with, each once."""
    if item.get_closest_marker("thorough") and not THOROUGH:
        pytest.skip(_LEFT_OUT)
    absent = {
        name: why
        for name in PROBES
        if item.get_closest_marker(name) and (why := absence(name)) is not None
    }
    if not absent:
        return
    demanded = {name: absent[name] for name in absent if name in _required()}
    if demanded:
        reasons = "; ".join(f"{name}: {why}" for name, why in demanded.items())
        pytest.fail(f"{REQUIRE} asks for what is not there: {reasons}", pytrace=False)
    pytest.skip(_PREFIX + " ".join(absent))


def _services_missed(report: pytest.TestReport) -> list[str]:
    """The services for whose absence a test was not run; empty for other skips."""
    if not report.skipped or not isinstance(report.longrepr, tuple):
        return []
    _, found, names = report.longrepr[2].partition(_PREFIX)
    return names.split() if found else []


def _is_left_out(report: pytest.TestReport) -> bool:
    """Whether a test waits for a thorough run."""
    why = report.longrepr
    return report.skipped and isinstance(why, tuple) and _LEFT_OUT in why[2]


def pytest_report_teststatus(
    report: pytest.CollectReport | pytest.TestReport,
) -> tuple[str, str, str] | None:
    """Keep tests without their service, or for another day, apart from the skipped."""
    if isinstance(report, pytest.TestReport) and _services_missed(report):
        return "not run", "-", "NOT RUN"
    if isinstance(report, pytest.TestReport) and _is_left_out(report):
        return "left out", "-", "LEFT OUT"
    return None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter,
) -> Iterator[None]:
    """Count in one line what was not run, and say how to get it run."""
    yield
    left_out = len(terminalreporter.getreports("left out"))
    if left_out:
        terminalreporter.write_line(
            f"{left_out} test(s) left out, costly variants of others: "
            "HPCFLOW_TEST_THOROUGH=1 runs them, and so does `bash .ci/run`."
        )
    reports = terminalreporter.getreports("not run")
    if reports:
        counts = Counter(name for report in reports for name in _services_missed(report))
        listed = ", ".join(f"{name} {counts[name]}" for name in PROBES if counts[name])
        terminalreporter.write_line(
            f"{len(reports)} test(s) not run for want of a service ({listed}): "
            "as root, `bash .ci/run` installs the services and runs everything."
        )
