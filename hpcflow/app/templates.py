"""Reading templates for the commands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hpcflow.compile.commands import check_command
from hpcflow.template.load import Options, TemplateError, examine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpcflow.model.workflow import Workflow
    from hpcflow.template.load import Examined
    from hpcflow.template.problems import Problem


def read_template(path: str | Path, variables: Mapping[str, str]) -> Workflow:
    """Check and expand a template file.

    Raises:
        InvalidTemplateError: a line for each problem.
    """
    examined = _examine(path, variables)
    if examined.workflow is None:
        raise TemplateError(examined.problems)
    return replace(examined.workflow, seeds=examined.seeds)


def check(path: str | Path, variables: Mapping[str, str]) -> list[Problem]:
    """All problems of a template file, warnings included."""
    return _examine(path, variables).problems


def _examine(path: str | Path, variables: Mapping[str, str]) -> Examined:
    options = Options(check_command=check_command)
    return examine(Path(path), variables=variables, options=options)
