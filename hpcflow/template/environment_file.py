"""A file of environments: a list of what `template_components.environments` holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpcflow.model.command_text import parse_command_text
from hpcflow.template.context import Context
from hpcflow.template.environments import read_environments
from hpcflow.template.language import COMPONENTS
from hpcflow.template.packages import PackageFiles
from hpcflow.template.shape import Checker
from hpcflow.template.source import substitute
from hpcflow.template.yaml12 import parse_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpcflow.model.environment import Environment
    from hpcflow.template.problems import Problem


def read_environment_file(
    text: str, file: str
) -> tuple[Mapping[str, Environment], list[Problem]]:
    """The environments of a file's text, by name, and what is wrong with it."""
    source, problems = substitute(text, {}, file)
    root = parse_yaml(source.text, problems)
    if root is None:
        return {}, problems.sorted()
    Checker(problems).check(root, COMPONENTS.keys["environments"].shape, ())
    context = Context(
        problems,
        source.text,
        PackageFiles(""),
        {},
        (),
        lambda: 0,
        parse_command_text,
    )
    found = {} if root.bad else read_environments(root, (), context)
    return found, problems.sorted()
