"""What `job.json` says of a step that executes a script. Pure."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any

from hpcflow.compile.executables import environment_of
from hpcflow.model.schema import RETURNS_OUTPUTS

if TYPE_CHECKING:
    from hpcflow.compile.plan import JobPlan
    from hpcflow.model.schema import Action, Script
    from hpcflow.model.workflow import Workflow


def script_fields(
    workflow: Workflow, plan: JobPlan, index: int, script_file: str
) -> dict[str, Any]:
    """The members of a script's step, beside those that all steps have."""
    action = _action(workflow, plan, index)
    script = action.script
    assert script is not None
    name = posixpath.basename(script.name)
    data_in = _formats(script, action.inputs, "in")
    data_out = _formats(script, action.outputs, "out")
    fields: dict[str, Any] = {
        "script": script_file,
        "function": name.removesuffix(".py") if script.calls_function else "",
        "data_in": data_in,
        "data_out": data_out,
    }
    if script.is_program:
        fields["program"] = True
    if script.returns != RETURNS_OUTPUTS:
        fields["returns"] = script.returns
    if script.pass_env_spec:
        fields["env_spec"] = environment_of(
            workflow, action, plan.steps[index].resources
        ).spec
    if script.options:
        fields["options"] = dict(script.options)
    kinds = workflow.tasks[plan.steps[index].task].schema.value_classes
    classes = {
        name: kinds[name]
        for name in action.outputs
        if name in kinds and script.format_out(name) == "hdf5"
    }
    if classes:
        fields["classes"] = classes
    if combines(workflow, plan, index):
        fields["combine"] = _first_alike(workflow, plan, index)
    return fields


def _formats(script: Script, names: tuple[str, ...], way: str) -> str | dict[str, str]:
    """One format for all, or a map of them where they differ."""
    named = script.formats_in if way == "in" else script.formats_out
    rest = script.data_in if way == "in" else script.data_out
    if not named and rest:
        return rest
    form = script.format_in if way == "in" else script.format_out
    return {name: form(name) for name in names}


def combines(workflow: Workflow, plan: JobPlan, index: int) -> bool:
    """Whether a step's runs share an interpreter."""
    script = _action(workflow, plan, index).script
    return (
        script is not None
        and script.is_python
        and script.calls_function
        and plan.steps[index].resources.combine_scripts
    )


def _first_alike(workflow: Workflow, plan: JobPlan, index: int) -> int:
    """The first step of the job that is executed by the same interpreter."""

    def called(step: int) -> tuple[str, str]:
        action = _action(workflow, plan, step)
        assert action.script is not None
        environment = environment_of(workflow, action, plan.steps[step].resources)
        return environment.key, action.script.executable

    for step in range(index):
        if combines(workflow, plan, step) and called(step) == called(index):
            return step
    return index


def _action(workflow: Workflow, plan: JobPlan, index: int) -> Action:
    step = plan.steps[index]
    return workflow.tasks[step.task].schema.actions[step.action]
