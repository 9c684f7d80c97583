"""A job's `job.json`: what is the same for all of its rows. Pure.

The format is described in docs/reference/job-directory.md.
"""

from __future__ import annotations

import json
import posixpath
import re
from typing import TYPE_CHECKING, Any

from hpcflow.compile.loops import loops_json
from hpcflow.compile.plan import walltime_s
from hpcflow.compile.script_steps import script_fields
from hpcflow.compile.value_classes import CLASS
from hpcflow.model.loops import turns_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpcflow.compile.commands import StepCommands
    from hpcflow.compile.files import JobFiles
    from hpcflow.compile.plan import JobPlan
    from hpcflow.compile.rows import RowBuilder
    from hpcflow.model.resources import Resources
    from hpcflow.model.workflow import Workflow

FORMAT = 1


def step_file(step: int) -> str:
    """The name of a step's bash file."""
    return f"step_{step}.sh"


def command_script(step: int, number: int, name: str) -> str:
    """The name of a script in the commands of a step, of which it is one of several."""
    plain = re.sub(r"[^\w.+-]", "_", posixpath.basename(name))
    return f"script_{step}_{number}_{plain}"


def script_file(step: int, name: str) -> str:
    """The name of a step's script, with the suffix of the one that the user named."""
    return f"script_{step}{posixpath.splitext(name)[1]}"


def job_json(
    workflow: Workflow,
    plans: Sequence[JobPlan],
    plan: JobPlan,
    commands: Sequence[StepCommands | None],
    rows: RowBuilder,
    files: JobFiles,
    id_variables: Sequence[str],
) -> bytes:
    """The content of `job.json`.

    commands: by step, None where it is a script. rows: is asked for the columns that
    the steps refer to, and files for those that the user gave.
    """
    job = {
        "format": FORMAT,
        "workflow": {"name": workflow.name, "id": plan.workflow_id},
        "submission": plan.submission,
        "job": plan.index,
        "name": plan.name,
        "rows": plan.num_rows,
        "items": plan.num_items,
        "concurrency": plan.concurrency,
        "silence_s": plan.silence_s,
        "log_level": plan.log_level,
        **(
            {"app_log": True} if any(s.resources.write_app_logs for s in plan.steps) else {}
        ),
        "id_variables": list(id_variables),
        "time_limit_s": walltime_s(plan)
        if plan.rows_per_item * plan.runs_per_row > 1
        else None,
        "upstream": [
            {"submission": job.submission, "job": job.index, "items": job.num_items}
            for job in plan.upstream(plans)
        ],
        "steps": [
            _step(workflow, plan, step, commands[step], rows, files)
            for step in range(len(plan.steps))
        ],
        **({"loops": loops_json(workflow, plan, rows.ending_rules)} if plan.loops else {}),
        **({"guards": rows.guards()} if plan.guards else {}),
    }
    return (json.dumps(job, indent=1, ensure_ascii=False) + "\n").encode()


def _step(
    workflow: Workflow,
    plan: JobPlan,
    index: int,
    commands: StepCommands | None,
    rows: RowBuilder,
    files: JobFiles,
) -> dict[str, Any]:
    step = plan.steps[index]
    task = workflow.tasks[step.task]
    action = task.schema.actions[step.action]
    element_column = rows.element_column(step.task)
    inputs = rows.inputs(index)
    inputs |= rows.command_rules(index, action)
    varying = rows.run_variables(index)
    used = files.of_step(index, rows)
    return {
        "task": step.task,
        "task_name": task.name,
        "action": step.action,
        "num_actions": task.num_actions,
        **_iteration(workflow, plan, step.task),
        "run_base": task.run_id(0, step.action, plan.iteration or 0),
        "run_stride": task.max_iterations * task.num_actions,
        "element_column": element_column,
        **({"first_element": task.first_element} if task.first_element else {}),
        **({"first_iteration": later} if (later := task.first_iteration) else {}),
        "inputs": inputs,
        "requires": sorted(
            {
                source["step"]
                for source in inputs.values()
                if source["from"] == "step" and "allow_failed" not in source
            }
        ),
        "kind": "script" if commands is None else "commands",
        "script_file": step_file(index),
        **(
            script_fields(workflow, plan, index, script_file(index, action.script.name))
            if commands is None and action.script is not None
            else _commands(commands)
        ),
        "outputs": list(action.outputs),
        "directory": action.requires_dir,
        "success_exit_codes": list(step.resources.success_exit_codes),
        "skip_downstream_on_failure": step.resources.skip_downstream_on_failure,
        "environment": {
            **_threads(step.resources),
            **(commands.constants if commands else {}),
        },
        **({"row_environment": varying} if varying else {}),
        **({"shell": list(shell)} if (shell := step.resources.shell_command) else {}),
        **({"files": used} if used else {}),
        **({"abortable": True} if action.abortable else {}),
        **({"rules": ruled} if (ruled := rows.step_rules(index)) else {}),
    }


def _commands(commands: StepCommands | None) -> dict[str, Any]:
    if commands is None:
        return {"variables": [], "captures": []}
    uses_classes = any(v.kind for v in commands.variables) or any(
        c.type == CLASS for c in commands.captures
    )
    return {
        **({"uses_classes": True} if uses_classes else {}),
        "variables": [
            {
                "name": variable.name,
                "input": variable.input,
                "path": list(variable.path),
                "apply": variable.apply,
                "options": dict(variable.options),
                "arithmetic": variable.arithmetic,
                **(
                    {"kind": variable.kind, "method": variable.method}
                    if variable.kind
                    else {}
                ),
            }
            for variable in commands.variables
        ],
        "captures": [
            {
                "fd": capture.fd,
                "output": capture.output,
                "type": capture.type,
                "options": dict(capture.options),
                **({"condition": capture.condition} if capture.condition else {}),
            }
            for capture in commands.captures
        ],
    }


def _iteration(workflow: Workflow, plan: JobPlan, task: int) -> dict[str, Any]:
    """Which iteration a job executes, where it is only one."""
    if plan.iteration is None:
        return {}
    turns = turns_of(workflow.loops, task, plan.iteration)
    text = ";".join(f"{name}={turn}" for name, turn in turns.items())
    return {"iteration": plan.iteration, "turns": text}


def _threads(resources: Resources) -> dict[str, str]:
    """How many threads a program may use, as far as the resources say.

    `num_threads`, else the cores of a run with shared memory, else one for each
    process of a distributed one. A run of several cores that says no more may be
    either, and is left alone.
    """
    threads = resources.num_threads
    if threads is None and (
        resources.num_cores == 1 or resources.parallel_mode == "shared"
    ):
        threads = resources.num_cores
    elif threads is None and resources.parallel_mode == "distributed":
        threads = 1
    return {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
