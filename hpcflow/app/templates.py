"""Reading templates for the commands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hpcflow.template.load import check_template, load_template

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpcflow.model.workflow import Workflow
    from hpcflow.template.problems import Problem


def read_template(path: str | Path, variables: Mapping[str, str]) -> Workflow:
    """Check and expand a template file.

    Raises:
        InvalidTemplateError: a line for each problem.
    """
    return load_template(Path(path), variables=variables)


def check(path: str | Path, variables: Mapping[str, str]) -> tuple[Problem, ...]:
    """All problems of a template file."""
    return tuple(check_template(Path(path), variables=variables))
