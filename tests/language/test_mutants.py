"""Nothing of a template is accepted and ignored.

Each mutant of a template that runs is either refused, at a position, or makes another
workflow; the exceptions are said below, with their reasons.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpcflow.compile.commands import check_command
from hpcflow.persist.workflow_record import encode_workflow
from hpcflow.template.load import Options, examine
from hpcflow.template.nodes import plain
from hpcflow.template.problems import Positions, Problem, Problems
from hpcflow.template.source import substitute
from hpcflow.template.yaml12 import parse_yaml
from tests.language.cases import ALL_CASES, Case, read_case, write_case
from tests.language.mutants import Mutant, mutants, render, value_at

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OPTIONS = Options(check_command=check_command, draw_seed=lambda: 7, python="python3")

# Changes after which the workflow is the same, by how the language is documented:
# the change ("absent": deleted, or null), the end of the path, and why.
ABSENT, TWICE, OTHER = "absent", "duplicate", "retype"
SAME: tuple[tuple[str, str, str], ...] = (
    (ABSENT, r"shell|script_data_(in|out)|propagation_mode|dtype", "states the default"),
    (ABSENT, r"num_cores|high|repeats\.name|ndmin", "states the default"),
    (ABSENT, r"(any|main)|resources", "holds nothing but defaults"),
    (ABSENT, r"inputs(\.\w+)?", "an earlier task has the same value"),
    (ABSENT, r"input_sources(\.\w+)?", "names where it would come from anyway"),
    (ABSENT, r"nesting_order(\.[\w.]+)?", "the order is the same without it"),
    (ABSENT, r"actions\.environments(\.(any|scope))?", "another scope's wins"),
    (ABSENT, r"scope\.kwargs(\.\w+)?", "there is one action of that kind"),
    (ABSENT, r"actions\.(input|output)_files", "the commands name them too"),
    (OTHER, r"nesting_order(\.[\w.]+)?", "only how orders compare matters"),
    (OTHER, r"values::from_rectangle\.(start|stop)", "the other coordinate is asked for"),
    (ABSENT, r"termination_task|source_type|os_name|env_preset", "states the default"),
    (ABSENT, r"element_sets\.environments", "states the default"),
    (ABSENT, r"from_load_txt\.comments", "the only comment is in a line that is left out"),
    ("", r"inputs\.value\.a(\.b)?", "another value takes this place"),
    (TWICE, r"sourceable_elem_iters|non_iterable_parameters|env_presets|in", "is a set"),
    (TWICE, r"meta_task_schemas\.(inputs|outputs)", "is a set"),
    (ABSENT, r"meta_task_schemas\.outputs", "what must be made is made anyway"),
    (TWICE, r"include|success_exit_codes|args", "is a set"),
    (TWICE, r"(from|save|input|output)_files|from_inputs|clean_up", "is a set"),
    (TWICE, r"output_file_parsers\.\w+\.(inputs|outputs)", "is a set"),
    ("", r"template_components\.parameters\..*", "types need no declaration"),
    ("", r"template_components\.parameters", "types need no declaration"),
    ("", r"(meta_)?task_schemas\.doc", "is for readers"),
    ("", r"task_schemas\.(version|web_doc)", "is for readers"),
    ("", r"(rules|_validation)\.doc", "is for readers"),
)


@dataclass(frozen=True)
class Subject:
    """A template as a document, and the workflow that it makes."""

    case: Case
    folder: Path
    document: Any
    made: str


def made_of(text: str, folder: Path, name: str) -> tuple[str | None, list[Problem]]:
    """What would be stored of a template, None where it is refused; its problems."""
    template = folder / f"{name}.json"
    template.write_text(text)
    found = examine(template, options=OPTIONS)
    errors = [p for p in found.problems if p.severity == "error"]
    if found.workflow is None:
        return None, errors
    workflow = replace(
        found.workflow, seeds=found.seeds, template_source="", template_path=""
    )
    record = encode_workflow(workflow, workflow_id="", created="", version="")
    documents = {key: content.decode() for key, content in record.documents.items()}
    return repr((record.info, documents, arrays(record.tables))), errors


def arrays(tables: Any) -> Any:
    """Tables whose columns can be compared."""
    if isinstance(tables, dict):
        return {key: arrays(value) for key, value in tables.items()}
    if isinstance(tables, np.ndarray):
        return (str(tables.dtype), tables.tolist())
    if isinstance(tables, (list, tuple)):
        return [arrays(value) for value in tables]
    return tables


BY_NAME = {case.name: case for case in map(read_case, ALL_CASES) if not case.problems}


@pytest.fixture(scope="module")
def subjects(tmp_path_factory) -> Callable[[str], Subject]:
    """Gives the templates of cases that run as documents, each read once."""
    return cache(lambda name: subject(BY_NAME[name], tmp_path_factory.mktemp("case")))


def subject(case: Case, folder: Path) -> Subject:
    """A case's template, with its variables replaced."""
    write_case(case, folder)
    source, _ = substitute(case.template, case.var, "")
    root = parse_yaml(source.text, Problems(Positions("", source.text)))
    document = json.loads(json.dumps(plain(root), default=str))  # JSON has no dates
    made, errors = made_of(render(document), folder, case.path.stem)
    assert made is not None, (case.name, list(map(str, errors)))
    return Subject(case, folder, document, made)


def is_documented(mutant: Mutant, subject: Subject) -> bool:
    """Whether the language says that such a change changes nothing."""
    is_null = mutant.what == "retype" and mutant.value is None
    change = ABSENT if is_null or mutant.what == "delete" else mutant.what
    if change == ABSENT and value_at(subject.document, mutant.path) in ([], {}, None):
        return True
    place = ".".join(step for step in mutant.path if isinstance(step, str))
    return any(
        (not what or what == change) and re.search(rf"(^|\.)({end})$", place)
        for what, end, _ in SAME
    )


def verdict(mutant: Mutant, subject: Subject) -> str:
    """What is wrong with how a mutant is taken; "" where nothing is."""
    text = render(subject.document, mutant)
    made, errors = made_of(text, subject.folder, subject.case.path.stem)
    if made is None:
        if not errors or any(p.line < 1 or p.column < 1 for p in errors):
            return f"refused without a position: {list(map(str, errors))}"
        return ""
    if made == subject.made and not is_documented(mutant, subject):
        return "accepted and ignored"
    return ""


@given(data=st.data())
@settings(
    max_examples=400,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_mutant_is_refused_or_makes_another_workflow(data, subjects):
    subject = subjects(data.draw(st.sampled_from(sorted(BY_NAME)), label="template"))
    mutant = data.draw(st.sampled_from(list(mutants(subject.document))), label="mutant")
    assert verdict(mutant, subject) == "", f"{subject.case.name}: {mutant}"


def test_a_mutant_that_is_ignored_would_be_seen(subjects):
    subject = subjects(min(BY_NAME))
    same = Mutant("retype", ("tasks",), subject.document["tasks"])
    assert verdict(same, subject) == "accepted and ignored"


def test_mutants_are_what_they_are_called():
    document = {"a": [1, {"b": "x"}]}
    found = {str(m): render(document, m) for m in mutants(document)}
    assert found["rename a"] == '{"a_zz": [1, {"b": "x"}]}'
    assert found["delete a.0"] == '{"a": [{"b": "x"}]}'
    assert found["duplicate a.1.b"] == '{"a": [1, {"b": "x", "b": "x"}]}'
    assert found["retype a.1.b to True"] == '{"a": [1, {"b": true}]}'
    assert render(document) == json.dumps(document)
