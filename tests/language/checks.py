"""What must have become of a case's workflow."""

from __future__ import annotations

import math

import numpy as np

from tests.language.cases import same


def check_ended(case, workflow, status):
    """All that a case expects of a workflow whose jobs have ended."""
    check_runs(case, workflow, status)
    check_reasons(case, workflow)
    check_values(case, workflow)
    check_kept(case, workflow)


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
