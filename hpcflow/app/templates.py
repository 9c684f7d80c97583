"""Reading templates for the commands."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpcflow.app.components import installed_packages, own_environments
from hpcflow.app.config import load_config
from hpcflow.compile.bash_text import check_command
from hpcflow.compile.grouping import check_loops
from hpcflow.compile.plan import CompileError
from hpcflow.template.load import Examined, Options, TemplateError, examine
from hpcflow.template.problems import Problem
from hpcflow.template.urls import is_url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hpcflow.model.workflow import Workflow
    from hpcflow.template.imports import OtherWorkflow


def read_template(
    path: str | Path, variables: Mapping[str, str], python: str = sys.executable
) -> Workflow:
    """Check and expand a template file. python: that of jobs.

    Raises:
        InvalidTemplateError: a line for each problem.
    """
    examined = _examine(path, variables, python=python)
    if examined.workflow is None:
        raise TemplateError(examined.problems)
    return replace(examined.workflow, seeds=examined.seeds)


def adder(
    path: str | Path, variables: Mapping[str, str], python: str = sys.executable
) -> Callable[[Workflow], Workflow]:
    """What reads a template file's tasks onto a workflow; raises as `read_template`."""
    return partial(_read_onto, path, variables, python)


def _read_onto(
    path: str | Path, variables: Mapping[str, str], python: str, workflow: Workflow
) -> Workflow:
    examined = _examine(path, variables, workflow, python=python)
    if examined.workflow is None:
        error = TemplateError(examined.problems)
        error.undone = "added"
        raise error
    return examined.workflow


def check(path: str | Path, variables: Mapping[str, str]) -> list[Problem]:
    """All problems of a template file, warnings included."""
    return _examine(path, variables).problems


def json_schema_of_templates() -> dict[str, Any]:
    """The JSON Schema of templates, draft 2020-12."""
    from hpcflow.template.json_schema import template_schema

    return template_schema()


def _open_other(place: str) -> OtherWorkflow:
    from hpcflow.app.imports import open_other  # only where a template imports

    return open_other(place)


def _examine(
    path: str | Path,
    variables: Mapping[str, str],
    onto: Workflow | None = None,
    *,
    python: str = sys.executable,
) -> Examined:
    options = Options(
        environments=own_environments(),
        check_command=check_command,
        packages=installed_packages,
        open_workflow=_open_other,
        onto=onto,
        scheduler=load_config().scheduler,
        python=python,
    )
    place = path if isinstance(path, str) and is_url(path) else Path(path)
    examined = examine(place, variables=variables, options=options)
    if examined.workflow is None:
        return examined
    try:
        check_loops(examined.workflow)
    except CompileError as error:
        problem = Problem(str(path), 0, 0, "loops", str(error))
        return Examined(None, [*examined.problems, problem], examined.seeds)
    return examined
