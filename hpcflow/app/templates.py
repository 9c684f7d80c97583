"""Reading templates for the commands: all problems become one error."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hpcflow.errors import InvalidTemplateError
from hpcflow.template.load import TemplateError, check_template, load_template

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpcflow.model.workflow import Workflow
    from hpcflow.template.problems import Problem


def read_template(path: str | Path, variables: Mapping[str, str]) -> Workflow:
    """Check and expand a template file.

    Raises:
        InvalidTemplateError: a line for each problem.
    """
    try:
        return load_template(Path(path), variables=variables)
    except TemplateError as error:
        problems = error.problems
        count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
        lines = "\n".join(str(problem) for problem in problems)
        raise InvalidTemplateError(
            f"{lines}\n{count} in {path}; nothing was made."
        ) from error


def check(path: str | Path, variables: Mapping[str, str]) -> tuple[Problem, ...]:
    """All problems of a template file."""
    return tuple(check_template(Path(path), variables=variables))
