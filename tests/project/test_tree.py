"""Rules of the whole tree: what may import what, names, and scripts."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("hpcflow", "jobstores", "schedulers")
SOURCES = sorted(path for package in PACKAGES for path in ROOT.glob(f"{package}/**/*.py"))
NODE = sorted(ROOT.glob("hpcflow/node/**/*.py"))
EXAMPLES = sorted(path.parent for path in ROOT.glob("examples/*/template.yaml"))


def imported(tree: ast.AST) -> set[str]:
    """Names of the modules that a module imports anywhere, also late."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names.add(str(node.module))
    return names


def test_imports_point_downwards():
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]


@pytest.mark.parametrize("path", NODE, ids=lambda path: path.stem)
def test_the_node_side_needs_the_standard_library_and_job_stores_only(path):
    allowed = {*sys.stdlib_module_names, "jobstores"}
    foreign = {
        name
        for name in imported(ast.parse(path.read_text()))
        if name.split(".")[0] not in allowed and not name.startswith("hpcflow.node")
    }
    # rules are judged on both sides by the same code, and HDF5 is a user's own choice
    shared = {"hpcflow.model.conditions"} | (
        {"h5py"} if path.stem == "hdf5_files" else set()
    )
    assert foreign <= shared


@pytest.mark.parametrize("path", NODE, ids=lambda path: path.stem)
def test_the_node_side_is_python_3_9_for_old_nodes(path):
    ast.parse(path.read_text(), feature_version=(3, 9))


def test_there_are_no_rooms_without_a_purpose():
    vague = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}
    assert not [path for path in SOURCES if vague & {path.stem, path.parent.name}]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_explains_itself_and_says_what_is_expected(path):
    assert (path / "README.md").read_text().startswith("# ")
    assert (path / "expected.json").exists()


def test_the_scripts_of_ci_are_clean():
    program = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run(
        [program, ".ci/run", ".ci/check"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
