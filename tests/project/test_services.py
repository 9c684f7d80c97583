"""Tests without their service: counted in one line, or failures where it is required."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from tests.command_line import ROOT

TESTS = """
import pytest

@pytest.mark.slurm
def test_on_slurm(): pass

@pytest.mark.slurm
@pytest.mark.lammps
def test_on_both(): pass

@pytest.mark.s3
def test_on_s3(): pass

@pytest.mark.thorough
def test_at_length(): pass

def test_anywhere(): pass

def test_of_another_system(): pytest.skip("another system")
"""


@pytest.fixture
def project(tmp_path):
    """A project with this one's hooks, and a machine without any service."""
    tests = tmp_path / "tests"
    tests.mkdir()
    for name in ("__init__.py", "conftest.py", "services.py", "effort.py"):
        shutil.copy(ROOT / "tests" / name, tests)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tests / "test_some.py").write_text(TESTS)
    return tmp_path


def run_pytest(project, *arguments: str, **variables: str) -> tuple[int, list[str]]:
    """Exit code and lines of a run in which nothing is on PATH."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "AWS_"))}
    for name in ("HPCFLOW_TEST_REQUIRE", "HPCFLOW_TEST_THOROUGH"):
        environ.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=project,
        env={**environ, "PATH": "/nonexistent", **variables},
        capture_output=True,
        text=True,
    )
    return done.returncode, (done.stdout + done.stderr).splitlines()


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_one_closing_line_counts_what_was_not_run(project, workers):
    code, lines = run_pytest(project, *workers)
    assert code == 0
    (closing,) = [line for line in lines if "for want of a service" in line]
    assert closing == (
        "3 test(s) not run for want of a service (slurm 2, s3 1, lammps 1): "
        "as root, `bash .ci/run` installs the services and runs everything."
    )
    counts = lines[-1].partition(" in ")[0].split(", ")
    assert sorted(counts) == ["1 left out", "1 passed", "1 skipped", "3 not run"]
    assert sum(line.startswith("1 test(s) left out, ") for line in lines) == 1
    assert sum(line.startswith("SKIPPED") for line in lines) == 1


def test_a_required_service_that_is_absent_is_a_failure(project):
    wanted = {"HPCFLOW_TEST_REQUIRE": "slurm", "HPCFLOW_TEST_THOROUGH": "1"}
    code, lines = run_pytest(project, **wanted)
    assert code == 1
    assert "2 passed, 1 skipped, 2 errors, 1 not run in" in lines[-1]
    assert not [line for line in lines if "left out" in line]
    assert any("slurm: there is no sinfo on PATH" in line for line in lines)


def test_an_unknown_service_can_not_be_required(project):
    code, lines = run_pytest(project, HPCFLOW_TEST_REQUIRE="slurm,slrum")
    assert code == 4
    assert any("HPCFLOW_TEST_REQUIRE names slrum; known are slurm, sge" in x for x in lines)
