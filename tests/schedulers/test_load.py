"""Adapters by name, and what the package promises to be alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import schedulers
from schedulers import load
from schedulers.environment import passed

ROOT = Path(__file__).parents[2]


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(
        ValueError,
        match="no scheduler is called 'cray'; there are: local, pbs, sge, slurm, torque",
    ):
        load("cray")


def test_an_unknown_option_is_an_error():
    with pytest.raises(TypeError, match="colour"):
        load("slurm", colour="red")


@pytest.mark.parametrize("name", sorted(schedulers.ADAPTERS))
def test_every_adapter_has_what_the_port_asks_for(name, tmp_path):
    adapter = load(name, **({"state_dir": tmp_path} if name == "local" else {}))
    assert adapter.name == name
    assert adapter.item_index_shell.startswith("$")
    assert all(variable.isupper() for variable in adapter.id_variables)
    assert isinstance(adapter.elementwise_needs_success, bool)


def test_what_of_a_shell_goes_with_a_job():
    shell = {
        "PATH": "/bin",
        "BASH_FUNC_module%%": "() { :; }",
        "MODULEPATH": "/m",
        "_ModuleTable001_": "x",
        "AWS_SECRET_ACCESS_KEY": "s",
        "SSH_AUTH_SOCK": "/s",
        "MINE": "1",
    }
    kept = {"PATH", "BASH_FUNC_module%%", "MODULEPATH", "_ModuleTable001_"}
    assert set(passed(shell)) == kept
    assert set(passed(shell, ["MINE", "ABSENT"])) == kept | {"MINE"}


def test_an_adapter_is_imported_when_it_is_loaded():
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import schedulers;"
        "assert not [n for n in sys.modules if n.startswith('schedulers.')];"
        "schedulers.load('slurm');"
        "assert 'schedulers.local' not in sys.modules;"
        "print({n.split('.')[0] for n in sys.modules} - sys.stdlib_module_names)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True
    )
    assert done.stderr == ""
    assert "schedulers" in done.stdout
    assert "hpcflow" not in done.stdout
