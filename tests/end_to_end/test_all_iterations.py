"""Scripts that get the values of all turns so far."""

from __future__ import annotations

import pytest

from tests.end_to_end.combined_templates import (
    A_JOB_EACH,
    ONE_SCRIPT,
    STEPS,
    WITHIN_A_JOB,
    check_rest,
    combined,
    go,
    rows,
    thorough,
)

HISTORY = {
    "direct": "def step(x):\n    return {'y': told(x)['y'], 'all': told(x)['all']}\n",
    "json": """
import json

def step(_input_files, _output_files):
    with open(_input_files["json"]) as stream:
        found = told(json.load(stream)["x"])
    with open(_output_files["json"], "w") as stream:
        json.dump(found, stream)
""",
    "hdf5": """
import h5py

def step(_input_files, _output_files):
    with h5py.File(_input_files["hdf5"]) as stream:
        x = {
            key: {
                "loop_idx": {"down": int(one["loop_idx"]["down"][()])},
                "value": int(one["value"][()]),
            }
            for key, one in stream["x"].items()
        }
    with h5py.File(_output_files["hdf5"], "w") as stream:
        found = told(x)
        stream["y"] = found["y"]
        stream["all"] = found["all"]
""",
}
TOLD = """
def told(x):
    turns = [x[f"iteration_{number}"] for number in range(len(x))]
    assert [one["loop_idx"] for one in turns] == [{"down": n} for n in range(len(x))]
    xs = [one["value"] for one in turns]
    return {"y": xs[-1] + 1, "all": " ".join(map(str, xs))}
"""


@pytest.mark.key("actions.script_data_in.all_iterations")
@pytest.mark.parametrize(
    ("form", "measure"),
    [
        pytest.param("direct", WITHIN_A_JOB, id="direct-within"),
        thorough("direct", A_JOB_EACH, id="direct-job_each"),
        thorough("json", WITHIN_A_JOB, id="json-within"),
        thorough("hdf5", A_JOB_EACH, id="hdf5-job_each"),
    ],
)
def test_all_iterations_of_an_input(cli, form, measure):
    if form == "hdf5":
        pytest.importorskip("h5py")
    step = (
        ONE_SCRIPT.replace("{parameter: y}", "{parameter: y}, {parameter: all}")
        % f", script_data_in: {{x: {{format: {form}, all_iterations: true}}}}, "
        f"script_data_out: {form}"
    )
    go(cli, combined(step, measure_task=measure), {"step.py": TOLD + HISTORY[form]})
    xs = {e: [row[2] for row in STEPS if row[0] == e] for e in range(3)}
    assert [row[-1] for row in rows(cli, "step")] == [
        " ".join(map(str, xs[row[0]][: row[1] + 1])) for row in STEPS
    ]
    check_rest(cli)
