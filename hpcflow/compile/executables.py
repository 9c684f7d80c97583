"""Environments and their executables, as commands use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpcflow.compile.plan import CompileError
from hpcflow.model.command_text import CommandTextError, Form
from hpcflow.model.environment import Environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpcflow.model.environment import ExecutableInstance
    from hpcflow.model.resources import Resources
    from hpcflow.model.schema import Action
    from hpcflow.model.workflow import Workflow

BUILT_IN = ("null_env", "python_env")  # need no definition, and no set-up


def find_environment(environments: Mapping[str, Environment], name: str) -> Environment:
    """An environment of a workflow by its key, or a built-in one.

    Raises:
        CompileError: there is none of this name.
    """
    if name in environments:
        return environments[name]
    if name in BUILT_IN:
        return Environment(name)
    raise CompileError(f"there is no environment {name!r}")


def environment_of(workflow: Workflow, action: Action, resources: Resources) -> Environment:
    """The environment of an action's runs: of several of a name, the chosen one.

    Raises:
        CompileError: there is none of this name.
    """
    return find_environment(
        workflow.environments, resources.environment or action.environment
    )


def find_instance(
    environment: Environment, label: str, resources: Resources
) -> ExecutableInstance:
    """The first instance of an executable that fits the run's cores and parallel mode.

    An instance without a mode, and a run without one, fit any.

    Raises:
        CompileError: there is none.
    """
    executable = next((e for e in environment.executables if e.label == label), None)
    if executable is None:
        known = ", ".join(repr(e.label) for e in environment.executables) or "none"
        raise CompileError(
            f"environment {environment.name!r} has no executable {label!r}; it has {known}"
        )
    mode = resources.parallel_mode
    for instance in executable.instances:
        modes = {instance.parallel_mode, mode}
        if resources.num_cores in instance.num_cores and (None in modes or len(modes) == 1):
            return instance
    raise CompileError(
        f"no instance of executable {label!r} of environment {environment.name!r} is for "
        f"{resources.num_cores} cores" + (f" in parallel mode {mode!r}" if mode else "")
    )


def executable_form(form: Form, resources: Resources) -> str:
    """What a form in an executable's command becomes.

    Raises:
        CommandTextError: one that has no meaning there.
    """
    if form.kind == "num_cores":
        return str(resources.num_cores)
    if form.kind == "args":
        return ""
    raise CommandTextError(f"`<<{form.kind}...>>` has no meaning there", form.offset)
