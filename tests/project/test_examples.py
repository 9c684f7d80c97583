"""The examples give the answers that their fields know."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.command_line import ROOT, columns, hpcflow, run_counts

ALLOW_ROOT = "export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"


def copy_example(name: str, folder: Path) -> tuple[Path, dict]:
    """The example's template, in a folder of its own, and what is expected of it."""
    copy = folder / name
    shutil.copytree(ROOT / "examples" / name, copy)
    return copy / "template.yaml", json.loads((copy / "expected.json").read_text())


def test_the_pendulum_agrees_with_the_elliptic_integral(tmp_path):
    template, expected = copy_example("pendulum", tmp_path)
    workflow = tmp_path / "workflow"
    hpcflow("go", template, "--path", workflow, "--wait", folder=tmp_path)

    swings = columns(workflow, "swing")
    assert len(swings["period"]) == expected["swings"]
    periods = dict(zip(swings["amplitude"], swings["period"], strict=True))
    for degrees, seconds in expected["periods_s"].items():
        assert periods[int(degrees)] == pytest.approx(seconds, abs=1e-7)
    comparison = columns(workflow, "compare")
    assert 0 < comparison["worst_error"][0] < expected["worst_error_below"]
    assert comparison["correction"][0] == pytest.approx(
        expected["correction"], abs=expected["correction_tolerance"]
    )
    (figure,) = columns(workflow, "draw")["figure"]
    assert Path(figure).is_relative_to(workflow)
    assert Path(figure).read_bytes().startswith(b"\x89PNG")


@pytest.mark.lammps
@pytest.mark.parametrize(
    "scheduler", ["local", pytest.param("slurm", marks=pytest.mark.slurm)]
)
def test_the_lattice_constant_is_that_of_the_literature(scheduler, shared_path):
    template, expected = copy_example("lammps_lattice", shared_path)
    if os.geteuid() == 0:  # Open MPI wants to be told that this is meant
        template.write_text(
            template.read_text().replace("export OMP_NUM_THREADS=1", ALLOW_ROOT)
        )
    workflow = shared_path / "workflow"
    arguments = ["--path", workflow, "--scheduler", scheduler, "--wait"]
    hpcflow("go", template, *arguments, folder=shared_path)

    assert run_counts(workflow) == {"energy": {"succeeded": 9}, "fit": {"succeeded": 1}}
    assert all(energy < -7.9 for energy in columns(workflow, "energy")["energy"])
    fit = columns(workflow, "fit")
    for name in ("best_lattice_constant", "cohesive_energy", "bulk_modulus"):
        assert fit[name][0] == pytest.approx(
            expected[name], abs=expected[f"{name}_tolerance"]
        )
