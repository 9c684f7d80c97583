"""Each case of the template language gives its values, run on this machine."""

from __future__ import annotations

import pytest

from hpcflow.app.workflow import Workflow
from hpcflow.compile.bash_text import check_command
from hpcflow.template.load import Options
from tests.language.cases import ALL_CASES, found_problems, read_case, write_case
from tests.language.checks import check_ended, check_record

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
        check_ended(case, workflow, status)


@pytest.mark.parametrize("case", parameters(REFUSED))
def test_what_is_wrong_is_refused_where_it_stands(case, tmp_path, monkeypatch):
    template = write_case(case, tmp_path)
    monkeypatch.chdir(tmp_path)
    options = Options(check_command=check_command)
    assert found_problems(case, template, options) == list(case.problems)
    assert sorted(tmp_path.iterdir()) == sorted(
        {template, *(tmp_path / name.split("/")[0] for name in case.files)}
    )
