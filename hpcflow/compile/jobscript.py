"""The files of a job's directory, as text that a person can read and run. Pure.

The bodies are `fragments/*.sh.j2`; docs/reference/job-directory.md describes them.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import jinja2

from hpcflow.compile.commands import StepCommands, action_commands
from hpcflow.compile.executables import environment_of
from hpcflow.compile.files import JobFiles, names_of_files
from hpcflow.compile.manifest import command_script, job_json, script_file, step_file
from hpcflow.compile.plan import CompileError
from hpcflow.compile.rows import RowBuilder
from hpcflow.compile.script_call import SCRIPT_CALLER, script_call
from hpcflow.compile.value_classes import Block, ValueClasses
from hpcflow.model.schema import PYTHON_SCRIPT, Script

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hpcflow.compile.plan import JobPlan, Step
    from hpcflow.model.environment import Environment
    from hpcflow.model.schema import Action, TaskSchema
    from hpcflow.model.workflow import Workflow

_SOURCES_FILES = re.compile(r"^\s*(source|\.)\s", re.MULTILINE)
_HAS_COMMAND = re.compile(r"^\s*[^\s#]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class JobScriptSettings:
    """What a jobscript says about its scheduler, this installation and the workflow.

    directives, item_index_shell, id_variables: the scheduler adapter's. python,
    node_main, workflow_path: absolute paths. umask: for all that the job writes; None
    leaves what the scheduler gives, which in PBS is 0o077. setup: shell lines of the site.
    """

    directives: tuple[str, ...]
    item_index_shell: str
    id_variables: tuple[str, ...]
    python: str
    node_main: str
    workflow_path: str
    umask: int | None = None
    setup: str = ""


def render_job(
    workflow: Workflow,
    plans: Sequence[JobPlan],
    plan: JobPlan,
    settings: JobScriptSettings,
) -> dict[str, bytes]:
    """The files of a job's directory, by name.

    `plans` are all of the submission's: upstream values are found by them.

    Raises:
        CompileError: something that a command names is not there.
    """
    files: dict[str, bytes] = {}
    commands: list[StepCommands | None] = []
    for index, step in enumerate(plan.steps):
        task = workflow.tasks[step.task]
        action = task.schema.actions[step.action]
        title = f"{plan.name}, step {index}: task {task.name}, action {step.action}"
        try:
            environment = environment_of(workflow, action, step.resources)
            names = names_of_files(task.schema)
            classes = _value_classes(task.schema, environment, step, settings.python)
            scripts = _command_scripts(action, index)
            root = (
                f"{settings.workflow_path}/submissions/{plan.submission}/jobs/{plan.index}"
            )
            paths = {name: f"{root}/{file}" for name, (file, _) in scripts.items()}
            given = names, classes, paths
            made = _read_step(action, environment, step, settings.python, given)
        except CompileError as error:
            raise CompileError(
                f"task {task.name!r}, action {step.action}: {error}"
            ) from error
        files[step_file(index)] = _step_text(index, title, environment, step, made, classes)
        files.update(scripts.values())
        if action.script is not None:
            files[script_file(index, action.script.name)] = action.script.data
        commands.append(None if action.script is not None else made)
    rows = RowBuilder(workflow, plans, plan)
    job_files = JobFiles(workflow, plan)
    files["job.json"] = job_json(
        workflow, plans, plan, commands, rows, job_files, settings.id_variables
    )
    files.update(job_files.contents)
    files["rows.bin"] = rows.encode()
    files["job.sh"] = _job_text(workflow, plan, settings)
    return files


def _read_step(
    action: Action,
    environment: Environment,
    step: Step,
    python: str,
    given: tuple[Mapping[str, str], ValueClasses | None, Mapping[str, str]],
) -> StepCommands:
    """A step's commands; of a script step, the one that starts Python.

    given: the names of command files, the classes of values, the paths of scripts.
    """
    if action.script is None:
        return action_commands(action, environment, step.resources, *given)
    call = script_call(environment, action.script, step.resources, python)
    return StepCommands((Block(call, ""),), (), (), {})


def _command_scripts(action: Action, step: int) -> dict[str, tuple[str, bytes]]:
    """The scripts that a step's commands name: by that, the file's name and content."""
    scripts = dict(script for command in action.commands for script in command.scripts)
    return {
        name: (command_script(step, number, name), content.encode())
        for number, (name, content) in enumerate(scripts.items())
    }


def _value_classes(
    schema: TaskSchema, environment: Environment, step: Step, python: str
) -> ValueClasses | None:
    """The classes of a schema's values, and the Python of the environment that runs them.

    That of its `python_script`, or else hpcflow's own.
    """
    if not schema.value_classes:
        return None
    line = f'{shlex.quote(python)} "${{{SCRIPT_CALLER}}}"'
    if any(executable.label == PYTHON_SCRIPT for executable in environment.executables):
        script = Script("value_texts.py", "")
        line = script_call(environment, script, step.resources, python)
    return ValueClasses(schema.value_classes, line.removeprefix("exec "))


def _step_text(
    index: int,
    title: str,
    environment: Environment,
    step: Step,
    commands: StepCommands,
    classes: ValueClasses | None,
) -> bytes:
    """`step_K.sh`: its status is that of the first command that fails.

    Written with `case`, not `||`: that would switch a command's own `set -e` off.
    """
    made = [v.name for v in commands.variables if v.kind]
    variables = [v.name for v in commands.variables if not v.kind]
    variables += commands.constants
    setup = environment.setup.strip("\n")
    by_hand = [f"{name}=..." for name in variables]
    by_hand += ["bash", step_file(index), *(f"{c.fd}>&1" for c in commands.captures)]
    return _render(
        "step.sh.j2",
        title=_printable(title),
        computes=any(variable.arithmetic for variable in commands.variables),
        sources_files=bool(_SOURCES_FILES.search(setup)),
        variables=" ".join(f'"${{{name}?}}"' for name in variables),
        by_hand=" ".join(by_hand) if variables or commands.captures else "",
        texts=classes.reader(made) if classes is not None and made else "",
        environment=_printable(environment.name),
        setup=setup,
        blocks=[(_body(b), b.redirections, b.condition) for b in commands.blocks],
        success="|".join(map(str, step.resources.success_exit_codes)),
    )


def _body(block: Block) -> str:
    """A command's text, with at least one command in it."""
    text = block.text.strip("\n")
    return text if _HAS_COMMAND.search(text) else f"{text}\n:".lstrip("\n")


def _job_text(workflow: Workflow, plan: JobPlan, settings: JobScriptSettings) -> bytes:
    quoted = {
        name: shlex.quote(getattr(settings, name))
        for name in ("workflow_path", "python", "node_main")
    }
    steps = [
        f"{step_file(index)}  task {_printable(workflow.tasks[step.task].name)}, "
        f"action {step.action}"
        for index, step in enumerate(plan.steps)
    ]
    return _render(
        "job.sh.j2",
        **quoted,
        plan=plan,
        workflow=f"{_printable(workflow.name)} ({_printable(plan.workflow_id)})",
        steps=steps,
        directives=settings.directives,
        item_index=settings.item_index_shell,
        setup=settings.setup.strip("\n"),
        umask="" if settings.umask is None else f"{settings.umask:04o}",
    )


def _printable(text: str) -> str:
    """Text for a comment: a line break in it would end the comment."""
    return "".join(char if char.isprintable() else "?" for char in text)


@cache
def _fragments() -> jinja2.Environment:
    """The fragments; `${#` is bash's, so comments are written otherwise."""
    return jinja2.Environment(  # noqa: S701 - this is bash, not HTML
        loader=jinja2.PackageLoader("hpcflow.compile", "fragments"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        comment_start_string="{*",
        comment_end_string="*}",
    )


def _render(fragment: str, **variables: object) -> bytes:
    return _fragments().get_template(fragment).render(variables).encode()
