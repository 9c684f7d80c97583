"""Each case of the template language gives its values, run on this machine."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hpcflow.app.workflow import Workflow
from hpcflow.compile.commands import check_command
from hpcflow.template.load import Options
from tests.language.cases import ALL_CASES, found_problems, read_case, same, write_case

ALL = [read_case(path) for path in ALL_CASES]
WAIT_S = 120
TO_RUN = [case for case in ALL if not case.problems]
REFUSED = [case for case in ALL if case.problems]


def parameters(cases):
    return [
        pytest.param(case, id=case.name, marks=[pytest.mark.key(key) for key in case.keys])
        for case in cases
    ]


@pytest.mark.parametrize("case", parameters(TO_RUN))
def test_a_template_gives_the_values_that_its_author_expects(
    case, tmp_path, local_scheduler, monkeypatch
):
    template = write_case(case, tmp_path)
    monkeypatch.chdir(tmp_path)
    workflow = Workflow.make(template, path=tmp_path / "made", variables=case.var)
    check_record(case, workflow)
    if case.values or case.runs or case.kept:
        workflow.submit(scheduler="local")
        status = workflow.wait(timeout_s=WAIT_S)
        check_runs(case, workflow, status)
        check_reasons(case, workflow)
        check_values(case, workflow)
        check_kept(case, workflow)


@pytest.mark.parametrize("case", parameters(REFUSED))
def test_what_is_wrong_is_refused_where_it_stands(case, tmp_path, monkeypatch):
    template = write_case(case, tmp_path)
    monkeypatch.chdir(tmp_path)
    options = Options(check_command=check_command)
    assert found_problems(case, template, options) == list(case.problems)
    assert sorted(tmp_path.iterdir()) == sorted(
        {template, *(tmp_path / name.split("/")[0] for name in case.files)}
    )


def check_record(case, workflow):
    """The workflow as made, and as it would be submitted."""
    if case.info:
        info = workflow._opened.store.base().info
        assert {name: info[name] for name in case.info} == case.info
    if case.jobs:
        planned = workflow.plan(scheduler=case.jobs["scheduler"])
        text = "\n".join(
            content.decode(errors="replace")
            for files in planned.values()
            for name, content in files.items()
            if name.endswith((".sh", ".json"))
        )
        assert [line for line in case.jobs.get("lines", ()) if line not in text] == []
        assert [line for line in case.jobs.get("absent", ()) if line in text] == []
        assert len(planned) == case.jobs.get("count", len(planned))


def check_runs(case, workflow, status):
    """How each task's runs ended, and why those that did not succeed."""
    found = {
        task.name: {state.name.lower(): n for state, n in task.counts.items() if n}
        for task in status.tasks
    }
    failures = [(f, workflow.explain(f)) for f in status.failures]
    if case.runs is None:
        assert all(set(states) <= {"succeeded"} for states in found.values()), failures
    else:
        assert found == case.runs, failures


def check_reasons(case, workflow):
    """What is recorded of runs that were skipped or failed."""
    if not case.reasons:
        return
    store = workflow._opened.store
    base = store.base()
    runs, whys = (list(store.column(base, "runs", name)) for name in ("id", "why"))
    for task, pieces in case.reasons.items():
        (info,) = [info for info in base.info["tasks"] if info["name"] == task]
        later = [t["run_base"] for t in base.info["tasks"]]
        end = min((b for b in later if b > info["run_base"]), default=math.inf)
        found = [
            why
            for run, why in zip(runs, whys, strict=True)
            if info["run_base"] <= run < end
        ]
        for piece in pieces:
            assert any(piece in why for why in found), (piece, found)


def check_values(case, workflow):
    """The tables, column by column."""
    for task, expected in case.values.items():
        table = workflow.results(task)
        found = {name: plain(table.columns[name]) for name in expected}
        for name, values in expected.items():
            assert same(found[name], values), f"{task}.{name}: {found[name]!r}"


def plain(value):
    """A column's or array's values as lists."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    return [plain(item) for item in value] if isinstance(value, list) else value


def check_kept(case, workflow):
    """Files that the workflow's directory must hold."""
    for pattern, content in case.kept.items():
        found = [path.read_text() for path in workflow.path.glob(pattern)]
        assert found == [content], pattern
