"""`show --json` is what its schema says, at each stage of a workflow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import jsonschema
import pytest

from schedulers.job import JobPhase
from tests.command_line import ROOT, hpcflow

if TYPE_CHECKING:
    from pathlib import Path

THREE_TASKS = ROOT / "tests/workflows/three_tasks/template.yaml"
SCHEMA = json.loads((ROOT / "docs/reference/show.schema.json").read_text())


def shown(workflow: Path, phase: str) -> dict:
    """The document, after it was held against the schema."""
    document = json.loads(
        hpcflow("show", workflow, "--json", folder=workflow.parent).stdout
    )
    jsonschema.validate(document, SCHEMA, jsonschema.Draft202012Validator)
    assert document["phase"] == phase
    return document


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_a_workflow_before_and_after_it_ran(tmp_path):
    workflow = tmp_path / "workflow"
    hpcflow("make", THREE_TASKS, "--path", workflow, folder=tmp_path)
    made = shown(workflow, "made")
    assert made["tasks"][0] == {
        "name": "multiply",
        "elements": 24,
        "runs": 24,
        "states": {"pending": 24},
    }
    hpcflow("submit", workflow, "--wait", folder=tmp_path)
    done = shown(workflow, "done")
    assert done["tasks"][0]["states"] == {"succeeded": 24}
    assert (done["id"], done["runs"], done["failures"]) == (made["id"], 49, [])


def test_a_workflow_with_a_failure(tmp_path):
    workflow = tmp_path / "workflow"
    go = (
        "go",
        THREE_TASKS,
        "--path",
        workflow,
        "--var",
        "failing",
        "1",
        "--wait",
        "--json",
    )
    ended = hpcflow(*go, folder=tmp_path, exit_code=1)
    jsonschema.validate(json.loads(ended.stdout), SCHEMA, jsonschema.Draft202012Validator)
    (failure,) = shown(workflow, "ended")["failures"]
    log = failure["log"]
    with open(log["path"], "rb") as file:
        assert file.read()[log["start"] : log["end"]] == b"this element was told to fail\n"


def test_an_error_is_a_document_too(tmp_path):
    done = hpcflow("show", tmp_path / "nothing", "--json", folder=tmp_path, exit_code=4)
    document = json.loads(done.stdout)
    assert document["error"]["kind"] == "not_a_workflow"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, SCHEMA, jsonschema.Draft202012Validator)


def test_every_phase_of_a_job_item_has_its_word():
    words = SCHEMA["$defs"]["job"]["properties"]["items"]["propertyNames"]["enum"]
    ours = {"closed", "not submitted"}
    assert set(words) == ours | {phase.value for phase in JobPhase}
