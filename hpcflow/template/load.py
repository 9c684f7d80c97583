"""Templates from files and texts, worked through to a workflow."""

from __future__ import annotations

import os
import secrets
import sys
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from hpcflow.model.command_text import parse_command_text
from hpcflow.model.workflow import Task, Workflow
from hpcflow.template.added_elements import add_elements
from hpcflow.template.added_iterations import add_iterations
from hpcflow.template.context import Context, Place
from hpcflow.template.env_choice import read_template_environments
from hpcflow.template.environments import (
    builtin_environments,
    read_environments,
    tell_environments,
    text_lines,
)
from hpcflow.template.files import read_command_files
from hpcflow.template.growth import Before, check_environments, grown
from hpcflow.template.json_text import JsonSyntaxError, parse_json
from hpcflow.template.keys.additions import ADDING_KEYS, ADDITION
from hpcflow.template.language import COMPONENTS, TEMPLATE
from hpcflow.template.meta_tasks import MetaTasks
from hpcflow.template.nodes import Node, child, key_at, value_of
from hpcflow.template.packages import Late, PackageReader
from hpcflow.template.parameters import read_parameters
from hpcflow.template.problems import Problem, Problems, TemplateError, nearest_file
from hpcflow.template.resources import read_layers
from hpcflow.template.schemas import read_schemas
from hpcflow.template.settings import (
    check_additions,
    check_settings,
    read_compression,
    refuse_settings,
)
from hpcflow.template.shape import Checker, misspelt
from hpcflow.template.source import Source, substitute
from hpcflow.template.tasks import TaskReader
from hpcflow.template.urls import UrlFiles, is_url, read_url
from hpcflow.template.yaml12 import parse_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from hpcflow.model.environment import Environment
    from hpcflow.template.context import Files
    from hpcflow.template.imports import OtherWorkflow

__all__ = ["Examined", "TemplateError", "check_template", "examine", "load_template"]

SCHEDULERS = ("local", "slurm")
TEXT_NAME = "<text>"  # where a problem's file name stands for a template without a file


@dataclass(frozen=True, slots=True)
class Options:
    """What loading takes from outside the template.

    variables: values for `<<var:NAME>>`. environments: definitions beside the built-in
    ones; a template's own come first. schedulers: the names that `scheduler` may have.
    scheduler: the one that jobs go to where the template names none. python: the
    interpreter of python_env. draw_seed: a seed where a random sequence has none.
    check_command: raises CommandTextError for a command that can't be made
    into bash, beside what the grammar of its forms says. packages: finds the folders of
    schema packages, by name; called when a template names what it does not define.
    has_module: whether this Python can import a package. open_workflow: opens another
    workflow, whose values a template may import. onto: a workflow that the template's
    tasks are added to; what comes of it is that workflow with these tasks.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    environments: Mapping[str, Environment] = field(default_factory=dict)
    schedulers: Collection[str] = SCHEDULERS
    scheduler: str = "local"
    python: str = sys.executable
    draw_seed: Callable[[], int] = lambda: secrets.randbits(32)
    check_command: Callable[[str], object] = parse_command_text
    packages: Callable[[], Mapping[str, str]] = dict
    has_module: Callable[[str], bool] = lambda name: find_spec(name) is not None
    open_workflow: Callable[[str], OtherWorkflow] | None = None
    onto: Workflow | None = None


@dataclass(frozen=True, slots=True)
class Examined:
    """A template, worked through once.

    workflow: None where there are errors. problems: errors and warnings, in the
    file's order. seeds: those drawn, by the path that would set them.
    """

    workflow: Workflow | None
    problems: list[Problem]
    seeds: dict[str, int]


def load_template(
    source: str | os.PathLike[str],
    *,
    variables: Mapping[str, str] | None = None,
    options: Options | None = None,
) -> Workflow:
    """Check and expand a template.

    source: a path; or a template's text, which is told from a path by a line break or
    a `{` at its start. variables: instead of those in the options.

    Raises:
        TemplateError: with all problems.
    """
    examined = examine(source, variables=variables, options=options)
    if examined.workflow is None:
        raise TemplateError(p for p in examined.problems if p.severity == "error")
    return examined.workflow


def check_template(
    source: str | os.PathLike[str],
    *,
    variables: Mapping[str, str] | None = None,
    options: Options | None = None,
) -> list[Problem]:
    """All problems of a template, warnings included; nothing is kept or written."""
    return examine(source, variables=variables, options=options).problems


def examine(
    source: str | os.PathLike[str],
    *,
    variables: Mapping[str, str] | None = None,
    options: Options | None = None,
) -> Examined:
    """Work through a template once, for its problems or its workflow."""
    options = options or Options()
    given = options.variables if variables is None else variables
    is_text = isinstance(source, str) and ("\n" in source or source.lstrip()[:1] == "{")
    file = "" if is_text else os.fspath(source)
    try:
        original = os.fspath(source) if is_text else _read(file)
    except _UnreadableError as error:
        return Examined(None, [error.problem], {})
    text, problems = substitute(original, given, file or TEXT_NAME)
    root = _parse(text, problems, file)
    if root is None:
        return Examined(None, problems.sorted(), {})
    is_added = options.onto is not None or _only_to_add(root, problems)
    Checker(problems).check(root, ADDITION if is_added else TEMPLATE, ())
    files: Files = FileFinder(os.path.dirname(file) or ".")
    if is_url(file):
        files = UrlFiles(file)
    workflow, seeds = _build(root, text, problems, files, options, file)
    return Examined(None if problems.any_errors else workflow, problems.sorted(), seeds)


def _only_to_add(root: Node, problems: Problems) -> bool:
    """Report keys that only templates have that are added to a workflow."""
    keys = [key for key in ADDING_KEYS if key not in TEMPLATE.keys]
    given = [key for key in keys if isinstance(root.value, dict) and key in root.value]
    for key in given:
        problems.add(
            key_at(root, key),
            (key,),
            "this adds to a workflow, which must be named",
            expected="`hpcflow add WORKFLOW TEMPLATE`",
        )
    return bool(given)


def _build(
    root: Node,
    source: Source,
    problems: Problems,
    files: Files,
    options: Options,
    file: str,
) -> tuple[Workflow | None, dict[str, int]]:
    if not isinstance(root.value, dict):
        return None, {}
    root = Node(root.value, root.at, root.keys)  # readable also where a key is missing
    components = child(root, "template_components")
    packages = package_reader(options)
    context = _context(options, packages, problems, source.text, files)
    path = ("template_components", "environments")
    own = read_environments(child(components, "environments"), path, context)
    built_in = builtin_environments(options.python)
    known = _environments_of(options.onto, built_in) if child(root, "add_elements") else ()
    groups = (options.environments.values(), known, own.values())
    tell_environments(context, built_in, groups, packages.environments)
    path = ("template_components", "parameters")
    own_parameters = read_parameters(child(components, "parameters"), path, context)
    context.parameters = Late(own_parameters, packages.known_parameters)
    context.command_files = read_command_files(
        child(components, "command_files"),
        ("template_components", "command_files"),
        context,
    )
    schemas = read_schemas(
        child(components, "task_schemas"), ("template_components", "task_schemas"), context
    )
    by_name = {**Before(options.onto).schemas, **schemas.by_name}
    lost = misspelt(root, "template_components", TEMPLATE)
    lost = lost or misspelt(components, "task_schemas", COMPONENTS)
    schemas = replace(
        schemas,
        by_name=Late(by_name, packages.schemas),
        any_nameless=schemas.any_nameless or lost,
    )
    context.scheduler = value_of(child(root, "config"), "scheduler") or options.scheduler
    check_settings(root, context)
    if options.onto is not None:
        refuse_settings(root, context)
        check_additions(root, context)
    resources = read_layers(child(root, "resources"), ("resources",), context)
    if not value_of(root, "merge_resources", True):
        resources = {}
    context.template_environments = read_template_environments(root, context)
    onto = options.onto
    if onto is not None:
        onto = add_elements(onto, child(root, "add_elements"), resources, context)
        onto = add_iterations(onto, child(root, "add_iterations"), context)
    before = Before(onto)
    reader = TaskReader(schemas, resources, context, before)
    metas = MetaTasks(
        child(root, "meta_tasks"), child(components, "meta_task_schemas"), context
    )
    tasks, loops = reader.read(child(root, "tasks"), child(root, "loops"), metas)
    if options.onto is not None and child(root, "tasks") is None:
        tasks = before.tasks
    if options.onto is not None and not problems.any_errors:
        new = tasks[len(options.onto.tasks) :]  # iterations have those of their task
        new = tuple(task for task in new if not task.first_iteration)
        used = _used_environments(new, context)
        place = Place(key_at(root, "tasks"), ("tasks",))
        check_environments(options.onto.environments, used, place, context)
    if problems.any_errors:
        problems.add_others(packages.problems)
        return None, context.seeds
    if onto is not None and options.onto is not None:
        template, first = (source.original, file), len(options.onto.tasks)
        workflow = grown(onto, tasks, loops, used, context, template, first)
        return workflow, context.seeds
    stem = os.path.splitext(os.path.basename(file))[0] or "workflow"
    workflow = Workflow(
        value_of(root, "name", stem),
        text_lines(child(root, "doc")),
        tasks,
        _used_environments(tasks, context),
        source.original,
        file,
        loops=loops,
        imports=tuple(context.imports),
        config=value_of(root, "config", {}),
        compression=read_compression(child(root, "store_kwargs")),
    )
    return workflow, context.seeds


def package_reader(options: Options) -> PackageReader:
    """What reads the schema packages that the options name."""

    def settings(problems: Problems, text: str, files: Files) -> Context:
        return _context(options, reader, problems, text, files)

    reader = PackageReader(options.packages, settings)
    return reader


def _context(
    options: Options,
    packages: PackageReader,
    problems: Problems,
    text: str,
    files: Files,
) -> Context:
    context = Context(
        problems,
        text,
        files,
        {},
        options.schedulers,
        options.draw_seed,
        options.check_command,
        has_module=options.has_module,
        open_workflow=options.open_workflow,
    )
    tell_environments(
        context,
        builtin_environments(options.python),
        (options.environments.values(),),
        packages.environments,
    )
    return context


def _environments_of(
    workflow: Workflow | None, built_in: Mapping[str, Environment]
) -> list[Environment]:
    """The environments of a workflow's tasks; hpcflow's own may have moved."""
    known = () if workflow is None else workflow.environments.values()
    return [one for one in known if one.name not in built_in]


def _used_environments(tasks: tuple[Task, ...], context: Context) -> dict[str, Environment]:
    used = {
        resources.environment or action.environment: action.environment
        for task in tasks
        for action, column in zip(task.schema.actions, task.resources, strict=True)
        for resources in column.table
    }
    return {
        key: next(each for each in context.variants[name] if each.key == key)
        for key, name in used.items()
    }


def _parse(source: Source, problems: Problems, file: str) -> Node | None:
    """The document; JSON is read as such where it is named or looks and reads so."""
    named = file.lower().endswith(".json")
    if named or source.text.lstrip()[:1] == "{":
        try:
            return parse_json(source.text, problems)
        except JsonSyntaxError as error:
            if named:
                problems.add(error.at, (), f"this is not valid JSON: {error.message}")
                return None
    root = parse_yaml(source.text, problems)
    if root is None and not problems.any_errors:
        problems.add(0, (), "the template is empty", expected="at least the key 'tasks'")
    return root


class _UnreadableError(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.render())
        self.problem = problem


def _read(file: str) -> str:
    try:
        data = read_url(file) if is_url(file) else Path(file).read_bytes()
    except OSError as error:
        suggestion = ""
        if isinstance(error, FileNotFoundError) and not is_url(file):
            suggestion = FileFinder(os.path.dirname(file) or ".").similar(file)
        message = f"the template can't be read: {error.strerror or error}"
        problem = Problem(file, 0, 0, "", message, suggestion=suggestion)
        raise _UnreadableError(problem) from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = error.start - (before.rfind(b"\n") + 1) + 1
        message = f"the template is not UTF-8 text: byte 0x{data[error.start]:02x}"
        raise _UnreadableError(Problem(file, line, column, "", message)) from error


class FileFinder:
    """Files beside the template; or, where there are none, in the current directory."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def read(self, name: str) -> str:
        """A file's text, without a byte order mark.

        Raises: OSError, UnicodeDecodeError
        """
        path = self._find(name)
        return Path(path).read_text(encoding="utf-8-sig")

    def read_bytes(self, name: str) -> tuple[bytes, str]:
        """A file's content and absolute path.

        Raises: OSError
        """
        path = self._find(name)
        return Path(path).read_bytes(), os.path.abspath(path)

    def locate(self, name: str) -> str:
        """The absolute path of a file.

        Raises: FileNotFoundError
        """
        place = os.path.abspath(self._find(name))
        if not os.path.lexists(place):
            raise FileNotFoundError(name)
        return place

    def _find(self, name: str) -> str:
        beside = os.path.join(self._directory, name)
        return beside if os.path.lexists(beside) or not os.path.lexists(name) else name

    def similar(self, name: str) -> str:
        """The name of a file that was probably meant, or ""."""
        folder, base = os.path.split(name)
        place = folder if os.path.isabs(folder) else os.path.join(self._directory, folder)
        try:
            names = os.listdir(place)
        except OSError:
            return ""
        found = nearest_file(base, names)
        return os.path.join(folder, found) if found else ""
