"""Schema packages that others publish, installed for real."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.command_line import environment
from tests.packages.wheels import install, make_interpreter, make_wheel

if TYPE_CHECKING:
    from pathlib import Path

SCHEMAS = """\
- objective: stretch
  version: 2.1
  inputs: [{parameter: lattice}, {parameter: factor, default_value: 2}]
  outputs: [{parameter: volume}]
  actions:
    - script: <<script:stretch.py>>
      environments: {any: crystal_env}
- objective: shrink
  web_doc: false
  inputs: [{parameter: lattice}]
  outputs: [{parameter: volume}]
  actions:
    - commands: [{command: echo <<parameter:lattice>>, stdout: <<parameter:volume>>}]
"""

ENVIRONMENTS = """\
environments:
  - name: crystal_env
    executables:
      - label: python_script
        instances: [{command: PYTHON <<script_path>> <<args>>}]
parameters: [{type: lattice}]
"""

STRETCH = """\
def stretch(lattice, factor):
    from crystals.helpers import volume
    return {"volume": volume(lattice["a"] * factor)}
"""

CELLS = """\
from hpcflow.model.parameter_value import ParameterValue


class Cell(ParameterValue):
    _typ = "cell"

    def __init__(self, a, b=1):
        self.a = a
        self.b = b

    @classmethod
    def cube(cls, side):
        return cls(side, side)

    def CLI_format(self):
        return f"{self.a} x {self.b};$(exit 3)'\\n"

    def area(self, times="1"):
        return self.a * self.b * int(times)

    @classmethod
    def CLI_parse(cls, text, swap="no"):
        a, b = map(int, text.split())
        return cls(b, a) if swap == "yes" else cls(a, b)

    def dump_to_HDF5_group(self, group):
        group["sides"] = [self.a, self.b]

    @classmethod
    def load_from_HDF5_group(cls, group):
        return cls(*group["sides"][()].tolist())
"""

CELL_SCHEMAS = """\
- objective: write
  parameter_class_modules: [cells]
  inputs: [{parameter: cell}]
  outputs: [{parameter: text}, {parameter: area}]
  actions:
    - environments: {any: crystal_env}
      commands:
        - command: printf %s <<parameter:cell>>
          stdout: <<parameter:text>>
        - command: echo <<parameter:cell.area(times=10)>> <<parameter:cell.a>>
          stdout: <<parameter:area>>
- objective: parse
  parameter_class_modules: [cells]
  inputs: [{parameter: numbers}]
  outputs: [{parameter: cell}]
  actions:
    - environments: {any: crystal_env}
      commands:
        - command: echo <<parameter:numbers>>
          stdout: <<parameter:cell.CLI_parse(swap=yes)>>
- objective: tell
  parameter_class_modules: [cells]
  inputs: [{parameter: cell}]
  outputs: [{parameter: told}]
  actions:
    - environments: {any: crystal_env}
      script: <<script:tell.py>>
- objective: double
  parameter_class_modules: [cells]
  inputs: [{parameter: cell}]
  outputs: [{parameter: cell}]
  actions:
    - environments: {any: crystal_env}
      script: <<script:double.py>>
      script_data_in: hdf5
      script_data_out: hdf5
- objective: shout
  inputs: [{parameter: told}]
  outputs: [{parameter: shouted}]
  actions:
    - program: <<program:shout.sh>>
      program_data_in: json
      program_data_out: json
"""

TELL = """\
def tell(cell):
    return {"told": f"{type(cell).__name__} of {cell.area()}"}
"""

DOUBLE = """\
import h5py

def double(_input_files, _output_files):
    with h5py.File(_input_files["hdf5"]) as given, \\
            h5py.File(_output_files["hdf5"], "w") as made:
        made["cell/sides"] = given["cell/sides"][()] * 2
"""

SHOUT = """\
#!/bin/sh
tr a-z A-Z < "$1" | sed s/TOLD/shouted/ > "$2"
"""

TEMPLATE = """\
name: crystals
tasks:
  - schema: stretch
    inputs: {lattice: {a: 1}}
    sequences: [{path: inputs.lattice.a, values: [2, 3]}]
"""


class Site:
    """An interpreter with packages, and a folder to work in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = make_interpreter(folder / "venv")

    def add(self, name: str, files: dict[str, str], points: str) -> None:
        install(self.python, make_wheel(self.folder, name, files, points))

    def __call__(self, *arguments: object, code: int = 0) -> str:
        done = subprocess.run(
            [self.python, "-m", "hpcflow", *map(str, arguments)],
            cwd=self.folder,
            env=environment(self.folder),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    found = Site(tmp_path_factory.mktemp("site"))
    files = {
        "crystals/__init__.py": "raise RuntimeError('found without being imported')\n",
        "crystals/task_schemas.yaml": SCHEMAS,
        "crystals/more.yaml": ENVIRONMENTS.replace("PYTHON", str(found.python)),
        "crystals/cell_schemas.yaml": "task_schemas:\n" + CELL_SCHEMAS,
        "crystals/scripts/tell.py": TELL,
        "crystals/scripts/double.py": DOUBLE,
        "crystals/programs/shout.sh": SHOUT,
        "cells.py": CELLS,
        "crystals/scripts/stretch.py": STRETCH.replace("crystals.helpers", "cubes"),
        "cubes.py": "def volume(side):\n    return side**3\n",
    }
    found.add("crystals", files, "[hpcflow.components]\ncrystals = crystals\n")
    return found


def test_a_template_uses_schemas_scripts_and_environments_of_an_installed_package(site):
    (site.folder / "template.yaml").write_text(TEMPLATE)
    site("go", "template.yaml", "--path", "wk", "--wait")
    found = columns(site, "wk", "stretch")
    assert found["volume"] == [64, 216]
    assert found["lattice"] == [{"a": 2}, {"a": 3}]


def test_a_templates_own_schema_comes_before_a_packages(site):
    own = """
template_components:
  task_schemas:
    - objective: stretch
      inputs: [{parameter: lattice}]
      outputs: [{parameter: volume}]
      actions:
        - commands:
            - command: echo mine <<parameter:lattice.a>>
              stdout: <<parameter:volume>>
"""
    (site.folder / "own.yaml").write_text(TEMPLATE + own)
    site("go", "own.yaml", "--path", "own", "--wait")
    found = json.loads(site("results", "own", "--task", "stretch", "--json"))
    assert found["columns"]["volume"] == ["mine 2", "mine 3"]


def columns(site, workflow: str, task: str) -> dict[str, list[object]]:
    done = site("results", workflow, "--task", task, "--json")
    found: dict[str, list[object]] = json.loads(done)["columns"]
    return found


@pytest.mark.key("task_schemas.parameter_class_modules")
def test_the_class_of_a_parameter_writes_and_makes_its_values(site):
    (site.folder / "cells.yaml").write_text(
        """
tasks:
  - schema: write
    element_sets:
      - inputs: {"cell::cube": {side: 3}}
      - inputs: {cell: {a: 4}}
        sequences: [{path: inputs.cell.b, values: [5, 6]}]
      - sequences: [{path: "inputs.cell::cube", values: [{side: 7}, {side: 8}]}]
  - {schema: parse, inputs: {numbers: 7 8}}
  - schema: double
    inputs: {cell.b: 10}
  - {schema: tell}
  - {schema: shout}
"""
    )
    site("go", "cells.yaml", "--path", "cells_wk", "--wait")
    written = columns(site, "cells_wk", "write")
    sizes = [(3, 3), (4, 5), (4, 6), (7, 7), (8, 8)]
    assert written["text"] == [f"{a} x {b};$(exit 3)'" for a, b in sizes]
    assert written["area"] == [f"{a * b * 10} {a}" for a, b in sizes]
    assert columns(site, "cells_wk", "tell")["told"] == ["Cell of 320"]
    assert columns(site, "cells_wk", "shout")["shouted"] == ["CELL OF 320"]


def test_a_class_that_fails_is_told_where_its_value_is_given(site):
    (site.folder / "wrong.yaml").write_text(
        """
tasks:
  - schema: write
    inputs: {"cell::cube": {height: 3}}
  - schema: write
    inputs: {cell: {c: 3}}
  - schema: write
    inputs: {"cell::cub": {side: 3}}
  - schema: write
    sequences: [{path: "inputs.cell::cube", values: [{side: 7}, {edge: 8}]}]
"""
    )
    answer = site("check", "wrong.yaml", code=3)
    assert (
        "wrong.yaml:4:28: tasks[0].inputs.cell::cube: Cell.cube fails: TypeError" in answer
    )
    assert "the input 'cell': Cell fails: TypeError" in answer
    assert "did you mean 'cube'?" in answer
    assert "wrong.yaml:10:65: tasks[3].sequences[0].values[1]: Cell.cube fails" in answer


def test_a_schema_that_no_package_has_is_reported_with_those_that_there_are(site):
    (site.folder / "typo.yaml").write_text(TEMPLATE.replace("stretch", "strech"))
    assert "did you mean 'stretch'?" in site("check", "typo.yaml", code=3)


@pytest.mark.key("task_schemas.version", "task_schemas.web_doc")
def test_what_packages_offer_is_listed_and_shown(site):
    names = site("schemas").split()[::2]
    assert names == ["write", "parse", "tell", "double", "shout", "stretch"]
    shown = json.loads(site("schemas", "stretch", "--json"))["schema"]
    assert shown["inputs"] == [{"name": "lattice"}, {"name": "factor", "default": 2}]
    assert shown["outputs"] == ["volume"]
    assert shown["version"] == "2.1"
    assert json.loads(site("schemas", "shrink", "--json"))["schema"]["outputs"] == [
        "volume"
    ]
    assert "crystal_env" in site("environments")
    assert "python_script" in site("environments", "crystal_env")
    parameters = json.loads(site("parameters", "--json"))["parameters"]
    assert {one["name"]: one["made by"] for one in parameters} == {
        "lattice": [],
        "factor": [],
        "volume": ["stretch", "shrink"],
        "cell": ["parse", "double"],
        "numbers": [],
        "text": ["write"],
        "area": ["write"],
        "told": ["tell"],
        "shouted": ["shout"],
    }
    site("schemas", "nothing", code=4)


def test_a_package_with_mistakes_is_reported_where_its_schema_is_wanted(tmp_path):
    site = Site(tmp_path)
    wrong = SCHEMAS.replace("stretch.py", "missing.py")
    files = {"bad/__init__.py": "", "bad/task_schemas.yaml": wrong}
    site.add("bad", files, "[hpcflow.components]\nbad = bad\n")
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    answer = site("check", "template.yaml", code=3)
    assert "there is no task schema 'stretch'" in answer
    assert "task_schemas.yaml:6:15" in answer
    assert "missing.py" in answer
