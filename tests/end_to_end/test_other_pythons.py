"""Scripts in Pythons that hpcflow is not installed in, the oldest that may be."""

from __future__ import annotations

import json
import subprocess

from tests.pythons import python38, python_with

TEMPLATE = """
tasks:
  - schema: mix
    inputs: {a: [1, 2], b: {x: null}}
    sequences: [{path: inputs.c, values: [1, 2]}]
  - {schema: load}
  - {schema: use}
template_components:
  environments:
    - name: old
      setup: unset PYTHONPATH
      executables: [{label: python_script, instances: [{command: OLD <<script_path>>}]}]
    - name: with_h5py
      setup: unset PYTHONPATH
      executables: [{label: python_script, instances: [{command: H5PY <<script_path>>}]}]
  task_schemas:
    - objective: mix
      inputs: [{parameter: a}, {parameter: b}, {parameter: c}]
      outputs: [{parameter: d}, {parameter: j}]
      actions:
        - script: mix.py
          environments: {any: old}
          script_data_in: {b: json, "*": direct}
          script_data_out: {d: direct, j: json}
    - objective: load
      inputs: [{parameter: j}]
      outputs: [{parameter: h}]
      actions:
        - script: load.py
          environments: {any: with_h5py}
          script_data_in: hdf5
          script_data_out: hdf5
    - objective: use
      inputs: [{parameter: d}, {parameter: h}]
      outputs: [{parameter: seen}]
      actions:
        - {script: use.py, environments: {any: with_h5py}}
"""

NO_HPCFLOW = """
import importlib.util, json, sys
assert importlib.util.find_spec("hpcflow") is None
assert importlib.util.find_spec("jobstores") is None
"""

MIX = """
def mix(a, c, _input_files, _output_files):
    with open(_input_files["json"]) as stream:
        given = json.load(stream)
    with open(_output_files["json"], "w") as stream:
        json.dump({"j": [c, c * 2.5]}, stream)
    return {"d": [(a, c), given, {3, 4}, sys.version_info[:2]]}
"""

LOAD = """
import h5py

def load(_input_files, _output_files):
    with h5py.File(_input_files["hdf5"]) as given, \\
            h5py.File(_output_files["hdf5"], "w") as made:
        made["h/sums"] = [given["j"][()].sum(), 0.5]
"""

USE = """
def use(d, h):
    return {"seen": [d, type(h["sums"]).__name__, h["sums"].tolist()]}
"""


def test_scripts_pass_values_where_hpcflow_is_not_installed(cli, tmp_path):
    h5py = python_with(tmp_path / "venv", "h5py", "numpy")
    old = python38() or h5py
    version = {"$tuple": version_of(old)}
    for name, text in (("mix", MIX), ("load", LOAD), ("use", USE)):
        (tmp_path / f"{name}.py").write_text(NO_HPCFLOW + text)
    template = cli.template(TEMPLATE.replace("OLD", old).replace("H5PY", h5py))
    cli("go", template, "--path", "wk", "--wait")
    made = [[{"$tuple": [[1, 2], c]}, {"b": {"x": None}}, {"$set": [3, 4]}] for c in (1, 2)]
    assert cli.column("wk", "use", "seen") == [
        [[*one, version], "ndarray", [3.5 * c, 0.5]]
        for one, c in zip(made, (1, 2), strict=True)
    ]


def version_of(python: str) -> list[int]:
    code = "import json, sys; print(json.dumps(sys.version_info[:2]))"
    done = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    found: list[int] = json.loads(done.stdout)
    return found
