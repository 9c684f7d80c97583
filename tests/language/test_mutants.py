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

from hpcflow.compile.bash_text import check_command
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
# the change ("absent": deleted, or null), the end of the path, why, and in which case;
# without one, in all of them.
ABSENT, TWICE, OTHER = "absent", "duplicate", "retype"
DEFAULT, SET, READERS = "states the default", "is a set", "is for readers"
DECLARED = "types need no declaration"
SAME: tuple[tuple[str, str, str] | tuple[str, str, str, str], ...] = (
    (ABSENT, r"shell|script_data_(in|out)|propagation_mode|dtype", DEFAULT),
    (ABSENT, r"high|repeats\.name|ndmin", DEFAULT),
    (
        ABSENT,
        r"tasks(\.resources(\.any(\.num_cores)?)?)",
        DEFAULT,
        "environments/executables",
    ),
    (ABSENT, r"resources(\.any(\.num_cores)?)?", DEFAULT, "resources/not_merged"),
    (
        ABSENT,
        r"resources\.processing(\.num_cores)?",
        "no run is of that scope",
        "resources/scopes_and_sequences",
    ),
    (ABSENT, r"labels\.one", "holds nothing but defaults", "inputs/modes_of_labels"),
    (ABSENT, r"tasks\.inputs(\.\w+)?", "an earlier task has the same value"),
    (ABSENT, r"inputs\.(multiple|labels)", "each alone says it", "inputs/any_label"),
    (ABSENT, r"meta_task_schemas\.inputs", "what must be taken is taken anyway"),
    (ABSENT, r"input_sources(\.\w+)?", "names where it would come from anyway"),
    (ABSENT, r"nesting_order(\.[\w.]+)?", "the order is the same without it"),
    (ABSENT, r"actions\.environments(\.(any|scope))?", "another scope's wins"),
    (ABSENT, r"scope\.kwargs(\.\w+)?", "there is one action of that kind"),
    (
        ABSENT,
        r"actions\.input_files",
        "the commands name them too",
        "files/kept_and_deleted",
    ),
    (OTHER, r"nesting_order(\.[\w.]+)?", "only how orders compare matters"),
    (OTHER, r"values::from_rectangle\.(start|stop)", "the other coordinate is asked for"),
    (ABSENT, r"termination_task|source_type|os_name", DEFAULT),
    (ABSENT, r"tasks\.env_preset", DEFAULT, "environments/not_merged"),
    (
        ABSENT,
        r"environments(\.tool(\.version)?)?",
        "`merge_envs` is false",
        "environments/not_merged",
    ),
    (
        ABSENT,
        r"env_presets",
        "presets that no schema has are passed over",
        "environments/presets_in_order",
    ),
    (ABSENT, r"element_sets\.environments", DEFAULT, "environments/specifiers"),
    ("", r"inputs\.value\.a(\.b)?", "a later value takes this place", "inputs/as_a_list"),
    (
        "",
        r"element_iters",
        "those that only one input has don't count",
        "sources/not_coincident",
    ),
    (TWICE, r"sourceable_elem_iters|non_iterable_parameters|env_presets|value\.in", SET),
    (TWICE, r"meta_task_schemas\.(inputs|outputs)", SET),
    (ABSENT, r"meta_task_schemas\.outputs", "what must be made is made anyway"),
    (TWICE, r"include|success_exit_codes", SET),
    (TWICE, r"(from|save|input|output)_files|from_inputs|clean_up", SET),
    (TWICE, r"output_file_parsers(\.\w+)?\.(inputs|outputs)", SET),
    ("", r"template_components\.parameters(\..*)?", DECLARED, "parameters/declared"),
    ("", r"template_components\.parameters", DECLARED, "schemas/names"),
    ("", r"(meta_)?task_schemas\.doc", READERS),
    ("", r"task_schemas\.(version|web_doc)", READERS),
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
        (not what or what == change)
        and re.search(rf"(^|\.)({end})$", place)
        and case in ([], [subject.case.name])
        for what, end, _, *case in SAME
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


# What others trip over if they take it for what it should be.
BROKEN = (
    ("sources/several", "tasks.1.sequences", "zz"),
    ("sources/several", "tasks.1.sequences.0.path", None),
    ("sources/sourceable_iterations", "tasks.SOME.sourceable_elem_iters.0", {"zz": 1}),
    ("sources/sourceable_iterations", "tasks.SOME.sourceable_elem_iters.0", "zz"),
    ("loops/non_iterable", "loops.SOME.non_iterable_parameters.0", {"zz": 1}),
    ("environments/presets_in_order", "env_presets.0", ["zz"]),
    ("resources/directives", "tasks.SOME.resources.any.scheduler_args.directives", None),
    ("resources/shell_of_the_job", "tasks.SOME.resources.any.shell_args.executable", None),
    (
        "sequences/from_latin_hypercube_options",
        "tasks.SOME.multi_path_sequences.0.values::from_latin_hypercube",
        None,
    ),
)


@pytest.mark.parametrize(("name", "place", "value"), BROKEN)
def test_a_broken_part_keeps_no_other_from_being_read(name, place, value, subjects):
    wanted = re.compile(re.escape(place).replace("SOME", r"\d+"))
    found = [
        Mutant("retype", mutant.path, value)
        for mutant in mutants(subjects(name).document)
        if mutant.what == "delete" and wanted.fullmatch(".".join(map(str, mutant.path)))
    ]
    assert found
    assert [str(mutant) for mutant in found if verdict(mutant, subjects(name))] == []


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
