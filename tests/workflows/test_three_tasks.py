"""A sweep, a map and a reduction: all well, and with one element failing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command_line import columns, hpcflow, run_counts

FOLDER = Path(__file__).with_name("three_tasks")
EXPECTED = json.loads((FOLDER / "expected.json").read_text())
SCHEDULERS = ["local", pytest.param("slurm", marks=pytest.mark.slurm)]


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_on_every_store_and_zipped_every_value_is_the_expected_one(
    scheduler, store, shared_path
):
    workflow = shared_path / "workflow"
    hpcflow(
        *("go", FOLDER / "template.yaml", "--path", workflow, "--store", store),
        *("--scheduler", scheduler, "--wait"),
        folder=shared_path,
    )
    expected = EXPECTED["all_well"]
    assert run_counts(workflow) == expected["runs"]
    for task, outputs in expected.items():
        if task == "runs":
            continue
        table = columns(workflow, task)
        assert {name: table[name] for name in outputs} == outputs
    verified = hpcflow("store", "verify", workflow, folder=shared_path)
    assert verified.stdout.startswith("whole")
    hpcflow("zip", workflow, folder=shared_path)
    archive = shared_path / "workflow.zip"
    assert run_counts(archive) == expected["runs"]
    assert columns(archive, "total") == columns(workflow, "total")


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_one_failing_element_fails_alone_and_skips_what_needs_it(scheduler, shared_path):
    workflow = shared_path / "workflow"
    hpcflow(
        *("go", FOLDER / "template.yaml", "--path", workflow, "--var", "failing", 1),
        *("--scheduler", scheduler, "--wait"),
        folder=shared_path,
        exit_code=1,
    )
    expected = EXPECTED["one_failing"]
    assert run_counts(workflow) == expected["runs"]
    (failure,) = json.loads(hpcflow("show", workflow, "--json", folder=shared_path).stdout)[
        "failures"
    ]
    assert failure["task"] == "multiply"
    assert failure["element"] == expected["failed_element"]
    assert failure["exit"] == expected["exit_code"]
    log = hpcflow(
        "logs", workflow, "multiply", expected["failed_element"], folder=shared_path
    )
    assert log.stdout == "this element was told to fail\n"

    products = columns(workflow, "multiply")["product"]
    assert [i for i, value in enumerate(products) if value is None] == [
        expected["failed_element"]
    ]
    assert columns(workflow, "halve")["half"][expected["failed_element"]] is None
    assert columns(workflow, "total")["total"] == [None]
