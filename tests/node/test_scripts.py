"""Script steps: a user's function, called in the user's own Python."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from jobstores import values
from tests.node.job_directory import Job, encoded, script
from tests.pythons import python38


def function(body: str, parameters: str = "x") -> str:
    """A script with the function `work`."""
    lines = "\n".join(f"    {line}" for line in body.split("\n"))
    return f"import os, sys\n\ndef work({parameters}):\n{lines}\n"


def job_of(root: Path, body: str, value=5, *, parameters: str = "x", **fields) -> Job:
    given = {"inputs": {"x": {"from": "row", "column": 1}}, "outputs": ["y"], **fields}
    text = function(body, parameters)
    return Job(root, [[0, encoded(value)]], [script(text, "work", **given)])


def result(job: Job, **environment: str):
    record = job.execute(**environment).records[0]
    assert record["ok"], (record, job.log())
    return values.decode(record["out"]["y"])


def failure(job: Job) -> tuple[str, str]:
    record = job.execute().records[0]
    assert not record["ok"]
    return record["why"], job.log()


@pytest.mark.parametrize(
    "value",
    [
        5,
        None,
        "text with $(id) and\nlines",
        [1, (2.5, {"a": {1, 2}})],
        {"$x": b"\0\xff", 3: float("inf")},
        np.arange(6.0).reshape(2, 3),
        {"inside": [np.float32(2), np.array(["a", "bc"])]},
    ],
    ids=repr,
)
def test_values_go_in_and_out_with_their_types(tmp_path, value):
    found = result(job_of(tmp_path, "return {'y': x}", value))
    assert encoded(found) == encoded(value)
    assert type(found) is type(value)


def test_a_large_output_becomes_an_object(tmp_path):
    job = job_of(tmp_path, "return {'y': list(range(x))}", 10_000)
    reference = job.execute().records[0]["out"]["y"]
    assert (tmp_path / reference["$object"]).stat().st_size == reference["bytes"]


def test_labelled_inputs_come_as_a_map(tmp_path):
    inputs = {
        "x[one]": {"from": "row", "column": 1},
        "x[two]": {"from": "constant", "value": 2},
    }
    assert result(job_of(tmp_path, "return {'y': x}", inputs=inputs)) == {
        "one": 5,
        "two": 2,
    }


def test_a_script_need_return_nothing_where_nothing_is_declared(tmp_path):
    job = job_of(tmp_path, "print('worked', x)", outputs=[])
    assert job.execute().records[0]["ok"]
    assert job.log() == "worked 5\n"


def test_json_files_are_given_as_paths(tmp_path):
    body = (
        "import json\n"
        "given = json.load(open(_input_files['json']))\n"
        "json.dump({'y': [given, sorted(_input_files)]}, open(_output_files['json'], 'w'))"
    )
    job = job_of(
        tmp_path,
        body,
        {"a": np.array([1, 2])},
        parameters="_input_files, _output_files",
        data_in="json",
        data_out="json",
    )
    assert result(job) == [{"x": {"a": [1, 2]}}, ["json"]]


def test_direct_inputs_go_with_a_json_output_and_the_reverse(tmp_path):
    body = "import json\njson.dump({'y': x}, open(_output_files['json'], 'w'))"
    job = job_of(tmp_path / "a", body, parameters="x, _output_files", data_out="json")
    assert result(job) == 5
    body = "import json\nreturn {'y': json.load(open(_input_files['json']))}"
    job = job_of(tmp_path / "b", body, parameters="_input_files", data_in="json")
    assert result(job) == {"x": 5}


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("pass", "output 'y' was not produced"),
        ("open(_output_files['json'], 'w').write('{')", "the outputs are not JSON"),
        ("open(_output_files['json'], 'w').write('[1]')", "found a list"),
        ("open(_output_files['json'], 'w').write('{\"z\": 1}')", "'z' is not an output"),
    ],
)
def test_a_json_file_that_is_not_the_outputs_fails_the_run(tmp_path, written, why):
    job = job_of(tmp_path, written, parameters="x, _output_files", data_out="json")
    assert why in failure(job)[0]


def test_a_traceback_shows_the_users_frames_only(tmp_path):
    why, log = failure(
        job_of(tmp_path, "def inner():\n    raise ValueError('bad ' * 3)\ninner()")
    )
    assert why == "exit status 1: ValueError: bad bad bad"
    assert log.startswith("Traceback (most recent call last):\n")
    assert log.endswith("ValueError: bad bad bad \n")
    assert log.count("  File ") == 2
    assert f'{tmp_path}/submissions/0/jobs/0/script_0.py", line 6, in work' in log
    assert "call.py" not in log


def test_a_script_that_does_not_compile_is_shown_to_its_user(tmp_path):
    why, log = failure(job_of(tmp_path, "return ]"))
    assert "SyntaxError" in why
    assert "script_0.py" in log
    assert "call.py" not in log


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (
            "return 5",
            "function 'work' returned a int; expected a dict with the outputs 'y'",
        ),
        ("return None", "function 'work' returned a NoneType; expected a dict"),
        ("return {}", "function 'work' returned no output 'y'; expected"),
        (
            "return {'y': 1, 'z': 2}",
            "function 'work' returned the unknown output 'z'; expected",
        ),
        ("return {'z': 2}", "returned no output 'y' and returned the unknown output 'z'"),
        ("return {'y': object()}", "y: cannot store an object of type object"),
        ("return {'y': [1, {'a': sys}]}", "y[1].a: cannot store an object of type module"),
        ("sys.exit(0)", "output 'y' was not produced"),
        ("sys.exit(3)", "exit status 3"),
        ("os.kill(os.getpid(), 9)", "killed by signal 9"),
    ],
)
def test_what_is_wrong_with_the_result_is_said(tmp_path, body, why):
    assert why in failure(job_of(tmp_path, body))[0]


def test_a_function_with_other_parameters_is_refused_by_python(tmp_path):
    why, log = failure(job_of(tmp_path, "return {'y': 1}", parameters="z"))
    assert "work() got an unexpected keyword argument 'x'" in why
    assert "call.py" not in log


def test_a_script_without_the_function_says_what_it_has(tmp_path):
    job = Job(tmp_path, [[0]], [script("def other(): pass\n", "work", outputs=["y"])])
    assert failure(job)[0] == (
        "exit status 1: script_0.py has no function 'work'; it has other"
    )


def test_the_users_python_finds_none_of_our_modules_by_accident(tmp_path):
    body = (
        "names = ['item', 'shell', 'capture', 'manifest', 'hpcflow', 'jobstores']\n"
        "import importlib.util\n"
        "found = [n for n in names if n in sys.modules or importlib.util.find_spec(n)]\n"
        "return {'y': [found, sys.path[0], sys.argv]}"
    )
    job = job_of(tmp_path, body, python=bare_python())
    directory = str(job.directory)
    assert result(job) == [[], directory, [f"{directory}/script_0.py"]]


def test_the_script_is_a_module_that_classes_can_live_in(tmp_path):
    text = (
        "import dataclasses, pickle\n"
        "@dataclasses.dataclass\nclass Point:\n    a: int\n"
        "def work(x):\n    return {'y': pickle.loads(pickle.dumps(Point(x))).a}\n"
        "if __name__ == '__main__':\n    raise SystemExit(9)\n"
    )
    inputs = {"x": {"from": "constant", "value": 7}}
    assert (
        result(Job(tmp_path, [[0]], [script(text, "work", inputs=inputs, outputs=["y"])]))
        == 7
    )


def test_a_script_is_told_who_it_is(tmp_path):
    body = (
        "names = 'NAME NAME_NO_EXT DIR PATH'.split()\n"
        "return {'y': [os.environ['HPCFLOW_RUN_SCRIPT_' + name] for name in names]}"
    )
    job = job_of(tmp_path, body)
    place = str(job.directory)
    assert result(job) == ["script_0.py", "script_0", place, f"{place}/script_0.py"]


def test_nothing_is_left_in_the_temporary_folder(tmp_path):
    folder = tmp_path / "tmp"
    folder.mkdir()
    job = job_of(tmp_path / "w", "return {'y': os.environ['HPCFLOW_CALL_IN']}")
    place = Path(result(job, TMPDIR=str(folder)))
    assert place.is_relative_to(folder)
    assert not list(folder.iterdir())


def test_each_run_has_files_of_its_own(tmp_path):
    text = function("return {'y': x} if x else sys.exit(0)")
    inputs = {"x": {"from": "row", "column": 1}}
    step = script(text, "work", inputs=inputs, outputs=["y"])
    records = Job(tmp_path, [[0, 1], [1, 0]], [step]).execute().records
    assert [records[run]["ok"] for run in (0, 1)] == [True, False]


def bare_python() -> str:
    """A Python that has no installed packages; our own, isolated, where there is none."""
    return "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else "python3"


@pytest.mark.skipif(python38() is None, reason="there is no Python 3.8")
def test_an_old_python_will_do(tmp_path):
    body = "return {'y': [x, sys.version_info[:2], {1, 2}]}"
    job = job_of(tmp_path, body, [1, ("a", 2.5)], python=python38())
    assert result(job) == [[1, ("a", 2.5)], (3, 8), {1, 2}]


def test_what_a_script_printed_comes_before_its_traceback(tmp_path):
    why, log = failure(job_of(tmp_path, "print('so far')\nraise ValueError('no further')"))
    assert log.startswith("so far\nTraceback")
    assert why.endswith("ValueError: no further")
