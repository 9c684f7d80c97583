"""The JSON Schema for editors says what the checks say, as far as a schema can."""

from __future__ import annotations

import copy
import datetime as dt
import json
import subprocess

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcflow.template.json_schema import template_schema
from hpcflow.template.language import TEMPLATE
from hpcflow.template.load import check_template
from hpcflow.template.nodes import plain
from hpcflow.template.problems import Positions, Problems
from hpcflow.template.shape import Either, Items, Map, Record, Scalar
from hpcflow.template.source import substitute
from hpcflow.template.yaml12 import parse_yaml
from tests.command_line import BESIDE, ROOT
from tests.language.cases import ALL_CASES, read_case

SCHEMA = template_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
EXAMPLES = sorted(
    [*ROOT.glob("examples/*/template.yaml"), *ROOT.glob("tests/workflows/*/template.yaml")]
)
BASE = """
name: study
tasks:
  - schema: show
    inputs: {x: 1}
    sequences: [{path: inputs.y, values: [1, 2]}]
    resources: {any: {num_cores: 2, time_limit: "01:00:00", memory: 2GiB}}
template_components:
  task_schemas:
    - objective: show
      inputs: [{parameter: x}, {parameter: y}]
      actions: [{commands: [{command: "echo <<parameter:x>> <<parameter:y>>"}]}]
"""


def document(text):
    """A template as an editor reads it: variables are not replaced."""
    problems = Problems(Positions("", text))
    found = plain(parse_yaml(text, problems))
    assert not problems.any_errors
    return as_json(found)


def as_json(value):
    """Dates are texts to an editor."""
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    return value.isoformat() if isinstance(value, dt.date) else value


def errors(found):
    return [error.message for error in VALIDATOR.iter_errors(found)]


def scalars(shape, seen=None):
    seen = set() if seen is None else seen
    match shape:
        case Scalar():
            yield shape
        case Record() if id(shape) not in seen:
            seen.add(id(shape))
            for key in shape.keys.values():
                yield from scalars(key.shape, seen)
            if shape.others is not None:
                yield shape.others[0]
                yield from scalars(shape.others[1].shape, seen)
        case Items(item=item):
            yield from scalars(item, seen)
        case Map(item=item, names=names):
            yield from scalars(item, seen)
            if names is not None:
                yield names
        case Either():
            for part in (shape.scalar, shape.items, shape.map):
                yield from scalars(part, seen)


SCALARS = list({id(scalar): scalar for scalar in scalars(TEMPLATE)}.values())


def test_it_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_an_example_is_right(path):
    assert errors(document(path.read_text())) == []


@pytest.mark.parametrize("path", ALL_CASES, ids=lambda path: path.stem)
def test_what_runs_is_right(path):
    case = read_case(path)
    if not case.problems:
        source, _ = substitute(case.template, case.var, "")
        assert errors(document(source.text)) == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("taks",), []),
        (("tasks",), []),
        (("tasks",), {}),
        (("name",), "a/b"),
        (("tasks", 0, "input"), {}),
        (("tasks", 0, "schema"), 5),
        (("tasks", 0, "repeats"), 0),
        (("tasks", 0, "sequences", 0, "values::from_rnge"), {}),
        (("tasks", 0, "sequences", 0, "values::from_range"), {"start": 0}),
        (("tasks", 0, "sequences", 0, "nesting_order"), -1),
        (("tasks", 0, "resources", "any", "num_cores"), "four"),
        (("tasks", 0, "resources", "any", "num_cores"), 1.5),
        (("tasks", 0, "resources", "any", "memory"), "2Gib"),
        (("tasks", 0, "resources", "any", "time_limit"), "1:99:00"),
        (("tasks", 0, "resources", "any", "parallel_mode"), "sharde"),
        (("template_components", "task_schemas", 0, "objective"), "two words"),
        (("template_components", "task_schemas", 0, "actions", 0, "comands"), []),
    ],
    ids=lambda value: None if not isinstance(value, tuple) else ".".join(map(str, value)),
)
def test_what_is_broken_is_wrong_here_and_in_the_checks(place, value):
    right = document(BASE)
    assert errors(right) == []
    broken = copy.deepcopy(right)
    *path, last = place
    at = broken
    for step in path:
        at = at[step]
    at[last] = value
    assert errors(broken)
    assert check_template(json.dumps(broken))


def test_a_missing_key_is_wrong():
    broken = document(BASE)
    del broken["tasks"][0]["schema"]
    assert errors(broken)


def test_a_variable_may_stand_for_anything():
    found = document(BASE)
    found["tasks"][0]["repeats"] = "<<var:n>>"
    found["tasks"][0]["sequences"][0]["values"] = "<<var:values[default=[1, 2]]>>"
    found["tasks"][0]["resources"]["any"]["num_cores"] = "<<var:n[default=2]>>"
    found["name"] = "study_<<var:n>>"
    assert errors(found) == []


@pytest.mark.parametrize("scalar", SCALARS, ids=lambda scalar: scalar.name)
def test_every_scalar_says_what_it_is_to_editors_too(scalar):
    assert scalar.json is not None


@given(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-3, 300),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=6),
        st.from_regex(r"[\w\-./ ]{1,6}"),
        st.sampled_from(["--time", "1-02:03:04", "2GiB", "500 MB", "main", "a.b", "é"]),
    )
)
def test_what_a_scalar_takes_is_never_wrong(value):
    for scalar in SCALARS:
        if scalar.test(value) and scalar.json is not None:
            jsonschema.validate(value, scalar.json)


def test_templates_that_are_added_are_right_too():
    more = {"loop": "a", "num_iterations": 2, "keep": ["show", 1]}
    added = {"add_elements": [{"task": 0, "inputs": {"x": 1}}], "add_iterations": [more]}
    assert errors(added) == []
    assert errors({"add_iterations": [more]}) == []
    assert len(errors({"add_iterations": [{**more, "num_iterations": 0}]})) == 1
    assert len(errors({"add_iterations": [{"num_iterations": 1}]})) == 1
    assert len(errors({"name": "nothing"})) == 1


def test_the_command_prints_it():
    done = subprocess.run(
        [BESIDE / "hpcflow", "check", "--json-schema"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == SCHEMA


def test_without_a_template_there_is_nothing_to_check():
    done = subprocess.run([BESIDE / "hpcflow", "check"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "Missing argument 'TEMPLATE'" in done.stderr
