"""Cases of the template language: a template and what must become of it.

A case is a file of two YAML documents. The second is the template, as it is. The first
says what is tested:

    keys     the keys of the language whose value this case tests, as in template-keys.md
    files    files beside the template: name -> content
    var      values for `<<var:...>>`
    values   task -> column -> the value of each element
    runs     task -> state -> how many runs; every run succeeded where this is not given
    reasons  task -> why runs were skipped or failed, a piece of the text for each
    kept     file of the workflow's directory (`*` for any text) -> its content
    info     of the workflow: `name`, `doc`
    jobs     what is in the files that would be submitted to `scheduler`:
             `lines`, `absent` (pieces of text), `count` (of jobs)
    cluster  true: it runs on the test cluster too, though it is one item of one job
    problems the lines that `check` prints, without the file's name; nothing is run

A number is compared with its type: 1 is neither 1.0 nor true.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpcflow.template.load import Options, check_template
from hpcflow.template.nodes import plain
from hpcflow.template.problems import Positions, Problems
from hpcflow.template.yaml12 import parse_yaml

FOLDER = Path(__file__).parent / "templates"
ALL_CASES = sorted(FOLDER.glob("**/*.yaml"))
_RULE = "\n---\n"


@dataclass(frozen=True, slots=True)
class Case:
    """One case; see the module."""

    path: Path
    template: str
    keys: tuple[str, ...]
    files: dict[str, str] = field(default_factory=dict)
    var: dict[str, str] = field(default_factory=dict)
    values: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    runs: dict[str, dict[str, int]] | None = None
    reasons: dict[str, list[str]] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    info: dict[str, str] = field(default_factory=dict)
    jobs: dict[str, Any] = field(default_factory=dict)
    cluster: bool = False
    problems: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The folder and the file, which together say what the case shows."""
        return str(self.path.relative_to(FOLDER).with_suffix(""))


def read_case(path: Path) -> Case:
    """A case from its file.

    Raises:
        ValueError: it is not two documents, or the first has unknown members.
    """
    head, rule, template = path.read_text().partition(_RULE)
    if not rule:
        raise ValueError(f"{path}: there is no second document")
    problems = Problems(Positions(str(path), head))
    root = parse_yaml(head, problems)
    if root is None or problems.any_errors:
        raise ValueError("\n".join(map(str, problems.sorted())))
    document = plain(root)
    try:
        case = Case(
            path=path,
            template=template,
            **{
                **document,
                "keys": tuple(document["keys"]),
                "problems": tuple(document.get("problems", ())),
                "var": {name: str(v) for name, v in document.get("var", {}).items()},
            },
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from error
    if not (case.values or case.problems or case.kept or case.info or case.jobs):
        raise ValueError(f"{path}: it expects nothing")
    return case


def write_case(case: Case, folder: Path) -> Path:
    """Put the template and its files into a folder; the template's path."""
    for name, content in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    template = folder / f"{case.path.stem}.yaml"
    template.write_text(case.template)
    return template


def found_problems(case: Case, template: Path, options: Options) -> list[str]:
    """The lines of `check`, without the file's name."""
    found = check_template(template, variables=case.var, options=options)
    return [str(problem).removeprefix(f"{template}:") for problem in found]


def same(found: Any, expected: Any) -> bool:
    """Whether two values are equal, in their types too."""
    if type(found) is not type(expected):
        return False
    if isinstance(found, dict):
        return list(found) == list(expected) and all(
            same(value, expected[key]) for key, value in found.items()
        )
    if isinstance(found, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    return bool(found == expected)
